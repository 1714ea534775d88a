"""Logits of points -> classes of all points of the original clouds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from bev_semseg_ros.frame import LIDAR, PointClasses
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.preprocessing import Sample


def decode_points(logits: Tensor, sample: Sample) -> dict[str, PointClasses]:
    """Return lidar name -> classes of its points, for each lidar that gave points.

    The classes are those of all points of the scan, in its order.

    Args:
        logits: (N, C) logits of the points of the sample.
        sample: input of the network. Without rays, its points count as the scan of a lidar named
            "lidar".
    """
    by_class = logits.T.contiguous()  # reductions are several times as fast in this layout
    highest, best = by_class.max(0)
    probability = (highest - by_class.logsumexp(0)).exp()
    labels, scores = best.byte().cpu().numpy(), probability.cpu().numpy()
    if sample.rays is None or not sample.rays.scan_sizes:
        return {LIDAR: PointClasses(labels, scores)}
    found = {}
    for number, (name, size) in enumerate(sample.rays.scan_sizes.items()):
        if size is None:
            continue
        own = sample.point_lidar == number
        classes = PointClasses.unseen(size)
        classes.labels[sample.rays.indices[own]] = labels[own]
        classes.scores[sample.rays.indices[own]] = scores[own]
        found[name] = classes
    return found


def classes_of_sample(found: Mapping[str, PointClasses], sample: Sample) -> np.ndarray:
    """Return (N,) uint8 classes of a sample's points.

    Args:
        found: result of `decode_points` for the same frame.
        sample: sample with points, prepared as the input of the network was.
    """
    if sample.rays is None or not sample.rays.scan_sizes:
        return found[LIDAR].labels
    classes = np.full(len(sample.rays), MASK_IGNORED, np.uint8)
    for number, name in enumerate(sample.rays.scan_sizes):
        if name in found:
            own = sample.point_lidar == number
            classes[own] = found[name].labels[sample.rays.indices[own]]
    return classes

"""A picture of the classes of points, from above."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bev_semseg_ros.frame import PointClasses
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.model.tasks.point_segmentation.postprocess import classes_of_sample
from bev_semseg_ros.preprocessing import Sample

SIZE = (800, 600)  # width and height of a picture without an image
REACH = 50.0  # metres that are shown ahead and behind
_BACKGROUND = 24


def draw_points(
    found: Mapping[str, PointClasses], sample: Sample, labels: LabelSet
) -> np.ndarray | None:
    """Draw the points of a frame in the colours of their classes; ahead is to the right.

    Args:
        found: what was predicted, by the lidars' names.
        sample: what the network saw.
        labels: of the classes.

    Returns:
        (h, w, 3) uint8 RGB of the size of the first image, None without points.
    """
    points = sample.points
    if points is None:
        return None
    sizes = [seen.camera.size for seen in sample.images.values()]
    width, height = sizes[0] if sizes else SIZE
    picture = np.full((height, width, 3), _BACKGROUND, np.uint8)
    scale = width / (2 * REACH)
    column = np.floor(width / 2 + points[:, 0] * scale).astype(np.int64)
    row = np.floor(height / 2 - points[:, 1] * scale).astype(np.int64)
    classes = classes_of_sample(found, sample)
    is_shown = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    shown = np.flatnonzero(is_shown & (classes != MASK_IGNORED))
    shown = shown[np.argsort(points[shown, 2], kind="stable")]  # the highest on top
    picture[row[shown], column[shown]] = labels.colors[classes[shown]]
    return picture

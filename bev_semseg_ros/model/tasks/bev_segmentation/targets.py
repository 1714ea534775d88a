"""Classes of points as the BEV segmentation loss wants them: cells that have a labelled point."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.bev_lifting import vote
from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.segmentation.targets import EncodedMask


def encode_cells(
    points: np.ndarray,
    classes: np.ndarray,
    point_labels: LabelSet,
    labels: LabelSet,
    grid: GridConfig,
) -> EncodedMask:
    """Return the classes of the cells, in the set where they meet the network's.

    Cells without a labelled point are MASK_IGNORED. Of several points in a cell the same decide as
    in `bev_lifting`.

    Args:
        points: (N, >= 3) in the ego frame.
        classes: (N,) uint8 numbers of `point_labels`.
        point_labels: label set of the points.
        labels: the network's.
        grid: the BEV grid.

    Raises:
        ValueError: the sets do not meet.
    """
    shared = view_of(labels, point_labels).shared
    found, _ = vote(points, point_labels.mask_table(shared)[classes], grid, shared)
    return EncodedMask(shared, found.classes)

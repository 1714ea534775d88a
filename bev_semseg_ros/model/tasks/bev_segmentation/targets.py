"""Targets of the BEV segmentation: the classes of cells that have a labelled point."""

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
    """Return the classes (X, Y) of the cells, in the label set shared with the network.

    Points vote for the class of their cell as in `bev_lifting`. Cells without a vote are
    MASK_IGNORED.

    Args:
        points: (N, >= 3) points in the ego frame, metres.
        classes: (N,) uint8 class indices in `point_labels`.
        point_labels: label set of the points.
        labels: label set of the network.
        grid: the BEV grid.

    Raises:
        ValueError: the label sets do not map to a shared one.
    """
    shared = view_of(labels, point_labels).shared
    found, _ = vote(points, point_labels.mask_table(shared)[classes], grid, shared)
    return EncodedMask(shared, found.classes)

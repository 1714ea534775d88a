"""Targets of the BEV segmentation: the classes of cells with labelled points, or near them."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.bev_lifting import fill_areas, vote
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
    fill: float = 0.0,
) -> EncodedMask:
    """Return the classes (X, Y) of the cells, in the label set shared with the network.

    Points vote for the class of their cell as in `bev_lifting`. Other cells are MASK_IGNORED. If
    they have no points, they may get the class of the nearest cell with a vote, see `fill_areas`.

    Args:
        points: (N, >= 3) points in the ego frame, metres.
        classes: (N,) uint8 class indices in `point_labels`.
        point_labels: label set of the points.
        labels: label set of the network.
        grid: the BEV grid.
        fill: largest distance of this nearest cell, metres.

    Raises:
        ValueError: the label sets do not map to a shared one.
    """
    shared = view_of(labels, point_labels).shared
    found, _ = vote(points, point_labels.mask_table(shared)[classes], grid, shared)
    if not fill:
        return EncodedMask(shared, found.classes)
    filled = fill_areas(found, fill)
    assert found.observed is not None  # `vote` always gives it
    return EncodedMask(shared, np.where(found.observed, found.classes, filled.classes))

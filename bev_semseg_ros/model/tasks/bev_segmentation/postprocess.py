"""Logits -> BEV map."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import BevMap
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet


def decode_map(logits: Tensor, grid: GridConfig, labels: LabelSet) -> BevMap:
    """Return the best class of every cell, and the probabilities of all classes.

    Args:
        logits: (C, X, Y).
        grid: the BEV grid.
        labels: label set of the classes.
    """
    probabilities = torch.softmax(logits.float(), 0)
    return BevMap(
        probabilities.argmax(0).to(torch.uint8).cpu().numpy(),
        grid.x_min,
        grid.y_min,
        grid.output_cell,
        labels,
        probabilities=probabilities.cpu().numpy(),
    )


def join_maps(ahead: BevMap, behind: BevMap, grid: GridConfig) -> BevMap:
    """Join the maps of the passes ahead and behind. Each pass fills its own half.

    Args:
        ahead: map in the ego frame.
        behind: map in an ego frame rotated by 180 degrees about z.
        grid: grid of the whole map.
    """
    shape = grid.output_shape
    whole = BevMap(
        np.full(shape, MASK_IGNORED, np.uint8),
        grid.x_min,
        grid.y_min,
        grid.output_cell,
        ahead.labels,
        probabilities=np.zeros((len(ahead.labels), *shape), np.float32),
    )
    centers = whole.centers()
    is_ahead = centers[..., 0] >= 0
    for half, part, sign in ((is_ahead, ahead, 1), (~is_ahead, behind, -1)):
        cells, inside = part.cells_of(sign * centers)
        chosen = half & inside
        rows, columns = cells[chosen].T
        whole.classes[chosen] = part.classes[rows, columns]
        if whole.probabilities is not None and part.probabilities is not None:
            whole.probabilities[:, chosen] = part.probabilities[:, rows, columns]
    return whole

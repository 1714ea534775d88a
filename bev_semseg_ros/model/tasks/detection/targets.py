"""Boxes in the form that the detection loss needs.

The loader encodes single frames in numpy. The frames of a batch are then stacked into tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import points_in_boxes
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.detection.head import REGRESSION_CHANNELS
from bev_semseg_ros.model.tasks.task import Targets, stack

MIN_POINTS = 5  # boxes with fewer points are ignored
IGNORE_RADIUS = 3  # cells: a window of 7 x 7 around the centre of an ignored box
NEIGHBOR_WEIGHT = 0.3  # of the regression in the eight cells around that of the centre


@dataclass(frozen=True, eq=False)
class EncodedBoxes:
    """The targets of one frame.

    Attributes:
        labels: label set of the heatmap's K classes, to which the network's set maps; None for an
            unlabelled frame.
        heatmap: (K, X, Y) float32, one at centres.
        negative_weight: (X, Y) float32, zero in cells where a false positive does not count, which
            are all cells of an unlabelled frame.
        cells: (P,) flat indices in (X, Y) of the cells with a regression.
        values: (P, 10) float32 regression targets of these cells.
        weights: (P,) float32 weights of these targets.
    """

    labels: LabelSet | None
    heatmap: np.ndarray
    negative_weight: np.ndarray
    cells: np.ndarray
    values: np.ndarray
    weights: np.ndarray


def encode_boxes(
    boxes: Boxes,
    ignored: np.ndarray | None,
    points: np.ndarray | None,
    labels: LabelSet,
    grid: GridConfig,
) -> EncodedBoxes:
    """Return the targets of a labelled frame.

    Args:
        boxes: boxes in the ego frame.
        ignored: (M,) bool: boxes that are ignored; None: none.
        points: (N, 4) points in the ego frame, metres; None: no box is ignored for lack of points.
        labels: label set of the boxes.
        grid: the BEV grid.
    """
    heatmap = np.zeros((len(labels), *grid.output_shape), np.float32)
    negative_weight = np.ones(grid.output_shape, np.float32)
    cell = _cell(boxes, grid)
    reach = np.array(grid.output_shape) + IGNORE_RADIUS
    near = ((cell >= -IGNORE_RADIUS) & (cell < reach)).all(1)
    skipped = boxes.labels < 0
    if ignored is not None:
        skipped |= ignored
    if points is not None:
        skipped |= points_in_boxes(points[:, :3], boxes).sum(1) < MIN_POINTS
    for x, y in cell[skipped & near]:
        rows = slice(max(x - IGNORE_RADIUS, 0), x + IGNORE_RADIUS + 1)
        columns = slice(max(y - IGNORE_RADIUS, 0), y + IGNORE_RADIUS + 1)
        negative_weight[rows, columns] = 0
    inside = ((cell >= 0) & (cell < grid.output_shape)).all(1)
    kept = boxes[~skipped & inside]
    _draw(heatmap, kept, _cell(kept, grid), labels.heatmap_sigma)
    return EncodedBoxes(labels, heatmap, negative_weight, *_regression(kept, grid))


def unlabelled(grid: GridConfig) -> EncodedBoxes:
    """Return the targets of an unlabelled frame, which contribute nothing to the loss."""
    return EncodedBoxes(
        None,
        np.zeros((0, *grid.output_shape), np.float32),
        np.zeros(grid.output_shape, np.float32),
        np.zeros(0, np.int64),
        np.zeros((0, REGRESSION_CHANNELS), np.float32),
        np.zeros(0, np.float32),
    )


def collate_boxes(encoded: Sequence[EncodedBoxes]) -> Targets | None:
    """Return the targets of a batch; None if no frame is labelled.

    Returns:
        `heatmaps`: label set -> its frames (B',), heatmap (B', K, X, Y) and negative_weight
        (B', X, Y); `cells` (P,) flat indices of (B, X, Y), `values` (P, 10), `weights` (P,).
    """
    frames_of: dict[LabelSet, list[int]] = {}
    for index, each in enumerate(encoded):
        if each.labels is not None:
            frames_of.setdefault(each.labels, []).append(index)
    if not frames_of:
        return None
    cells = [each.cells + index * each.negative_weight.size for index, each in enumerate(encoded)]
    return {
        "heatmaps": {
            labels: {
                "frames": torch.tensor(frames),
                "heatmap": stack([encoded[frame].heatmap for frame in frames]),
                "negative_weight": stack([encoded[frame].negative_weight for frame in frames]),
            }
            for labels, frames in frames_of.items()
        },
        "cells": _joined(cells),
        "values": _joined([each.values for each in encoded]),
        "weights": _joined([each.weights for each in encoded]),
    }


def _joined(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays))


def _cell(boxes: Boxes, grid: GridConfig) -> np.ndarray:
    """Return (M, 2) int: the output cell of each centre, which may lie outside the grid."""
    position = (boxes.centers[:, :2] - (grid.x_min, grid.y_min)) / grid.output_cell
    return np.floor(position).astype(np.int64)


def _draw(heatmap: np.ndarray, boxes: Boxes, cells: np.ndarray, sigmas: Sequence[float]) -> None:
    """Draw a Gaussian with a peak of one at each centre; the maximum where two overlap.

    Source: Zhou et al. 2019, "Objects as Points".
    """
    size_x, size_y = heatmap.shape[1:]
    for label, (x, y) in zip(boxes.labels, cells, strict=True):
        radius = int(3 * sigmas[label])
        xs = np.arange(max(x - radius, 0), min(x + radius + 1, size_x))
        ys = np.arange(max(y - radius, 0), min(y + radius + 1, size_y))
        squares = (xs[:, None] - x) ** 2 + (ys[None] - y) ** 2
        blob = np.exp(-squares / (2 * sigmas[label] ** 2))
        area = heatmap[label, xs[0] : xs[-1] + 1, ys[0] : ys[-1] + 1]
        np.maximum(area, blob, out=area)


def _regression(boxes: Boxes, grid: GridConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the regression targets, for the cell of each box's centre and the eight around it.

    If several boxes claim a cell, it gets the one whose centre is nearest.

    Returns:
        Cells (P,) as flat indices in (X, Y), values (P, 10) and weights (P,).
    """
    shape = np.array(grid.output_shape)
    position = (boxes.centers[:, :2] - (grid.x_min, grid.y_min)) / grid.output_cell  # in cells
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 2)
    cells = _cell(boxes, grid)[:, None] + steps  # (M, 9, 2)
    offsets = position[:, None] - cells - 0.5
    weights = np.broadcast_to(np.where((steps == 0).all(1), 1.0, NEIGHBOR_WEIGHT), cells.shape[:2])
    rest = np.concatenate(
        [
            boxes.centers[:, 2:],
            np.log(boxes.sizes),
            np.stack(
                [
                    np.sin(2 * boxes.yaws),
                    np.cos(2 * boxes.yaws),
                    np.sin(boxes.yaws),
                    np.cos(boxes.yaws),
                ],
                1,
            ),
        ],
        1,
    )
    values = np.concatenate(
        [offsets, np.broadcast_to(rest[:, None], (*cells.shape[:2], rest.shape[1]))], 2
    )
    inside = ((cells >= 0) & (cells < shape)).all(2)
    cells, offsets, weights, values = (
        cells[inside],
        offsets[inside],
        weights[inside],
        values[inside],
    )
    flat = cells[:, 0] * shape[1] + cells[:, 1]
    nearest = np.lexsort(((offsets**2).sum(1), flat))
    flat, first = np.unique(flat[nearest], return_index=True)
    chosen = nearest[first]
    return flat, values[chosen].astype(np.float32), weights[chosen].astype(np.float32)

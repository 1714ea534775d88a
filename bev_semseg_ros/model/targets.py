"""Truth as the losses want it. Made frame by frame in numpy (so that loader threads can), stacked into tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from bev_semseg_ros.config import GridConfig, LossConfig
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import points_in_boxes
from bev_semseg_ros.model.heads import REGRESSION_CHANNELS
from bev_semseg_ros.taxonomy import DETECTION_CLASSES, IGNORE

MIN_POINTS = 5  # a box with fewer points is neither demanded nor forbidden
IGNORE_RADIUS = 3  # cells: a window of 7 x 7 round such a box
NEIGHBOUR_WEIGHT = 0.3


@dataclass(frozen=True, eq=False)
class FrameTargets:
    """Truth of one frame.

    heatmap (K, X, Y) float32, one at centres; negative_weight (X, Y) float32, zero where absence is not demanded (all
    of it in a frame without boxes); cells (P,) flat indices of (X, Y); values (P, 10) and weights (P,) of the
    regression there; mask (h/2, w/2) uint8, 255 ignored, or None.
    """

    heatmap: np.ndarray
    negative_weight: np.ndarray
    cells: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    mask: np.ndarray | None


@dataclass
class Targets:
    """`FrameTargets` of a batch as tensors: heatmap (B, K, X, Y), negative_weight (B, X, Y), cells (P,) flat indices
    of (B, X, Y), values, weights, mask (B, h/2, w/2) int64 or None."""

    heatmap: Tensor
    negative_weight: Tensor
    cells: Tensor
    values: Tensor
    weights: Tensor
    mask: Tensor | None

    @classmethod
    def stack(cls, frames: Sequence[FrameTargets]) -> Targets:
        """A frame without a mask becomes one that is ignored. Raises ValueError if masks differ in size."""
        shapes = {frame.mask.shape for frame in frames if frame.mask is not None}
        if len(shapes) > 1:
            raise ValueError(f"masks of one batch must have one size, got {sorted(shapes)}")
        mask = None
        if shapes:
            ignored = np.full(shapes.pop(), IGNORE, np.uint8)
            masks = [ignored if frame.mask is None else frame.mask for frame in frames]
            mask = torch.from_numpy(np.stack(masks)).long()
        cells = [
            frame.cells + index * frame.negative_weight.size for index, frame in enumerate(frames)
        ]

        def tensor(arrays: list[np.ndarray]) -> Tensor:
            return torch.from_numpy(np.concatenate(arrays))

        return cls(
            tensor([frame.heatmap[None] for frame in frames]),
            tensor([frame.negative_weight[None] for frame in frames]),
            tensor(cells),
            tensor([frame.values for frame in frames]),
            tensor([frame.weights for frame in frames]),
            mask,
        )

    def to(self, device: torch.device | str) -> Targets:
        values = (getattr(self, field.name) for field in fields(self))
        return Targets(
            *(None if value is None else value.to(device, non_blocking=True) for value in values)
        )


def frame_targets(
    boxes: Boxes | None,
    ignored: np.ndarray | None,
    points: np.ndarray | None,
    mask: np.ndarray | None,
    grid: GridConfig,
    loss: LossConfig,
) -> FrameTargets:
    """Truth of a frame: `boxes` in the ego frame or None if nobody said, `ignored` (M,) bool or None, `points` (N, 4)
    of the whole sweep (None: every box counts as seen), `mask` (h, w) of the network's image or None.

    Give no boxes for a frame whose lidar was dropped, unless the fusion can see without points.
    """
    heatmap = np.zeros((len(DETECTION_CLASSES), *grid.output_shape), np.float32)
    negative_weight = np.full(grid.output_shape, 0.0 if boxes is None else 1.0, np.float32)
    cells, weights = np.zeros(0, np.int64), np.zeros(0, np.float32)
    values = np.zeros((0, REGRESSION_CHANNELS), np.float32)
    if boxes is not None:
        cell = _cell(boxes, grid)
        near = (
            (cell >= -IGNORE_RADIUS) & (cell < np.array(grid.output_shape) + IGNORE_RADIUS)
        ).all(1)
        skipped = boxes.labels < 0
        if ignored is not None:
            skipped |= ignored
        if points is not None:
            skipped |= points_in_boxes(points[:, :3], boxes).sum(1) < MIN_POINTS
        for x, y in cell[skipped & near]:
            negative_weight[
                max(x - IGNORE_RADIUS, 0) : x + IGNORE_RADIUS + 1,
                max(y - IGNORE_RADIUS, 0) : y + IGNORE_RADIUS + 1,
            ] = 0
        kept = boxes[~skipped & ((cell >= 0) & (cell < grid.output_shape)).all(1)]
        _draw(heatmap, kept, _cell(kept, grid), loss.heatmap_sigma)
        cells, values, weights = _regression(kept, grid)
    return FrameTargets(
        heatmap, negative_weight, cells, values, weights, None if mask is None else _half(mask)
    )


def _cell(boxes: Boxes, grid: GridConfig) -> np.ndarray:
    """(M, 2) int: the output cell of each centre, which may lie outside."""
    return np.floor((boxes.centers[:, :2] - (grid.x_min, grid.y_min)) / grid.output_cell).astype(
        np.int64
    )


def _draw(heatmap: np.ndarray, boxes: Boxes, cells: np.ndarray, sigmas: tuple[float, ...]) -> None:
    """A Gaussian of one at each centre (Zhou et al. 2019, "Objects as Points"); where two meet the higher counts."""
    size_x, size_y = heatmap.shape[1:]
    for label, (x, y) in zip(boxes.labels, cells, strict=True):
        radius = int(3 * sigmas[label])
        xs = np.arange(max(x - radius, 0), min(x + radius + 1, size_x))
        ys = np.arange(max(y - radius, 0), min(y + radius + 1, size_y))
        blob = np.exp(-((xs[:, None] - x) ** 2 + (ys[None] - y) ** 2) / (2 * sigmas[label] ** 2))
        area = heatmap[label, xs[0] : xs[-1] + 1, ys[0] : ys[-1] + 1]
        np.maximum(area, blob, out=area)


def _regression(boxes: Boxes, grid: GridConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells (P,), values (P, 10) and weights (P,): each box at its centre's cell and the eight round it.

    A cell that several boxes claim goes to the one whose centre is nearest to it.
    """
    shape = np.array(grid.output_shape)
    position = (boxes.centers[:, :2] - (grid.x_min, grid.y_min)) / grid.output_cell  # in cells
    steps = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"), -1).reshape(-1, 2)
    cells = _cell(boxes, grid)[:, None] + steps  # (M, 9, 2)
    offsets = position[:, None] - cells - 0.5
    weights = np.broadcast_to(np.where((steps == 0).all(1), 1.0, NEIGHBOUR_WEIGHT), cells.shape[:2])
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


def _half(mask: np.ndarray) -> np.ndarray:
    """(h, w) -> (h/2, w/2): of each 2x2 another pixel in turn, so that edges stay where they are on average."""
    rows, columns = np.arange(mask.shape[0] // 2)[:, None], np.arange(mask.shape[1] // 2)[None]
    return mask[2 * rows + columns % 2, 2 * columns + rows % 2]

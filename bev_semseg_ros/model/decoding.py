"""Outputs -> boxes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import wrap_angle
from bev_semseg_ros.model.network import Outputs


def decode(outputs: Outputs, config: Config, score_threshold: float | None = None) -> list[Boxes]:
    """Boxes of each frame in the ego frame, by falling score; an empty list if `heatmap` is None.

    `score_threshold` is that of the configuration unless given.
    """
    if outputs.heatmap is None:
        return []
    threshold = config.decoding.score_threshold if score_threshold is None else score_threshold
    scores = torch.sigmoid(outputs.heatmap.float())
    frame, label, x, y = torch.nonzero(
        peaks(scores) & (scores >= max(threshold, 1e-6)), as_tuple=True
    )
    values = outputs.regression[frame, :, x, y].float().cpu().numpy().astype(np.float64)
    score = scores[frame, label, x, y].cpu().numpy()
    frame, label, x, y = (index.cpu().numpy() for index in (frame, label, x, y))
    return [
        _boxes(config, *(part[frame == number] for part in (score, label, x, y, values)))
        for number in range(len(scores))
    ]


def peaks(scores: Tensor) -> Tensor:
    """(B, K, X, Y) bool: the greatest of their 3x3 surroundings; among equal neighbours only the first."""
    padded = F.pad(scores, (1, 1, 1, 1), value=-1.0)
    left, right = padded[..., :-2], padded[..., 2:]
    rows = torch.maximum(
        torch.maximum(left, right), padded[..., 1:-1]
    )  # of three; ten times max_pool2d's speed
    before = torch.maximum(rows[..., :-2, :], left[..., 1:-1, :])
    after = torch.maximum(rows[..., 2:, :], right[..., 1:-1, :])
    return (scores > before) & (scores >= after)


def _boxes(
    config: Config,
    score: np.ndarray,
    label: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray,
) -> Boxes:
    """The best `max_boxes` peaks of one frame that no better box of their class suppresses."""
    best = np.argsort(-score, kind="stable")[: config.decoding.max_boxes]
    score, label, values = score[best], label[best], values[best]
    grid = config.grid
    cell = np.stack([x[best], y[best]], 1)
    position = (cell + 0.5 + values[:, :2]) * grid.output_cell + (grid.x_min, grid.y_min)
    yaw = 0.5 * np.arctan2(values[:, 6], values[:, 7])  # the axis; then front or back
    yaw = wrap_angle(
        np.where(np.sin(yaw) * values[:, 8] + np.cos(yaw) * values[:, 9] < 0, yaw + np.pi, yaw)
    )
    centers, sizes = (
        np.concatenate([position, values[:, 2:3]], 1),
        np.exp(np.clip(values[:, 3:6], -4, 4)),
    )
    boxes = Boxes(centers, sizes, yaw, label, score)
    return boxes[_unsuppressed(boxes, np.array(config.decoding.suppression_radius))]


def _unsuppressed(boxes: Boxes, radius: np.ndarray) -> np.ndarray:
    """(M,) bool: circular suppression (Yin et al. 2021) of boxes sorted by falling score, per class."""
    distance = np.linalg.norm(boxes.centers[:, None, :2] - boxes.centers[None, :, :2], axis=2)
    close = (distance < radius[boxes.labels][:, None]) & (
        boxes.labels[:, None] == boxes.labels[None]
    )
    kept = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if kept[index]:
            kept[index + 1 :] &= ~close[index, index + 1 :]
    return kept


def decode_mask(logits: Tensor) -> np.ndarray:
    """Logits (C, h, w) -> class ids (4 h, 4 w) uint8: exactly the arg-max of the logits upsampled bilinearly, cheaper.

    Each pixel mixes the four logits round it with weights that add up to one. Where the four have one best class it is
    the best of every mixture, so only the cells between different classes, a small part, are interpolated.
    """
    classes, height, width = logits.shape
    best = logits.max(0, keepdim=True).indices  # not argmax, which takes torch four times as long
    best = F.pad(best[None].float(), (1, 1, 1, 1), mode="replicate")[0, 0].to(torch.uint8)
    corner = best[
        :-1, :-1
    ]  # of the cells between four logits: (h + 1, w + 1), the outermost beyond the border
    mixed = (corner != best[1:, :-1]) | (corner != best[:-1, 1:]) | (corner != best[1:, 1:])
    mask = corner[:, None, :, None].repeat(1, 4, 1, 4)  # a cell covers 4x4 pixels
    row, column = torch.nonzero(mixed, as_tuple=True)
    if len(row):
        top, bottom = (row - 1).clamp_min(0), row.clamp_max(height - 1)
        left, right = (column - 1).clamp_min(0), column.clamp_max(width - 1)
        flat = logits.reshape(classes, -1)
        corners = torch.stack(
            [flat[:, y * width + x] for y in (top, bottom) for x in (left, right)]
        )  # (4, C, n)
        step = (torch.arange(4, device=logits.device, dtype=logits.dtype) + 0.5) / 4
        along = torch.stack([1 - step, step])  # (2, 4): how much the first and the second count
        weights = (along[:, None, :, None] * along[None, :, None, :]).reshape(4, 16).T
        mixtures = (weights @ corners.reshape(4, -1)).reshape(16, classes, -1)
        mask[row, :, column] = mixtures.max(1).indices.to(torch.uint8).T.reshape(-1, 4, 4)
    mask = mask.reshape(4 * height + 4, 4 * width + 4)
    return mask[2:-2, 2:-2].contiguous().cpu().numpy()

"""Heatmaps and regressions -> boxes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import rotation_z, transform, transform_boxes, wrap_angle
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.detection.head import AXIS, DIRECTION, HEIGHT, LOG_SIZE, OFFSET

LOWEST_SCORE = 1e-6  # lower limit of the score threshold
MAX_LOG_SIZE = 4.0  # limit of the regressed size of a box: a side of 55 m
HALF_TURN = transform(rotation_z(np.pi))
# Half length and half width, metres, of the area around the origin in which only the ego vehicle
# can have its centre.
OWN_VEHICLE = (1.2, 0.6)


def decode_boxes(
    heatmap: Tensor,
    regression: Tensor,
    grid: GridConfig,
    labels: LabelSet,
    score_threshold: float,
    max_boxes: int,
) -> list[Boxes]:
    """Return the boxes of each frame in the ego frame, by descending score.

    Args:
        heatmap: (B, K, X, Y) logits.
        regression: (B, 10, X, Y), see `head.OFFSET` and the other channels.
        grid: the BEV grid.
        labels: label set of the network.
        score_threshold: lowest score of a box.
        max_boxes: largest number of boxes of a frame, before suppression.
    """
    scores = torch.sigmoid(heatmap.float())
    is_box = peaks(scores) & (scores >= max(score_threshold, LOWEST_SCORE))
    frame, label, x, y = torch.nonzero(is_box, as_tuple=True)
    values = regression[frame, :, x, y].float().cpu().numpy().astype(np.float64)
    score = scores[frame, label, x, y].cpu().numpy()
    frames, classes, rows, columns = (index.cpu().numpy() for index in (frame, label, x, y))
    found = []
    for number in range(len(scores)):
        own = np.flatnonzero(frames == number)
        best = own[np.argsort(-score[own], kind="stable")[:max_boxes]]
        cells = np.stack([rows[best], columns[best]], 1)
        boxes = _boxes(grid, cells, values[best], classes[best], score[best])
        found.append(boxes[unsuppressed(boxes, np.array(labels.suppression_radius))])
    return found


def peaks(scores: Tensor) -> Tensor:
    """Return (B, K, X, Y) bool: maxima of their 3x3 neighbourhood; of equal ones the first."""
    padded = F.pad(scores, (1, 1, 1, 1), value=-1.0)
    left, right = padded[..., :-2], padded[..., 2:]
    # The maximum of three neighbouring scores, ten times as fast as max_pool2d.
    rows = torch.maximum(torch.maximum(left, right), padded[..., 1:-1])
    before = torch.maximum(rows[..., :-2, :], left[..., 1:-1, :])
    after = torch.maximum(rows[..., 2:, :], right[..., 1:-1, :])
    return (scores > before) & (scores >= after)


def _boxes(
    grid: GridConfig, cells: np.ndarray, values: np.ndarray, labels: np.ndarray, scores: np.ndarray
) -> Boxes:
    """Return the boxes that regressions (M, 10) at cells (M, 2) describe."""
    positions = (cells + 0.5 + values[:, OFFSET]) * grid.output_cell + (grid.x_min, grid.y_min)
    sin_2yaw, cos_2yaw = values[:, AXIS].T
    sin_yaw, cos_yaw = values[:, DIRECTION].T
    axis = 0.5 * np.arctan2(sin_2yaw, cos_2yaw)
    is_backward = np.sin(axis) * sin_yaw + np.cos(axis) * cos_yaw < 0
    yaws = wrap_angle(np.where(is_backward, axis + np.pi, axis))
    sizes = np.exp(np.clip(values[:, LOG_SIZE], -MAX_LOG_SIZE, MAX_LOG_SIZE))
    return Boxes(np.concatenate([positions, values[:, HEIGHT]], 1), sizes, yaws, labels, scores)


def join_boxes(ahead: Boxes, behind: Boxes, labels: LabelSet) -> Boxes:
    """Return the boxes found ahead and behind in one ego frame, by descending score.

    Each pass gives the boxes of its own half. But both passes may find an object at x = 0 slightly
    inside the other half, and neither would give it. Therefore the half of each pass is extended by
    half of the suppression radius. Boxes that both passes find there are suppressed. Boxes of the
    ego vehicle itself are removed.

    Args:
        ahead: boxes in the ego frame.
        behind: boxes in an ego frame rotated by 180 degrees about z.
        labels: label set of the network.
    """
    radius = np.array(labels.suppression_radius)
    halves = [
        boxes[boxes.centers[:, 0] >= -0.5 * radius[boxes.labels]] for boxes in (ahead, behind)
    ]
    halves[1] = transform_boxes(HALF_TURN, halves[1])
    boxes = Boxes.concatenate(halves)
    is_own = (np.abs(boxes.centers[:, :2]) < OWN_VEHICLE).all(1)
    boxes = boxes[~is_own]
    boxes = boxes[np.argsort(-boxes.scores, kind="stable")]
    return boxes[unsuppressed(boxes, radius)]


def unsuppressed(boxes: Boxes, radius: np.ndarray) -> np.ndarray:
    """Return (M,) bool: boxes that no better one of their class suppresses.

    Circular suppression (Yin et al. 2021, CenterPoint).

    Args:
        boxes: boxes by descending score.
        radius: (K,) suppression radius of each class, metres.
    """
    distance = np.linalg.norm(boxes.centers[:, None, :2] - boxes.centers[None, :, :2], axis=2)
    is_same_class = boxes.labels[:, None] == boxes.labels[None]
    close = (distance < radius[boxes.labels][:, None]) & is_same_class
    kept = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if kept[index]:
            kept[index + 1 :] &= ~close[index, index + 1 :]
    return kept

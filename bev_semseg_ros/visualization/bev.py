"""The bird's-eye view: points, true and predicted boxes, x upwards and y to the left."""

from __future__ import annotations

import cv2
import numpy as np

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import box_corners
from bev_semseg_ros.visualization.drawing import (
    BACKGROUND,
    MUTED,
    TRUTH_COLOR,
    box_color,
    draw_lines,
    put_text,
)

RING_STEP = 10  # metres between circles of equal range
_RING_COLOR = (46, 50, 56)
_LOW, _HIGH = (
    np.array([70.0, 105, 150]),
    np.array([250.0, 205, 120]),
)  # colours of points at 0 and 2.5 m


def draw_bev(
    points: np.ndarray | None, boxes: Boxes | None, truth: Boxes | None, size: int, grid: GridConfig
) -> np.ndarray:
    """(size, w, 3): the grid seen from above, `size` pixels along x.

    points (N, >=3) and boxes in the ego frame. Predicted boxes are filled in their class's colour, the more the
    surer; true ones are white outlines; a line from the middle through the front shows the heading.
    """
    scale = size / (grid.x_max - grid.x_min)
    width = round((grid.y_max - grid.y_min) * scale)
    picture = np.full((size, width, 3), BACKGROUND, np.uint8)

    def pixels(positions: np.ndarray) -> np.ndarray:
        return np.stack(
            [(grid.y_max - positions[..., 1]) * scale, (grid.x_max - positions[..., 0]) * scale], -1
        )

    _draw_rings(picture, pixels, grid)
    if points is not None:
        _draw_points(picture, points, pixels)
    if boxes is not None and len(boxes):
        _fill_boxes(picture, boxes, pixels)
    if truth is not None:
        for outline, heading in _shapes(truth):
            draw_lines(picture, pixels(outline), TRUTH_COLOR, closed=True)
            draw_lines(picture, pixels(heading), TRUTH_COLOR)
    vehicle = np.array([[1.2, 0], [-1.0, 0.9], [-0.5, 0], [-1.0, -0.9]])
    cv2.fillPoly(picture, [np.round(pixels(vehicle)).astype(np.int32)], MUTED, cv2.LINE_AA)
    return picture


def _draw_rings(picture: np.ndarray, pixels, grid: GridConfig) -> None:
    angle = np.linspace(-np.pi, np.pi, 181)
    farthest = np.hypot(max(abs(grid.x_min), grid.x_max), max(abs(grid.y_min), grid.y_max))
    for radius in range(RING_STEP, int(farthest) + 1, RING_STEP):
        draw_lines(
            picture, pixels(radius * np.stack([np.cos(angle), np.sin(angle)], -1)), _RING_COLOR
        )
        if grid.x_min < radius < grid.x_max:
            x, y = pixels(np.array([radius, 0.0]))
            put_text(picture, f"{radius} m", (x + 3, y - 3), MUTED, 8)


def _draw_points(picture: np.ndarray, points: np.ndarray, pixels) -> None:
    column, row = np.floor(pixels(points)).astype(np.int64).T
    inside = (column >= 0) & (row >= 0) & (column < picture.shape[1]) & (row < picture.shape[0])
    order = np.flatnonzero(inside)[np.argsort(points[inside, 2])]  # the highest on top
    share = np.clip(points[order, 2] / 2.5, 0, 1)[:, None]
    picture[row[order], column[order]] = (_LOW + share * (_HIGH - _LOW)).astype(np.uint8)


def _fill_boxes(picture: np.ndarray, boxes: Boxes, pixels) -> None:
    filled = picture.copy()
    shapes = list(_shapes(boxes))
    for index in np.argsort(boxes.scores):
        color = box_color(int(boxes.labels[index]))
        outline = np.round(pixels(shapes[index][0])).astype(np.int32)
        strength = 0.15 + 0.45 * float(np.clip(boxes.scores[index], 0, 1))
        shade = tuple(
            float(strength * c + (1 - strength) * b) for c, b in zip(color, BACKGROUND, strict=True)
        )
        cv2.fillPoly(filled, [outline], shade, cv2.LINE_AA)
    cv2.addWeighted(filled, 0.7, picture, 0.3, 0, dst=picture)
    for index, (outline, heading) in enumerate(shapes):
        color = box_color(int(boxes.labels[index]))
        draw_lines(picture, pixels(outline), color, closed=True, width=2)
        draw_lines(picture, pixels(heading), color, width=2)


def _shapes(boxes: Boxes):
    """Of each box: its outline (4, 2), and the line (2, 2) from its middle to a little before its front."""
    for corners, center, size, yaw in zip(
        box_corners(boxes), boxes.centers, boxes.sizes, boxes.yaws, strict=True
    ):
        ahead = np.array([np.cos(yaw), np.sin(yaw)]) * (size[0] / 2 + 0.6)
        yield corners[:4, :2], np.stack([center[:2], center[:2] + ahead])

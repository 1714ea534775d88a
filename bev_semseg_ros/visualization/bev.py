"""Draw points and boxes in the bird's-eye view; x points up in the picture, y to the left."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import BevMap, Boxes
from bev_semseg_ros.geometry import box_corners
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.visualization.drawing import (
    BACKGROUND,
    GROUND_TRUTH_COLOR,
    MUTED,
    class_color,
    draw_lines,
    put_text,
)

RING_STEP = 10  # metres between circles of equal range
_RING_COLOR = (46, 50, 56)

# Colours of points on the ground, and of points _HIGH metres or more above it.
_LOW_COLOR, _HIGH_COLOR = np.array([70.0, 105, 150]), np.array([250.0, 205, 120])
_HIGH = 2.5

_MAP_STRENGTH = 0.6  # opacity of the classes under points and boxes

_VEHICLE = np.array([[1.2, 0], [-1.0, 0.9], [-0.5, 0], [-1.0, -0.9]])  # an arrow, in metres


@dataclass(frozen=True)
class _View:
    """Maps positions in the ego frame to pixels of the picture.

    Attributes:
        grid: The grid that the picture shows.
        scale: Pixels per metre.
    """

    grid: GridConfig
    scale: float

    def pixels(self, positions: np.ndarray) -> np.ndarray:
        """Return pixels (..., 2), x and y, of positions (..., >= 2) in the ego frame."""
        x = (self.grid.y_max - positions[..., 1]) * self.scale
        y = (self.grid.x_max - positions[..., 0]) * self.scale
        return np.stack([x, y], -1)


def draw_bev(
    points: np.ndarray | None,
    boxes: Boxes | None,
    ground_truth: Boxes | None,
    size: int,
    grid: GridConfig,
    labels: LabelSet,
    bev_map: BevMap | None = None,
) -> np.ndarray:
    """Draw the grid from above.

    Predicted boxes are filled in the colour of their class, more strongly for a higher score.
    Ground-truth boxes are white outlines. A line from the centre through the front shows the
    heading.

    Args:
        points: (N, >= 3) points in the ego frame, or None.
        boxes: Predicted boxes in the ego frame, or None.
        ground_truth: Ground-truth boxes in the ego frame, or None.
        size: Height of the picture in pixels.
        grid: The grid to show.
        labels: Label set of the predicted boxes.
        bev_map: Classes of the ground and of the objects on it, or None. They are drawn darker,
            below everything else.

    Returns:
        (size, w, 3) RGB.
    """
    view = _View(grid, size / (grid.x_max - grid.x_min))
    width = round((grid.y_max - grid.y_min) * view.scale)
    picture = np.full((size, width, 3), BACKGROUND, np.uint8)
    if bev_map is not None:
        _draw_map(picture, bev_map, view)
    _draw_rings(picture, view)
    if points is not None:
        _draw_points(picture, points, view)
    if boxes is not None and len(boxes):
        _draw_filled_boxes(picture, boxes, view, labels)
    if ground_truth is not None:
        for outline, heading in _outlines(ground_truth):
            draw_lines(picture, view.pixels(outline), GROUND_TRUTH_COLOR, closed=True)
            draw_lines(picture, view.pixels(heading), GROUND_TRUTH_COLOR)
    vehicle = np.round(view.pixels(_VEHICLE)).astype(np.int32)
    cv2.fillPoly(picture, [vehicle], MUTED, cv2.LINE_AA)
    return picture


def _draw_map(picture: np.ndarray, bev_map: BevMap, view: _View) -> None:
    """Tint the picture with the classes of a map; unknown pixels keep the background."""
    rows, columns = np.indices(picture.shape[:2]) + 0.5
    places = (view.grid.x_max - rows / view.scale, view.grid.y_max - columns / view.scale)
    classes = bev_map.at(np.stack(places, -1))
    known = classes != MASK_IGNORED
    colors = _MAP_STRENGTH * bev_map.labels.colorize(classes)[known]
    picture[known] = (colors + (1 - _MAP_STRENGTH) * picture[known]).astype(np.uint8)


def _draw_rings(picture: np.ndarray, view: _View) -> None:
    """Draw circles of equal range, labelled with their range."""
    grid = view.grid
    angles = np.linspace(-np.pi, np.pi, 181)
    circle = np.stack([np.cos(angles), np.sin(angles)], -1)
    farthest = np.hypot(max(abs(grid.x_min), grid.x_max), max(abs(grid.y_min), grid.y_max))
    for radius in range(RING_STEP, int(farthest) + 1, RING_STEP):
        draw_lines(picture, view.pixels(radius * circle), _RING_COLOR)
        if grid.x_min < radius < grid.x_max:
            x, y = view.pixels(np.array([radius, 0.0]))
            put_text(picture, f"{radius} m", (x + 3, y - 3), MUTED, 8)


def _draw_points(picture: np.ndarray, points: np.ndarray, view: _View) -> None:
    """Draw a pixel for each point, coloured by its height."""
    column, row = np.floor(view.pixels(points)).astype(np.int64).T
    height, width = picture.shape[:2]
    is_inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
    inside = np.flatnonzero(is_inside)
    lowest_first = inside[np.argsort(points[inside, 2])]  # so that the highest is on top
    fraction = np.clip(points[lowest_first, 2] / _HIGH, 0, 1)[:, None]
    colors = _LOW_COLOR + fraction * (_HIGH_COLOR - _LOW_COLOR)
    picture[row[lowest_first], column[lowest_first]] = colors.astype(np.uint8)


def _draw_filled_boxes(picture: np.ndarray, boxes: Boxes, view: _View, labels: LabelSet) -> None:
    """Fill boxes with the colours of their classes, then draw their outlines."""
    filled = picture.copy()
    shapes = _outlines(boxes)
    colors = [class_color(labels, int(label)) for label in boxes.labels]
    for index in np.argsort(boxes.scores):
        strength = 0.15 + 0.45 * np.clip(boxes.scores[index], 0, 1)
        shade = strength * np.array(colors[index]) + (1 - strength) * np.array(BACKGROUND)
        outline = np.round(view.pixels(shapes[index][0])).astype(np.int32)
        cv2.fillPoly(filled, [outline], shade.tolist(), cv2.LINE_AA)
    cv2.addWeighted(filled, 0.7, picture, 0.3, 0, dst=picture)
    for (outline, heading), color in zip(shapes, colors, strict=True):
        draw_lines(picture, view.pixels(outline), color, closed=True, width=2)
        draw_lines(picture, view.pixels(heading), color, width=2)


def _outlines(boxes: Boxes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the outline (4, 2) of each box, and the line (2, 2) that shows its heading.

    Both are in the ego frame, metres. The line goes from the centre to 0.6 m beyond the front.
    """
    outlines = box_corners(boxes)[:, :4, :2]
    directions = np.stack([np.cos(boxes.yaws), np.sin(boxes.yaws)], -1)
    middles = boxes.centers[:, :2]
    fronts = middles + directions * (boxes.sizes[:, :1] / 2 + 0.6)
    headings = np.stack([middles, fronts], 1)
    return list(zip(outlines, headings, strict=True))

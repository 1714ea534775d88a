"""BEV lifting: classes of points -> a class for each cell of the bird's-eye view, without learning.

Points vote for the class of their cell. Cells of the ground between two rings of the lidar are
filled. Cells that no sensor observed stay unknown.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import cv2
import numpy as np

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import BevMap, Prediction
from bev_semseg_ros.frame.bev_map import HEADROOM
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.lifting import carry_classes

# Classes of the ground, as they are named in the shipped label sets. All others are objects.
MARKING = "lane_marking"
DRIVABLE = ("road", MARKING)
FLAT = (*DRIVABLE, "sidewalk")  # classes that are never above the ground
GROUND = (*FLAT, "vegetation")  # grass is ground, but a hedge is an object
# Classes of wide areas. All others, such as vehicles, poles and markings, are not much wider than
# what a lidar sees of them.
WIDE = ("road", "sidewalk", "vegetation", "building")
REACH = 0.8  # metres that the others reach beyond the cells with their points

# Markings are narrower than a cell. With three votes for each of their points, a cell of the road
# is a marking if more than a quarter of its points are, nearly as in the maps of the simulator.
MARKING_VOTES = 3

LYING = 0.3  # metres above the ground: lower points show the ground, or the foot of an object

# The height of the ground is that of the lowest points of coarse cells. Objects that are narrower
# than OPENING cells, and more than HILL higher than their surroundings, are removed.
GROUND_CELL = 2.0  # metres
OPENING = 5
HILL = 0.5  # metres

# Longest gap between two rings that is filled. It grows with the distance. A longer gap could hide
# an object.
GAP, GAP_SHARE = 1.2, 0.12  # metres, plus a fraction of the distance
ORIGIN_STEP = 0.25  # metres: rays begin at multiples of it, so that their cells can be cached


def lift(
    points: np.ndarray | None,
    prediction: Prediction,
    grid: GridConfig,
    labels: LabelSet,
    origin: np.ndarray | tuple[float, float] = (0.0, 0.0),
) -> BevMap | None:
    """Lift the masks of a prediction to the bird's-eye view.

    Args:
        points: (N, >= 3) points that the lidar measured, in the ego frame, metres.
        prediction: prediction with masks, their cameras and their label set.
        grid: area of the map, which has the output cells of the heads.
        labels: label set of the map.
        origin: x and y of the lidar, where its rays start, metres in the ego frame.

    Returns:
        The map; None without masks or points, in the mode "camera_only", or if the label set of
        the masks does not map to `labels`.
    """
    mask_labels = prediction.label_sets.get("segmentation")
    if points is None or prediction.mode == "camera_only":
        return None
    if not prediction.masks or mask_labels is None:
        return None
    if not mask_labels.maps_to(labels):
        return None
    seen = carry_classes(points, prediction.masks, prediction.cameras)
    classes = mask_labels.mask_table(labels)[seen]
    return fill_between_rings(*vote(points, classes, grid, labels), origin)


def vote(
    points: np.ndarray, classes: np.ndarray, grid: GridConfig, labels: LabelSet
) -> tuple[BevMap, np.ndarray]:
    """Return the class of each cell with classified points, and the cells that show the ground.

    In a cell, the most frequent class of the points above the ground outvotes that of the points
    on the ground. Each point of a lane marking has MARKING_VOTES votes.

    Args:
        points: (N, >= 3) points in the ego frame, metres.
        classes: (N,) uint8 class indices in `labels`, MASK_IGNORED where unknown.
        grid: area of the map, which has the output cells of the heads.
        labels: label set of the classes.

    Returns:
        The map, with `observed`, and (X, Y) bool: cells that show the ground.
    """
    unknown = np.full(grid.output_shape, MASK_IGNORED, np.uint8)
    found = BevMap(
        unknown, grid.x_min, grid.y_min, grid.output_cell, labels, np.zeros(unknown.shape, bool)
    )
    cells, inside = found.cells_of(points)
    points, classes, cells = points[inside], classes[inside], cells[inside]
    found.observed[cells[:, 0], cells[:, 1]] = True  # type: ignore[index]
    height = points[:, 2] - ground_heights(points)
    votes = (classes < len(labels)) & (height <= HEADROOM)
    is_low = height < LYING
    # A flat class above the ground is wrong: the point projects just outside its object.
    stands = votes & ~is_low & ~members(labels, FLAT)[classes]
    weights = np.where(members(labels, [MARKING])[: len(labels)], MARKING_VOTES, 1)
    is_ground = np.zeros(unknown.shape, bool)
    for chosen in (votes & is_low, stands):
        winners, known = _most_frequent(cells[chosen], classes[chosen], unknown.shape, weights)
        found.classes[known] = winners[known]
        is_ground[known] = chosen is not stands
    return found, is_ground & members(labels, GROUND)[found.classes]


def _most_frequent(
    cells: np.ndarray, classes: np.ndarray, shape: tuple[int, int], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the most frequent class of each cell, and the cells that have one.

    Args:
        cells: (N, 2) cell of each point.
        classes: (N,) class of each point.
        shape: (X, Y) number of cells.
        weights: (C,) number of votes of a point of each class.

    Returns:
        (X, Y) uint8 classes, and (X, Y) bool: cells with a class.
    """
    count = len(weights)
    number = (cells[:, 0] * shape[1] + cells[:, 1]) * count + classes
    votes = np.bincount(number, minlength=shape[0] * shape[1] * count).reshape(*shape, count)
    votes *= weights
    return votes.argmax(2).astype(np.uint8), np.any(votes, axis=2)


def members(labels: LabelSet, names: Iterable[str]) -> np.ndarray:
    """Return (256,) bool: class indices of a label set whose class has one of the names."""
    table = np.zeros(256, bool)
    for name in names:
        if name in labels.classes:
            table[labels.index(name)] = True
    return table


def ground_heights(points: np.ndarray) -> np.ndarray:
    """Return (N,) z of the ground below points (N, >= 3), metres in the ego frame.

    The ground need not be flat or level. A wide roof without any point below it counts as ground.
    """
    if not len(points):
        return np.zeros(0)
    cells = np.floor((points[:, :2] - points[:, :2].min(0)) / GROUND_CELL).astype(np.int64)
    lowest = np.full(cells.max(0) + 1, np.inf, np.float32)
    np.minimum.at(lowest, (cells[:, 0], cells[:, 1]), points[:, 2])
    lowest = _from_nearest(lowest, np.isfinite(lowest))
    lowest = cv2.medianBlur(lowest, 3)  # removes single points below the ground: reflections
    around = cv2.morphologyEx(lowest, cv2.MORPH_OPEN, np.ones((OPENING, OPENING), np.uint8))
    ground = np.where(lowest - around > HILL, around, lowest)
    return ground[cells[:, 0], cells[:, 1]]


def fill_between_rings(
    found: BevMap, is_ground: np.ndarray, origin: np.ndarray | tuple[float, float] = (0.0, 0.0)
) -> BevMap:
    """Return a map in which the ground between two rings of a lidar is filled.

    A cell is filled if the next known cells before and behind it, on the ray from the lidar, show
    the same class of ground, and if the gap between them is not longer than is usual between two
    rings at this distance.

    Args:
        found: the map to fill.
        is_ground: (X, Y) bool: cells that show the ground.
        origin: x and y of the lidar, metres in the ego frame.
    """
    start = np.round(np.asarray(origin, np.float64)[:2] / ORIGIN_STEP) * ORIGIN_STEP
    shape = (int(found.classes.shape[0]), int(found.classes.shape[1]))
    rays = _rays(shape, found.x_min, found.y_min, found.cell, float(start[0]), float(start[1]))
    # Rays that leave the map read one additional cell, which is unknown.
    classes = np.append(found.classes.ravel(), np.uint8(MASK_IGNORED))
    surfaces = np.where(np.append(is_ground.ravel(), False), classes, np.uint8(MASK_IGNORED))
    drivable = members(found.labels, DRIVABLE)
    if drivable.any():  # a lane marking lies on the road
        surfaces[drivable[surfaces]] = np.flatnonzero(drivable)[0]
    on_rays = classes[rays]
    known = on_rays != MASK_IGNORED
    steps = np.arange(rays.shape[1], dtype=np.int16)
    last = np.int16(rays.shape[1])
    before = np.maximum.accumulate(np.where(known, steps, np.int16(-1)), 1)
    after = np.minimum.accumulate(np.where(known, steps, last)[:, ::-1], 1)[:, ::-1]
    open_ends = (before < 0) | (after == last)
    longest = GAP + GAP_SHARE * np.arange(rays.shape[1]) * found.cell
    short = (after - before) * found.cell <= longest
    ray, step = np.nonzero(~known & ~open_ends & short)
    near, far = rays[ray, before[ray, step]], rays[ray, after[ray, step]]
    same = (surfaces[near] == surfaces[far]) & (surfaces[near] != MASK_IGNORED)
    filling = np.where(classes[near] == classes[far], classes[near], surfaces[near])
    classes[rays[ray[same], step[same]]] = filling[same]
    filled = classes[:-1].reshape(found.classes.shape)
    return BevMap(filled, found.x_min, found.y_min, found.cell, found.labels, found.observed)


@functools.lru_cache(maxsize=2)
def _rays(
    shape: tuple[int, int], x_min: float, y_min: float, cell: float, x: float, y: float
) -> np.ndarray:
    """Return (rays, steps) int32: flat indices of the cells on rays from x, y, in steps of a cell.

    The index after the last cell means outside the map. Beyond 30 m, a few cells lie between the
    rays: 1 % of all.
    """
    ends = np.array([[x_min, y_min], [x_min + shape[0] * cell, y_min + shape[1] * cell]]) - (x, y)
    longest = np.hypot(*np.abs(ends).max(0))
    angles = np.arange(0, 2 * np.pi, cell / longest)
    distances = np.arange(0, longest + cell, cell)
    rows = np.floor((x - x_min + np.cos(angles)[:, None] * distances) / cell).astype(np.int32)
    columns = np.floor((y - y_min + np.sin(angles)[:, None] * distances) / cell).astype(np.int32)
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    numbers = np.where(inside, rows * shape[1] + columns, shape[0] * shape[1])
    return numbers[inside.any(1)].astype(np.int32)


def fill_from_nearest(found: BevMap, within: float = math.inf) -> BevMap:
    """Return a map in which unknown cells have the class of the nearest known cell.

    Args:
        found: the map.
        within: largest distance of this cell in metres.
    """
    classes = _from_nearest(found.classes, found.classes != MASK_IGNORED, within / found.cell)
    return BevMap(classes, found.x_min, found.y_min, found.cell, found.labels, found.observed)


def fill_areas(found: BevMap, within: float) -> BevMap:
    """Return a map in which unknown cells have the class of the nearest cell of a wide class.

    Cells of other classes are only up to REACH wider than they are known.

    Args:
        found: the map.
        within: largest distance of the nearest cell in metres.
    """
    close = fill_from_nearest(found, min(within, REACH)).classes
    is_wide = members(found.labels, WIDE)[found.classes]
    wide = _from_nearest(found.classes, is_wide, within / found.cell)
    classes = np.where(close != MASK_IGNORED, close, wide)
    return BevMap(classes, found.x_min, found.y_min, found.cell, found.labels, found.observed)


def _from_nearest(values: np.ndarray, known: np.ndarray, within: float = math.inf) -> np.ndarray:
    """Return values (X, Y) with each unknown one replaced by the nearest known one, if any.

    Values stay as they are if the nearest known one is more than `within` cells away.
    """
    if not known.any():
        return values
    distances, nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(nearest.max() + 1, values.dtype)
    table[nearest[known]] = values[known]
    return np.where(distances <= within, table[nearest], values)

"""Ground-truth BEV maps of simulated frames."""

from __future__ import annotations

import cv2
import numpy as np

from bev_semseg_ros.frame import BevMap
from bev_semseg_ros.frame.bev_map import HEADROOM
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.labels import DEFAULT_BEV_LABELS, MASK_IGNORED, load_label_set
from bev_semseg_ros.sim.classes import IGNORED_PIXEL, MASK_LABEL, MASK_LABEL_SET
from bev_semseg_ros.sim.render.noise import kernel
from bev_semseg_ros.sim.render.top_view import (
    HOUSE,
    NOTHING,
    PAVED,
    PERSON,
    ROOF,
    SOIL,
    UPRIGHT,
    VEHICLE,
    TopView,
)
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.sensors.lidar import Scan

# Extent and cell size of the map in metres. It covers the grids of the networks, also those all
# around the ego vehicle, and everything within 40 m.
X_MIN, X_MAX, Y_MIN, Y_MAX, CELL = -60.0, 60.0, -40.0, 40.0, 0.25
# Number of subcells along each side of a cell, in which the scene is drawn from above.
FINE = 2
# Largest total width in metres of the openings in the walls around the interior of a building.
GAP = 1.0

_BEV_LABELS = load_label_set(DEFAULT_BEV_LABELS)
# Class in a mask -> class in the map.
_CLASSES = load_label_set(MASK_LABEL_SET).mask_table(_BEV_LABELS)
_KIND_OF_NAME = {
    "road": PAVED,
    "lane_marking": PAVED,
    "sidewalk": PAVED,
    "vegetation": SOIL,
    "building": HOUSE,
    "car": VEHICLE,
    "truck": VEHICLE,
    "pedestrian": PERSON,
    "two_wheeler": PERSON,
    "sky": NOTHING,
}
_KINDS = np.full(256, NOTHING, np.uint8)
for _name, _label in MASK_LABEL.items():
    _KINDS[_label] = _KIND_OF_NAME.get(_name, UPRIGHT)
_ROAD, _MARKING, _SIDEWALK, _VEGETATION, _BUILDING, _BARRIER, _VEHICLE, _PERSON = (
    _BEV_LABELS.index(name)
    for name in (
        "road",
        "lane_marking",
        "sidewalk",
        "vegetation",
        "building",
        "barrier",
        "vehicle",
        "person",
    )
)
# Bit of the class building in `TopView.standing`.
_WALL = np.uint8(1 << _BUILDING)
# Map of this extent in which every cell is unknown.
EMPTY_MAP = BevMap(
    np.full((round((X_MAX - X_MIN) / CELL), round((Y_MAX - Y_MIN) / CELL)), MASK_IGNORED, np.uint8),
    X_MIN,
    Y_MIN,
    CELL,
    _BEV_LABELS,
)


def label_bev(view: View, scan: Scan) -> BevMap:
    """Return the true classes of the cells around the ego vehicle.

    A cell has the class of what stands on it, up to HEADROOM above the ground:

    - Any part of a person makes the cell a person.
    - Any part of a barrier, which may be thin, makes the cell a barrier, unless vehicles cover half
      of the cell.
    - Any other class counts if what stands there covers at least half of the cell.

    The interior of a building counts as building, and a vehicle counts at any height. Crowns of
    trees, balconies and gantries above HEADROOM do not count.

    If nothing stands on a cell, it has the class of the ground: lane marking if it contains any,
    otherwise the class that covers most of it.

    A cell is observed if it contains a lidar point that is at most HEADROOM above the ground, or
    that is on a vehicle or a building. Points on rain, fog or spray do not count.

    Args:
        view: State of the world.
        scan: Points that the rig's lidars measured.
    """
    shape = EMPTY_MAP.classes.shape
    fine = TopView((FINE * shape[0], FINE * shape[1]), (X_MIN, Y_MIN), CELL / FINE, MASK_IGNORED)
    fine.draw(
        [view.static, view.moving],
        view.materials.camera,
        invert(view.world_from_ego),
        _KINDS,
        _CLASSES,
    )
    _close_buildings(fine.standing)
    classes = np.empty(shape, np.uint8)
    _merge(fine.ground, fine.standing, np.empty(8, np.int64), classes)
    return BevMap(classes, X_MIN, Y_MIN, CELL, observed=_observed(scan, fine.heights, shape))


def _close_buildings(standing: np.ndarray) -> None:
    """Set the building bit in the interiors of buildings, in place.

    An interior is an area under a roof that walls separate from the outside. The area below a
    balcony or an awning is open to the street, so it is not an interior.
    """
    by_cell = standing[::FINE, ::FINE].copy()
    for place in range(1, FINE * FINE):
        by_cell |= standing[place // FINE :: FINE, place % FINE :: FINE]
    has_roof = by_cell & ROOF > 0
    is_wall = by_cell & _WALL > 0
    inside = has_roof & ~is_wall
    if not inside.any():
        return
    count, parts = cv2.connectedComponents(inside.view(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    openings = np.zeros(count, np.int64)
    free = ~has_roof & ~is_wall
    for here, there in (
        (parts[1:], free[:-1]),
        (parts[:-1], free[1:]),
        (parts[:, 1:], free[:, :-1]),
        (parts[:, :-1], free[:, 1:]),
    ):
        openings += np.bincount(here[there], minlength=count)
    is_closed = openings <= GAP / CELL
    is_closed[0] = False
    built = np.where(is_closed[parts], _WALL, np.uint8(0))
    standing |= np.repeat(np.repeat(built, FINE, 0), FINE, 1)


@kernel
def _merge(ground, standing, counts, classes):
    """Write the class of each cell from its FINE x FINE subcells; `counts` (8,) is a buffer."""
    places = FINE * FINE
    for row in range(classes.shape[0]):
        for column in range(classes.shape[1]):
            counts[:] = 0
            stands = 0
            for place in range(places):
                i, j = FINE * row + place // FINE, FINE * column + place % FINE
                bits = standing[i, j]
                found = -1
                for each in (_PERSON, _BARRIER, _VEHICLE, _BUILDING, _VEGETATION):
                    if bits >> each & 1:
                        found = each
                        break
                if found >= 0:
                    counts[found] += 1
                    stands += 1
            best = -1
            if counts[_PERSON] > 0:
                best = _PERSON
            elif counts[_BARRIER] > 0 and 2 * counts[_VEHICLE] < places:
                best = _BARRIER
            elif 2 * stands >= places:
                best = _VEHICLE
                for each in (_BUILDING, _VEGETATION):
                    if counts[each] > counts[best]:
                        best = each
            if best < 0:
                counts[:] = 0
                known = 0
                for place in range(places):
                    found = ground[FINE * row + place // FINE, FINE * column + place % FINE]
                    if found < 8:
                        counts[found] += 1
                        known += 1
                if counts[_MARKING] > 0:
                    best = _MARKING
                elif known > 0:
                    best = _ROAD
                    for each in (_SIDEWALK, _VEGETATION):
                        if counts[each] > counts[best]:
                            best = each
            classes[row, column] = best if best >= 0 else MASK_IGNORED


def _observed(scan: Scan, heights: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return which cells (X, Y) contain a point that counts as an observation; see `label_bev`.

    Args:
        scan: Points in the ego frame.
        heights: (FINE * X, FINE * Y) z of the ground in metres, NaN where there is none.
        shape: Number of cells (X, Y).
    """
    observed = np.zeros(shape, bool)
    fine = np.floor((scan.positions[:, :2] - (X_MIN, Y_MIN)) * (FINE / CELL)).astype(np.int64)
    inside = (fine >= 0).all(1) & (fine < heights.shape).all(1) & (scan.classes != IGNORED_PIXEL)
    x, y = fine[inside].T
    is_low = ~(scan.positions[inside, 2] - heights[x, y] > HEADROOM)
    kinds = _KINDS[scan.classes[inside]]
    counts = is_low | np.isin(kinds, (VEHICLE, HOUSE))
    observed[x[counts] // FINE, y[counts] // FINE] = True
    return observed

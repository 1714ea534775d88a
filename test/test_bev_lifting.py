"""Classes of pixels and points are lifted to the bird's-eye view, without learning."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.bev_lifting import (
    fill_between_rings,
    fill_from_nearest,
    ground_heights,
    lift,
    vote,
)
from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import CAMERA, BevMap, Camera, Prediction
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, transform
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set

PIXELS, BEV = load_label_set("driving_13"), load_label_set("bev_8")
ROAD, MARKING, SIDEWALK, GREEN, BUILDING, VEHICLE = (
    BEV.index(name)
    for name in ("road", "lane_marking", "sidewalk", "vegetation", "building", "vehicle")
)
GRID = GridConfig(x_max=25.6, y_min=-12.8, y_max=12.8)  # cells of 0.4 m
SIZE = (320, 192)
# The camera stands 1 m above the ground and 1 m left of the lidar.
SEEN_BY = Camera(
    [[200, 0, 159.5], [0, 200, 95.5], [0, 0, 1]],
    SIZE,
    OPTICAL_FROM_VIEW @ transform(np.eye(3), (0, -1, -1)),
)


def ground(x: tuple[float, float] = (2, 25), step: float = 0.2, slope: float = 0.0) -> np.ndarray:
    """Return points of a road that may rise ahead."""
    rows, columns = np.meshgrid(np.arange(*x, step), np.arange(-12, 12, 0.2))
    return np.column_stack([rows.ravel(), columns.ravel(), slope * rows.ravel()])


def voted(*parts: tuple[np.ndarray, int]) -> tuple[BevMap, np.ndarray]:
    """Return the map of points of several classes."""
    points = np.concatenate([points for points, _ in parts])
    classes = np.concatenate([np.full(len(points), number) for points, number in parts])
    return vote(points, classes.astype(np.uint8), GRID, BEV)


def at(found: BevMap, x: float, y: float) -> int:
    """Return the class at a point, metres."""
    return int(found.at(np.array([x, y])))


def test_an_object_does_not_bleed_onto_what_it_hides_from_the_camera() -> None:
    mask = np.full(SIZE[::-1], PIXELS.index("road"), np.uint8)
    mask[86:106, 140:180] = PIXELS.index("car")  # 8 to 12 m ahead of the camera
    points = np.concatenate([[[10, 1, 0.9], [20, 1, 1.0], [10, 4, 0.0]], ground()])
    found = Prediction(
        None, {CAMERA: mask}, {CAMERA: SEEN_BY}, "fused", 0, {}, {"segmentation": PIXELS}
    )
    lifted = lift(points, found, GRID, BEV)
    assert lifted is not None
    assert at(lifted, 10, 1) == VEHICLE and at(lifted, 10, 4) == ROAD
    assert at(lifted, 20, 1) != VEHICLE  # only the lidar sees this point, past the car
    assert at(lifted, 1, 0) == MASK_IGNORED  # nothing was measured there


@pytest.mark.parametrize("missing", ["points", "masks", "labels", "mapping"])
def test_there_is_no_map_without_points_masks_labels_or_mapping(missing: str) -> None:
    masks = {} if missing == "masks" else {CAMERA: np.zeros(SIZE[::-1], np.uint8)}
    labels = {"segmentation": load_label_set("groups_6") if missing == "mapping" else PIXELS}
    found = Prediction(
        None, masks, {CAMERA: SEEN_BY}, "fused", 0, {}, {} if missing == "labels" else labels
    )
    assert lift(None if missing == "points" else ground(), found, GRID, BEV) is None


def test_a_car_a_wall_and_the_road_side_by_side_keep_their_cells() -> None:
    heights = np.arange(0.05, 2.4, 0.1)
    along = np.arange(8, 12, 0.1)
    places = np.stack(np.meshgrid(along, heights), -1).reshape(-1, 2)
    car = np.insert(places[places[:, 1] < 1.5], 1, 3.0, axis=1)
    wall = np.insert(places, 1, 3.5, axis=1)
    found, is_ground = voted((ground(), ROAD), (car, VEHICLE), (wall, BUILDING))
    assert (at(found, 10, 3.0), at(found, 10, 3.5)) == (VEHICLE, BUILDING)
    assert (at(found, 10, 2.4), at(found, 10, 5.0)) == (ROAD, ROAD)
    assert not is_ground[25, 39] and is_ground[25, 20]


def test_crowns_and_bridges_above_the_road_do_not_vote() -> None:
    crown = np.array([[10.0, 0, 3.5], [10.1, 0, 4.0]])
    found, _ = voted((ground(), ROAD), (crown, GREEN))
    assert at(found, 10, 0) == ROAD


def test_heights_are_relative_to_the_rising_ground() -> None:
    slope = 0.12
    points = ground(slope=slope)
    car = np.column_stack([np.full(20, 22.0), np.zeros(20), np.linspace(0.4, 1.5, 20)])
    car[:, 2] += slope * 22
    assert np.abs(ground_heights(points) - points[:, 2]).max() < 0.3
    found, _ = voted((points, ROAD), (car, VEHICLE))
    assert at(found, 22, 0) == VEHICLE and at(found, 20, 3) == ROAD


def test_a_single_point_below_the_ground_does_not_lower_it() -> None:
    mirrored = np.array([[10.0, 0, -3.0]])  # seen in a puddle or a window
    found, _ = voted((ground(), ROAD), (mirrored, BUILDING))
    assert at(found, 10.6, 0.6) == ROAD and at(found, 9.4, -0.6) == ROAD


def test_points_of_a_flat_class_above_the_ground_do_not_vote() -> None:
    wrong = np.array([[10.0, 0, 1.0]] * 9)
    found, _ = voted((ground(), SIDEWALK), (wrong, ROAD))
    assert at(found, 10, 0) == SIDEWALK


def rings(*classes: int) -> tuple[BevMap, np.ndarray]:
    """Return a map with lines of classes across the view, at 6, 7.6, 9.2, ... metres."""
    lines = [ground((6 + 1.6 * i, 6.1 + 1.6 * i)) for i in range(len(classes))]
    points = list(zip(lines, classes, strict=True))
    return voted(*points)


def test_the_ground_between_two_rings_is_filled() -> None:
    filled = fill_between_rings(*rings(ROAD, ROAD, SIDEWALK))
    assert at(filled, 6.9, 0) == ROAD and at(filled, 6.9, 2.0) == ROAD
    assert at(filled, 8.5, 0) == MASK_IGNORED  # the curb may be anywhere
    assert at(filled, 3, 0) == at(filled, 12, 0) == MASK_IGNORED  # before and beyond the rings


def test_the_ground_between_road_and_lane_marking_is_road() -> None:
    filled = fill_between_rings(*rings(ROAD, MARKING))
    assert at(filled, 6.9, 0) == ROAD and at(filled, 7.6, 0) == MARKING


def test_a_lane_marking_narrower_than_a_cell_is_kept() -> None:
    around = ground((10, 11))  # four points in a cell
    painted = around[np.isclose(around[:, 1], 0.2)]
    road = around[~np.isclose(around[:, 1], 0.2)]
    found, _ = voted((road, ROAD), (painted, MARKING))
    assert at(found, 10.5, 0.1) == MARKING and at(found, 10.5, 0.5) == ROAD
    one_wrong_pixel, _ = voted((np.repeat(road, 3, 0), ROAD), (painted[:1], MARKING))
    assert at(one_wrong_pixel, 10.1, 0.1) == ROAD


def behind_a_car(origin: tuple[float, float] = (0.0, 0.0)) -> BevMap:
    """Return the filled map of two rings, between which a car stands ahead."""
    car = np.array([[6.9, y, z] for y in np.arange(-0.7, 0.8, 0.2) for z in (0.5, 1.0)])
    found = voted((ground((6, 6.1)), ROAD), (car, VEHICLE), (ground((7.7, 7.8)), ROAD))
    return fill_between_rings(*found, origin)


def test_cells_hidden_by_an_object_stay_unknown() -> None:
    filled = behind_a_car()
    assert at(filled, 6.9, 0.2) == VEHICLE
    assert at(filled, 7.4, 0.2) == MASK_IGNORED  # behind the car
    assert at(filled, 6.6, 0.2) == MASK_IGNORED  # its front may reach here
    assert at(filled, 6.6, 2) == at(filled, 7.4, 2) == ROAD


def test_a_gap_wider_than_that_between_rings_stays_unknown() -> None:
    filled = fill_between_rings(*voted((ground((6, 6.1)), ROAD), (ground((11, 11.1)), ROAD)))
    assert at(filled, 8.5, 0) == MASK_IGNORED


def test_rings_are_centred_on_the_lidar() -> None:
    filled = behind_a_car(origin=(0.0, 5.0))  # the hidden road lies to the right of the car
    assert at(filled, 7.4, -0.6) == MASK_IGNORED and at(filled, 7.4, 0.6) == ROAD
    assert at(behind_a_car(), 7.4, 0.6) == MASK_IGNORED


def test_unknown_cells_take_the_nearest_class_only_if_asked() -> None:
    found, _ = voted((ground((6, 6.1)), ROAD), (np.array([[20.0, 0, 0]]), SIDEWALK))
    filled = fill_from_nearest(found)
    assert at(found, 15, 0) == MASK_IGNORED
    assert at(filled, 25, 0) == SIDEWALK and at(filled, 2, 0) == ROAD
    near = fill_from_nearest(found, within=6.0)
    assert at(near, 25, 0) == SIDEWALK and at(near, 27, 0) == MASK_IGNORED
    nothing = BevMap(np.full((4, 4), MASK_IGNORED, np.uint8), 0, 0, 1)
    assert (fill_from_nearest(nothing).classes == MASK_IGNORED).all()


def test_without_points_everything_is_unknown() -> None:
    found, is_ground = voted((np.zeros((0, 3)), ROAD))
    assert (fill_between_rings(found, is_ground).classes == MASK_IGNORED).all()

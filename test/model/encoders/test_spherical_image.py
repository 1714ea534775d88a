"""The points of each lidar unit in its spherical image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.point_clouds import turn

from bev_semseg_ros.model.batch import BatchRays
from bev_semseg_ros.model.encoders.spherical_image import (
    MARGIN,
    NEIGHBOUR_COLUMNS,
    NEIGHBOUR_ROWS,
    PARTS,
    ROWS,
    TURN,
    WHOLE,
    WIDTHS,
    SphericalImages,
)


def rays(*clouds: np.ndarray) -> BatchRays:
    """Return the rays of clouds, one unit per cloud."""
    points = torch.from_numpy(np.concatenate(clouds)[:, :3])
    units = torch.repeat_interleave(torch.arange(len(clouds)), torch.tensor(list(map(len, clouds))))
    return BatchRays(points, units, len(clouds))


def turned(cloud: np.ndarray, degrees: float) -> np.ndarray:
    """Return a cloud rotated about the axis of the lidar."""
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    result = cloud.copy()
    result[:, :2] = cloud[:, :2] @ matrix.T
    return result


@pytest.mark.parametrize(
    ("reach", "width"),
    [(40, PARTS[0]), (60, PARTS[1]), (100, PARTS[2]), (150, WHOLE), (180, WHOLE)],
)
def test_an_image_is_as_wide_as_the_field_of_view_of_its_unit(reach, width):
    images = SphericalImages.of(rays(turn(reach=reach)))
    assert images.widths.unique().tolist() == [width]
    assert images.counts == tuple(int(each == width) for each in WIDTHS)
    assert len(images.winners) == ROWS * width


@pytest.mark.parametrize("direction", [0, 90, 180, -133])
def test_a_narrow_field_of_view_has_the_same_image_in_every_direction(direction):
    columns = 360 / TURN  # rotate by whole columns: the same points share a pixel
    cloud = turned(turn(reach=40), 0.1)
    there = turned(cloud, round(direction / columns) * columns)
    ahead, behind = (SphericalImages.of(rays(each)) for each in (cloud, there))
    assert torch.equal(ahead.winners, behind.winners)


def test_an_image_of_a_whole_revolution_repeats_its_ends():
    images = SphericalImages.of(rays(turn(columns=200)))
    winners = images.winners.view(ROWS, WHOLE)
    assert torch.equal(winners[:, :MARGIN], winners[:, TURN : TURN + MARGIN])
    assert torch.equal(winners[:, -MARGIN:], winners[:, MARGIN : 2 * MARGIN])
    assert (winners[:, :MARGIN] >= 0).any() and (winners[:, -MARGIN:] >= 0).any()


def test_each_pixel_holds_its_nearest_point_and_every_point_has_a_pixel():
    near = turn(beams=4, columns=20, reach=30)
    far = near * np.array([3, 3, 3, 1], np.float32)
    images = SphericalImages.of(rays(np.concatenate([far, near, near])))
    assert set(images.winners[images.pixels()].tolist()) == set(range(80, 160))


def test_each_unit_has_an_image_of_its_own_and_narrow_ones_come_first():
    clouds = [turn(reach=180), turn(reach=40), turn(reach=40, seed=1)]
    images = SphericalImages.of(rays(*clouds))
    assert images.counts == (2, 0, 0, 1)
    owners = images.winners[images.pixels()] // len(clouds[0])
    assert torch.equal(owners, rays(*clouds).units)
    first = [int(images.first[len(clouds[0]) * unit]) for unit in range(3)]
    assert first == [2 * ROWS * PARTS[0], 0, ROWS * PARTS[0]]


def test_points_straight_above_below_and_at_the_unit_have_a_pixel():
    points = np.array([[0, 0, 9, 0], [0, 0, -9, 0], [0, 0, 0, 0], [-5, 0, 0, 0], [-5, -1e-9, 0, 0]])
    images = SphericalImages.of(rays(points.astype(np.float32)))
    assert (images.rows >= 0).all() and (images.rows < ROWS).all()
    assert (images.columns >= 0).all() and (images.columns < images.widths).all()
    cells, shares = images.corners()
    assert cells.min() >= 0 and cells.max() < len(images.winners) // 2
    assert torch.allclose(shares.sum(0), torch.ones(5))


def test_a_unit_without_points_has_an_empty_image():
    clouds = [turn(reach=40), turn(reach=40)]
    all_rays = rays(*clouds)
    images = SphericalImages.of(all_rays[all_rays.units == 1])
    assert images.counts == (2, 0, 0, 0)


def test_the_neighbours_of_a_pixel_are_the_nearest_occupied_pixels_of_its_row_and_column():
    images = SphericalImages.of(rays(turn(reach=40)))
    images.winners[:] = -1
    grid = images.winners.view(ROWS, PARTS[0])
    grid[20, 100] = 0
    grid[20 - NEIGHBOUR_ROWS, 100] = 1  # as far above as allowed
    grid[21 + NEIGHBOUR_ROWS, 100] = 2  # too far below
    grid[20, 100 - NEIGHBOUR_COLUMNS] = 3  # hidden by the next one
    grid[20, 99] = 4
    grid[20, 101 + NEIGHBOUR_COLUMNS] = 5  # too far to the right
    neighbours = images.neighbours().view(4, ROWS, PARTS[0])
    assert neighbours[:, 20, 100].tolist() == [1, -1, 4, -1]
    assert neighbours[:, 20 - NEIGHBOUR_ROWS, 100].tolist() == [-1, 0, -1, -1]
    assert neighbours[:, 20, 99].tolist() == [-1, -1, 3, 0]


def test_the_neighbours_in_images_of_several_units_are_points_of_the_same_unit():
    reaches = (180, 40, 40)
    clouds = [turn(columns=4 * reach, reach=reach) for reach in reaches]  # half a degree apart
    images = SphericalImages.of(rays(*clouds))
    occupied = images.winners >= 0
    units = rays(*clouds).units[images.winners[occupied]]
    for neighbours in images.neighbours()[:, occupied]:
        found = neighbours >= 0
        assert found.any()
        assert torch.equal(rays(*clouds).units[neighbours[found]], units[found])

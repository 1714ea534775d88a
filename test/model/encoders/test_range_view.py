"""What the range view tells its network about the surface at each point."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.point_clouds import ROOF, turn

from bev_semseg_ros.geometry import rotation_rpy, transform
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.encoders.range_view import (
    NEIGHBOUR_CHANNELS,
    POINT_CHANNELS,
    RangeView,
    pixel_inputs,
    point_inputs,
)
from bev_semseg_ros.model.encoders.spherical_image import SphericalImages
from bev_semseg_ros.preprocessing import Sample

ABOVE, BELOW, LEFT, RIGHT = range(4)


def directions(points: np.ndarray, at: int, pose: np.ndarray = ROOF) -> np.ndarray:
    """Return (4, 3) for the neighbours of a point: how steeply above, how directly behind, how far.

    Args:
        points: (N, 3) positions in the ego frame.
        at: index of the point.
        pose: ego_from_lidar.
    """
    cloud = np.column_stack([points, np.zeros(len(points))]).astype(np.float32)
    batch = Batch.from_samples([Sample.of(cloud, ego_from_lidar=pose)], (), True)
    assert batch.rays is not None
    images = SphericalImages.of(batch.rays)
    pixels = pixel_inputs(images, batch, point_inputs(images, batch))
    pixel = pixels[images.pixels()[at]]
    assert pixel[-1] == 1
    return pixel[POINT_CHANNELS : POINT_CHANNELS + NEIGHBOUR_CHANNELS].reshape(4, 3).numpy()


# A point 10 m ahead at a height of 1 m, then the next points above, below, left and right of it.
MIDDLE = [10, 0, 1]
WALL = [MIDDLE, [10, 0, 1.2], [10, 0, 0.8], [10, 0.1, 1], [10, -0.1, 1]]
FLOOR = [MIDDLE, [11.5, 0, 1], [9, 0, 1], [10, 0.1, 1], [10, -0.1, 1]]


def test_the_points_above_and_below_on_a_wall_are_steep():
    rise, behind, _ = directions(np.array(WALL), 0).T
    np.testing.assert_allclose(rise, [1, -1, 0, 0], atol=1e-5)
    assert abs(behind[[LEFT, RIGHT]]).max() < 0.01 and abs(behind).max() < 0.15


def test_the_points_above_and_below_on_a_floor_are_behind_and_in_front():
    rise, behind, distance = directions(np.array(FLOOR), 0).T
    np.testing.assert_allclose(rise, 0, atol=1e-5)
    assert behind[ABOVE] > 0.95 and behind[BELOW] < -0.95
    assert distance[ABOVE] > distance[BELOW] > distance[LEFT] > 0


def test_a_tilted_lidar_sees_the_same_surfaces():
    tilted = ROOF @ transform(rotation_rpy(0, 0.1, 0.0), (0, 0, 0))
    for points in (WALL, FLOOR):
        expected, found = (directions(np.array(points), 0, pose) for pose in (ROOF, tilted))
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_point_without_neighbours_has_no_directions():
    assert not directions(np.array([MIDDLE, [10, 9, 1], [10, 0, 9]]), 0).any()


def test_a_point_has_the_mean_of_the_cells_around_it_without_those_at_other_ranges():
    cloud = turn(beams=20, columns=200, reach=30)
    batch = Batch.from_samples([Sample.of(cloud, ego_from_lidar=ROOF)], (), True)
    images = SphericalImages.of(batch.rays)
    cells = len(images.winners) // 2
    constant = torch.full((cells, 3), 2.5, dtype=torch.bfloat16, requires_grad=True)
    features = RangeView._sample(images, constant)
    assert features.dtype == torch.float32
    torch.testing.assert_close(features, torch.full((len(cloud), 3), 2.5))
    features.sum().backward()
    assert constant.grad.float().sum().item() == pytest.approx(3 * len(cloud), rel=0.01)
    # A map of the ranges: what points sample is near their own range.
    nearest = torch.where(images.winners >= 0, images.ranges[images.winners], torch.inf)
    ranges = nearest.view(-1, 2).amin(1)
    ranges = torch.where(ranges.isinf(), 0.0, ranges)[:, None]
    sampled = RangeView._sample(images, ranges)[:, 0]
    assert (sampled - images.ranges).abs().median() < 0.05

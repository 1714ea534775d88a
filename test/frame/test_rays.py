"""Rays stay with their points while the points are moved, merged and augmented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import augment, flip, move
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import EgoMotion, Frame, LidarScan
from bev_semseg_ros.geometry import apply, invert, rotation_z, transform
from bev_semseg_ros.preprocessing import prepare

POSE = transform(rotation_z(0.4), (1, -0.5, 1.8))


def cloud(seed: int = 0, count: int = 40) -> np.ndarray:
    """Return points all around, most of them outside the grid."""
    points = np.random.default_rng(seed).uniform((-60, -60, -2, 0), (60, 60, 3, 1), (count, 4))
    return points.astype(np.float32)


def test_whole_clouds_keep_all_finite_points_with_their_rays():
    bad = cloud()
    bad[3], bad[5, 0] = np.nan, np.inf
    scans = {
        "a": LidarScan(bad, POSE),
        "lost": LidarScan(None, np.eye(4)),
        "b": LidarScan(cloud(1, 20), np.eye(4)),
    }
    sample = prepare(Frame(0, scans), Config(), whole_clouds=True)
    rays = sample.rays
    assert rays.scan_sizes == {"a": 40, "lost": None, "b": 20}
    assert len(sample.points) == len(rays) == 58
    assert np.array_equal(rays.indices[:4], [0, 1, 2, 4])
    for number, name in ((0, "a"), (2, "b")):
        own = sample.point_lidar == number
        measured = scans[name].points[rays.indices[own]]
        assert np.array_equal(rays.points[own], measured[:, :3])
        moved = apply(scans[name].ego_from_lidar, measured[:, :3].astype(float))
        assert np.allclose(sample.points[own, :3], moved, atol=1e-4)
    assert len(np.unique(rays.units)) == 2


def test_whole_clouds_contain_the_points_inside_the_grid():
    frame = Frame(0, {"a": LidarScan(cloud(), POSE)})
    whole = prepare(frame, Config(), whole_clouds=True)
    inside, expected = whole.within(Config().grid), prepare(frame, Config())
    assert inside.rays is None and 0 < len(expected.points) < len(whole.points)
    assert np.array_equal(inside.points, expected.points)


def test_units_with_the_same_pose_are_one_unit_across_numbers_and_clouds():
    first, second = transform(None, (1, 0, 0)), transform(rotation_z(1), (0, 1, 0))
    numbers = np.arange(40) % 2
    scans = {
        "front": LidarScan(cloud(), POSE, {"unit": numbers}, 0.0, {0: first, 1: second}),
        "left": LidarScan(cloud(1), POSE, {"unit": 7 + numbers}, 0.0, {8: first, 7: second}),
        "alone": LidarScan(cloud(2), POSE),
    }
    sample = prepare(Frame(0, scans), Config(), whole_clouds=True)
    units = sample.rays.units.reshape(3, 40)
    assert np.array_equal(units[0], numbers)
    assert np.array_equal(units[1], 1 - numbers)
    assert (units[2] == 2).all()
    for number, pose in ((0, first), (1, second)):
        own = numbers == number
        seen = apply(invert(pose), scans["front"].points[own, :3].astype(float))
        assert np.allclose(sample.rays.points[:40][own], seen, atol=1e-4)


def test_rays_of_units_without_poses_start_at_the_lidar():
    scan = LidarScan(cloud(), POSE, {"unit": np.arange(40) % 5})
    rays = prepare(Frame(0, {"a": scan}), Config(), whole_clouds=True).rays
    assert not rays.units.any() and np.array_equal(rays.points, scan.points[:, :3])


def test_the_motion_of_the_vehicle_moves_the_points_but_not_their_rays():
    times = np.linspace(-0.05, 0.05, 40).astype(np.float32)
    scan = LidarScan(cloud(), POSE, {"time": times})
    motion = EgoMotion((20, 0, 0), (0, 0, 0.3))
    still, moving = (
        prepare(Frame(0, {"a": scan}, motion=each), Config(), whole_clouds=True)
        for each in (None, motion)
    )
    assert np.abs(still.points - moving.points).max() > 0.5
    assert np.array_equal(still.rays.points, moving.rays.points)


def test_augmentation_mirrors_and_scales_rays_with_their_points():
    sample = prepare(Frame(0, {"a": LidarScan(cloud(), POSE)}), Config(), whole_clouds=True)
    changed = move(flip(Example(sample)), 0.3, 1.1, 0.2).sample
    pose = changed.ego_from_lidar[0]
    back = apply(invert(pose), changed.points[:, :3].astype(float))
    assert np.allclose(back, changed.rays.points, atol=1e-3)


def test_augmentation_keeps_the_points_outside_the_grid():
    sample = prepare(Frame(0, {"a": LidarScan(cloud(), POSE)}), Config(), whole_clouds=True)
    settings = replace(Config().augmentation, point_drop=0.0, ring_drop=0.0)
    rng = np.random.default_rng(0)
    varied = augment(Example(sample), settings, Config().grid, (0, 0), rng).sample
    assert len(varied.points) == len(varied.rays) == len(sample.points)

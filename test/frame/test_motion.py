"""The ego motion moves measurements of other times to the time of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.frame import EgoMotion
from bev_semseg_ros.geometry import apply, invert, rotation_rpy, rotation_z, transform


def test_the_pose_of_a_vehicle_that_drives_straight_lies_ahead():
    pose = EgoMotion((20, 0, 0), (0, 0, 0)).pose_after(0.1)
    np.testing.assert_allclose(pose, transform(None, (2, 0, 0)), atol=1e-12)


def test_in_a_curve_the_pose_follows_the_circle():
    speed, rate, seconds = 10.0, 0.4, 0.1
    radius, turn = speed / rate, rate * seconds
    expected = transform(rotation_z(turn), (radius * np.sin(turn), radius * (1 - np.cos(turn)), 0))
    found = EgoMotion((speed, 0, 0), (0, 0, rate)).pose_after(seconds)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_vehicle_turns_about_each_axis_by_the_right_hand_rule(axis):
    rates, angles = np.zeros(3), np.zeros(3)
    rates[axis], angles[axis] = 0.3, 0.03
    expected = transform(rotation_rpy(*angles))
    np.testing.assert_allclose(EgoMotion((0, 0, 0), rates).pose_after(0.1), expected, atol=1e-9)


def test_points_are_moved_by_the_pose_at_their_time():
    motion = EgoMotion((15, 0.5, -0.1), (0.05, -0.03, 0.5))
    points = np.random.default_rng(0).uniform((-70, -60, -2), (70, 60, 4), (500, 3))
    seconds = np.linspace(-0.1, 0.1, 500)
    moved = motion.to_frame_time(points, seconds)
    exact = [
        apply(motion.pose_after(time), point) for time, point in zip(seconds, points, strict=True)
    ]
    np.testing.assert_allclose(moved, exact, atol=0.005)
    assert np.abs(moved - points).max() > 1  # the correction is not negligible


def test_poses_at_opposite_times_are_inverse():
    motion = EgoMotion((12, 0, 0), (0, 0, -0.3))
    np.testing.assert_allclose(motion.pose_after(-0.1), invert(motion.pose_after(0.1)), atol=1e-9)


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="ego motion: angular has numbers that are not finite"):
        EgoMotion((1, 0, 0), (0, np.nan, 0))

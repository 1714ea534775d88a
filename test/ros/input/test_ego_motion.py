"""The vehicle's motion from odometry messages and from TF."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from nav_msgs.msg import Odometry

from bev_semseg_ros.frame import EgoMotion
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.ros.input.ego_motion import (
    OdometryMotion,
    TransformMotion,
    UnknownMotion,
    open_motion,
)
from bev_semseg_ros.ros.input.transforms import MissingTransform
from bev_semseg_ros.ros.parameters.parameters import Parameters

S = 1_000_000_000


def odometry(stamp: int, speed: float, yaw_rate: float = 0.0) -> Odometry:
    message = Odometry(child_frame_id="base_link")
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, S)
    message.twist.twist.linear.x, message.twist.twist.angular.z = speed, yaw_rate
    return message


class Drive:
    """Transforms of a vehicle with a known motion, available between two times."""

    def __init__(self, motion: EgoMotion, first: int, last: int) -> None:
        self._motion, self._first, self._last = motion, first, last

    def newest(self, target: str, source: str) -> int:
        assert (target, source) == ("odom", "base_link")
        return self._last

    def look_up(self, target: str, source: str, stamp: int, timeout: float = 0.0) -> np.ndarray:
        if not self._first <= stamp <= self._last:
            raise MissingTransform(f"no transform from {source!r} to {target!r}: extrapolation")
        return self._motion.pose_after((stamp - self._first) / S)

    def forget_if_time_jumped_back(self, stamp: int) -> None:
        pass

    def close(self) -> None:
        pass


def test_the_odometry_nearest_to_the_frame_is_taken():
    source = OdometryMotion()
    for stamp, speed in ((1.00, 10.0), (1.05, 11.0), (1.10, 12.0)):
        source.take(odometry(round(stamp * S), speed))
    motion = source.at(round(1.06 * S), np.eye(4))
    np.testing.assert_allclose(motion.linear, (11, 0, 0))


def test_a_bag_that_begins_again_finds_its_odometry():
    source = OdometryMotion()
    for stamp, speed in ((90.0, 10.0), (1.0, 3.0)):
        source.take(odometry(round(stamp * S), speed))
    np.testing.assert_allclose(source.at(S, np.eye(4)).linear, (3, 0, 0))


def test_a_restarted_simulation_does_not_use_the_odometry_of_its_former_run():
    source = OdometryMotion()
    for speed in (10.0, 0.0):
        for tenth in range(50):
            source.take(odometry(S * tenth // 10, speed))
    np.testing.assert_allclose(source.at(S, np.eye(4)).linear, (0, 0, 0))


def test_no_odometry_and_old_odometry_are_explained():
    source = OdometryMotion()
    with pytest.raises(UnknownMotion, match="no message has come on the topic odometry"):
        source.at(S, np.eye(4))
    source.take(odometry(S, 10.0))
    with pytest.raises(UnknownMotion, match=r"odometry is -0.500 s from the frame, at most 0.2 s"):
        source.at(3 * S // 2, np.eye(4))


def test_odometry_that_is_not_finite_is_explained():
    source = OdometryMotion()
    source.take(odometry(S, np.nan))
    with pytest.raises(UnknownMotion, match=r"topic odometry: .* not finite"):
        source.at(S, np.eye(4))


def test_odometry_without_stamps_is_named_as_such():
    """The node once asked to synchronise a clock, as if the stamps were old."""
    source = OdometryMotion()
    source.take(odometry(0, 10.0))
    with pytest.raises(UnknownMotion, match="odometry are not stamped: let their publisher set"):
        source.at(1_753_000_000 * S, np.eye(4))
    source.take(odometry(S, 10.0))
    source.take(odometry(0, 3.0))  # does not count as a jump back
    np.testing.assert_allclose(source.at(S, np.eye(4)).linear, (10, 0, 0))
    with pytest.raises(UnknownMotion, match="odometry are not stamped"):
        source.at(9 * S, np.eye(4))
    source.take(odometry(2 * S, 10.0))
    with pytest.raises(UnknownMotion, match=r"-7.000 s from the frame"):
        source.at(9 * S, np.eye(4))


@pytest.mark.parametrize(
    ("speed", "yaw_rate", "said"),
    [
        (3e5, 0.0, "a velocity of 3e[+]05 m/s, at most 200 m/s is plausible: correct its source"),
        (-1e30, 0.0, "1e[+]30 m/s, at most 200"),
        (10.0, 100.0, "a velocity of 100 rad/s, at most 20 rad/s is plausible"),
    ],
)
def test_velocities_that_no_vehicle_has_are_refused(speed, yaw_rate, said):
    source = OdometryMotion()
    source.take(odometry(S, speed, yaw_rate))
    with pytest.raises(UnknownMotion, match=f"topic odometry: .*{said}"):
        source.at(S, np.eye(4))


def test_a_jump_in_tf_is_no_motion():
    """The localisation corrects itself by 40 m in 0.1 s."""
    drive = EgoMotion((400, 0, 0), (0, 0, 0))
    with pytest.raises(UnknownMotion, match="from 'base_link' to 'odom': a velocity of 400 m/s"):
        TransformMotion(Drive(drive, 0, S), "odom", "base_link").at(S, np.eye(4))


def test_in_a_curve_a_lidar_ahead_of_the_base_also_moves_sideways():
    source = OdometryMotion()
    source.take(odometry(S, 10.0, yaw_rate=0.5))
    motion = source.at(S, transform(None, (-2, 0, 0)))  # the lidar is 2 m ahead of the base
    np.testing.assert_allclose(motion.linear, (10, 1, 0))
    np.testing.assert_allclose(motion.angular, (0, 0, 0.5))


@pytest.mark.parametrize("last", [1.3, 1.0, 0.9])  # TF is ahead of the frame, equal, behind
def test_tf_gives_the_velocities_of_a_drive(last):
    drive = EgoMotion((14, 0.2, 0), (0, 0.02, 0.4))
    source = TransformMotion(Drive(drive, 0, round(last * S)), "odom", "base_link")
    motion = source.at(S, np.eye(4))
    np.testing.assert_allclose(motion.linear, drive.linear, atol=0.01)
    np.testing.assert_allclose(motion.angular, drive.angular, atol=1e-6)


def test_tf_that_is_too_old_or_too_short_is_explained():
    drive = EgoMotion((14, 0, 0), (0, 0, 0))
    with pytest.raises(UnknownMotion, match=r"'base_link' to 'odom' is 0.500 s older"):
        TransformMotion(Drive(drive, 0, S // 2), "odom", "base_link").at(S, np.eye(4))
    with pytest.raises(UnknownMotion, match=r"from 'base_link' to 'odom'.*parameter base_frame"):
        TransformMotion(Drive(drive, S - S // 50, S), "odom", "base_link").at(S, np.eye(4))


def test_the_parameter_chooses_the_source():
    assert open_motion(None, Parameters()) is None
    assert isinstance(open_motion(None, Parameters(ego_motion="odometry")), OdometryMotion)
    with pytest.raises(ValueError, match="ego_motion"):
        Parameters(ego_motion="wheels")

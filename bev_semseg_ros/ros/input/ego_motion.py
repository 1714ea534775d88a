"""The motion of the vehicle: from odometry messages or from TF."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Protocol

import cv2
import numpy as np
from rclpy.node import Node

from bev_semseg_ros.frame import EgoMotion
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.input.transforms import MissingTransform, Transforms
from bev_semseg_ros.ros.parameters.parameters import Parameters

MAX_AGE_NS = 200_000_000  # longest time between a frame and its motion
STEP_NS = 100_000_000  # between the two TF poses from which velocities are computed
REMEMBERED = 500  # odometry messages to keep; some seconds at usual rates
# Along and about each axis, m/s and rad/s. No vehicle on the ground is faster.
MAX_SPEED, MAX_TURN_RATE = 200.0, 20.0


class UnknownMotion(LookupError):
    """The motion at a frame's time is not known; the message says why and what to do."""


class MotionSource(Protocol):
    """A source of the vehicle's motion."""

    def at(self, stamp: int, ego_from_base: np.ndarray) -> EgoMotion:
        """Return the motion at a time.

        Args:
            stamp: The time, nanoseconds.
            ego_from_base: (4, 4) pose of `base_frame` in the ego frame.

        Returns:
            The velocities of the ego frame.

        Raises:
            UnknownMotion: If the motion at this time is not known.
        """
        ...

    def close(self) -> None:
        """Stop listening."""


class OdometryMotion:
    """Motion from the twist of the nav_msgs/Odometry message nearest to the frame in time.

    `take` is called in the executor's thread, `at` in the inference thread. The axes of the twist
    must be those of base_frame, or, with a calibration file, those of the ego frame. If the stamps
    jump back, for instance because a simulation restarts, earlier messages are discarded. Messages
    without a stamp are not used.
    """

    def __init__(self) -> None:
        """Start without messages."""
        self._lock = threading.Lock()
        self._messages: deque[tuple[int, np.ndarray, np.ndarray]] = deque(maxlen=REMEMBERED)
        self._lacks_stamp = False  # whether the last message had no stamp

    def take(self, message: Any) -> None:
        """Keep a nav_msgs/Odometry message."""
        twist = message.twist.twist
        linear = np.array([twist.linear.x, twist.linear.y, twist.linear.z])
        angular = np.array([twist.angular.x, twist.angular.y, twist.angular.z])
        stamp = stamp_ns(message.header.stamp)
        with self._lock:
            self._lacks_stamp = stamp == 0
            if self._lacks_stamp:
                return
            if self._messages and stamp < self._messages[-1][0] - MAX_AGE_NS:
                self._messages.clear()
            self._messages.append((stamp, linear, angular))

    def at(self, stamp: int, ego_from_base: np.ndarray) -> EgoMotion:
        """Return the motion at a time; see `MotionSource`."""
        with self._lock:
            known, lacks_stamp = list(self._messages), self._lacks_stamp
        is_near = any(abs(each[0] - stamp) <= MAX_AGE_NS for each in known)
        if lacks_stamp and not is_near:
            raise UnknownMotion(
                "the messages on the topic odometry are not stamped: let their publisher set "
                "header.stamp to the time of the measurement"
            )
        if not known:
            raise UnknownMotion(
                "no message has come on the topic odometry: remap it to your odometry, or set "
                "ego_motion to tf or none"
            )
        nearest, linear, angular = min(known, key=lambda each: abs(each[0] - stamp))
        if not is_near:
            raise UnknownMotion(
                f"the nearest message on the topic odometry is {(nearest - stamp) / 1e9:+.3f} s "
                f"from the frame, at most {MAX_AGE_NS / 1e9:g} s are allowed: synchronise its "
                "clock with those of the sensors"
            )
        try:
            return motion_of_ego(linear, angular, ego_from_base)
        except ValueError as error:
            raise UnknownMotion(f"topic odometry: {error}") from error

    def close(self) -> None:
        """Do nothing: the subscription belongs to the session."""


class TransformMotion:
    """Motion from TF: the difference between two poses of base_frame in odom_frame."""

    def __init__(self, transforms: Transforms, odom_frame: str, base_frame: str) -> None:
        """Keep the settings.

        Args:
            transforms: Looks up transforms in TF.
            odom_frame: Name of the frame in which base_frame moves.
            base_frame: Name of the vehicle's frame.
        """
        self._transforms = transforms
        self._odom_frame, self._base_frame = odom_frame, base_frame

    def at(self, stamp: int, ego_from_base: np.ndarray) -> EgoMotion:
        """Return the motion at a time; see `MotionSource`."""
        try:
            self._transforms.forget_if_time_jumped_back(stamp)
            newest = self._transforms.newest(self._odom_frame, self._base_frame)
            if stamp - newest > MAX_AGE_NS:
                raise UnknownMotion(
                    f"the newest transform from {self._base_frame!r} to {self._odom_frame!r} is "
                    f"{(stamp - newest) / 1e9:.3f} s older than the frame, at most "
                    f"{MAX_AGE_NS / 1e9:g} s are allowed: publish it more often"
                )
            end = min(stamp, newest)
            before, after = (
                self._transforms.look_up(self._odom_frame, self._base_frame, moment)
                for moment in (end - STEP_NS, end)
            )
        except MissingTransform as error:
            raise UnknownMotion(
                f"{error}; {self._base_frame!r} is the parameter base_frame, which must be a frame "
                "of TF"
            ) from error
        linear, angular = velocities(invert(before) @ after, STEP_NS / 1e9)
        try:
            return motion_of_ego(linear, angular, ego_from_base)
        except ValueError as error:
            raise UnknownMotion(
                f"the transforms from {self._base_frame!r} to {self._odom_frame!r}: {error}"
            ) from error

    def close(self) -> None:
        """Stop listening to TF."""
        self._transforms.close()


def open_motion(node: Node, parameters: Parameters) -> MotionSource | None:
    """Open the source that the parameter ego_motion chooses; None for "none".

    Args:
        node: The node that listens to TF.
        parameters: The node's parameters.

    Raises:
        ValueError: If tf2_ros is needed and not installed.
    """
    if parameters.ego_motion == "odometry":
        return OdometryMotion()
    if parameters.ego_motion == "tf":
        transforms = Transforms.listening(node, "ego_motion")
        return TransformMotion(transforms, parameters.odom_frame, parameters.base_frame)
    return None


def velocities(start_from_end: np.ndarray, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the constant velocities that result in a movement, along the axes of the moving frame.

    Args:
        start_from_end: (4, 4) pose of the frame at the end, relative to its start.
        seconds: Duration of the movement.

    Returns:
        (3,) linear velocity, m/s, and (3,) angular velocity, rad/s.
    """
    turn = cv2.Rodrigues(start_from_end[:3, :3])[0][:, 0]
    # The direction of travel rotates during the movement, so the chord is off by half of it.
    half_back = cv2.Rodrigues(-turn / 2)[0]
    return half_back @ start_from_end[:3, 3] / seconds, turn / seconds


def motion_of_ego(linear: np.ndarray, angular: np.ndarray, ego_from_base: np.ndarray) -> EgoMotion:
    """Return the motion of the ego frame, given the motion of the base frame.

    Args:
        linear: (3,) velocity of the origin of the base frame along its axes, m/s.
        angular: (3,) angular velocity about the axes of the base frame, rad/s.
        ego_from_base: (4, 4) pose of the base frame in the ego frame.

    Raises:
        ValueError: If a number is not finite, or a velocity is not that of a vehicle.
    """
    for values, limit, unit in ((linear, MAX_SPEED, "m/s"), (angular, MAX_TURN_RATE, "rad/s")):
        largest = float(np.abs(values).max())
        if largest > limit:
            raise ValueError(
                f"a velocity of {largest:.3g} {unit}, at most {limit:g} {unit} is plausible: "
                "correct its source, which must use metres, radians and seconds"
            )
    origin_of_ego = invert(ego_from_base)[:3, 3]
    turn = ego_from_base[:3, :3]
    return EgoMotion(turn @ (linear + np.cross(angular, origin_of_ego)), turn @ angular)

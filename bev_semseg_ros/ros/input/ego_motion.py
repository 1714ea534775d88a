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
from bev_semseg_ros.ros.node.parameters import Parameters

MAX_AGE_NS = 200_000_000  # between a frame and the motion that is taken for it
STEP_NS = 100_000_000  # between the two poses of which TF's velocity is the difference
REMEMBERED = 500  # odometry messages; some seconds at the usual rates


class UnknownMotion(LookupError):
    """The motion at a frame's time is not known; the message says why and what to do."""


class MotionSource(Protocol):
    """A source of the vehicle's motion."""

    def at(self, stamp: int, ego_from_base: np.ndarray) -> EgoMotion:
        """Return the motion at a time.

        Args:
            stamp: nanoseconds.
            ego_from_base: (4, 4).

        Raises:
            UnknownMotion: there is none for this time.
        """
        ...

    def close(self) -> None:
        """Stop listening."""


class OdometryMotion:
    """The velocities of nav_msgs/Odometry, of the message nearest to the frame.

    Messages come in the executor's thread, `at` is called by the inference thread. The axes of the
    twist must be those of base_frame, or with a calibration file those of the ego frame. If the
    stamps jump back, as when a simulation starts again, the messages of before are forgotten.
    """

    def __init__(self) -> None:
        """Begin without messages."""
        self._lock = threading.Lock()
        self._messages: deque[tuple[int, np.ndarray, np.ndarray]] = deque(maxlen=REMEMBERED)

    def take(self, message: Any) -> None:
        """Remember an Odometry."""
        twist = message.twist.twist
        linear = np.array([twist.linear.x, twist.linear.y, twist.linear.z])
        angular = np.array([twist.angular.x, twist.angular.y, twist.angular.z])
        stamp = stamp_ns(message.header.stamp)
        with self._lock:
            if self._messages and stamp < self._messages[-1][0] - MAX_AGE_NS:
                self._messages.clear()
            self._messages.append((stamp, linear, angular))

    def at(self, stamp: int, ego_from_base: np.ndarray) -> EgoMotion:
        """Return the motion at a time; see `MotionSource`."""
        with self._lock:
            known = list(self._messages)
        if not known:
            raise UnknownMotion(
                "no message has come on the topic odometry: remap it to your odometry, or set "
                "ego_motion to tf or none"
            )
        nearest, linear, angular = min(known, key=lambda each: abs(each[0] - stamp))
        if abs(nearest - stamp) > MAX_AGE_NS:
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
        """Do nothing: the subscription is the session's."""


class TransformMotion:
    """Differences of the poses of base_frame in a frame that stands still, from TF."""

    def __init__(self, transforms: Transforms, odom_frame: str, base_frame: str) -> None:
        """Begin without transforms.

        Args:
            transforms: TF.
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
        return motion_of_ego(linear, angular, ego_from_base)

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
    """Return the constant velocities (3,) and rates (3,) that make a movement, in its own frame.

    Args:
        start_from_end: (4, 4) pose of the end in the frame of the start.
        seconds: that the movement takes.
    """
    turn = cv2.Rodrigues(start_from_end[:3, :3])[0][:, 0]
    # The direction of travel turns meanwhile: half the turn brings the chord to the frame.
    half_back = cv2.Rodrigues(-turn / 2)[0]
    return half_back @ start_from_end[:3, 3] / seconds, turn / seconds


def motion_of_ego(linear: np.ndarray, angular: np.ndarray, ego_from_base: np.ndarray) -> EgoMotion:
    """Return the motion of the ego frame of a vehicle whose base frame moves so.

    Args:
        linear: (3,) velocity of the base frame's origin, in the base frame, m/s.
        angular: (3,) rates about its axes, rad/s.
        ego_from_base: (4, 4).

    Raises:
        ValueError: A number is not finite.
    """
    origin_of_ego = invert(ego_from_base)[:3, 3]
    turn = ego_from_base[:3, :3]
    return EgoMotion(turn @ (linear + np.cross(angular, origin_of_ego)), turn @ angular)

"""Matches the messages of a bag as the node does. Needs no rclpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.camera_info_matcher import WAIT_NS, open_matchers
from bev_semseg_ros.ros.input.stamp_filter import StampFilter, stamp_offsets
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor
from bev_semseg_ros.ros.synchronizer import Match, Synchronizer

END_OF_TIME = 2**63 - 1  # nanoseconds; no stamp of a recording lies in the future


class BagMatching:
    """Gives recorded messages to the node's own matching, with the time of the bag as its clock.

    Unlike the node, which processes the newest match, it keeps all matches.
    """

    def __init__(self, sensors: Sequence[Sensor], parameters: Parameters, health: Health) -> None:
        """Start without messages.

        Args:
            sensors: The sensors in use: the lidars, then the cameras.
            parameters: The node's parameters.
            health: Counts received and dropped messages, and takes warnings.
        """
        self._health = health
        self._now = 0  # nanoseconds
        self._matches: list[Match] = []
        self._synchronizer = Synchronizer(
            round(parameters.slop * 1e9),
            round(parameters.max_wait * 1e9),
            parameters.unmatched == "process",
            [sensor.stream for sensor in sensors],
        )
        stamp_filter = StampFilter(self, health, lambda: END_OF_TIME)
        stamp_filter.tune(stamp_offsets(sensors, parameters))
        matchers = open_matchers(sensors, parameters, stamp_filter, health, lambda: self._now)
        self._matchers = list(matchers.values())
        self._takers: dict[str, Callable[[Any], None]] = {}  # by the name of the input
        for sensor in sensors:
            if sensor.kind == "points":
                self._takers[sensor.stream] = partial(stamp_filter.offer, sensor.stream)
                continue
            matcher = matchers[sensor.name]
            self._takers[sensor.stream] = matcher.take_image
            if parameters.intrinsics == "camera_info":
                self._takers[sensor.camera_info] = matcher.take_camera_info

    @property
    def inputs(self) -> set[str]:
        """The inputs whose messages are needed, such as points or front/camera_info."""
        return set(self._takers)

    def take(self, name: str, message: Any, time: int) -> list[Match]:
        """Take a message.

        Args:
            name: Its input.
            message: The message.
            time: When it was recorded, nanoseconds. A time before that of an earlier message counts
                as the time of that message.

        Returns:
            The matches that are now complete. Each part is a tuple (message, camera_info or None).
        """
        self._advance(max(self._now, time))
        self._takers[name](message)
        return self._taken()

    def finish(self) -> list[Match]:
        """Return the matches of all messages that still wait."""
        self._advance(self._now + WAIT_NS)
        self._advance(self._now + self._synchronizer.max_wait)
        return self._taken()

    def offer(self, stream: str, stamp: int, message: Any) -> None:
        """Take a message from the stamp filter; see `MessageQueue`."""
        self._health.receive(stream)
        self._matches += self._synchronizer.add(stream, stamp, message, self._now)

    def _advance(self, now: int) -> None:
        """Set the clock, and end the waits that are over by then."""
        self._now = now
        for matcher in self._matchers:
            matcher.expire(now)
        deadline = self._synchronizer.deadline
        if deadline is not None and deadline <= now:
            self._matches += self._synchronizer.expire(now)

    def _taken(self) -> list[Match]:
        for cause, count in self._synchronizer.take_dropped().items():
            self._health.drop(cause, count)
        matches, self._matches = self._matches, []
        return matches

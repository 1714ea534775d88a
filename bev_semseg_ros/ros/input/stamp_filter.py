"""Reject messages without a stamp and correct the other stamps, before messages are matched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor

AHEAD_NS = 1_000_000_000  # stamps further ahead of the node's clock cause a warning
NOUNS = {"points": "clouds", "image": "images"}


class MessageQueue(Protocol):
    """Takes the messages of all streams, such as `LatestPairQueue`."""

    def offer(self, stream: str, stamp: int, message: Any) -> None:
        """Add a message with its stamp for matching, nanoseconds."""
        ...


class StampFilter:
    """Passes the messages of all streams to a queue, with offsets added to their stamps.

    A message without a stamp (0 is "not set" in ROS) is dropped: it cannot be matched.

    Not thread-safe: use it only in the executor's thread.
    """

    def __init__(self, queue: MessageQueue, health: Health, clock: Callable[[], int]) -> None:
        """Start without offsets.

        Args:
            queue: Takes the messages.
            health: Counts dropped messages, and takes warnings about missing or future stamps.
            clock: Returns the time of the node's clock, nanoseconds.
        """
        self._queue, self._health, self._clock = queue, health, clock
        self._offsets: dict[str, int] = {}
        self._is_ahead: dict[str, bool] = {}

    def tune(self, offsets: Mapping[str, float]) -> None:
        """Set the offsets to add to the stamps of each stream, seconds."""
        self._offsets = {stream: round(offset * 1e9) for stream, offset in offsets.items()}

    def offer(self, stream: str, message: Any, info: Any = None) -> None:
        """Pass on a message as (message, info).

        Args:
            stream: Stream of the message.
            message: A sensor_msgs/PointCloud2, Image or CompressedImage.
            info: The CameraInfo of an image.
        """
        stamp = stamp_ns(message.header.stamp)
        if stamp <= 0:
            self._health.receive(stream)
            self._health.drop(f"no_stamp_{stream}")
            self._health.warn(
                f"no_stamp_{stream}",
                f"{_noun(stream)} have no stamp ({stamp / 1e9:g} s) and are dropped: let "
                "their driver set header.stamp",
            )
            return
        self._warn_of_future(stream, stamp)
        self._queue.offer(stream, stamp + self._offsets.get(stream, 0), (message, info))

    def _warn_of_future(self, stream: str, stamp: int) -> None:
        """Warn when a stream begins to have stamps in the future. They are matched as usual."""
        now = self._clock()
        is_ahead = stamp - now > AHEAD_NS
        if is_ahead and not self._is_ahead.get(stream, False):
            if now == 0:
                text = (
                    "are stamped and the node's clock stands at 0: use_sim_time is set and "
                    "nothing publishes /clock"
                )
            else:
                text = (
                    f"are stamped {(stamp - now) / 1e9:.1f} s ahead of the node's clock: "
                    "synchronise the clocks (PTP, NTP)"
                )
            self._health.warn(f"future_{stream}", f"{_noun(stream)} {text}")
        self._is_ahead[stream] = is_ahead


def stamp_offsets(sensors: Iterable[Sensor], parameters: Parameters) -> dict[str, float]:
    """Return the offsets that the parameters set for the streams of the sensors, seconds."""
    return {sensor.stream: parameters.of(sensor, f"{sensor.kind}_offset") for sensor in sensors}


def _noun(stream: str) -> str:
    """Return what to call the messages of a stream: "clouds", or "images of front/image"."""
    kind = stream.rpartition("/")[2]
    return NOUNS[kind] if stream == kind else f"{NOUNS[kind]} of {stream}"

"""Give every image its intrinsics and refuse impossible stamps, before messages are paired."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue

AHEAD_NS = 1_000_000_000  # a stamp so far ahead of the node's clock is warned of
WAIT_NS = 1_000_000_000  # longest wait of an image for its camera_info
NOUNS = {"points": "clouds", "image": "images"}


class CameraInfoMatcher:
    """Offers clouds as (message, None) and images as (message, camera_info or None) to a queue.

    Drivers publish one camera_info per image, which may come a moment after it. Once an image
    and a camera_info had the same stamp, an image waits for its own camera_info until the next
    image comes, and at most for WAIT_NS. Then it goes with the last camera_info, or is dropped if
    none ever came. A message without a stamp (0 is "not set" in ROS) is dropped: it cannot be
    paired.

    Not thread-safe: for the executor's thread. Call `expire` regularly and `close` at the end.
    """

    def __init__(
        self,
        queue: LatestPairQueue,
        health: Health,
        needs_camera_info: bool,
        clock: Callable[[], int],
    ) -> None:
        """Begin without a camera_info.

        Args:
            queue: Takes the messages.
            health: Counts messages that are not offered and warns of impossible stamps.
            needs_camera_info: Whether images need a camera_info.
            clock: Returns the node's time, nanoseconds.
        """
        self._queue, self._health, self._clock = queue, health, clock
        self._needs_camera_info = needs_camera_info
        self._offsets = dict.fromkeys(NOUNS, 0)
        self._is_ahead = dict.fromkeys(NOUNS, False)
        self._camera_info: Any = None
        self._stamps_are_equal = False  # of the last image and its camera_info
        self._waiting_image: Any = None
        self._waiting_since = 0  # time.monotonic_ns()

    def tune(self, points_offset: float, image_offset: float) -> None:
        """Set the seconds that are added to the stamps for pairing, from now on."""
        self._offsets = {"points": round(points_offset * 1e9), "image": round(image_offset * 1e9)}

    def take_points(self, message: Any) -> None:
        """Take a sensor_msgs/PointCloud2."""
        self._offer("points", message, None)

    def take_image(self, message: Any) -> None:
        """Take a sensor_msgs/Image or CompressedImage."""
        self._offer_waiting_image()
        if self._needs_camera_info and self._must_wait(message):
            self._waiting_image, self._waiting_since = message, time.monotonic_ns()
        else:
            self._offer_image(message)

    def take_camera_info(self, message: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        self._camera_info = message
        self._offer_waiting_image()

    def expire(self, now: int) -> None:
        """End the wait of an image that has lasted for WAIT_NS at `now`, time.monotonic_ns()."""
        if now - self._waiting_since >= WAIT_NS:
            self._offer_waiting_image()

    def close(self) -> None:
        """Count an image that still waits as dropped."""
        if self._waiting_image is not None:
            self._waiting_image = None
            self._health.receive("image")
            self._health.drop("no_camera_info" if self._camera_info is None else "deactivated")

    def _must_wait(self, image: Any) -> bool:
        if self._camera_info is None:
            return True
        return self._stamps_are_equal and self._camera_info.header.stamp != image.header.stamp

    def _offer_waiting_image(self) -> None:
        message, self._waiting_image = self._waiting_image, None
        if message is None:
            return
        if self._camera_info is None:
            self._health.receive("image")
            self._health.drop("no_camera_info")
        else:
            self._offer_image(message)

    def _offer_image(self, message: Any) -> None:
        info = self._camera_info
        self._stamps_are_equal = info is not None and info.header.stamp == message.header.stamp
        self._offer("image", message, info)

    def _offer(self, stream: str, message: Any, info: Any) -> None:
        stamp = stamp_ns(message.header.stamp)
        if stamp <= 0:
            self._health.receive(stream)
            self._health.drop(f"no_stamp_{stream}")
            self._health.warn(
                f"no_stamp_{stream}",
                f"{NOUNS[stream]} have no stamp ({stamp / 1e9:g} s) and are dropped: let "
                "their driver set header.stamp",
            )
            return
        self._warn_of_future(stream, stamp)
        self._queue.offer(stream, stamp + self._offsets[stream], (message, info))

    def _warn_of_future(self, stream: str, stamp: int) -> None:
        """Warn when stamps begin to come from the future. They are matched like any other."""
        now = self._clock()
        is_ahead = stamp - now > AHEAD_NS
        if is_ahead and not self._is_ahead[stream]:
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
            self._health.warn(f"future_{stream}", f"{NOUNS[stream]} {text}")
        self._is_ahead[stream] = is_ahead

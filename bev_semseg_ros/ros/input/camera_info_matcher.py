"""Give every image its intrinsics before it is matched with other sensors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.stamp_filter import StampFilter
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor

WAIT_NS = 1_000_000_000  # longest wait of an image for its camera_info


class CameraInfoMatcher:
    """Passes the images of one camera, with their camera_info or None, to a StampFilter.

    Drivers publish one camera_info per image, which may come shortly after it. An image waits for a
    camera_info if none has come yet, or if the previous image had a camera_info with the same stamp
    and its own has not come yet. It waits until the next camera_info or image comes, and at most
    for WAIT_NS. Then it is passed on with the last camera_info, or dropped if none ever came.

    Not thread-safe: use it only in the executor's thread. Call `expire` regularly, and `close` at
    the end.
    """

    def __init__(
        self,
        stamp_filter: StampFilter,
        health: Health,
        needs_camera_info: bool,
        stream: str = "image",
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Start without a camera_info.

        Args:
            stamp_filter: Takes the images.
            health: Counts images that are not passed on.
            needs_camera_info: Whether images need a camera_info.
            stream: The stream of the images.
            clock: Returns the time, nanoseconds; it never jumps.
        """
        self._stamp_filter, self._health = stamp_filter, health
        self._needs_camera_info, self._stream = needs_camera_info, stream
        self._clock = clock
        self._no_camera_info = f"{stream.removesuffix('image')}no_camera_info"
        self._camera_info: Any = None
        self._stamps_are_equal = False  # of the last image and its camera_info
        self._waiting_image: Any = None
        self._waiting_since = 0  # by the clock

    def take_image(self, message: Any) -> None:
        """Take a sensor_msgs/Image or CompressedImage."""
        self._offer_waiting_image()
        if self._needs_camera_info and self._must_wait(message):
            self._waiting_image, self._waiting_since = message, self._clock()
        else:
            self._offer_image(message)

    def take_camera_info(self, message: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        self._camera_info = message
        self._offer_waiting_image()

    def expire(self, now: int) -> None:
        """Pass on an image that has waited for WAIT_NS at `now`, by the clock."""
        if now - self._waiting_since >= WAIT_NS:
            self._offer_waiting_image()

    def close(self) -> None:
        """Count an image that still waits as dropped."""
        if self._waiting_image is not None:
            self._waiting_image = None
            self._health.receive(self._stream)
            is_known = self._camera_info is not None
            self._health.drop("deactivated" if is_known else self._no_camera_info)

    def _must_wait(self, image: Any) -> bool:
        if self._camera_info is None:
            return True
        return self._stamps_are_equal and self._camera_info.header.stamp != image.header.stamp

    def _offer_waiting_image(self) -> None:
        message, self._waiting_image = self._waiting_image, None
        if message is None:
            return
        if self._camera_info is None:
            self._health.receive(self._stream)
            self._health.drop(self._no_camera_info)
        else:
            self._offer_image(message)

    def _offer_image(self, message: Any) -> None:
        info = self._camera_info
        self._stamps_are_equal = info is not None and info.header.stamp == message.header.stamp
        self._stamp_filter.offer(self._stream, message, info)


def open_matchers(
    sensors: Iterable[Sensor],
    parameters: Parameters,
    stamp_filter: StampFilter,
    health: Health,
    clock: Callable[[], int] = time.monotonic_ns,
) -> dict[str, CameraInfoMatcher]:
    """Return a matcher for each camera, by its name.

    Args:
        sensors: The sensors in use.
        parameters: The node's parameters.
        stamp_filter: See `CameraInfoMatcher`.
        health: See `CameraInfoMatcher`.
        clock: See `CameraInfoMatcher`.
    """
    needs_camera_info = parameters.intrinsics == "camera_info"
    return {
        sensor.name: CameraInfoMatcher(
            stamp_filter, health, needs_camera_info, sensor.stream, clock
        )
        for sensor in sensors
        if sensor.kind == "image"
    }

"""What the executor's thread does with a message: into the inbox, every image with its intrinsics."""

from __future__ import annotations

from typing import Any

from bev_semseg_ros.ros.inbox import Inbox
from bev_semseg_ros.ros.messages import stamp_ns


class Intake:
    """Offers clouds as (message, None) and images as (message, camera_info or None). For one thread.

    with_infos: images need a camera_info. Drivers publish one an image, which may come a moment after it: once an image
    and a camera_info had the same stamp, an image waits for its own until the next image comes.
    """

    def __init__(self, inbox: Inbox, with_infos: bool) -> None:
        self._inbox, self._with_infos = inbox, with_infos
        self._info: Any = None
        self._infos_are_paired = False
        self._early: Any = None

    def take_points(self, message: Any) -> None:
        self._inbox.offer("points", stamp_ns(message.header.stamp), (message, None))

    def take_image(self, message: Any) -> None:
        self._offer_early()
        info = self._info
        is_early = info is None or (self._infos_are_paired and info.header.stamp != message.header.stamp)
        if self._with_infos and is_early:
            self._early = message
        else:
            self._offer(message)

    def take_camera_info(self, message: Any) -> None:
        self._info = message
        self._offer_early()

    def _offer_early(self) -> None:
        message, self._early = self._early, None
        if message is None:
            return
        if self._info is None:
            self._inbox.drop("no_camera_info", "image")
        else:
            self._offer(message)

    def _offer(self, message: Any) -> None:
        self._infos_are_paired = self._info is not None and self._info.header.stamp == message.header.stamp
        self._inbox.offer("image", stamp_ns(message.header.stamp), (message, self._info))

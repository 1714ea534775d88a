"""What the executor's thread does with a message: into the inbox, every image with its intrinsics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.input.latest_pair_queue import Inbox

AHEAD_NS = 1_000_000_000  # a stamp so far after the node's clock is spoken of
NOUNS = {"points": "clouds", "image": "images"}


class Intake:
    """Offers clouds as (message, None) and images as (message, camera_info or None). For one thread.

    with_infos: images need a camera_info. Drivers publish one an image, which may come a moment after it: once an image
    and a camera_info had the same stamp, an image waits for its own until the next image comes.
    tell(cause, text): hears of stamps that cannot be right; clock: the node's, in nanoseconds. A message without a
    stamp (0, which is ROS's "not set") is dropped: nothing says what it belongs to.
    """

    def __init__(
        self,
        inbox: Inbox,
        with_infos: bool,
        tell: Callable[[str, str], None],
        clock: Callable[[], int],
    ) -> None:
        self._inbox, self._with_infos, self._tell, self._clock = inbox, with_infos, tell, clock
        self._offsets = dict.fromkeys(NOUNS, 0)
        self._is_ahead = dict.fromkeys(NOUNS, False)
        self._info: Any = None
        self._infos_are_paired = False
        self._early: Any = None

    def tune(self, points_offset: float, image_offset: float) -> None:
        """Seconds to add to the stamps from now on, where they are matched."""
        self._offsets = {"points": round(points_offset * 1e9), "image": round(image_offset * 1e9)}

    def take_points(self, message: Any) -> None:
        self._offer("points", message, None)

    def take_image(self, message: Any) -> None:
        self._offer_early()
        info = self._info
        is_early = info is None or (
            self._infos_are_paired and info.header.stamp != message.header.stamp
        )
        if self._with_infos and is_early:
            self._early = message
        else:
            self._offer_image(message)

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
            self._offer_image(message)

    def _offer_image(self, message: Any) -> None:
        self._infos_are_paired = (
            self._info is not None and self._info.header.stamp == message.header.stamp
        )
        self._offer("image", message, self._info)

    def _offer(self, stream: str, message: Any, info: Any) -> None:
        stamp = stamp_ns(message.header.stamp)
        if stamp <= 0:
            self._inbox.drop(f"no_stamp_{stream}", stream)
            self._tell(
                f"no_stamp_{stream}",
                f"{NOUNS[stream]} have no stamp ({stamp / 1e9:g} s) and are dropped: let "
                "their driver set header.stamp",
            )
            return
        self._look_ahead(stream, stamp)
        self._inbox.offer(stream, stamp + self._offsets[stream], (message, info))

    def _look_ahead(self, stream: str, stamp: int) -> None:
        """Tell when stamps begin to come from the future. They are matched like any other."""
        now = self._clock()
        is_ahead = stamp - now > AHEAD_NS
        if is_ahead and not self._is_ahead[stream]:
            text = (
                "are stamped and the node's clock stands at 0: use_sim_time is set and nothing publishes /clock"
                if now == 0
                else f"are stamped {(stamp - now) / 1e9:.1f} s ahead of the node's clock: synchronise "
                "the clocks (PTP, NTP)"
            )
            self._tell(f"future_{stream}", f"{NOUNS[stream]} {text}")
        self._is_ahead[stream] = is_ahead

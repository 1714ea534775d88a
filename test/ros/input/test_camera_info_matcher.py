"""Images get their camera_info before they are matched with clouds; bad stamps give warnings."""

import time
from types import SimpleNamespace

import pytest

from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.camera_info_matcher import WAIT_NS, CameraInfoMatcher
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue
from bev_semseg_ros.ros.input.stamp_filter import StampFilter
from bev_semseg_ros.ros.synchronizer import Synchronizer


def message(stamp: int) -> SimpleNamespace:
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=stamp, nanosec=0)))


class Rig:
    """A matcher, the queue it fills, and their health."""

    def __init__(
        self,
        synchronizer: Synchronizer | None = None,
        needs_camera_info: bool = True,
        now: float = 100,
    ) -> None:
        self.health = Health()
        synchronizer = synchronizer or Synchronizer(0, 0, streams=("image",))
        self.queue = LatestPairQueue(synchronizer, self.health)
        self.stamp_filter = StampFilter(self.queue, self.health, lambda: int(now * 1e9))
        self.matcher = CameraInfoMatcher(self.stamp_filter, self.health, needs_camera_info)

    @property
    def received(self) -> dict[str, int]:
        return self.health.counts().received

    @property
    def dropped(self) -> dict[str, int]:
        return self.health.counts().dropped

    @property
    def image(self):
        """The next (image, camera_info)."""
        return self.queue.take(5).match.image


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_an_image_waits_for_its_camera_info(rig):
    image, info = message(1), message(1)
    rig.matcher.take_image(image)
    assert rig.received["image"] == 0
    rig.matcher.take_camera_info(info)
    assert rig.image == (image, info)


def test_without_common_stamps_an_image_gets_the_last_camera_info(rig):
    info, image = message(0), message(7)
    rig.matcher.take_camera_info(info)
    rig.matcher.take_image(image)
    assert rig.image == (image, info)


def test_an_image_whose_camera_info_is_lost_gets_the_one_before(rig):
    info, images = message(1), [message(1), message(2), message(3)]
    rig.matcher.take_camera_info(info)
    for image in images:
        rig.matcher.take_image(image)
    assert rig.image == (images[2], info)
    assert rig.received["image"] == 3


def test_an_image_that_never_got_a_camera_info_is_counted(rig):
    for stamp in (1, 2):
        rig.matcher.take_image(message(stamp))
    assert rig.dropped == {"no_camera_info": 1}
    assert rig.received["image"] == 1


def test_the_last_image_does_not_wait_for_ever_for_its_camera_info(rig):
    info, images = message(1), [message(1), message(2)]
    rig.matcher.take_camera_info(info)
    for image in images:
        rig.matcher.take_image(image)
    assert rig.image == (images[0], info)
    came = time.monotonic_ns()
    rig.matcher.expire(came + WAIT_NS // 2)
    assert rig.received["image"] == 1
    rig.matcher.expire(came + WAIT_NS)
    assert rig.image == (images[1], info)
    assert (rig.received["image"], rig.dropped) == (2, {})


def test_a_single_image_without_a_camera_info_is_counted(rig):
    rig.matcher.take_image(message(1))
    rig.matcher.expire(time.monotonic_ns() + WAIT_NS)
    assert (rig.received["image"], rig.dropped) == (1, {"no_camera_info": 1})


@pytest.mark.parametrize(
    ("infos", "dropped"), [((), {"no_camera_info": 1}), ((1,), {"deactivated": 1})]
)
def test_an_image_that_waits_at_the_end_is_counted(rig, infos, dropped):
    for stamp in infos:
        rig.matcher.take_camera_info(message(stamp))
        rig.matcher.take_image(message(stamp))
        assert rig.image is not None
    rig.matcher.take_image(message(2))
    for _ in range(2):  # the second call changes nothing
        rig.matcher.close()
    assert (rig.received["image"], rig.dropped) == (len(infos) + 1, dropped)


def test_images_that_need_no_camera_info_are_forwarded_at_once():
    rig, image = Rig(needs_camera_info=False), message(1)
    rig.matcher.take_image(image)
    assert rig.image == (image, None)


def test_offsets_affect_the_matching_of_stamps_and_not_the_messages():
    rig = Rig(Synchronizer(10_000_000, 10**10), needs_camera_info=False)
    cloud, image = message(5), message(7)
    rig.stamp_filter.tune({"points": 0.5, "image": -1.5})
    rig.stamp_filter.offer("points", cloud)
    rig.matcher.take_image(image)
    match = rig.queue.take(5).match
    assert match.is_pair
    assert match.points == (cloud, None)
    assert cloud.header.stamp.sec == 5


@pytest.mark.parametrize("seconds", [0, -3])
def test_messages_without_a_stamp_are_dropped_with_a_warning(seconds):
    rig = Rig(Synchronizer(0, 0, streams=("points",)))
    rig.stamp_filter.offer("points", message(seconds))
    assert rig.dropped == {"no_stamp_points": 1}
    assert rig.received["points"] == 1
    (warning,) = rig.health.take_warnings()
    assert warning.startswith("clouds have no stamp")
    assert "set header.stamp" in warning


def test_an_offset_may_bring_a_stamp_below_zero():
    rig, image = Rig(needs_camera_info=False), message(1)
    rig.stamp_filter.tune({"image": -2.0})
    rig.matcher.take_image(image)
    assert rig.image == (image, None)


def test_stamps_from_the_future_are_processed_with_one_warning():
    rig = Rig(needs_camera_info=False, now=100)
    warnings = []
    for stamp in (1, 99, 107, 108):  # 1: old recordings give no warning
        rig.matcher.take_image(message(stamp))
        warnings += rig.health.take_warnings()
    assert warnings == [
        "images are stamped 7.0 s ahead of the node's clock: synchronise the clocks (PTP, NTP)"
    ]
    assert rig.image[0].header.stamp.sec == 108


def test_a_simulated_clock_that_stands_still_gives_a_warning():
    rig = Rig(needs_camera_info=False, now=0)
    rig.matcher.take_image(message(5))
    assert "nothing publishes /clock" in rig.health.take_warnings()[0]


def test_the_camera_without_camera_info_is_named_among_several():
    health = Health()
    queue = LatestPairQueue(Synchronizer(0, 0, streams=("left/image",)), health)
    matcher = CameraInfoMatcher(StampFilter(queue, health, lambda: 1), health, True, "left/image")
    matcher.take_image(message(1))
    matcher.close()
    counts = health.counts()
    assert counts.received["left/image"] == 1 and counts.dropped == {"left/no_camera_info": 1}

"""Images meet their intrinsics before they meet their clouds; stamps that cannot be right are told."""

from types import SimpleNamespace

import pytest

from bev_semseg_ros.ros.input.camera_info_matcher import Intake
from bev_semseg_ros.ros.input.latest_pair_queue import Inbox
from bev_semseg_ros.ros.input.synchronizer import Synchronizer


def message(stamp: int) -> SimpleNamespace:
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=stamp, nanosec=0)))


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(Synchronizer(0, 0, streams=("image",)))


def make(
    inbox: Inbox, with_infos: bool = True, told: list[str] | None = None, now: float = 100
) -> Intake:
    told = [] if told is None else told
    return Intake(inbox, with_infos, lambda _, text: told.append(text), lambda: int(now * 1e9))


def test_an_image_waits_for_its_camera_info(inbox):
    intake, image, info = make(inbox), message(1), message(1)
    intake.take_image(image)
    assert inbox.received["image"] == 0
    intake.take_camera_info(info)
    assert inbox.take(5).match.image == (image, info)


def test_an_image_goes_with_the_last_camera_info_where_they_have_no_common_stamps(inbox):
    intake, info, image = make(inbox), message(0), message(7)
    intake.take_camera_info(info)
    intake.take_image(image)
    assert inbox.take(5).match.image == (image, info)


def test_an_image_whose_camera_info_is_lost_goes_with_the_one_before(inbox):
    intake, info, images = make(inbox), message(1), [message(1), message(2), message(3)]
    intake.take_camera_info(info)
    for image in images:
        intake.take_image(image)
    assert inbox.take(5).match.image == (images[2], info) and inbox.received["image"] == 3


def test_an_image_that_never_got_a_camera_info_is_counted(inbox):
    intake = make(inbox)
    for stamp in (1, 2):
        intake.take_image(message(stamp))
    assert inbox.dropped() == {"no_camera_info": 1} and inbox.received["image"] == 1


def test_without_camera_infos_images_go_at_once(inbox):
    intake, image = make(inbox, with_infos=False), message(1)
    intake.take_image(image)
    assert inbox.take(5).match.image == (image, None)


def test_offsets_are_added_where_stamps_are_matched_and_nowhere_else():
    inbox = Inbox(Synchronizer(10_000_000, 10**10))
    intake, cloud, image = make(inbox, with_infos=False), message(5), message(7)
    intake.tune(points_offset=0.5, image_offset=-1.5)
    intake.take_points(cloud)
    intake.take_image(image)
    match = inbox.take(5).match
    assert match.is_pair and match.points == (cloud, None) and cloud.header.stamp.sec == 5


@pytest.mark.parametrize("seconds", [0, -3])
def test_messages_without_a_stamp_are_dropped_and_told(seconds):
    inbox, told = Inbox(Synchronizer(0, 0, streams=("points",))), []
    intake = make(inbox, told=told)
    intake.take_points(message(seconds))
    assert inbox.dropped() == {"no_stamp_points": 1} and inbox.received["points"] == 1
    assert told[0].startswith("clouds have no stamp") and "set header.stamp" in told[0]


def test_an_offset_may_bring_a_stamp_below_zero(inbox):
    intake, image = make(inbox, with_infos=False), message(1)
    intake.tune(0.0, -2.0)
    intake.take_image(image)
    assert inbox.take(5).match.image == (image, None)


def test_stamps_from_the_future_are_told_when_they_begin_and_processed(inbox):
    told: list[str] = []
    intake = make(inbox, with_infos=False, told=told, now=100)
    for stamp in (99, 107, 108):
        intake.take_image(message(stamp))
    assert told == [
        "images are stamped 7.0 s ahead of the node's clock: synchronise the clocks (PTP, NTP)"
    ]
    assert inbox.take(5).match.image[0].header.stamp.sec == 108


def test_a_simulated_clock_that_stands_is_told(inbox):
    told: list[str] = []
    make(inbox, with_infos=False, told=told, now=0).take_image(message(5))
    assert "nothing publishes /clock" in told[0]

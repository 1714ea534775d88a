"""Images meet their intrinsics before they meet their clouds."""

from types import SimpleNamespace

import pytest

from bev_semseg_ros.ros.inbox import Inbox
from bev_semseg_ros.ros.intake import Intake
from bev_semseg_ros.ros.synchronizer import Synchronizer


def message(stamp: int) -> SimpleNamespace:
    return SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=stamp, nanosec=0)))


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(Synchronizer(0, 0, streams=("image",)))


def test_an_image_waits_for_its_camera_info(inbox):
    intake, image, info = Intake(inbox, True), message(1), message(1)
    intake.take_image(image)
    assert inbox.received["image"] == 0
    intake.take_camera_info(info)
    assert inbox.take(5).match.image == (image, info)


def test_an_image_goes_with_the_last_camera_info_where_they_have_no_common_stamps(inbox):
    intake, info, image = Intake(inbox, True), message(0), message(7)
    intake.take_camera_info(info)
    intake.take_image(image)
    assert inbox.take(5).match.image == (image, info)


def test_an_image_whose_camera_info_is_lost_goes_with_the_one_before(inbox):
    intake, info, images = Intake(inbox, True), message(1), [message(1), message(2), message(3)]
    intake.take_camera_info(info)
    for image in images:
        intake.take_image(image)
    assert inbox.take(5).match.image == (images[2], info) and inbox.received["image"] == 3


def test_an_image_that_never_got_a_camera_info_is_counted(inbox):
    intake = Intake(inbox, True)
    for stamp in (1, 2):
        intake.take_image(message(stamp))
    assert inbox.dropped() == {"no_camera_info": 1} and inbox.received["image"] == 1


def test_without_camera_infos_images_go_at_once(inbox):
    intake, image = Intake(inbox, False), message(1)
    intake.take_image(image)
    assert inbox.take(5).match.image == (image, None)

"""Images with their intrinsics, as camera drivers send them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from bev_semseg_ros.ros.convert.compressed_image import decode_compressed
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.assumptions import MOST_NOTES
from bev_semseg_ros.ros.input.camera_input import CameraInput
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.parameters.sensors import Sensors

SIZE = (64, 40)
K = [50.0, 0.0, 31.5, 0.0, 50.0, 19.5, 0.0, 0.0, 1.0]
P = [50.0, 0.0, 31.5, 0.0, 0.0, 50.0, 19.5, 0.0, 0.0, 0.0, 1.0, 0.0]


def image(encoding: str = "rgb8", channels: int = 3, size: tuple[int, int] = SIZE) -> Image:
    width, height = size
    data = bytes(width * height * channels)
    return Image(width=width, height=height, encoding=encoding, step=width * channels, data=data)


def info(**changes) -> CameraInfo:
    values = {"width": SIZE[0], "height": SIZE[1], "distortion_model": "plumb_bob", "k": K}
    return CameraInfo(**{**values, "d": [0.0] * 5, **changes})


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def camera(health: Health) -> CameraInput:
    return CameraInput(Sensors().cameras[0], health=health)


def test_a_good_image_gives_no_warning(camera, health):
    seen = camera.decode(image(), info(), np.eye(4))
    assert seen.camera.size == SIZE and health.take_warnings() == []


def test_a_camera_info_without_a_size_takes_that_of_the_image_with_one_warning(camera, health):
    for _ in range(3):
        assert camera.decode(image(), info(width=0, height=0), np.eye(4)).camera.size == SIZE
    assert health.take_warnings() == [
        "camera_info: width and height are not set: those of the image are used, 64 x 40; let the "
        "driver set them"
    ]


def test_images_of_a_camera_other_than_the_calibrated_one_are_reported_once(health):
    """This happens if the topics of two cameras are swapped. The image alone does not show it."""
    cameras = Sensors.named((), ("left", "right")).cameras
    left = CameraInput(cameras[0], health=health, expected_frame="left_optical")
    for frame in ("left_optical", "", "right_optical", "right_optical"):
        message = image()
        message.header.frame_id = frame
        left.decode(message, info(), np.eye(4))
    assert health.take_warnings() == [
        "images of left: in frame 'right_optical', the calibration is of 'left_optical'; if it is "
        "the same sensor, set cameras.left.frame_id in the calibration to 'right_optical'; "
        "otherwise, use the right calibration or topic"
    ]


def test_a_camera_info_remapped_to_another_camera_of_the_same_size_is_reported_once(health):
    """Only the frame_ids show it: the sizes agree, and the calibration is not used."""
    left = CameraInput(Sensors.named((), ("left", "right")).cameras[0], health=health)
    for of_info in ("left_optical", "", "right_optical", "right_optical"):
        message, of_camera = image(), info()
        message.header.frame_id, of_camera.header.frame_id = "left_optical", of_info
        left.decode(message, of_camera, np.eye(4))
    assert health.take_warnings() == [
        "images of left: in frame 'left_optical', but their camera_info in 'right_optical': they "
        "may be of two cameras; if so, remap left/camera_info to the topic beside these images; "
        "otherwise, let the driver use one frame_id"
    ]


def test_a_camera_info_of_another_cameras_size_is_refused_with_the_remedy(health):
    left = CameraInput(Sensors.named((), ("left", "right")).cameras[0], health=health)
    with pytest.raises(UnusableInput, match="remap left/camera_info to that of these images"):
        left.decode(image(), info(width=SIZE[0], height=SIZE[0]), np.eye(4))


def test_everything_that_a_driver_leaves_out_is_reported(camera, health):
    message = info(width=0, height=0, k=[0.0] * 9, p=P)
    camera.decode(image("8UC3"), message, np.eye(4))
    said = health.take_warnings()
    assert len(said) == 3
    assert "image: the encoding 8UC3 does not say" in said[0]
    assert "K is not set: P is used" in said[1] and "width and height" in said[2]


def test_intrinsics_of_another_image_size_are_reported_in_the_words_of_the_doctor(camera, health):
    """The size in the message was corrected by hand, but K was not."""
    camera.decode(image(), info(k=[25.0, 0.0, 15.5, 0.0, 25.0, 9.5, 0.0, 0.0, 1.0]), np.eye(4))
    (said,) = health.take_warnings()
    assert "the principal point (16, 10) is far from the centre of the 64 x 40 image" in said


def test_the_image_and_the_camera_info_of_one_of_several_cameras_are_named(health):
    camera = CameraInput(Sensors.named((), ("front", "left")).cameras[1], health=health)
    with pytest.raises(UnusableInput, match="camera_info of left: unknown distortion model 'x'"):
        camera.decode(image(), info(distortion_model="x", d=[0.1] * 4), np.eye(4))
    with pytest.raises(UnusableInput, match=r"bad image of left: .*16UC1 is that of depth images"):
        camera.decode(image("16UC1", 2), info(), np.eye(4))
    camera.decode(image("8UC1", 1), info(), np.eye(4))
    assert "image of left: the encoding 8UC1" in health.take_warnings()[0]


def test_notes_that_differ_for_each_image_do_not_fill_the_log(camera, health):
    for number in range(3 * MOST_NOTES):
        message = info()
        message.roi.x_offset, message.roi.width, message.roi.height = number, 70, 50
        camera.decode(image(), message, np.eye(4))
    assert len(health.take_warnings()) == MOST_NOTES


def test_an_image_of_either_type_is_decoded_whatever_the_parameter_says(camera):
    pixels = np.full((SIZE[1], SIZE[0], 3), (200, 100, 30), np.uint8)
    data = cv2.imencode(".png", pixels)[1].tobytes()
    message = CompressedImage(format="bgr8; png compressed bgr8", data=data)
    for given, expected in (
        (message, decode_compressed(message)),
        (image(), np.zeros_like(pixels)),
    ):
        np.testing.assert_array_equal(camera.decode(given, info(), np.eye(4)).image, expected)

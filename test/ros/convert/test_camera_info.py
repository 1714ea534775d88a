"""CameraInfo to Camera and back: models, regions, rectified images, and broken ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.ros.convert.camera_info import decode_camera, encode_camera, shows_rectified

MATRIX = np.array([[500.0, 0, 320], [0, 510, 200], [0, 0, 1]])


def info(**changes) -> CameraInfo:
    values = {
        "width": 640,
        "height": 400,
        "distortion_model": "plumb_bob",
        "d": [0.1, -0.2, 0.0, 0.0, 0.0],
        "k": MATRIX.ravel().tolist(),
        "r": np.eye(3).ravel().tolist(),
        "p": [450.0, 0.0, 318.0, 0.0, 0.0, 460.0, 201.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
    return CameraInfo(**{**values, **changes})


def test_camera_info_gives_both_matrices():
    camera = decode_camera(info(), np.eye(4))
    assert (
        camera.matrix[0, 0] == 500
        and camera.rectified_matrix[0, 0] == 450
        and camera.size == (640, 400)
    )


@pytest.mark.parametrize(
    ("model", "count"), [("plumb_bob", 5), ("rational_polynomial", 8), ("equidistant", 4)]
)
def test_distortion_models_are_known(model, count):
    camera = decode_camera(info(distortion_model=model, d=[0.01] * count), np.eye(4))
    assert camera.distortion_model == model and len(camera.distortion) == count


def test_zero_distortion_is_none_whatever_its_name():
    assert decode_camera(info(d=[0.0] * 5), np.eye(4)).distortion_model == "none"


def test_a_stereo_rotation_leaves_the_camera_where_the_extrinsics_put_it():
    turned = cv2.Rodrigues(np.array([0, 0.02, 0]))[0]
    camera = decode_camera(info(r=turned.ravel().tolist()), np.eye(4))
    np.testing.assert_array_equal(camera.rectified_matrix, MATRIX)


def test_a_region_of_interest_shifts_the_centre():
    message = info()
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = (
        100,
        50,
        400,
        300,
    )
    camera = decode_camera(message, np.eye(4))
    assert (
        camera.size == (400, 300)
        and camera.matrix[0, 2] == 220
        and camera.rectified_matrix[1, 2] == 151
    )


def with_region(message: CameraInfo, left: int, top: int, width: int, height: int) -> CameraInfo:
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = (
        left,
        top,
        width,
        height,
    )
    return message


def test_a_binned_region_shows_the_same_directions():
    """The sensor's pixels (100..103, 50..51) are one pixel of the image, with one centre."""
    camera = decode_camera(
        with_region(info(binning_x=4, binning_y=2), 100, 50, 400, 300), np.eye(4)
    )
    assert camera.size == (100, 150)
    direction = np.linalg.inv(MATRIX) @ (101.5, 50.5, 1)
    np.testing.assert_allclose(camera.matrix @ direction, (0, 0, 1), atol=1e-12)


def test_binning_of_one_is_none():
    assert decode_camera(info(binning_x=1), np.eye(4)).size == (640, 400)


def test_a_region_beyond_the_image_is_refused():
    with pytest.raises(
        ValueError, match=r"roi of 400 x 300 at \(300, 50\) lies outside of 640 x 400"
    ):
        decode_camera(with_region(info(), 300, 50, 400, 300), np.eye(4))


@pytest.mark.parametrize("changes", [{}, {"d": [0.0] * 5}, {"distortion_model": "double_sphere"}])
def test_a_rectified_image_is_seen_through_p_and_not_rectified_again(changes):
    camera = decode_camera(info(**changes), np.eye(4), is_rectified=True)
    assert camera.is_rectified and camera.matrix[0].tolist() == [450, 0, 318]


def test_a_rectified_image_without_p_or_distortion_is_seen_through_k():
    assert decode_camera(info(p=[0.0] * 12, d=[]), np.eye(4), is_rectified=True).matrix[0, 0] == 500


def test_a_rectified_image_needs_p():
    with pytest.raises(ValueError, match="P is not set"):
        decode_camera(info(p=[0.0] * 12), np.eye(4), is_rectified=True)


@pytest.mark.parametrize(
    ("setting", "topic", "expected"),
    [
        ("auto", "/camera/image_raw", False),
        ("auto", "/camera/image_rect", True),
        ("auto", "/image_rect_color", True),
        ("auto", "/image_rect_node/image", False),
        ("always", "/camera/image", True),
        ("never", "/image_rect", False),
    ],
)
def test_rectified_images_are_known_by_their_names_unless_told(setting, topic, expected):
    assert shows_rectified(setting, topic) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"distortion_model": "double_sphere"}, "unknown distortion model 'double_sphere'"),
        ({"k": [0.0] * 9}, "K is not set"),
        ({"d": [0.1] * 3}, "plumb_bob with 3 coefficients"),
        ({"width": 0}, "0 x 400"),
        ({"k": [float("nan")] * 9}, "not finite"),
        ({"d": [float("inf")] * 5}, "not finite"),
        ({"binning_x": 641}, "camera_info: the image is 0 x 400"),
        ({"width": 2**31, "height": 2**31}, "at most"),
    ],
)
def test_an_unusable_camera_info_is_refused_with_the_reason(changes, reason):
    with pytest.raises(ValueError, match=reason):
        decode_camera(info(**changes), np.eye(4))


@pytest.mark.parametrize(("model", "count"), [("none", 5), ("plumb_bob", 5), ("equidistant", 4)])
def test_a_camera_survives_encoding(model, count):
    distortion = np.full(count, 0.0 if model == "none" else 0.01)
    camera = Camera(MATRIX, (640, 400), np.eye(4), distortion, model, MATRIX * 0.9)
    back = decode_camera(encode_camera(camera, Header()), np.eye(4))
    assert back.distortion_model == model
    np.testing.assert_array_equal(
        np.concatenate([back.matrix, back.rectified_matrix]),
        np.concatenate([camera.matrix, camera.rectified_matrix]),
    )

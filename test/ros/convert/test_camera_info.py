"""CameraInfo to Camera and back: models, regions, rectified images, and broken messages."""

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


def test_a_binning_of_one_changes_nothing():
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
def test_rectified_images_are_recognised_by_their_topic_unless_set_by_parameter(
    setting, topic, expected
):
    assert shows_rectified(setting, topic) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"distortion_model": "double_sphere"}, "unknown distortion model 'double_sphere'"),
        ({"k": [0.0] * 9}, "K is not set"),
        ({"d": [0.1] * 3}, "plumb_bob with 3 coefficients"),
        ({"width": 0}, "0 x 400"),
        ({"k": np.eye(3).ravel().tolist(), "p": [0.0] * 12}, "K is not set"),
        ({"k": [0.0] * 9, "p": [0.0] * 12}, "K is not set; calibrate"),
        (
            {"k": [500.0, 0.0, 320.0, 0.0, 510.0, 200.0, 0.0, 0.0, 0.0]},
            r"K is not a camera matrix .*last row 0 0 1",
        ),
        ({"k": [float("nan")] * 9}, "not finite"),
        ({"d": [float("inf")] * 5}, "not finite"),
        ({"binning_x": 641}, "the image is 0 x 400"),
        ({"width": 2**31, "height": 2**31}, "at most"),
    ],
)
def test_an_unusable_camera_info_is_refused_with_the_reason(changes, reason):
    with pytest.raises(ValueError, match=reason):
        decode_camera(info(**changes), np.eye(4))


class Notes(list):
    """Collects what a decoder assumed."""

    def __call__(self, text: str, remedy: str) -> None:
        self.append(f"{text}; {remedy}")


def test_a_camera_info_without_a_size_takes_that_of_the_image():
    notes = Notes()
    message = info(width=0, height=0)
    camera = decode_camera(message, np.eye(4), image_size=(640, 400), note=notes)
    assert camera.size == (640, 400) and camera.matrix.tolist() == MATRIX.tolist()
    assert notes == [
        "width and height are not set: those of the image are used, 640 x 400; let the driver set "
        "them"
    ]


def test_without_a_size_the_image_is_taken_as_binned():
    camera = decode_camera(
        info(width=0, height=0, binning_x=2, binning_y=2), np.eye(4), image_size=(320, 200)
    )
    assert camera.size == (320, 200) and camera.matrix[0, 0] == 250


def test_without_a_size_an_image_of_another_resolution_is_refused():
    """K belongs to 640 x 400 pixels, and nothing says by how much it must be scaled."""
    with pytest.raises(ValueError, match=r"not set, and for the size of the image the principal"):
        decode_camera(info(width=0, height=0), np.eye(4), image_size=(1920, 1200))


def test_without_a_size_a_region_of_the_size_of_the_image_is_used():
    message = with_region(info(width=0, height=0), 100, 50, 400, 300)
    camera = decode_camera(message, np.eye(4), image_size=(400, 300))
    assert camera.size == (400, 300) and camera.matrix[0, 2] == 220


@pytest.mark.parametrize(
    "region", [(0, 0, 1280, 800), (300, 50, 640, 400), (100, 50, 400, 300)], ids=str
)
def test_a_region_is_ignored_if_the_image_shows_the_whole_view(region):
    """It may exceed the image: drivers send that of another resolution, or do not crop."""
    notes = Notes()
    message = with_region(info(), *region)
    camera = decode_camera(message, np.eye(4), image_size=(640, 400), note=notes)
    assert camera.size == (640, 400) and camera.matrix.tolist() == MATRIX.tolist()
    assert "the image of 640 x 400 pixels shows the whole view: roi is ignored" in notes[0]


def test_a_region_beyond_the_image_is_ignored_for_a_smaller_copy_of_the_whole_view():
    message = with_region(info(), 0, 0, 1280, 800)
    assert decode_camera(message, np.eye(4), image_size=(320, 200)).size == (640, 400)


def test_a_region_beyond_the_sensor_is_refused_if_the_image_is_not_the_whole_view():
    with pytest.raises(
        ValueError, match=r"roi of 400 x 300 at \(300, 50\).*the image is 400 x 300"
    ):
        decode_camera(with_region(info(), 300, 50, 400, 300), np.eye(4), image_size=(400, 300))


def test_a_binning_beyond_the_image_is_refused_with_and_without_a_region():
    for message in (info(binning_x=641), with_region(info(binning_x=641), 0, 0, 9000, 9000)):
        with pytest.raises(ValueError, match="the image is"):
            decode_camera(message, np.eye(4), image_size=(640, 400))


@pytest.mark.parametrize("matrix", [np.zeros(9), np.eye(3).ravel()], ids=["zeros", "identity"])
def test_p_is_used_if_k_is_not_set(matrix):
    notes = Notes()
    message = info(k=matrix.tolist(), d=[0.0] * 5)
    camera = decode_camera(message, np.eye(4), note=notes)
    assert camera.is_rectified and camera.matrix[0].tolist() == [450, 0, 318]
    assert notes == ["K is not set: P is used instead; let the driver publish K, too"]


def test_d_cannot_be_used_without_k():
    with pytest.raises(ValueError, match=r"K is not set, and D cannot .*rectified to always"):
        decode_camera(info(k=[0.0] * 9), np.eye(4))
    seen = decode_camera(info(k=[0.0] * 9), np.eye(4), is_rectified=True)  # the remedy
    assert seen.matrix[0, 0] == 450


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("plumb_bob", [0.1, -0.2, 0.01, 0.02, 0.03, 0, 0, 0], "plumb_bob"),
        ("equidistant", [0.1, -0.2, 0.01, 0.02, 0], "equidistant"),
        ("fisheye", [0.1, -0.2, 0.01, 0.02], "equidistant"),
        ("rational_polynomial", [0.1, -0.2, 0.01, 0.02, 0.03], "plumb_bob"),
        ("none", [0, 0, 0, 0, 0], "none"),
        ("none", [], "none"),
    ],
)
def test_distortion_models_are_read_as_drivers_write_them(model, given, taken):
    notes = Notes()
    message = info(distortion_model=model, d=[float(value) for value in given])
    camera = decode_camera(message, np.eye(4), note=notes)
    assert camera.distortion_model == taken and notes == []
    np.testing.assert_array_equal(camera.distortion, given[: len(camera.distortion)] or [0] * 5)


def test_the_model_of_d_is_inferred_from_its_length_if_it_is_not_named():
    notes = Notes()
    camera = decode_camera(info(distortion_model=""), np.eye(4), note=notes)
    assert camera.distortion_model == "plumb_bob" and camera.distortion[1] == -0.2
    assert "the 5 coefficients of D are read as those of plumb_bob; let the driver name" in notes[0]


def test_a_fisheye_with_zero_distortion_is_reported():
    """In ROS, zeros mean no distortion, but the equidistant model distorts even with zeros."""
    notes = Notes()
    message = info(distortion_model="equidistant", d=[0.0] * 4)
    assert decode_camera(message, np.eye(4), note=notes).distortion_model == "none"
    assert "if it is that of a fisheye, use intrinsics:=calibration" in notes[0]


def test_a_topic_of_compressed_rectified_images_is_known_by_its_name():
    assert shows_rectified("auto", "/camera/image_rect/compressed")


@pytest.mark.parametrize(("model", "count"), [("none", 5), ("plumb_bob", 5), ("equidistant", 4)])
def test_a_camera_survives_encoding(model, count):
    distortion = np.full(count, 0.0 if model == "none" else 0.01)
    shorter = np.diag([0.9, 0.9, 1]) @ MATRIX
    camera = Camera(MATRIX, (640, 400), np.eye(4), distortion, model, shorter)
    back = decode_camera(encode_camera(camera, Header()), np.eye(4))
    assert back.distortion_model == model
    np.testing.assert_array_equal(
        np.concatenate([back.matrix, back.rectified_matrix]),
        np.concatenate([camera.matrix, camera.rectified_matrix]),
    )

"""ROS messages to arrays and back: layouts, encodings, broken ones."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header
from support.clouds import PLAIN, cloud

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.ros.convert.messages import (
    IMAGE_ENCODINGS,
    MAX_POINTS,
    decode_camera,
    decode_cloud,
    decode_image,
    encode_camera,
    encode_cloud,
    encode_image,
    shows_rectified,
    stamp_ns,
)

VALUES = {
    "x": np.array([1.5, -2.0, 3.25, 4.0]),
    "y": np.array([0.5, 1.0, -1.0, 8.0]),
    "z": np.array([-1.0, 0.0, 2.0, 0.5]),
    "intensity": np.array([0.0, 1.0, 0.25, 0.5]),
    "ring": np.arange(4),
}
EXPECTED = np.stack([VALUES[name] for name in ("x", "y", "z", "intensity")], 1)


@pytest.mark.parametrize(
    "kinds",
    [
        PLAIN,
        {"x": "f8", "y": "f8", "z": "f8", "intensity": "f4"},
        {"intensity": "f4", "z": "f4", "y": "f4", "x": "f4"},
        {"ring": "u2", **PLAIN},
        {"x": "f4", "y": "f4", "z": "f4", "ring": "u1", "intensity": "f8"},
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("gap", [0, 3])
def test_any_layout_gives_the_same_points(kinds, order, gap):
    np.testing.assert_array_equal(decode_cloud(cloud(VALUES, kinds, order, gap)), EXPECTED)


def test_organised_clouds_with_padded_rows_are_flattened():
    np.testing.assert_array_equal(
        decode_cloud(cloud(VALUES, PLAIN, height=2, row_padding=8)), EXPECTED
    )


def test_a_plain_cloud_is_not_copied():
    message = cloud(VALUES, PLAIN)
    assert np.shares_memory(decode_cloud(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("kind", ["u1", "u2", "i1", "i2", "i4", "u4", "f4", "f8"])
def test_intensity_of_any_type_is_read_as_it_is(kind):
    message = cloud({**VALUES, "intensity": np.full(4, 100)}, {**PLAIN, "intensity": kind})
    np.testing.assert_array_equal(decode_cloud(message)[:, 3], 100)


def test_intensity_is_scaled_where_a_scale_is_given():
    message = cloud({**VALUES, "intensity": np.full(4, 100.0)}, PLAIN)
    np.testing.assert_allclose(decode_cloud(message, intensity_scale=0.01)[:, 3], 1.0)


def test_the_intensity_field_can_have_another_name():
    kinds = {"x": "f4", "y": "f4", "z": "f4", "reflectivity": "f4"}
    message = cloud({**VALUES, "reflectivity": VALUES["intensity"]}, kinds)
    np.testing.assert_array_equal(decode_cloud(message, "reflectivity"), EXPECTED)


def test_a_cloud_without_intensity_has_zeros():
    assert not decode_cloud(cloud(VALUES, {"x": "f4", "y": "f4", "z": "f4"}))[:, 3].any()


def test_nan_points_stay():
    message = cloud({**VALUES, "x": np.array([np.nan, 1, 2, 3])}, PLAIN)
    assert np.isnan(decode_cloud(message)[0, 0])


def test_a_cloud_without_points_is_empty():
    assert decode_cloud(PointCloud2()).shape == (0, 4)


def short_data(message: PointCloud2) -> None:
    del message.data[-5:]


def no_z(message: PointCloud2) -> None:
    message.fields[2].name = "depth"


def unknown_type(message: PointCloud2) -> None:
    message.fields[1].datatype = 99


def field_outside(message: PointCloud2) -> None:
    message.fields[0].offset = 14


def no_step(message: PointCloud2) -> None:
    message.point_step = 0


def far_too_many(message: PointCloud2) -> None:
    message.width, message.row_step = 2**31, 2**32 - 1


def rows_that_overlap(message: PointCloud2) -> None:
    message.height, message.row_step = 2**32 - 1, 0


def points_of_one_byte(message: PointCloud2) -> None:
    """More points than are taken, and enough data for them."""
    for field in message.fields:
        field.offset, field.datatype = 0, PointField.UINT8
    message.data = array.array("B", bytes(MAX_POINTS + 1))
    message.width, message.point_step, message.row_step = MAX_POINTS + 1, 1, MAX_POINTS + 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (short_data, "59 bytes of data, 64 expected"),
        (no_z, "no field z; the cloud has x, y, depth"),
        (unknown_type, "field y has the unknown datatype 99"),
        (field_outside, "field x at offset 14"),
        (no_step, "point_step 0"),
        (far_too_many, "bytes of data"),
        (rows_that_overlap, "row_step 0 cannot hold"),
        (points_of_one_byte, "at most 20000000 are taken"),
    ],
)
def test_a_broken_cloud_is_refused_with_the_reason(spoil, reason):
    message = cloud(VALUES, PLAIN)
    spoil(message)
    with pytest.raises(ValueError, match=reason):
        decode_cloud(message)


def test_a_cloud_survives_encoding():
    points = EXPECTED.astype(np.float32)
    np.testing.assert_array_equal(decode_cloud(encode_cloud(points, Header())), points)


RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def image(pixels: np.ndarray, encoding: str, padding: int = 0) -> Image:
    rows = pixels.reshape(pixels.shape[0], -1)
    padded = np.zeros((rows.shape[0], rows.shape[1] + padding), np.uint8)
    padded[:, : rows.shape[1]] = rows
    return Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=padded.shape[1],
        data=array.array("B", padded.tobytes()),
    )


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("rgba8", np.dstack([RGB, RGB[..., 0]])),
        ("bgra8", np.dstack([RGB[..., ::-1], RGB[..., 0]])),
    ],
)
@pytest.mark.parametrize("padding", [0, 5])
def test_colour_encodings_become_rgb(encoding, pixels, padding):
    np.testing.assert_array_equal(decode_image(image(pixels, encoding, padding)), RGB)


def test_gray_becomes_three_equal_channels():
    np.testing.assert_array_equal(
        decode_image(image(RGB[..., 0], "mono8")), np.repeat(RGB[..., :1], 3, 2)
    )


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_give_back_a_plain_colour(pattern):
    color = {"r": 200, "g": 100, "b": 30}
    mosaic = np.tile(
        np.array([color[letter] for letter in pattern], np.uint8).reshape(2, 2), (8, 8)
    )
    np.testing.assert_array_equal(
        decode_image(image(mosaic, f"bayer_{pattern}8"))[4:-4, 4:-4],
        np.broadcast_to(np.uint8([200, 100, 30]), (8, 8, 3)),
    )


def test_an_rgb_image_is_not_copied():
    message = image(RGB, "rgb8")
    assert np.shares_memory(decode_image(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"width": 0}, "0 x 6"),
        ({"encoding": "yuv422"}, "unknown encoding 'yuv422', expected one of rgb8"),
        ({"step": 3}, "step 3 is less"),
        ({"height": 60}, "144 bytes of data, 1440 expected"),
        ({"width": 60_000, "height": 60_000, "step": 180_000}, "60000 x 60000 pixels, at most"),
        ({"height": 257}, "8 x 257 pixels, its sides may be 32 to 1"),
    ],
)
def test_a_broken_image_is_refused_with_the_reason(changes, reason):
    message = image(RGB, "rgb8")
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(ValueError, match=reason):
        decode_image(message)


@pytest.mark.parametrize("encoding", ["rgb8", "mono8"])
def test_an_image_survives_encoding(encoding):
    pixels = RGB if encoding == "rgb8" else RGB[..., 0]
    decoded = decode_image(encode_image(pixels, encoding, Header()))
    np.testing.assert_array_equal(decoded if encoding == "rgb8" else decoded[..., 0], pixels)


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
    """The sensor's pixels (100..103, 50..51) are one pixel of the image: its centre looks where their middle does."""
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


def test_stamps_are_whole_nanoseconds():
    header = Header()
    header.stamp.sec, header.stamp.nanosec = 1_700_000_000, 123_456_789
    assert stamp_ns(header.stamp) == 1_700_000_000_123_456_789


def test_our_clouds_are_those_of_sensor_msgs_py():
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2")
    message = cloud(VALUES, {"ring": "u2", **PLAIN}, gap=2)
    theirs = point_cloud2.read_points_numpy(message, field_names=("x", "y", "z", "intensity"))
    np.testing.assert_array_equal(decode_cloud(message), theirs)


def test_our_images_are_those_of_cv_bridge():
    cv_bridge = pytest.importorskip("cv_bridge")
    for encoding, (channels, _) in IMAGE_ENCODINGS.items():
        pixels = np.random.default_rng(3).integers(0, 256, (6, 8, channels), np.uint8)
        message = image(pixels, encoding, padding=4)
        theirs = cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8")
        np.testing.assert_array_equal(decode_image(message), theirs, err_msg=encoding)

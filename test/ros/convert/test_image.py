"""Images to RGB and back: encodings, and broken ones."""

from __future__ import annotations

import array

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from bev_semseg_ros.ros.convert.image import IMAGE_ENCODINGS, decode_image, encode_image

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
        ({"height": 257}, "8 x 257 pixels, its aspect ratio may be at most 32:1"),
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


def test_our_images_are_those_of_cv_bridge():
    cv_bridge = pytest.importorskip("cv_bridge")
    for encoding, (channels, _) in IMAGE_ENCODINGS.items():
        pixels = np.random.default_rng(3).integers(0, 256, (6, 8, channels), np.uint8)
        # cv_bridge misreads rows whose padding is no whole number of pixels.
        message = image(pixels, encoding, padding=12)
        theirs = cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8")
        np.testing.assert_array_equal(decode_image(message), theirs, err_msg=encoding)

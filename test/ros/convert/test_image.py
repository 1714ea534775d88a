"""Images to RGB and back: encodings, and broken images."""

from __future__ import annotations

import array

import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from bev_semseg_ros.ros.convert.encodings import ENCODINGS
from bev_semseg_ros.ros.convert.image import decode_image, encode_image

RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


class Notes(list):
    """Collects what a decoder assumed."""

    def __call__(self, text: str, remedy: str) -> None:
        self.append(f"{text}; {remedy}")


def image(pixels: np.ndarray, encoding: str, padding: int = 0, **fields: int) -> Image:
    rows = np.ascontiguousarray(pixels).reshape(pixels.shape[0], -1).view(np.uint8)
    padded = np.zeros((rows.shape[0], rows.shape[1] + padding), np.uint8)
    padded[:, : rows.shape[1]] = rows
    values = {
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "step": padded.shape[1],
        "data": array.array("B", padded.tobytes()),
    }
    return Image(encoding=encoding, **{**values, **fields})


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
        ({"encoding": "h264"}, "unknown encoding 'h264', expected one of rgb8.*pixel format"),
        ({"step": 3, "height": 5}, "step 3 does not fit 5 rows of 24 bytes in 144 bytes"),
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


def test_images_equal_those_of_cv_bridge():
    cv_bridge = pytest.importorskip("cv_bridge")
    for name, encoding in ENCODINGS.items():
        if encoding.rows != 1 or encoding.block != (1, 1):
            continue  # not every version knows them
        shape = (6, 8, encoding.channels)
        kind = np.uint8 if encoding.bits == 8 else np.uint16
        pixels = np.random.default_rng(3).integers(0, 256, shape).astype(kind) * (kind(-1) // 255)
        padding = 2 * encoding.channels * encoding.bits // 8
        message = image(pixels, name, padding)
        theirs = cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8")
        np.testing.assert_array_equal(decode_image(message), theirs, err_msg=name)


@pytest.mark.parametrize("extra", [0, 4])
def test_bytes_after_the_last_row_are_ignored_if_too_few_for_padding_between_rows(extra):
    message = image(RGB, "rgb8", step=0, data=array.array("B", RGB.tobytes() + bytes(extra)))
    np.testing.assert_array_equal(decode_image(message), RGB)
    message.data.extend(bytes(5))
    with pytest.raises(ValueError, match="step 0 does not fit 6 rows of 24 bytes"):
        decode_image(message)


# --- encodings of cameras that give no rgb8 -------------------------------------------------------

# Luma and chroma of red, BT.601 with luma from 16 to 235.
Y, U, V = 81, 90, 240
RED = (254, 0, 0)


def planes(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([part.reshape(-1) for part in parts]).astype(np.uint8)


def of_planes(encoding: str, *parts: np.ndarray, step: int = 8) -> Image:
    data = planes(np.full((4, 8), Y), *parts)
    return Image(height=4, width=8, encoding=encoding, step=step, data=data.tobytes())


@pytest.mark.parametrize(
    ("encoding", "pair"),
    [
        ("uyvy", (U, Y, V, Y)),
        ("yuv422", (U, Y, V, Y)),
        ("yuyv", (Y, U, Y, V)),
        ("yuv422_yuy2", (Y, U, Y, V)),
        ("YUYV", (Y, U, Y, V)),
    ],
)
@pytest.mark.parametrize("padding", [0, 6])
def test_packed_yuv_422_becomes_rgb(encoding, pair, padding):
    pixels = np.tile(np.array(pair, np.uint8).reshape(1, 2, 2), (4, 4, 1))
    decoded = decode_image(image(pixels, encoding, padding))
    np.testing.assert_array_equal(decoded, np.broadcast_to(np.uint8(RED), (4, 8, 3)))


@pytest.mark.parametrize("step", [8, 0, 12])
@pytest.mark.parametrize(
    ("encoding", "colors"),
    [
        ("nv12", [np.tile([U, V], (2, 4))]),
        ("nv21", [np.tile([V, U], (2, 4))]),
        ("nv24", [np.tile([U, V], (4, 8))]),
        ("i420", [np.full((2, 4), U), np.full((2, 4), V)]),
        ("yv12", [np.full((2, 4), V), np.full((2, 4), U)]),
    ],
)
def test_planar_yuv_becomes_rgb_whatever_the_step_counts(encoding, colors, step):
    """Some set it to the bytes of a row of luma, some to those of a row of pixels, some to 0."""
    decoded = decode_image(of_planes(encoding, *colors, step=step))
    np.testing.assert_array_equal(decoded, np.broadcast_to(np.uint8(RED), (4, 8, 3)))


def test_planes_with_padded_rows_become_rgb():
    data = np.zeros((6, 11), np.uint8)
    data[:, :8] = np.concatenate([np.full((4, 8), Y), np.tile([U, V], (2, 4))])
    message = Image(height=4, width=8, encoding="nv12", step=11, data=data.tobytes())
    assert (decode_image(message) == RED).all()


@pytest.mark.parametrize(
    ("encoding", "colors"),
    [
        ("nv12", [np.tile([U, V], (8, 4))]),
        ("nv24", [np.tile([U, V], (16, 8))]),
        ("i420", [np.full((8, 4), U), np.full((8, 4), V)]),
    ],
)
def test_planes_with_rows_below_the_image_become_rgb(encoding, colors):
    """Video decoders pad 1080 rows to 1088."""
    data = planes(np.full((16, 8), Y), *colors)
    message = Image(height=10, width=8, encoding=encoding, step=8, data=data.tobytes())
    decoded = decode_image(message)
    assert decoded.shape == (10, 8, 3) and (decoded == RED).all()


def test_planes_whose_offsets_cannot_be_inferred_are_refused():
    data = planes(np.full((4, 8), Y), np.tile([U, V], (2, 4)), np.zeros(5))
    message = Image(height=4, width=8, encoding="nv12", step=8, data=data.tobytes())
    with pytest.raises(ValueError, match="step 8 does not fit 6 rows of 8 bytes in 53 bytes"):
        decode_image(message)


@pytest.mark.parametrize(
    ("encoding", "width", "height"), [("yuyv", 7, 4), ("nv12", 8, 5), ("nv21", 7, 4)]
)
def test_half_a_block_of_pixels_is_refused(encoding, width, height):
    message = Image(height=height, width=width, encoding=encoding, data=bytes(500))
    with pytest.raises(ValueError, match=f"{encoding} has blocks of 2 x"):
        decode_image(message)


def test_planes_that_are_cut_off_are_refused():
    message = of_planes("nv12", np.tile([U, V], (1, 4)))
    with pytest.raises(ValueError, match="40 bytes of data, 48 expected"):
        decode_image(message)


@pytest.mark.parametrize(
    ("encoding", "pixels", "meant"),
    [
        ("8UC1", RGB[..., 0], "mono8"),
        ("8UC3", RGB[..., ::-1], "bgr8"),
        ("8UC4", np.dstack([RGB[..., ::-1], RGB[..., 0]]), "bgra8"),
    ],
)
def test_channels_without_a_name_are_read_in_the_order_of_opencv_with_a_note(
    encoding, pixels, meant
):
    notes = Notes()
    decoded = decode_image(image(pixels, encoding), notes)
    np.testing.assert_array_equal(decoded, RGB if meant != "mono8" else np.dstack([pixels] * 3))
    assert notes == [
        f"the encoding {encoding} does not say what the channels are: it is read as {meant}; let "
        "the driver name the encoding, such as rgb8, bgr8 or mono8"
    ]


# 16 bits whose upper 8 are those of RGB, up to rounding.
WIDE = RGB.astype(np.uint16) * 257


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [
        ("mono16", WIDE[..., 0], np.dstack([RGB[..., 0]] * 3)),
        ("rgb16", WIDE, RGB),
        ("bgr16", WIDE[..., ::-1], RGB),
        ("rgba16", np.dstack([WIDE, WIDE[..., 0]]), RGB),
        ("bgra16", np.dstack([WIDE[..., ::-1], WIDE[..., 0]]), RGB),
    ],
)
def test_16_bits_become_8(encoding, pixels, expected, order):
    message = image(pixels.astype(f"{order}u2"), encoding, 3, is_bigendian=int(order == ">"))
    np.testing.assert_array_equal(decode_image(message), expected)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_bayer_mosaic_of_16_bits_is_decoded_like_one_of_8_bits(pattern, order):
    color = {"r": 200, "g": 100, "b": 30}
    mosaic = np.tile(np.array([color[letter] for letter in pattern]).reshape(2, 2), (8, 8)) * 257
    pixels = mosaic.astype(f"{order}u2")
    message = image(pixels, f"bayer_{pattern}16", is_bigendian=int(order == ">"))
    inner = decode_image(message)[4:-4, 4:-4]
    np.testing.assert_array_equal(inner, np.broadcast_to(np.uint8([200, 100, 30]), (8, 8, 3)))


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1", "16SC1", "z16"])
def test_a_depth_image_is_refused(encoding):
    message = image(np.full((6, 8), 1500, np.uint32), encoding)
    with pytest.raises(ValueError, match=f"{encoding} is that of depth images.*mono16"):
        decode_image(message)


@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb16"])
@pytest.mark.parametrize("is_bigendian", [False, True])
def test_a_byte_order_that_contradicts_the_pixels_is_named(encoding, is_bigendian):
    """In the wrong order, the upper byte is noise and the lower byte is the picture."""
    rows, columns = np.mgrid[0:48, 0:64]
    smooth = 20000 + 300 * rows + 200 * columns
    smooth += np.random.default_rng(0).integers(0, 300, smooth.shape)
    right = smooth.astype(">u2" if is_bigendian else "<u2")
    decode_image(image(right, encoding, is_bigendian=int(is_bigendian)))
    with pytest.raises(ValueError, match=f"is_bigendian is {not is_bigendian}, but the bytes"):
        decode_image(image(right, encoding, is_bigendian=int(not is_bigendian)))


def test_12_bits_that_were_not_shifted_are_named():
    notes = Notes()
    decode_image(image(np.full((6, 8), 4000, np.uint16), "mono16"), notes)
    assert notes == [
        "the image uses 12 of its 16 bits and is nearly black; let the driver shift its values to "
        "the upper bits, or publish 8 bits"
    ]


@pytest.mark.parametrize("step", [0, 8, 640])
@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "yuyv"])
def test_a_step_that_is_unset_or_wrong_is_derived_from_the_width(encoding, step):
    pixels = {"rgb8": RGB, "mono8": RGB[..., 0], "yuyv": RGB[..., :2]}[encoding]
    message = image(pixels, encoding)
    expected = decode_image(message).copy()
    message.step = step
    np.testing.assert_array_equal(decode_image(message), expected)

"""Compressed images: what image_transport publishes, and what must not be decoded."""

from __future__ import annotations

import array
import struct
import zlib

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")

from sensor_msgs.msg import CompressedImage, Image

from bev_semseg_ros.ros.convert.compressed_image import decode_compressed, decode_picture

RGB = np.kron(
    np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8), np.ones((16, 16, 1), np.uint8)
)
BGR = RGB[..., ::-1]


def compressed(pixels: np.ndarray, kind: str, text: str) -> CompressedImage:
    return message(
        cv2.imencode(f".{kind}", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes(), text
    )


def message(data: bytes, text: str) -> CompressedImage:
    return CompressedImage(format=text, data=array.array("B", data))


@pytest.mark.parametrize(
    "text",
    [
        "png",
        "bgr8; png compressed bgr8",
        "rgb8; png compressed bgr8",
        "rgba8; png compressed bgra8",
        "; png compressed",
    ],
)
def test_png_is_exact(text):
    np.testing.assert_array_equal(decode_compressed(compressed(BGR, "png", text)), RGB)


@pytest.mark.parametrize(
    "text", ["jpeg", "jpg", "rgb8; jpeg compressed bgr8", "bgr8; jpeg compressed bgr8"]
)
def test_jpeg_is_nearly_exact(text):
    difference = decode_compressed(compressed(BGR, "jpg", text)).astype(int) - RGB
    assert np.abs(difference).mean() < 10 < np.abs(RGB.astype(int) - BGR).mean()


@pytest.mark.parametrize("text", ["rgb8; png compressed rgb8", "bgr8; png compressed rgb8"])
def test_channels_compressed_as_rgb_come_back_as_rgb(text):
    np.testing.assert_array_equal(decode_compressed(compressed(RGB, "png", text)), RGB)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_mono_becomes_three_equal_channels(kind):
    image = decode_compressed(compressed(RGB[..., 0], kind, f"mono8; {kind} compressed mono8"))
    assert image.shape == RGB.shape and (image == image[..., :1]).all()
    assert np.abs(image[..., 0].astype(int) - RGB[..., 0]).mean() < 5


def test_a_bayer_mosaic_becomes_rgb():
    mosaic = np.tile(np.uint8([[200, 100], [100, 30]]), (8, 8))
    image = decode_compressed(compressed(mosaic, "png", "bayer_rggb8; png compressed"))
    np.testing.assert_array_equal(
        image[4:-4, 4:-4], np.broadcast_to(np.uint8([200, 100, 30]), (8, 8, 3))
    )


@pytest.mark.parametrize("encoding", ["bayer_rggb8", "bayer_gbrg16", "yuv422_yuy2"])
def test_a_jpeg_of_a_colour_camera_that_image_transport_made_grey_stays_grey_with_a_note(encoding):
    notes = []
    data = compressed(RGB[..., 0], "jpg", f"{encoding}; jpeg compressed mono8")
    image = decode_compressed(data, lambda text, remedy: notes.append(text))
    assert (image == image[..., :1]).all()
    assert np.abs(image[..., 0].astype(int) - RGB[..., 0]).mean() < 5
    assert notes == [f"image_transport has removed the colours of {encoding}"]


@pytest.mark.parametrize(
    "text", ["bayer_rggb8; jpeg compressed ", "bayer_rggb8; jpeg compressed bayer_rggb8"]
)
def test_a_jpeg_of_a_bayer_mosaic_becomes_rgb(text):
    mosaic = np.tile(np.uint8([[200, 100], [100, 30]]), (8, 8))
    image = decode_compressed(compressed(mosaic, "jpg", text)).astype(int)
    assert np.abs(image[4:-4, 4:-4] - (200, 100, 30)).max() < 20


WIDE = RGB.astype(np.uint16) * 257


@pytest.mark.parametrize("text", ["bgr16; png compressed bgr16", "png"])
def test_16_bits_of_colour_become_8(text):
    data = compressed(np.ascontiguousarray(WIDE[..., ::-1]), "png", text)
    np.testing.assert_array_equal(decode_compressed(data), RGB)


def test_16_bits_of_grey_become_8_if_the_format_names_them():
    image = decode_compressed(compressed(WIDE[..., 0], "png", "mono16; png compressed "))
    np.testing.assert_array_equal(image, np.dstack([RGB[..., 0]] * 3))


def test_a_bayer_mosaic_of_16_bits_becomes_rgb():
    mosaic = np.tile(np.uint16([[200, 100], [100, 30]]) * 257, (8, 8))
    image = decode_compressed(compressed(mosaic, "png", "bayer_rggb16; png compressed "))
    assert (image[4:-4, 4:-4] == (200, 100, 30)).all()


def test_channels_without_a_name_are_read_in_the_order_of_opencv_with_a_note():
    notes = []
    data = compressed(BGR, "png", "8UC3; png compressed ")
    image = decode_compressed(data, lambda text, remedy: notes.append(text))
    np.testing.assert_array_equal(image, RGB)
    assert len(notes) == 1 and "8UC3 does not say" in notes[0] and "bgr8" in notes[0]


@pytest.mark.parametrize("kind", [Image, CompressedImage])
def test_the_type_of_a_message_decides_how_it_is_decoded(kind):
    pixels = np.ascontiguousarray(RGB)
    raw = Image(height=48, width=64, encoding="rgb8", step=3 * 64, data=pixels.tobytes())
    given = raw if kind is Image else compressed(BGR, "png", "bgr8; png compressed bgr8")
    np.testing.assert_array_equal(decode_picture(given), RGB)


def test_exif_does_not_turn_the_image():
    jpeg = cv2.imencode(".jpg", BGR)[1].tobytes()
    # Orientation 6: turned by 90 degrees.
    turned = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(turned) + 2) + turned + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (64, 48, 3)
    assert decode_compressed(message(data, "jpeg")).shape == RGB.shape


def png_claiming(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header states this size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(cv2.imencode(".jpg", BGR)[1].tobytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


PNG, JPEG = (cv2.imencode(kind, BGR)[1].tobytes() for kind in (".png", ".jpg"))
DEEP = cv2.imencode(".png", RGB[..., 0].astype(np.uint16))[1].tobytes()


@pytest.mark.parametrize(
    ("data", "text", "reason"),
    [
        (png_claiming(60_000, 60_000), "png", "60000 x 60000 pixels, at most"),
        (jpeg_claiming(65_000, 65_000), "jpeg", "65000 x 65000 pixels, at most"),
        (jpeg_claiming(64, 0), "jpeg", "64 x 0 pixels"),
        (png_claiming(1, 1_000_000), "png", "at most 32:1"),
        (DEEP, "16UC1; png compressed", "'16UC1; png compressed': .* that of depth images"),
        (DEEP, "png", "16 bits of grey may be a depth image"),
        (DEEP, "; png compressed ", "16 bits of grey may be a depth image"),
        (b"\0" * 12 + DEEP, "16UC1; compressedDepth png", "that of depth images"),
        (b"\0" * 12 + DEEP, "32FC1; compressedDepth png", "that of depth images"),
        (b"RIFF....WEBPVP8 ", "webp", "'webp': neither JPEG nor PNG"),
        (b"\0\0\0\1\x67\x42\0\x1e", "h264", "'h264': a part of a video .* decode the video"),
        (b"\0\0\1\x40\1", "h265", "'h265': a part of a video"),
        (b"\xd0\2\0\0", "zstd", "'zstd': neither JPEG nor PNG: .* image_transport republish"),
        (b"", "jpeg", "neither JPEG nor PNG"),
        (PNG[:-20], "png", "cut off"),
        (PNG[:20], "png", "cut off"),
        (JPEG[:-300], "jpeg", "cut off"),
        (JPEG[:25], "jpeg", "cut off"),
        (png_claiming(48, 48), "png", "damaged"),
    ],
)
def test_unusable_data_is_refused_with_its_format(data, text, reason):
    with pytest.raises(ValueError, match=reason):
        decode_compressed(message(data, text))


@pytest.mark.parametrize("seed", range(100))
def test_damaged_bytes_give_an_image_or_a_value_error(seed):
    rng = np.random.default_rng(seed)
    data = bytearray(JPEG if seed % 2 else PNG)
    for position in rng.integers(0, len(data), 8):
        data[position] = rng.integers(0, 256)
    try:
        assert decode_compressed(message(bytes(data), "")).shape[2] == 3
    except ValueError as error:
        assert "compressed image of format" in str(error)

"""sensor_msgs/CompressedImage, as image_transport's `compressed` plugin publishes it, to numpy.

cv_bridge's compressed_imgmsg_to_cv2 is not used: it allocates memory for any size that the header
claims, rotates the image by its EXIF data, and fills missing parts with grey without an error.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.data.files import jpeg_frame
from bev_semseg_ros.file_signatures import JPEG, PNG
from bev_semseg_ros.ros.convert.encodings import (
    ENCODINGS,
    TO_8_BITS,
    Encoding,
    canonical_name,
    find_encoding,
    refuse_depth,
)
from bev_semseg_ros.ros.convert.image import check_brightness, check_size, decode_image
from bev_semseg_ros.ros.convert.message import Note, ignore

SUFFIX = "/compressed"  # image_transport appends it to the raw topic

_COLOR_ENCODINGS = ("rgb8", "bgr8", "rgba8", "bgra8", "rgb16", "bgr16", "rgba16", "bgra16")
_VIDEO = (b"\0\0\0\1", b"\0\0\1")  # start of a unit of H.264 or H.265
_GRAY_PNG = 0  # color type of a PNG
# What image_transport names as the encoding of the compressed picture if it has converted it.
_CONVERTED = ("compressed mono", "compressed rgb", "compressed bgr")


def decode_picture(message: Any, note: Note = ignore) -> np.ndarray:
    """Convert a sensor_msgs/Image or CompressedImage to (H, W, 3) uint8 RGB."""
    is_compressed = hasattr(message, "format")
    return decode_compressed(message, note) if is_compressed else decode_image(message, note)


def decode_compressed(message: Any, note: Note = ignore) -> np.ndarray:
    """Convert a sensor_msgs/CompressedImage to RGB.

    The size is read and checked before anything is decoded. The EXIF orientation is ignored.

    Args:
        message: A JPEG of 8 bits or a PNG of 8 or 16 bits: mono, colour or a Bayer mosaic.
        note: Called for each assumption, see `Note`.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: If it has another format or depth, is a depth image, or the data are damaged.
            The text names the message's `format`.
    """
    data = bytes(message.data)
    encoding, _, compression = (part.strip() for part in message.format.partition(";"))
    try:
        refuse_depth(encoding)
        width, height, bits = _header(data)
        check_size(width, height)
        name = canonical_name(encoding)
        _check_depth(data, bits, has_encoding=name in ENCODINGS)
        if compression and name.startswith(("8u", "16u")):
            find_encoding(encoding, note)  # notes what it stands for
        mosaic = _mosaic(name, compression)
        pixels = _decode(data, (width, height), bits, mosaic)
    except ValueError as error:
        raise ValueError(f"compressed image of format {message.format!r}: {error}") from None
    if name in ENCODINGS and not name.startswith("mono") and "compressed mono" in compression:
        note(
            f"image_transport has removed the colours of {encoding}",
            "let the camera's driver publish rgb8 or bgr8, and compress that",
        )
    if bits == 16:
        check_brightness(pixels, note)
        pixels = cv2.convertScaleAbs(pixels, alpha=TO_8_BITS)
    # As in compressed_subscriber.cpp of image_transport_plugins: without "compressed bgr", the
    # channels were encoded as RGB.
    is_rgb = name in _COLOR_ENCODINGS and compression and "compressed bgr" not in compression
    if is_rgb or mosaic is not None:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _check_depth(data: bytes, bits: int, has_encoding: bool) -> None:
    """Raise ValueError if the bit depth cannot be decoded, or the picture may be a depth image."""
    is_png = data.startswith(PNG)
    if bits > 8 and not (is_png and bits == 16):
        raise ValueError(f"{bits} bits per channel, expected 8: publish mono8 or a colour encoding")
    if bits == 16 and data[25] == _GRAY_PNG and not has_encoding:
        raise ValueError(
            "16 bits of grey may be a depth image: let format name the encoding, such as mono16"
        )


def _mosaic(name: str, compression: str) -> Encoding | None:
    """Return the encoding of a picture that is a Bayer mosaic; None for any other picture.

    image_transport compresses a mosaic as it is to PNG, and in ROS 1 also to JPEG. In ROS 2, it
    converts a mosaic to grey first if it compresses to JPEG.
    """
    encoding = ENCODINGS.get(name)
    is_mosaic = encoding is not None and encoding.is_mosaic
    return encoding if is_mosaic and not any(each in compression for each in _CONVERTED) else None


def _decode(data: bytes, size: tuple[int, int], bits: int, mosaic: Encoding | None) -> np.ndarray:
    """Return (H, W, 3) pixels in the channel order of OpenCV's decoder; for a mosaic, RGB."""
    flags = cv2.IMREAD_COLOR if mosaic is None else cv2.IMREAD_GRAYSCALE
    flags |= cv2.IMREAD_IGNORE_ORIENTATION
    if bits == 16:
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != size[::-1]:
        raise ValueError(f"damaged data ({len(data)} bytes)")
    if mosaic is None or mosaic.conversion is None:
        return pixels
    return cv2.cvtColor(pixels, mosaic.conversion)


def _header(data: bytes) -> tuple[int, int, int]:
    """Return width, height and bits per channel of a complete JPEG or PNG."""
    if data.startswith(PNG):
        if len(data) < 33 or b"IEND" not in data[-64:]:
            raise ValueError(f"the PNG is cut off after {len(data)} bytes")
        width, height, bits = struct.unpack(">IIB", data[16:25])
        return width, height, bits
    if data.startswith(JPEG):
        return _jpeg_header(data)
    if data.startswith(_VIDEO):
        raise ValueError(
            "a part of a video (H.264 or H.265), no picture: decode the video, for instance with "
            "isaac_ros_h264_decoder, and use the topic of the decoded images"
        )
    raise ValueError(
        "neither JPEG nor PNG: let image_transport compress to one of them (its parameter format), "
        "or decode the images (`ros2 run image_transport republish`) and set image_transport to raw"
    )


def _jpeg_header(data: bytes) -> tuple[int, int, int]:
    """Return width, height and bits per channel of a complete JPEG."""
    at = jpeg_frame(data)
    if at is None:
        raise ValueError(f"the JPEG is damaged or cut off after {len(data)} bytes")
    bits, height, width = struct.unpack(">BHH", data[at + 4 : at + 9])
    return width, height, bits

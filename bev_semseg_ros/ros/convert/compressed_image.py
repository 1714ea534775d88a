"""sensor_msgs/CompressedImage, as image_transport's `compressed` plugin publishes it, to numpy.

cv_bridge's compressed_imgmsg_to_cv2 is not used: it takes memory for whatever size a few bytes
claim, turns the image by its EXIF data, and fills what is cut off with grey without an error.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.ros.convert.image import BAYER_TO_RGB, check_size

SUFFIX = "/compressed"  # image_transport's name for the topic beside the raw one

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_COLOR_ENCODINGS = ("rgb8", "bgr8", "rgba8", "bgra8")
# JPEG markers (ITU-T T.81, table B.1). Frame headers begin the picture; three markers of the same
# range do not.
_JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


def decode_compressed(message: Any) -> np.ndarray:
    """Convert a sensor_msgs/CompressedImage to RGB.

    The size is read and checked before anything is decoded. EXIF data do not turn the image.

    Args:
        message: A JPEG or PNG of 8 bits, mono, colour or a Bayer mosaic.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: If it has another format or depth, or the data are damaged. The text names the
            message's `format`.
    """
    data = bytes(message.data)
    try:
        width, height, bits = _header(data)
        check_size(width, height)
        if bits > 8:
            raise ValueError(
                f"{bits} bits a channel, expected 8: publish mono8 or a colour encoding"
            )
    except ValueError as error:
        raise ValueError(f"compressed image of format {message.format!r}: {error}") from None
    encoding, _, compression = (part.strip() for part in message.format.partition(";"))
    is_mosaic = encoding in BAYER_TO_RGB
    flags = cv2.IMREAD_GRAYSCALE if is_mosaic else cv2.IMREAD_COLOR
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (height, width):
        raise ValueError(
            f"compressed image of format {message.format!r}: damaged data ({len(data)} bytes)"
        )
    if is_mosaic:
        return cv2.cvtColor(pixels, BAYER_TO_RGB[encoding])
    # As in compressed_subscriber.cpp of image_transport_plugins: without "compressed bgr" the
    # channels went into the encoder as RGB.
    if encoding in _COLOR_ENCODINGS and compression and "compressed bgr" not in compression:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def _header(data: bytes) -> tuple[int, int, int]:
    """Return width, height and bits a channel of a complete JPEG or PNG."""
    if data.startswith(_PNG):
        if len(data) < 33 or b"IEND" not in data[-64:]:
            raise ValueError(f"the PNG is cut off after {len(data)} bytes")
        width, height, bits = struct.unpack(">IIB", data[16:25])
        return width, height, bits
    if data.startswith(_JPEG):
        return _jpeg_header(data)
    raise ValueError(
        "neither JPEG nor PNG; set the camera's image_transport to one of them, or image_transport "
        "to raw"
    )


def _jpeg_header(data: bytes) -> tuple[int, int, int]:
    """Return width, height and bits a channel of a complete JPEG."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_FRAMES:
            # Without an end marker OpenCV fills in grey and reports nothing.
            if data.find(b"\xff\xd9", at) < 0:
                break
            bits, height, width = struct.unpack(">BHH", data[at + 4 : at + 9])
            return width, height, bits
        if marker == 0xFF:  # padding before a marker
            at += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    raise ValueError(f"the JPEG is damaged or cut off after {len(data)} bytes")

"""sensor_msgs/Image <-> numpy.

Decoding works on any object with the attributes of the message. The message class is imported only
for encoding. cv_bridge is not used: it must be built against the OpenCV and numpy of the process,
but a virtual environment has its own; it copies images that are already RGB; and it trusts the size
that a message claims.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.data.files import MAX_PIXELS
from bev_semseg_ros.frame import MAX_ASPECT
from bev_semseg_ros.ros.convert.encodings import Encoding, find_encoding
from bev_semseg_ros.ros.convert.message import Note, fill, find_step, ignore

ALIGNMENT = 32  # decoders pad the rows of a plane to multiples of up to this
LOOKED_AT = 64  # rows of a 16-bit image that are checked
# A 16-bit image that uses fewer bits is nearly black: its driver did not shift values of 12 bits.
FEWEST_BITS = 13
# If neighbouring pixels differ in one byte by more than ROUGH, and by more than TIMES_ROUGHER times
# their difference in the other byte, it is not the upper byte.
ROUGH, TIMES_ROUGHER = 20.0, 4.0


def decode_image(message: Any, note: Note = ignore) -> np.ndarray:
    """Convert a sensor_msgs/Image to RGB.

    Args:
        message: The image, in one of `encodings.ENCODINGS` by any of its names.
        note: Called for each assumption, see `Note`.

    Returns:
        (H, W, 3) uint8 RGB. For rgb8 it is a view of the message.

    Raises:
        ValueError: If the encoding is unknown or that of depth images, there are too few bytes,
            their order is not the one that the message states, or `check_size` refuses the size.
            The text says what is wrong.
    """
    width, height = int(message.width), int(message.height)
    check_size(width, height)
    encoding = find_encoding(message.encoding, note)
    if width % encoding.block[0] or height % encoding.block[1]:
        raise ValueError(
            f"the image is {width} x {height} pixels, {message.encoding} has blocks of "
            f"{encoding.block[0]} x {encoding.block[1]} pixels"
        )
    values = _view(message, encoding)
    if encoding.bits == 16:
        values = np.ascontiguousarray(values, np.uint16)  # in the byte order of this machine
        _check_byte_order(values, bool(message.is_bigendian))
        check_brightness(values, note)
    return encoding.to_rgb(values)[:height]


def _view(message: Any, encoding: Encoding) -> np.ndarray:
    """View the data of a message as (rows, width, channels), with the rows of all planes."""
    width, size = int(message.width), encoding.bits // 8
    row, num_bytes = width * encoding.channels * size, len(message.data)
    rows = int(message.height * encoding.rows)
    if num_bytes < rows * row:
        raise ValueError(
            f"{num_bytes} bytes of data, {rows * row} expected for {rows} rows of {row} bytes"
        )
    step = find_step(int(message.step), row, rows, num_bytes)
    if encoding.rows > 1 and num_bytes != rows * row:
        step, rows = _find_planes(message, encoding, row)
    if step is None:
        raise ValueError(
            f"step {message.step} does not fit {rows} rows of {row} bytes in {num_bytes} bytes of "
            "data"
        )
    order = ">" if message.is_bigendian else "<"
    return np.ndarray(
        (rows, width, encoding.channels),
        f"{order}u{size}",
        buffer=message.data,
        strides=(step, encoding.channels * size, size),
    )


def _find_planes(message: Any, encoding: Encoding, row: int) -> tuple[int | None, int]:
    """Return the bytes from row to row (None if unknown), and the number of rows of all planes.

    Decoders pad rows, and the number of rows of a plane, such as from 1080 to 1088. The start of
    the second plane is known only if planes with such a padding take up exactly all bytes.

    Args:
        message: The image.
        encoding: Its encoding, which has several planes.
        row: Bytes of a row without padding.
    """
    height, num_bytes = int(message.height), len(message.data)
    steps = [row] if encoding.has_three_planes else [int(message.step), row]
    for step in steps:
        for aligned in range(height, height + ALIGNMENT, encoding.block[1]):
            rows = int(aligned * encoding.rows)
            if step >= row and num_bytes in (rows * step, (rows - 1) * step + row):
                return step, rows
    return None, int(height * encoding.rows)


def _check_byte_order(values: np.ndarray, is_bigendian: bool) -> None:
    """Raise ValueError if an image (H, W, C) of 16 bits was read in the wrong byte order.

    Neighbouring pixels differ little, so their upper bytes are similar and their lower bytes are
    not. Every second pixel is compared, because a Bayer mosaic repeats its colours after two.
    """
    some = values[:: max(len(values) // LOOKED_AT, 1)]
    roughness = []
    for part in (some >> 8, some & 255):
        steps = np.diff(part[:, ::2].astype(np.int16), axis=1)
        roughness.append(float(np.abs(steps).mean()) if steps.size else 0.0)
    upper, lower = roughness
    if lower > 0 and upper > max(ROUGH, TIMES_ROUGHER * lower):
        raise ValueError(
            f"is_bigendian is {is_bigendian}, but the bytes are in the other order: let the driver "
            "set is_bigendian to what it writes"
        )


def check_brightness(values: np.ndarray, note: Note) -> None:
    """Note if a 16-bit image (H, W) or (H, W, C) does not use its upper bits."""
    bits = int(values[:: max(len(values) // LOOKED_AT, 1)].max(initial=0)).bit_length()
    if 0 < bits < FEWEST_BITS:
        note(
            f"the image uses {bits} of its 16 bits and is nearly black",
            "let the driver shift its values to the upper bits, or publish 8 bits",
        )


def check_size(width: int, height: int) -> None:
    """Check the size of an image before memory is allocated for it.

    Args:
        width: Pixels.
        height: Pixels.

    Raises:
        ValueError: If the image has no pixels, more than MAX_PIXELS, or an aspect ratio of more
            than MAX_ASPECT to one.
    """
    if width * height == 0:
        raise ValueError(f"the image is {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"the image is {width} x {height} pixels, at most {MAX_PIXELS} are allowed"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(
            f"the image is {width} x {height} pixels, its aspect ratio may be at most "
            f"{MAX_ASPECT}:1"
        )


def encode_image(image: np.ndarray, encoding: str, header: Any) -> Any:
    """Convert an image to sensor_msgs/Image.

    Args:
        image: (H, W) or (H, W, C) uint8.
        encoding: The encoding of the message, such as "rgb8".
        header: The std_msgs/Header of the message.

    Returns:
        The sensor_msgs/Image.
    """
    from sensor_msgs.msg import Image

    message = Image(
        header=header,
        height=int(image.shape[0]),
        width=int(image.shape[1]),
        encoding=encoding,
        is_bigendian=0,
        step=int(image[0].size),
    )
    fill(message, image)
    return message

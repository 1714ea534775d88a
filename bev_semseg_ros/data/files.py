"""Functions that read single files, and one that writes images.

If a file is damaged, they raise a ValueError that names it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.file_signatures import JPEG, PNG
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, UnknownLabelError
from bev_semseg_ros.output_path import write_file

MAX_ID = 2**53  # of an object; prepared frames cannot store larger numbers exactly
MAX_TIME_NS = 2**31 * 10**9 - 1  # of a frame; seconds in messages of ROS have 32 bits
MAX_ANGLE = 6.3  # of a box, radians: a full turn, rounded up; larger numbers are degrees
MAX_PIXELS = 100_000_000  # of an image; a small damaged file can claim to be a huge one

_PNG_HEADER_BYTES = 24  # up to and including the width and the height
_PNG_BIT_DEPTH, _PNG_COLOR_TYPE = 24, 25  # offsets of the bits per channel and the colour type
_PNG_PALETTE = 3  # colour type of images whose pixels are indices into a palette
# Markers of JPEG segments (ITU-T T.81, table B.1): frame headers, and segments without data.
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = {0x01, *range(0xD0, 0xD9)}
_JPEG_END = b"\xff\xd9"


@dataclass(frozen=True)
class FrameParts:
    """The files of a frame.

    Attributes:
        paths: Files that exist, by the name of the part, such as "image" (as in `Frame.missing`).
        missing: Names of the parts that should exist but do not.
    """

    paths: Mapping[str, Path]
    missing: tuple[str, ...]


def read_image(path: Path) -> np.ndarray:
    """Read a colour image.

    Args:
        path: A PNG or JPEG file.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: The file is damaged, or neither PNG nor JPEG.
    """
    # Ignore the orientation tag of a JPEG: calibration and labels refer to the stored pixels.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.cvtColor(_decode(path.read_bytes(), flags, path), cv2.COLOR_BGR2RGB)


def read_gray(path: Path) -> np.ndarray:
    """Read a single-channel image, such as a mask.

    Args:
        path: A PNG file.

    Returns:
        (H, W) uint8.

    Raises:
        ValueError: The file is damaged, not a PNG, or does not have exactly one 8-bit channel.
    """
    data = path.read_bytes()
    if data.startswith(JPEG):
        raise ValueError(
            f"{path}: expected a PNG; JPEG compression changes class numbers, so recreate the "
            "masks from their source"
        )
    image = _decode(data, cv2.IMREAD_UNCHANGED, path)
    if data[_PNG_COLOR_TYPE] == _PNG_PALETTE:
        raise ValueError(
            f"{path}: expected a PNG of one 8-bit channel, got one with a palette; write the "
            "numbers without it: PIL.Image.fromarray(np.array(PIL.Image.open(path))).save(path)"
        )
    if data[_PNG_BIT_DEPTH] < 8:
        raise ValueError(
            f"{path}: expected a PNG of one 8-bit channel, got {data[_PNG_BIT_DEPTH]} bit per "
            "pixel, which programs scale up to 255; write the class numbers with 8 bit: "
            "PIL.Image.fromarray(numbers.astype(np.uint8)).save(path)"
        )
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected a PNG of one 8-bit channel, got shape {image.shape}, {image.dtype}"
        )
    return image


def check_classes(classes: np.ndarray, labels: LabelSet, path: Path, remedy: str) -> None:
    """Check classes that were read from a file.

    Args:
        classes: (H, W) classes of pixels or (N,) of points; MASK_IGNORED is allowed.
        labels: Label set of the classes.
        path: The file.
        remedy: What to do about an unknown class.

    Raises:
        UnknownLabelError: A class is not in the label set; the message says which and where.
    """
    wrong = (classes >= len(labels)) & (classes != MASK_IGNORED)
    if not wrong.any():
        return
    first = tuple(np.argwhere(wrong)[0])
    place = f"of point {first[0]}" if len(first) == 1 else f"at pixel x {first[1]}, y {first[0]}"
    raise UnknownLabelError(
        f"{path}: unknown class {classes[first]} {place}, expected 0 to {len(labels) - 1} or "
        f"{MASK_IGNORED}",
        str(classes[first]),
        remedy,
    )


def _decode(data: bytes, flags: int, path: Path) -> np.ndarray:
    """Decode an image, after a check of the size that its header claims.

    Args:
        data: Content of the file.
        flags: Flags for `cv2.imdecode`.
        path: The file, for errors.
    """
    width, height = _size_from_header(data, path)
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(
            f"{path}: expected an image of at most {MAX_PIXELS} pixels, got {width} x {height}"
        )
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise ValueError(f"{path}: truncated or damaged {_kind(data)} ({len(data)} bytes)")
    return image


def write_png(path: Path, image: np.ndarray, settings: Sequence[int] = ()) -> None:
    """Write an image as PNG.

    Args:
        path: The file.
        image: (H, W, 3) uint8 RGB, or (H, W) uint8.
        settings: Parameters for `cv2.imencode`.

    Raises:
        OSError: The file cannot be written; the message names it.
    """
    stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    data = cv2.imencode(".png", stored, list(settings))[1]
    # `cv2.imwrite` does not report an error if the disk is full when it closes the file.
    write_file(path, data.tobytes())


def image_size(path: Path) -> tuple[int, int]:
    """Read the size of an image from its header.

    Args:
        path: A PNG or JPEG file.

    Returns:
        (width, height) in pixels.

    Raises:
        ValueError: The file is damaged, or neither PNG nor JPEG.
    """
    # In a JPEG, a preview image and other data may precede the header, so read all of it.
    is_jpeg = _starts_with(path, JPEG)
    with path.open("rb") as file:
        return _size_from_header(file.read() if is_jpeg else file.read(_PNG_HEADER_BYTES), path)


def _starts_with(path: Path, signature: bytes) -> bool:
    """Return whether a file starts with some bytes."""
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


def _kind(data: bytes) -> str:
    """Return the name of the format of an image."""
    return "JPEG" if data.startswith(JPEG) else "PNG"


def _size_from_header(data: bytes, path: Path) -> tuple[int, int]:
    """Return the (width, height) in the first bytes of an image; `path` is for the error."""
    if data.startswith(JPEG):
        return _jpeg_size(data, path)
    if len(data) < _PNG_HEADER_BYTES or not data.startswith(PNG):
        raise ValueError(f"{path}: expected a PNG or JPEG file")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _jpeg_size(data: bytes, path: Path) -> tuple[int, int]:
    """Return the (width, height) of a JPEG; `path` is for the error."""
    position = jpeg_frame(data)
    if position is None:
        raise ValueError(f"{path}: truncated or damaged JPEG ({len(data)} bytes)")
    height, width = struct.unpack(">HH", data[position + 5 : position + 9])
    return width, height


def jpeg_frame(data: bytes) -> int | None:
    """Return the offset of the frame header of a JPEG, which has depth and size.

    Earlier segments with previews and other data are skipped. The result is None if the JPEG is
    damaged or truncated: some versions of OpenCV fill the missing part with grey.
    """
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in _JPEG_FRAMES:
            return None if data.find(_JPEG_END, position) < 0 else position
        if marker == 0xFF:  # padding
            position += 1
        elif marker in _JPEG_BARE:
            position += 2
        else:
            position += 2 + struct.unpack(">H", data[position + 2 : position + 4])[0]
    return None


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Args:
        path: A JSON file.

    Returns:
        The object as a dictionary.

    Raises:
        ValueError: The file is damaged or does not hold an object.
    """
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: truncated or damaged JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def read_text(path: Path) -> str:
    """Read a text file.

    Args:
        path: A text file.

    Returns:
        Its text.

    Raises:
        ValueError: The file is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")  # skips a byte order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text file: {error}") from error


def box_size(values: Any, where: str) -> np.ndarray:
    """Check and convert the size of a box that was read from a file.

    Args:
        values: Length, width and height in metres, as numbers or strings.
        where: File and entry, for the beginning of an error message.

    Returns:
        (3,) finite float64 above 0.

    Raises:
        ValueError: `values` are not three finite numbers above 0.
    """
    size = numbers(values, (3,), where)
    if (size <= 0).any():
        shown = " x ".join(f"{side:g}" for side in size)
        raise ValueError(
            f"{where}: expected length, width and height above 0, got {shown} m; correct the box "
            "or delete it"
        )
    return size


def check_angles(angles: np.ndarray | float, where: str) -> None:
    """Check rotations of boxes that were read from a file.

    Args:
        angles: The rotations, which should be in radians.
        where: File and entry, for the beginning of an error message.

    Raises:
        ValueError: A rotation is more than a full turn.
    """
    largest = np.abs(angles).max(initial=0)
    if largest > MAX_ANGLE:
        raise ValueError(
            f"{where}: expected a rotation from -2 pi to 2 pi radians, got {largest:g}; convert "
            "degrees to radians"
        )


def numbers(values: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Check and convert numbers that were read from a file.

    Args:
        values: Numbers or strings, nested to the expected shape.
        shape: The expected shape.
        where: File and entry, for the beginning of an error message.

    Returns:
        Finite float64 array of this shape.

    Raises:
        ValueError: A value is not a number, NaN or infinite, or the shape is wrong.
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        expected = f"numbers of shape {shape}" if shape else "a number"
        raise ValueError(f"{where}: expected {expected}, got {str(values)[:80]!r}") from None
    if array.shape != shape:
        raise ValueError(f"{where}: expected shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{where}: expected finite numbers")
    return array

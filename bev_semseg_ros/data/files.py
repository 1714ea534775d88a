"""Readers of single files. A damaged file raises a ValueError that names it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

MAX_ID = 2**53  # of an object: larger numbers are not exact in the prepared frames
MAX_PIXELS = 100_000_000  # of an image; a small damaged file can claim to be a huge one

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_BYTES = 24  # up to and with the width and the height


@dataclass(frozen=True)
class FrameParts:
    """The files of a frame, by what they hold.

    Attributes:
        paths: Those that are there, by names as `Frame.missing` has them, such as "image".
        missing: Names of those that should be there and are not.
    """

    paths: Mapping[str, Path]
    missing: tuple[str, ...]


def read_image(path: Path) -> np.ndarray:
    """Read a colour image.

    Args:
        path: A PNG file.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: The file is damaged or no PNG.
    """
    return cv2.cvtColor(_decode_png(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_gray(path: Path) -> np.ndarray:
    """Read an image of one channel, for instance a mask.

    Args:
        path: A PNG file.

    Returns:
        (H, W) uint8.

    Raises:
        ValueError: The file is damaged, no PNG, or not of one 8-bit channel.
    """
    image = _decode_png(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected a PNG of one 8-bit channel, got shape {image.shape}, {image.dtype}"
        )
    return image


def _decode_png(path: Path, flags: int) -> np.ndarray:
    """Decode a PNG with OpenCV's `flags` after a check of the size that its header claims."""
    data = path.read_bytes()
    width, height = _size_from_header(data[:_PNG_HEADER_BYTES], path)
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(
            f"{path}: expected an image of at most {MAX_PIXELS} pixels, got {width} x {height}"
        )
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise ValueError(f"{path}: truncated or damaged PNG ({len(data)} bytes)")
    return image


def png_size(path: Path) -> tuple[int, int]:
    """Read the size of an image from its header.

    Args:
        path: A PNG file.

    Returns:
        (width, height) in pixels.

    Raises:
        ValueError: The file is no PNG.
    """
    with path.open("rb") as file:
        return _size_from_header(file.read(_PNG_HEADER_BYTES), path)


def _size_from_header(header: bytes, path: Path) -> tuple[int, int]:
    """Return (width, height) of a PNG's first bytes; `path` is for the error."""
    if len(header) < _PNG_HEADER_BYTES or not header.startswith(_PNG_SIGNATURE):
        raise ValueError(f"{path}: expected a PNG file")
    width, height = struct.unpack(">II", header[16:24])
    return width, height


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
        return path.read_text()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text file: {error}") from error


def read_velodyne(path: Path) -> np.ndarray:
    """Read a point cloud of KITTI.

    Args:
        path: A velodyne file: four float32 a point.

    Returns:
        (N, 4) float32 x, y, z in metres and reflectance 0..1.

    Raises:
        ValueError: The file is truncated.
    """
    data = path.read_bytes()
    if len(data) % 16:
        raise ValueError(
            f"{path}: truncated: {len(data)} bytes, expected a multiple of 16 (4 float32 a point)"
        )
    return np.frombuffer(data, np.float32).reshape(-1, 4).copy()


def box_size(values: Any, where: str) -> np.ndarray:
    """Check and convert the size of a box that was read from a file.

    Args:
        values: Length, width and height in metres, or their texts.
        where: File and entry, with which an error begins.

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


def numbers(values: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Check and convert numbers that were read from a file.

    Args:
        values: Numbers or their texts, nested as `shape` says.
        shape: The expected shape.
        where: File and entry, with which an error begins.

    Returns:
        Finite float64 of `shape`.

    Raises:
        ValueError: `values` are no numbers, of another shape, NaN or infinite.
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"{where}: expected numbers of shape {shape}, got {str(values)[:80]!r}"
        ) from None
    if array.shape != shape:
        raise ValueError(f"{where}: expected shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{where}: expected finite numbers")
    return array

"""Reading single files so that a damaged one is named, with what was expected of it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np

MAX_PIXELS = 100_000_000  # of an image; a small damaged file can claim to be a huge one

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_image(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a PNG. Raises ValueError naming a damaged file."""
    return cv2.cvtColor(_decode_png(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_gray(path: Path) -> np.ndarray:
    """(H, W) uint8 of a PNG of one channel. Raises ValueError naming the file if it is anything else."""
    image = _decode_png(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(
            f"{path}: expected a PNG of one 8-bit channel, got shape {image.shape}, {image.dtype}"
        )
    return image


def _decode_png(path: Path, flags: int) -> np.ndarray:
    data = path.read_bytes()
    width, height = _header_size(data[:24], path)
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(
            f"{path}: expected an image of at most {MAX_PIXELS} pixels, got {width} x {height}"
        )
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None:
        raise ValueError(f"{path}: truncated or damaged PNG ({len(data)} bytes)")
    return image


def png_size(path: Path) -> tuple[int, int]:
    """(width, height) from the header of a PNG. Raises ValueError naming a file that is none."""
    with path.open("rb") as file:
        return _header_size(file.read(24), path)


def _header_size(header: bytes, path: Path) -> tuple[int, int]:
    if len(header) < 24 or not header.startswith(_PNG_SIGNATURE):
        raise ValueError(f"{path}: expected a PNG file")
    return struct.unpack(">II", header[16:24])


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ValueError naming a file that is damaged or holds something else."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: truncated or damaged JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def read_text(path: Path) -> str:
    """The text of a file. Raises ValueError naming a file that is not text."""
    try:
        return path.read_text()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text file: {error}") from error


def read_velodyne(path: Path) -> np.ndarray:
    """(N, 4) float32 of a KITTI velodyne file: x, y, z, reflectance 0..1. Raises ValueError naming a truncated file."""
    data = path.read_bytes()
    if len(data) % 16:
        raise ValueError(
            f"{path}: truncated: {len(data)} bytes, expected a multiple of 16 (4 float32 a point)"
        )
    return np.frombuffer(data, np.float32).reshape(-1, 4).copy()


def numbers(values: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """`values` as finite float64 of `shape`. Raises ValueError that begins with `where`."""
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

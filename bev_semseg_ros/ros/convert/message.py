"""Helpers for all message types: finding their Python class, stamps, layout of the data."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# The message types of sensors.
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"

# Called with what a decoder assumes because the message does not say it, and with the remedy.
Note = Callable[[str, str], None]


def ignore(text: str, remedy: str) -> None:
    """Ignore an assumption; a `Note`."""


def message_class(name: str) -> Any | None:
    """Find the Python class of a message type.

    A bag may name any package, and importing a package runs its code. Only packages with messages
    are imported.

    Args:
        name: The type, such as "sensor_msgs/msg/Image".

    Returns:
        The class, or None if its package is not installed.
    """
    package, _, type_name = name.replace("/msg/", "/").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None:
        return None
    folders = spec.submodule_search_locations or ()
    if not any((Path(folder) / "msg").is_dir() for folder in folders):
        return None
    try:
        module = importlib.import_module(f"{package}.msg")
    except ImportError:
        return None
    return getattr(module, type_name, None)


def stamp_ns(stamp: Any) -> int:
    """Return a builtin_interfaces/Time as integer nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def find_step(step: int, row: int, rows: int, num_bytes: int) -> int | None:
    """Return the number of bytes from the start of one row of data to the start of the next.

    Some drivers leave `step` unset, or as it was before they cropped or filtered the data. A `step`
    that does not fit the data is replaced by `row` if the rows must be contiguous: the data suffice
    for all rows, but not for padding between them.

    Args:
        step: The step in the message, bytes.
        row: Size of a row without padding, bytes.
        rows: Number of rows.
        num_bytes: Size of the data, bytes.

    Returns:
        `step` or `row`; None if there are too few data, or their layout is unclear.
    """
    if step >= row and num_bytes >= (rows - 1) * step + row:
        return step
    left = num_bytes - rows * row
    has_room_for_padding = left >= rows - 1 > 0 and left > 0
    return row if left >= 0 and not has_room_for_padding else None


def fill(message: Any, array: np.ndarray) -> None:
    """Append the bytes of an array to the `data` of a new message.

    This copies once. Assigning a list or an array to `data` takes seconds, because the setter
    checks every element.

    Args:
        message: A new message with an empty `data` of type uint8[].
        array: Any array; its bytes are taken in C order.
    """
    message.data.frombytes(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

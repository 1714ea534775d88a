"""What all message types share: the class that a type name stands for, the stamp, the data."""

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

# Takes what a decoder assumed because the message does not say it, and what to do about it.
Note = Callable[[str, str], None]


def ignore(text: str, remedy: str) -> None:
    """Forget what was assumed; a `Note`."""


def message_class(name: str) -> Any | None:
    """Find the Python class of a message type.

    A bag may name any package, and importing a package runs its code. Only packages that hold
    messages are imported.

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
    """Return how many bytes lie from the start of a row of data to that of the next one.

    Drivers leave the number unset, or as it was before they cropped or filtered the data. It does
    not count if the data are complete without it: as many as the rows hold, and too few for any
    padding between them.

    Args:
        step: What the message says.
        row: Bytes that a row holds.
        rows: Number of rows.
        num_bytes: Size of the data.

    Returns:
        `step` or `row`; None if the data do not suffice, or are of another layout.
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

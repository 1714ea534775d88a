"""Unpacks and checks the bytes of a recorded message."""

from __future__ import annotations

from lz4.frame import decompress as unpack_lz4  # a dependency of rosbags
from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.file_signatures import LZ4, ZSTD
from bev_semseg_ros.ros.bag.reading.zstd import zstd

# Other types differ between ROS distributions, so only their CDR header is checked.
_CHECKED_PACKAGES = ("sensor_msgs/", "tf2_msgs/", "nav_msgs/")
_NOT_CHECKED = ("sensor_msgs/msg/Range",)  # Humble's has no variance
_store = get_typestore(Stores.ROS2_JAZZY)


def unpacked(data: bytes) -> bytes:
    """Unpack a message that `ros2 bag record` compressed individually; return others as they are.

    metadata.yaml is not needed for this: a CDR message begins with a byte 0, unlike compressed
    data.

    Raises:
        ValueError: If the compressed data are damaged.
    """
    try:
        if data.startswith(ZSTD):
            return zstd.decompress(data)
        if data.startswith(LZ4):
            return unpack_lz4(data)
    except (zstd.ZstdError, RuntimeError, EOFError) as error:
        raise ValueError("its compressed data are damaged") from error
    return data


def prepare_check(message_type: str) -> None:
    """Prepare rosbags for `check_message`, which is otherwise slow for the first message."""
    if _is_checked(message_type):
        _store.get_msgdef(message_type)


def _is_checked(message_type: str) -> bool:
    if message_type in _NOT_CHECKED:
        return False
    return message_type.startswith(_CHECKED_PACKAGES) and message_type in _store.fielddefs


def check_message(data: bytes, message_type: str) -> None:
    """Check that bytes are a message of a type.

    Raises:
        ValueError: If they are not. The text says briefly why.
    """
    if len(data) < 4 or data[0] != 0 or data[1] > 0x0B:
        raise ValueError(f"no CDR message (it begins with {data[:4].hex(' ') or 'nothing'})")
    if not _is_checked(message_type) or data[1] > 1:
        return  # what rosbags does not know: types of other packages, newer encodings
    try:
        _store.deserialize_cdr(data, message_type)
    except Exception as error:  # rosbags raises any type
        raise ValueError(f"damaged, or no {message_type}") from error

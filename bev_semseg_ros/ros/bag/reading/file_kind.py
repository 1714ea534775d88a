"""Detects the kind of a file by its first bytes, because file names are not reliable."""

from __future__ import annotations

import shlex
from pathlib import Path

from bev_semseg_ros import file_signatures
from bev_semseg_ros.file_signatures import (
    LFS_POINTER,
    ROS1_BAG,
    archive_of,
    is_tar,
    is_web_page,
    unpack_command,
    untar_command,
)

SQLITE, MCAP, ZSTD = "sqlite3", "mcap", "zstd"
READABLE = (SQLITE, MCAP, ZSTD)

_KINDS = {
    file_signatures.SQLITE: SQLITE,
    file_signatures.MCAP: MCAP,
    file_signatures.ZSTD: ZSTD,
}
_CAPTURES = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")
_HEAD = 4096


def kind_of_file(path: Path) -> str:
    """Return one of READABLE, or "" for any other file."""
    return kind_of(_head(path))


def kind_of(head: bytes) -> str:
    """Return one of READABLE for the first bytes of a file, or "" for any other file."""
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")


def is_ros1(path: Path) -> bool:
    """Return whether a file is a bag of ROS 1."""
    return _head(path).startswith(ROS1_BAG)


def is_packed_bag(path: Path) -> bool:
    """Return whether a file is an archive, a Git LFS pointer or a capture of packets."""
    head = _head(path)
    return head.startswith((LFS_POINTER, *_CAPTURES)) or archive_of(head, path) is not None


def why_unreadable(path: Path) -> str:
    """Say what an unreadable file is, and what to do."""
    head = _head(path)
    if not head:
        return f"{path} is empty (0 bytes): nothing was recorded into it; record or copy it again"
    if head.startswith(ROS1_BAG):
        return _ros1(path, head)
    if archive := archive_of(head, path):
        return f"{path} is {archive.name}: unpack it with `{archive.command}`"
    if head.startswith(LFS_POINTER):
        return (
            f"{path} is a Git LFS pointer instead of the bag: run `git lfs pull` in its repository"
        )
    if head.startswith(_CAPTURES):
        return (
            f"{path} is a capture of network packets (pcap): play it to the lidar's driver, and "
            "record the PointCloud2 that the driver publishes"
        )
    if is_web_page(head):
        return f"{path} is a web page, as a failed download leaves it: download the bag again"
    if not any(head):
        return f"{path} holds only zeros, as a power failure leaves it: record or copy it again"
    return (
        f"{path} is not a recorded file: it begins with {head[:8]!r}, which is neither MCAP nor "
        "SQLite"
    )


def why_unreadable_in_zstd(path: Path, head: bytes) -> str:
    """Say what a zstd file without a recorded file contains, and what to do.

    Args:
        path: The packed file.
        head: First bytes of the unpacked content.
    """
    if is_tar(head):
        return f"{path} is a tar archive packed with zstd: unpack it with `{untar_command(path)}`"
    if head.startswith(ROS1_BAG):
        what = "is a bag of ROS 1 in zstd"
    else:
        what = f"holds no recorded file: what is packed in it begins with {head[:8]!r}"
    return f"{path} {what}; unpack it with `{unpack_command('zstd', path)}`"


def _ros1(path: Path, head: bytes) -> str:
    """Say how to convert a bag of ROS 1. A bag without an index must be indexed first."""
    file = shlex.quote(str(path))
    at = head.find(b"index_pos=")
    if at >= 0 and not any(head[at + 10 : at + 18]):
        return (
            f"{path} is a bag of ROS 1 without an index, as an interrupted recording leaves it: "
            f"write the index with `rosbag reindex {file}` of ROS 1, then convert it with "
            "`rosbags-convert`"
        )
    folder = path.with_suffix("")
    while folder.exists():
        folder = folder.with_name(f"{folder.name}_ros2")
    target = shlex.quote(str(folder))
    return (
        f"{path} is a bag of ROS 1: convert it with `rosbags-convert --src {file} --dst {target}` "
        f"and use {folder}"
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)

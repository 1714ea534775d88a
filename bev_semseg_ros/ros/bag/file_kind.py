"""What a file is, by its first bytes: the name of a recorded file may say anything."""

from __future__ import annotations

import shlex
from pathlib import Path

SQLITE, MCAP, ZSTD = "sqlite3", "mcap", "zstd"
READABLE = (SQLITE, MCAP, ZSTD)

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LZ4_MAGIC = b"\x04\x22\x4d\x18"
MCAP_MAGIC = b"\x89MCAP0\r\n"
ROS1_MAGIC = b"#ROSBAG V"
_KINDS = {b"SQLite format 3\0": SQLITE, MCAP_MAGIC: MCAP, ZSTD_MAGIC: ZSTD}
# First bytes -> what begins so, and the command that makes a bag of it; "" if there is none.
_OTHERS = (
    (b"version https://git-lfs", "a pointer of Git LFS instead of the bag", "git lfs pull"),
    (b"PK\x03\x04", "a zip archive", "unzip {file}"),
    (b"\x1f\x8b", "packed with gzip", "gunzip {file}"),
    (b"BZh", "packed with bzip2", "bunzip2 {file}"),
    (b"\xfd7zXZ\x00", "packed with xz", "unxz {file}"),
    (LZ4_MAGIC, "packed with lz4", "unlz4 {file}"),
    (b"#ROSRECORD", "a bag of ROS 1 from before version 1.2", ""),
)
_CAPTURES = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\x0a\x0d\x0d\x0a")
_TAR_AT = 257  # "ustar" stands here in a tar archive
_HEAD = 4096


def kind_of_file(path: Path) -> str:
    """Return one of READABLE, or "" for any other file."""
    head = _head(path)
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")


def is_ros1(path: Path) -> bool:
    """Return whether a file is a bag of ROS 1."""
    return _head(path).startswith(ROS1_MAGIC)


def why_unreadable(path: Path) -> str:
    """Say what a file is that is not READABLE, and what to do."""
    head, file = _head(path), shlex.quote(str(path))
    if not head:
        return f"{path} is empty (0 bytes): nothing was recorded into it; record again or copy anew"
    if head.startswith(ROS1_MAGIC):
        return _ros1(path, head)
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return f"{path} is a tar archive: unpack it with `tar xf {file}`"
    if head.startswith(_CAPTURES):
        return (
            f"{path} is a capture of network packets (pcap): play it to the lidar's driver, and "
            "record the PointCloud2 that the driver publishes"
        )
    for magic, what, command in _OTHERS:
        if head.startswith(magic):
            if head.startswith(b"\x1f\x8b") and path.name.endswith((".tar.gz", ".tgz")):
                what, command = "a tar archive", "tar xf {file}"
            remedy = f": use `{command.format(file=file)}`" if command else ""
            return f"{path} is {what}{remedy}"
    if head.lstrip()[:5].lower() in (b"<!doc", b"<html"):
        return f"{path} is a web page, as a failed download leaves it: download the bag again"
    if not any(head):
        return f"{path} holds only zeros, as a loss of power leaves it: record again or copy anew"
    return (
        f"{path} is no recorded file: it begins with {head[:8]!r}, expected that of mcap or SQLite"
    )


def _ros1(path: Path, head: bytes) -> str:
    """Say how to convert a bag of ROS 1. One without an index cannot be converted as it is."""
    file = shlex.quote(str(path))
    at = head.find(b"index_pos=")
    if at >= 0 and not any(head[at + 10 : at + 18]):
        return (
            f"{path} is a bag of ROS 1 without an index, as an ended recording leaves it: write "
            f"the index with `rosbag reindex {file}` of ROS 1, then convert it with "
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

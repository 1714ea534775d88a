"""How files begin: what tells a file's format whatever its name says."""

from __future__ import annotations

GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
ZSTD, LZ4 = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
ZIP, EMPTY_ZIP, SEVEN_ZIP, RAR = b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!"
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
MCAP, SQLITE, ROS1_BAG = b"\x89MCAP0\r\n", b"SQLite format 3\0", b"#ROSBAG V"
LFS_POINTER = b"version https://git-lfs"  # what Git LFS leaves in place of a file
_TAR, _TAR_AT = b"ustar", 257


def is_tar(head: bytes) -> bool:
    """Return whether a file with these first bytes is a tar archive."""
    return head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def is_web_page(head: bytes) -> bool:
    """Return whether a file with these first bytes is a web page, as a failed download leaves."""
    return head.lstrip()[:5].lower() in (b"<!doc", b"<html")

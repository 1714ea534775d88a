"""First bytes of files, which identify the format whatever the name of the file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

GZIP, BZIP2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
ZSTD, LZ4 = b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
ZIP, EMPTY_ZIP, SEVEN_ZIP, RAR = b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!"
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
MCAP, SQLITE, ROS1_BAG = b"\x89MCAP0\r\n", b"SQLite format 3\0", b"#ROSBAG V"
LFS_POINTER = b"version https://git-lfs"  # of the file that Git LFS leaves in place of another
_TAR, _TAR_AT = b"ustar", 257
# First bytes of a packed file -> the program that packs and unpacks this format.
_PACKERS = {GZIP: "gzip", BZIP2: "bzip2", XZ: "xz", LZ4: "lz4", ZSTD: "zstd"}
# First bytes of other archives -> what they are, and the command that unpacks one to a folder.
_ARCHIVES = {
    SEVEN_ZIP: ("a 7z archive", "7z x {file} -o{folder}"),
    RAR: ("a RAR archive", "unrar x {file} {folder}/"),
    ZIP: ("a zip archive", "unzip {file} -d {folder}"),
    EMPTY_ZIP: ("an empty zip archive", "unzip {file} -d {folder}"),
}
_SUFFIXES_OF_PACKERS = (".gz", ".bz2", ".xz", ".lz4", ".zst", ".zstd")
_PACKED_TARS = (".tgz", ".tbz2", ".txz", *(f".tar{suffix}" for suffix in _SUFFIXES_OF_PACKERS))


class Archive(NamedTuple):
    """A file that has to be unpacked.

    Attributes:
        name: What it is, such as "a tar archive".
        command: Command that unpacks it to the folder that it is in.
    """

    name: str
    command: str


def archive_of(head: bytes, path: Path) -> Archive | None:
    """Return what an archive or a packed file is and how to unpack it; None for other files.

    Args:
        head: First bytes of the file.
        path: Its path.
    """
    if is_tar(head):
        return Archive("a tar archive", untar_command(path))
    if packer := next((name for magic, name in _PACKERS.items() if head.startswith(magic)), ""):
        if path.name.endswith(_PACKED_TARS):
            return Archive(f"a tar archive packed with {packer}", untar_command(path))
        return Archive(f"a file packed with {packer}", unpack_command(packer, path))
    for magic, (name, command) in _ARCHIVES.items():
        if head.startswith(magic):
            file, folder = shlex.quote(str(path)), shlex.quote(str(path.parent))
            return Archive(name, command.format(file=file, folder=folder))
    return None


def unpack_command(packer: str, path: Path) -> str:
    """Return the command that unpacks a single packed file to the folder that it is in."""
    target = path.with_suffix("") if path.suffix in _SUFFIXES_OF_PACKERS else None
    if target is None or target.exists():
        target = path.with_name(f"unpacked_{path.name}")
    return f"{packer} -dc {shlex.quote(str(path))} > {shlex.quote(str(target))}"


def untar_command(path: Path) -> str:
    """Return the command that unpacks a tar archive, packed or not, to the folder that it is in."""
    return f"tar xf {shlex.quote(str(path))} -C {shlex.quote(str(path.parent))}"


def is_tar(head: bytes) -> bool:
    """Return whether a file with these first bytes is a tar archive."""
    return head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def is_web_page(head: bytes) -> bool:
    """Return whether a file with these first bytes is a web page, as after a failed download."""
    return head.lstrip()[:5].lower() in (b"<!doc", b"<html")

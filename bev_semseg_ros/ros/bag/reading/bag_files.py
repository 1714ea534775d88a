"""Finds the recorded files of a bag, in their order, with or without its metadata.yaml."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from bev_semseg_ros.ros.bag.reading.file_kind import (
    MCAP,
    READABLE,
    ZSTD,
    is_packed_bag,
    is_ros1,
    kind_of_file,
    why_unreadable,
)
from bev_semseg_ros.ros.bag.reading.metadata import NAME, NEWEST_VERSION, Metadata, read_metadata
from bev_semseg_ros.ros.bag.reading.remark import Remark

_PACKED = ".zstd", ".zst"
_NUMBERED = re.compile(r"(.*?)[_.-]?(\d+)")
# File names that `ros2 bag reindex` accepts for recorded files.
_FOR_REINDEX = re.compile(r".+_\d+\.[a-zA-Z0-9]+")
_COMPANIONS = ("-wal", "-shm", "-journal")  # of SQLite
_MAX_LISTED = 5


@dataclass
class BagFiles:
    """The files of a bag.

    Attributes:
        folder: The bag's folder.
        series: For each recording, its files in their order.
        metadata: Content of metadata.yaml; empty without it.
        remarks: What is unusual about them.
        missing: Names of files that metadata.yaml lists but that are not there.
    """

    folder: Path
    series: list[list[Path]]
    metadata: Metadata = field(default_factory=Metadata)
    remarks: list[Remark] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def find_files(path: Path) -> BagFiles:
    """Find the recorded files of a bag.

    Args:
        path: Its folder, a recorded file, or its metadata.yaml.

    Raises:
        ValueError: If there is no bag. The text says what there is instead, and what to do.
    """
    if not path.exists():
        raise ValueError(f"{path}: there is no such file or folder")
    if path.name == NAME and path.is_file():
        path = path.absolute().parent
    try:
        return _of_folder(path) if path.is_dir() else _of_file(path)
    except OSError as error:
        raise ValueError(f"{error.filename or path} cannot be read: {error.strerror}") from error


def _of_file(path: Path) -> BagFiles:
    """Return a single file that the user named, with the metadata beside it if they list it."""
    if kind_of_file(path) not in READABLE:
        raise ValueError(why_unreadable(path))
    files = BagFiles(path.parent, [[path]])
    beside = path.with_name(NAME)
    if beside.is_file():
        try:
            metadata = read_metadata(beside)
        except ValueError:
            return files  # the file can be read without metadata
        others = [name for name in metadata.files if name != path.name]
        if path.name in metadata.files and others:
            files.remarks.append(
                Remark(
                    f"{path} is one of {len(metadata.files)} files of its bag; only this file is "
                    "read",
                    f"give the folder {path.parent} to read all of them",
                )
            )
            metadata.counts.clear()
        if path.name in metadata.files:
            files.metadata = metadata
    return files


def _of_folder(folder: Path) -> BagFiles:
    """Return the files that metadata.yaml lists, or else those in the folder."""
    present, twins = _recorded_files(folder)
    files = BagFiles(folder, [])
    file = folder / NAME
    try:
        if not file.exists():
            raise ValueError("is missing")
        files.metadata = read_metadata(file)
        listed = _listed(folder, files)
        if not listed:
            raise ValueError("lists no file that is there")
        unlisted = _same_series(listed, present)
        if unlisted:
            files.remarks.append(
                Remark(
                    f"{file} does not list all files; these are also read: {_names(unlisted)}",
                    _reindex(folder, listed + unlisted),
                )
            )
        files.series = _in_series(listed + unlisted)
    except ValueError as error:
        if not present:
            raise ValueError(_why_empty(folder)) from error
        text = f"{file} {error}: without it these files are read: {_names(present)}"
        files.remarks += [Remark(text, _reindex(folder, present)), *twins]
        files.series = _in_series(present)
        return files
    if files.metadata.version > NEWEST_VERSION:
        files.remarks.append(
            Remark(
                f"{file} is of version {files.metadata.version}, newer than {NEWEST_VERSION}, the "
                "newest known version: only fields that have stayed the same are read from it"
            )
        )
    if files.missing:
        files.remarks.append(
            Remark(
                f"{file} lists {', '.join(files.missing)}, which is not there: the rest is read",
                "copy the missing files into the folder",
            )
        )
    return files


def _listed(folder: Path, files: BagFiles) -> list[Path]:
    """Return the files of metadata.yaml that are there, packed or unpacked."""
    found = []
    for name in files.metadata.files:
        unpacked = Path(name).stem if name.endswith(_PACKED) else name
        names = [name, unpacked, *(unpacked + suffix for suffix in _PACKED)]
        file = next((folder / each for each in names if (folder / each).is_file()), None)
        if file is None:
            files.missing.append(name)
        elif file not in found:
            found.append(file)
    return found


def _recorded_files(folder: Path) -> tuple[list[Path], list[Remark]]:
    """Return the recorded files in a folder, and remarks about files that are left out.

    If the same file is there twice, such as packed and unpacked, only the better one is returned.
    """
    best: dict[str, Path] = {}
    remarks = []
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith(".") or path.name.endswith(_COMPANIONS):
            continue
        if kind_of_file(path) not in READABLE:
            continue
        stem = _stem(path)
        if stem in best:
            pair = sorted([path, best[stem]], key=_preference)
            text = (
                f"{pair[0]} is not read, because {pair[1].name} has the same name, except suffixes"
            )
            remarks.append(Remark(text, "if they differ, move one into a folder of its own"))
            best[stem] = pair[1]
        else:
            best[stem] = path
    return list(best.values()), remarks


def _preference(path: Path) -> tuple[bool, bool]:
    """Return a sort key, higher for better files: unpacked over packed, then MCAP over SQLite."""
    kind = kind_of_file(path)
    return kind != ZSTD, kind == MCAP


def _stem(path: Path) -> str:
    """Return the name without the suffixes of storage and packing."""
    name = path.stem if path.suffix in _PACKED else path.name
    return Path(name).stem


def _series_and_number(path: Path) -> tuple[str, int]:
    """Return the common part of the names of a recording's files, and the number of this file."""
    match = _NUMBERED.fullmatch(_stem(path))
    return (match[1], int(match[2])) if match else (_stem(path), 0)


def _in_series(files: list[Path]) -> list[list[Path]]:
    """Return the files of each recording, in the order of their numbers: 2 before 10."""
    series: dict[str, list[Path]] = {}
    for path in sorted(files, key=_series_and_number):
        series.setdefault(_series_and_number(path)[0], []).append(path)
    return list(series.values())


def _same_series(listed: list[Path], present: list[Path]) -> list[Path]:
    """Return unlisted files of listed recordings, such as a crash leaves."""
    series = {_series_and_number(path)[0] for path in listed}
    stems = {_stem(path) for path in listed}
    suffixes = {path.suffix for path in listed}
    return [
        path
        for path in present
        if _series_and_number(path)[0] in series
        and _stem(path) not in stems
        and path.suffix in suffixes
    ]


def _names(files: list[Path]) -> str:
    names = [path.name for path in files]
    further = len(names) - _MAX_LISTED
    return ", ".join(names[:_MAX_LISTED]) + (f" and {further} more" if further > 0 else "")


def _reindex(folder: Path, files: list[Path]) -> str:
    """Return how to rebuild metadata.yaml, or "" if `ros2 bag reindex` cannot do it."""
    kinds = {kind_of_file(path) for path in files}
    can_reindex = all(_FOR_REINDEX.fullmatch(path.name) for path in files)
    if len(kinds) > 1 or ZSTD in kinds or not can_reindex:
        return ""
    command = f"ros2 bag reindex -s {kinds.pop()} {shlex.quote(str(folder))}"
    return f"`{command}` rebuilds it for `ros2 bag`"


def _why_empty(folder: Path) -> str:
    """Say what a folder without a recorded file holds instead."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    for path in files:
        if is_ros1(path) or path.suffix in (".mcap", ".db3", *_PACKED):
            return why_unreadable(path)
    bags = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and ((path / NAME).is_file() or _recorded_files(path)[0]):
            bags.append(path)
    if bags:
        return (
            f"{folder} holds no recorded file itself, but bags in {_names(bags)}: give one of "
            f"them, such as {bags[0]}"
        )
    for path in files:
        if is_packed_bag(path):
            return why_unreadable(path)
    content = _names(files) if files else "no files"
    return f"{folder} is not a bag: expected .mcap or .db3 files in it, found {content}"

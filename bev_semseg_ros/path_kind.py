"""Explains paths that are not what a command expects: what they are, and what to type instead.

All commands use these functions.
"""

from __future__ import annotations

import difflib
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bev_semseg_ros import file_signatures as signatures

Wanted = Literal["checkpoint", "data set", "calibration", "settings", "label set", "YAML file"]

_WANTED: dict[Wanted, str] = {
    "checkpoint": "a checkpoint (a file such as checkpoint.pt)",
    "data set": "the folder of a data set",
    "calibration": "a calibration file",
    "settings": "a YAML file of settings, such as config/synthetic.yaml",
    "label set": "a YAML file of a label set",
    "YAML file": "a YAML file",
}

# Kinds of folders and files.
_RUN, _BAG, _DATA, _EMPTY_FOLDER = "run", "bag", "data", "empty folder"
_WEIGHTS, _FOLDER = "weights", "folder"
_CHECKPOINT, _BAG_FILE, _YAML, _PICTURE, _EMPTY_FILE = (
    "checkpoint",
    "bag file",
    "YAML",
    "picture",
    "empty file",
)
_POINTER, _PAGE, _FILE = "pointer", "page", "file"
_RUN_CHECKPOINT, _RUN_SETTINGS = "checkpoint.pt", "config.yaml"

# Names in the folder of a bag or of a data set; one match is enough.
_BAG_PATTERNS = ("metadata.yaml", "*.mcap", "*.db3", "*.mcap.zstd", "*.db3.zstd")
_DATA_PATTERNS = (
    "training",
    "velodyne",
    "velodyne_points",
    "image_2",
    "image_02",
    "cams_lidars.json",
    "camera_lidar*",
    "*_sync",
    "label_2",
    "label3D",
)
_HEAD_BYTES = 512
_FILES: tuple[tuple[bytes, str], ...] = (
    (signatures.PNG, _PICTURE),
    (signatures.JPEG, _PICTURE),
    (signatures.MCAP, _BAG_FILE),
    (signatures.SQLITE, _BAG_FILE),
    (signatures.ROS1_BAG, _BAG_FILE),
    (signatures.LFS_POINTER, _POINTER),
)
_MOST_NAMES = 3


@dataclass(frozen=True)
class PathKind:
    """The kind of a path.

    Attributes:
        kind: One of the kinds above, or "archive".
        text: Description that follows "it is".
        command: Command that unpacks an archive; empty for other kinds.
    """

    kind: str
    text: str
    command: str = ""


def wrong_path(path: str | Path, wanted: Wanted) -> ValueError | FileNotFoundError:
    """Return the error for a path that is not what was expected.

    Args:
        path: The path.
        wanted: What was expected.

    Returns:
        A FileNotFoundError if the path does not exist and a file was expected, otherwise a
        ValueError. The message says what is there and what to type instead.
    """
    path = Path(path)
    if not path.exists():
        noun = "folder" if wanted == "data set" else f"{wanted} file"
        noun = wanted if wanted in ("checkpoint", "label set") else noun
        text = f"{path}: no such {noun}{_alternatives(path)}"
        return ValueError(text) if wanted == "data set" else FileNotFoundError(text)
    kind = kind_of(path)
    remedy = _remedy(path, kind, wanted)
    return ValueError(
        f"{path}: expected {_WANTED[wanted]}, but it is {kind.text}" + (remedy and f": {remedy}")
    )


def require_file(path: str | Path, wanted: Wanted) -> None:
    """Raise the error of `wrong_path` unless a path is a file.

    Raises:
        FileNotFoundError: The path does not exist.
        ValueError: The path is a folder.
    """
    if not Path(path).is_file():
        raise wrong_path(path, wanted)


def is_known_mistake(path: Path, wanted: Wanted) -> bool:
    """Return whether `wrong_path` can say what to do instead of giving this path."""
    return path.exists() and bool(_remedy(path, kind_of(path), wanted))


def may_be_text(path: Path) -> bool:
    """Return whether an existing file can be a text that a user wrote, such as YAML."""
    return kind_of(path).kind in (_YAML, _EMPTY_FILE, _FILE)


def may_be_checkpoint(path: Path) -> bool:
    """Return whether an existing file can be a checkpoint, even a damaged one."""
    return kind_of(path).kind in (_CHECKPOINT, _FILE)


def kind_of(path: Path) -> PathKind:
    """Return the kind of an existing path."""
    return _kind_of_folder(path) if path.is_dir() else _kind_of_file(path)


def _kind_of_folder(path: Path) -> PathKind:
    names = sorted(entry.name for entry in path.iterdir())
    if not names:
        return PathKind(_EMPTY_FOLDER, "an empty folder")
    if _RUN_CHECKPOINT in names:
        return PathKind(_RUN, "the folder of a training run")
    if any(next(path.glob(pattern), None) for pattern in _BAG_PATTERNS):
        return PathKind(_BAG, "the folder of a bag")
    if any(next(path.glob(pattern), None) for pattern in _DATA_PATTERNS):
        return PathKind(_DATA, "the folder of a data set")
    if any(name.endswith(".pt") for name in names):
        return PathKind(_WEIGHTS, "a folder with checkpoints")
    return PathKind(_FOLDER, f"a folder with {', '.join(names[:_MOST_NAMES])}")


def _kind_of_file(path: Path) -> PathKind:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        return PathKind(_EMPTY_FILE, "an empty file (0 bytes)")
    kind = next((kind for magic, kind in _FILES if head.startswith(magic)), "")
    if kind == _PICTURE:
        return PathKind(kind, "a picture")
    if kind == _BAG_FILE:
        return PathKind(kind, "the file of a bag")
    if kind == _POINTER:
        return PathKind(kind, "a pointer of Git LFS, not the file itself")
    if signatures.is_web_page(head):
        return PathKind(_PAGE, "a web page, as a failed download leaves it")
    if _is_checkpoint(path, head):
        return PathKind(_CHECKPOINT, "a checkpoint")
    if archive := signatures.archive_of(head, path):
        return PathKind("archive", archive.name, archive.command)
    if path.suffix in (".yaml", ".yml"):
        return PathKind(_YAML, "a YAML file")
    return PathKind(_FILE, f"a file ({path.stat().st_size} bytes)")


def _is_checkpoint(path: Path, head: bytes) -> bool:
    """Return whether a file is a zip archive written by torch."""
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return path.suffix == ".pt"  # a truncated checkpoint


def _remedy(path: Path, kind: PathKind, wanted: Wanted) -> str:
    """Return what to type instead; empty if unknown."""
    if kind.kind == "archive":
        remedy = f"unpack it with `{kind.command}` and give the unpacked "
        if wanted != "data set":
            return f"{remedy}file"
        return f"{remedy}folder, or mount it as docs/training.md shows and give the mounted folder"
    if kind.kind == _POINTER:
        return "fetch the file with `git lfs pull`"
    if kind.kind == _PAGE:
        return "download the file again"
    if wanted == "checkpoint":
        return _checkpoint_remedy(path, kind.kind)
    if wanted == "data set":
        return _data_remedy(path, kind.kind)
    if wanted in ("settings", "YAML file", "label set") and path.is_dir():
        return _file_remedy(path, (_RUN_SETTINGS, "*.yaml", "*.yml"))
    if wanted == "calibration" and kind.kind in (_CHECKPOINT, _BAG_FILE, _PICTURE):
        return "give a YAML, A2D2's cams_lidars.json or a .txt of KITTI"
    return ""


def _checkpoint_remedy(path: Path, kind: str) -> str:
    if path.is_dir():
        return _file_remedy(path, (_RUN_CHECKPOINT, "*.pt"))
    if kind == _YAML:
        return "settings are only for `bev-semseg train --config`; the weights are in checkpoint.pt"
    return ""


def _data_remedy(path: Path, kind: str) -> str:
    quoted = shlex.quote(str(path))
    if kind in (_BAG, _BAG_FILE):
        return (
            f"bags have no labels; check one with `bev-semseg doctor {quoted}`, publish it with "
            f"`bev-semseg play {quoted}`"
        )
    if kind in (_CHECKPOINT, _RUN, _WEIGHTS):
        return "that belongs to --checkpoint; give the folder with the frames here"
    root = next((each for each in path.parents if _looks_like_data(each)), None)
    if path.is_file() and root is not None:
        return f"give the folder of the data set, such as {root}"
    return ""


def _file_remedy(path: Path, patterns: tuple[str, ...]) -> str:
    """Return the advice to give a file of the folder that matches one of the patterns, or ""."""
    for pattern in patterns:
        files = sorted(path.glob(pattern))
        if len(files) == 1:
            return f"give {files[0]}"
        if files:
            return f"give one of its files, such as {files[0]}"
    return ""


def _looks_like_data(folder: Path) -> bool:
    return folder.name != "" and any(
        (folder / name).exists() for name in ("training", "cams_lidars.json", "velodyne")
    )


def _alternatives(path: Path) -> str:
    """Return the end of a message: what a path that does not exist may have been meant to be."""
    if not path.parent.is_dir():
        above = next((each for each in path.parents if each.is_dir()), None)
        missing = path.parent if above is None else _first_missing(path, above)
        return f"; {missing} does not exist"
    names = [entry.name for entry in path.parent.iterdir()]
    close = difflib.get_close_matches(path.name, names, _MOST_NAMES)
    return f"; did you mean {path.parent / close[0]}?" if close else ""


def _first_missing(path: Path, above: Path) -> Path:
    """Return the name of the first folder below an existing folder on the way to a path."""
    parts = path.parts[len(above.parts) :] if above != Path() else path.parts
    return above / parts[0]

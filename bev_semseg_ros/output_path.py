"""Checks paths before a long task writes to them, and writes files.

All commands use these functions.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

# Errors of a write, whose messages name no file: no space, quota used up, file too large (FAT32).
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def prepare_output_file(path: Path | None, name: str, inputs: Iterable[Path | None] = ()) -> None:
    """Create the folder of a file, and check before a long task that the file can be written.

    Args:
        path: The file; None if no file will be written.
        name: Usual name of such a file, for the error message.
        inputs: Files that the command reads, which the file must not replace.

    Raises:
        ValueError: The path is a folder or an input, or one of its parents is a file.
        OSError: The file cannot be written.
    """
    if path is None:
        return
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; give the file to write, such as {path / name}")
    if any(each is not None and each.resolve() == path.resolve() for each in inputs):
        raise ValueError(f"{path}: is read by this command and would be lost; give another file")
    _check_folder(path.parent, path)
    if path.exists():  # such as /dev/stdout, in whose folder users cannot create files
        is_writable = os.access(path, os.W_OK)
    else:
        is_writable = _takes_files(path.parent)
    if not is_writable:
        raise OSError(
            f"{path}: cannot be written (no permission, or a read-only disk); give a file in "
            "another folder"
        )


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8.

    Raises:
        OSError: The file cannot be written; the message names it.
    """
    try:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except BrokenPipeError:  # the reader of /dev/stdout has closed the pipe
        raise
    except OSError as error:
        raise OSError(
            f"{path}: cannot be written ({error.strerror}); check the folder's permissions and "
            "space"
        ) from error


def check_output_folder(path: Path) -> None:
    """Check before a long task that a path is a folder or can become one, and takes files.

    Raises:
        ValueError: The path or one of its parents is a file.
        OSError: No files can be created there.
    """
    _check_folder(path, path)
    existing = next(each for each in (path, *path.parents) if each.exists())
    if not _takes_files(existing):
        raise OSError(
            f"{path}: cannot be written (no permission, or a read-only disk); give another folder"
        )


def check_space(folder: Path, size: float, content: str) -> None:
    """Check before a long task that a disk has enough free space.

    Args:
        folder: An existing folder on the disk.
        size: Minimum space that the output will take, bytes.
        content: What will be written, for the message.

    Raises:
        OSError: The disk has less free space.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(
            f"{folder}: {content} need at least another {size / 1e9:.3g} GB, but only "
            f"{free / 1e9:.3g} GB are free; remove earlier data there, or give an --out on another "
            "disk"
        )


@contextmanager
def named_full_disk(
    folder: Path,
    content: str,
    remedy: str = "remove earlier data there, or give an --out on another disk",
) -> Iterator[None]:
    """Name the folder in errors that say that its disk is full.

    Args:
        folder: The folder that is written to.
        content: What is written, for the message.
        remedy: What to do, for the message.

    Raises:
        OSError: The disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(
            f"{folder}: {content} cannot be written ({error.strerror}); {remedy}"
        ) from error


def _takes_files(folder: Path) -> bool:
    """Create a folder and return whether files can be created in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _check_folder(folder: Path, path: Path) -> None:
    """Raise an error, beginning with `path`, if a folder or one of its parents is a file."""
    blocking = next((each for each in (folder, *folder.parents) if each.exists()), None)
    if blocking is not None and not blocking.is_dir():
        is_itself = "is" if blocking == path else f"cannot be written: {blocking} is"
        raise ValueError(f"{path}: {is_itself} a file; give a folder that does not exist yet")

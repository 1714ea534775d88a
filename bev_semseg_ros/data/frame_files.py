"""Finds the files of a folder by the frame that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")


def frame_key(name: str) -> str:
    """Return the key of a frame from the stem of a file: leading zeros of numbers are removed."""
    return name.lstrip("0") or "0" if name.isdecimal() else name


def in_order(keys: set[str]) -> list[str]:
    """Sort the keys of frames: numbers first, by their value, then other names."""
    return sorted(
        keys, key=lambda key: (not key.isdecimal(), int(key) if key.isdecimal() else 0, key)
    )


class FilesByFrame:
    """The files of one folder by frame, without hidden files, such as those that macOS creates.

    Args:
        folder: The folder; it need not exist.
        endings: Endings of the files, in lower case. If a frame has files with several of these
            endings, the first ending is used.

    Raises:
        ValueError: Files with different names belong to the same frame, such as 1.png and
            000001.png.
    """

    def __init__(self, folder: Path, endings: Sequence[str]) -> None:
        self.folder = folder
        self._endings = endings
        self._files: dict[str, Path] = {}
        self._others: list[str] = []
        entries = sorted(folder.glob("[!.]*")) if folder.is_dir() else []
        for file in entries:
            if file.suffix.lower() in endings:
                self._add(file)
            else:
                self._others.append(file.name)

    def _add(self, file: Path) -> None:
        """Add a file to its frame."""
        key = frame_key(file.stem)
        known = self._files.get(key)
        if known is None:
            self._files[key] = file
        elif known.stem != file.stem:
            raise ValueError(
                f"{file}: belongs to the same frame as {known.name}; keep one of the two"
            )
        elif self._rank(file) < self._rank(known):
            self._files[key] = file

    def _rank(self, file: Path) -> int:
        """Return the index of the ending of a file."""
        return self._endings.index(file.suffix.lower())

    @property
    def keys(self) -> set[str]:
        """Keys of the frames that have a file."""
        return set(self._files)

    @property
    def paths(self) -> list[Path]:
        """All files."""
        return list(self._files.values())

    @property
    def has_only_others(self) -> bool:
        """Whether the folder has entries, but none with one of the endings."""
        return bool(self._others) and not self._files

    def get(self, key: str) -> Path | None:
        """Return the file of a frame; None if there is none."""
        return self._files.get(key)

    def __str__(self) -> str:
        """Describe the content of the folder, for errors."""
        endings = ", ".join(self._endings)
        if not self.folder.is_dir():
            return f"{self.folder.name} is missing"
        if self._files:
            return f"{self.folder.name} has {len(self._files)} files ({endings})"
        if not self._others:
            return f"{self.folder.name} is empty"
        return (
            f"{self.folder.name} has {len(self._others)} entries such as {self._others[0]}, none "
            f"of them {endings}"
        )

"""Reads the label sets of own data in KITTI's object layout, from files beside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bev_semseg_ros.labels import LabelSet, load_label_set

LABEL_SET_FILE = "labels.yaml"


def read_label_set(folder: Path, training: Path, usual: str, kind: str) -> LabelSet:
    """Return the label set in a folder of labels, or else the usual one.

    Args:
        folder: The folder; it need not exist.
        training: The folder that contains those of the sensors.
        usual: Name of the usual label set.
        kind: End of the name that an own set gets, such as "labels". The name begins with that of
            the data set, because the file has the same name in all data sets.

    Raises:
        ValueError: The file is damaged.
    """
    path, known = folder / LABEL_SET_FILE, load_label_set(usual)
    if not path.is_file():
        return known
    own = load_label_set(path)
    if own.classes == known.classes:
        return known
    root = training.resolve()
    root = root.parent if root.name == "training" else root
    return replace(own, name=f"{root.name}_{kind}")


def unread_label_sets(folders: Sequence[tuple[Path, str, str]]) -> tuple[str, ...]:
    """Return notes about files beside labels that may be label sets, but have another name.

    Args:
        folders: Each folder of labels, the labels in it, such as "masks", and the name of their
            usual label set.
    """
    notes = []
    for folder, labels, usual in folders:
        others = [file for file in sorted(folder.glob("[!.]*.y*ml")) if file.name != LABEL_SET_FILE]
        if others and not (folder / LABEL_SET_FILE).is_file():
            notes.append(
                f"{others[0]} is not read, and the {labels} are taken for those of {usual}; if it "
                f"has the classes of the {labels}, rename it to {LABEL_SET_FILE}"
            )
    return tuple(notes)

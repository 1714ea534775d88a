"""Custom label sets, and the mapping between two label sets."""

from __future__ import annotations

from pathlib import Path

import yaml

from bev_semseg_ros.labels import BOX_IGNORED, BOX_NONE, LabelSet


def names_in(labels: LabelSet, other: LabelSet) -> dict[str, str]:
    """Return class -> its class in another set, "ignored" or "none"."""
    special = {BOX_IGNORED: "ignored", BOX_NONE: "none"}
    return {
        name: special.get(int(number), other.classes[number])
        for name, number in zip(labels.classes, labels.mapping_to(other), strict=True)
    }


def write_set(
    folder: Path, classes: list[str] | dict | None = None, name: str = "own", **mappings: dict
) -> Path:
    """Write a label set whose classes have arbitrary colours, or the given properties."""
    entries = classes or ["lane", "rest"]
    if isinstance(entries, list):
        entries = {each: {"color": [6 * i, 0, 255]} for i, each in enumerate(entries)}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"classes": entries, **mappings}, sort_keys=False))
    return path

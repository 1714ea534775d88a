"""Writes beams into a user's calibration file, whose comments and order are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bev_semseg_ros.data.calibration.beams import Beams
from bev_semseg_ros.data.calibration.yaml_format import yaml_calibration
from bev_semseg_ros.frame import LIDAR

WIDTH = 100  # maximum length of a line, characters
KEY = "beams"
# Beams are written before one of these keys (present and former name), which every lidar has.
NEXT_KEYS = ("ego_from_lidar", "model_from_lidar")


def write_beams(path: Path, beams: Mapping[str, Beams]) -> None:
    """Write the beams of some lidars into a calibration file; replace existing ones.

    Args:
        path: Calibration YAML.
        beams: Name of each lidar -> its beams.

    Raises:
        ValueError: The file is not in our YAML format or lacks a lidar. It is then left unchanged.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise ValueError(
            f"{path}: only a calibration YAML such as config/calibration_example.yaml holds beams"
        )
    yaml_calibration(path)  # raises if the file is damaged
    text = path.read_text(encoding="utf-8")
    for name, each in beams.items():
        text = _with_beams(text, name, each, path)
    path.write_text(text, encoding="utf-8")


def _with_beams(text: str, name: str, beams: Beams, path: Path) -> str:
    """Return the text of a calibration with the beams of one lidar."""
    section = _section(yaml.compose(text, yaml.SafeLoader), name)
    if section is None:
        raise ValueError(f"{path}: no lidar {name!r} in it")
    for key, value in section.value:
        if key.value == KEY:
            start, end = key.start_mark, _end(value)
            return text[: start.index] + _entry(beams, start.column) + text[end:]
    key = next(key for key, _ in section.value if key.value in NEXT_KEYS)
    start = key.start_mark
    between = ", " if section.flow_style else "\n" + " " * start.column
    entry = _entry(beams, start.column)
    return text[: start.index] + entry + between + text[start.index :]


def _section(root: Any, name: str) -> Any:
    """Return the YAML node of the section of a lidar; None if there is none."""
    for key, value in root.value:
        if key.value == LIDAR and name == LIDAR:
            return value
        if key.value == f"{LIDAR}s":
            return next((section for each, section in value.value if each.value == name), None)
    return None


def _end(node: Any) -> int:
    """Return the end of a node in the text, without the comments that follow it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(node, yaml.MappingNode) else last)


def _entry(beams: Beams, column: int) -> str:
    """Return the entry as text; its second and further lines are indented below `column`."""
    text = yaml.safe_dump(
        {KEY: beams.to_dict()}, sort_keys=False, default_flow_style=True, width=WIDTH - column
    )
    lines = text.strip().removeprefix("{").removesuffix("}").splitlines()
    indent = "\n" + " " * (column + 2)
    return indent.join(line.strip() for line in lines)

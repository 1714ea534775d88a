"""Ids and velocities of boxes, which `bev-semseg synth` writes beside their label file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.files import MAX_ID, read_text


@dataclass(frozen=True)
class Motion:
    """Identity and velocity of a box.

    Attributes:
        number: the object's id, -1 where unknown.
        velocity: metres per second over ground along x and y of the ego frame, NaN where unknown.
    """

    number: int = -1
    velocity: tuple[float, float] = (np.nan, np.nan)


def read_motions(path: Path) -> dict[int, Motion]:
    """Read ids and velocities by the number of the box's line in the label file.

    Raises:
        ValueError: names file and line.
    """
    motions: dict[int, Motion] = {}
    reader = csv.DictReader(read_text(path).splitlines())
    if not {"box", "id", "vx", "vy"} <= set(reader.fieldnames or ()):
        raise ValueError(f"{path}: expected the columns box, id, vx, vy, got {reader.fieldnames}")
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        try:
            line, number = int(row["box"]), int(row["id"])
            velocity = float(row["vx"]), float(row["vy"])
        except (TypeError, ValueError):
            raise ValueError(
                f"{where}: expected whole numbers for box and id, numbers for vx and vy"
            ) from None
        if not -1 <= number <= MAX_ID or np.isinf(velocity).any():
            raise ValueError(f"{where}: expected an id from -1 to {MAX_ID} and finite velocities")
        if line in motions:
            raise ValueError(f"{where}: second row for box {line}")
        motions[line] = Motion(number, velocity)
    return motions

"""Reads ids and velocities of boxes, which `bev-semseg synth` writes to separate files."""

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
        number: Id of the object; -1 if unknown.
        velocity: Velocity over ground along x and y of the ego frame, m/s; NaN if unknown.
    """

    number: int = -1
    velocity: tuple[float, float] = (np.nan, np.nan)


def read_motions(path: Path) -> dict[int, Motion]:
    """Read ids and velocities, by the line number of each box in the label file.

    Raises:
        ValueError: The file is damaged; the message names the file and the line.
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

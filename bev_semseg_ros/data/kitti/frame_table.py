"""Reads and writes frames.csv: the scene and the time of each frame."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from bev_semseg_ros.data.files import MAX_TIME_NS, read_text
from bev_semseg_ros.data.frame_files import frame_key

TABLE = "frames.csv"
COLUMNS = ("frame", "scene", "time_ns")


def read_table(path: Path) -> dict[str, tuple[str, int]]:
    """Return the scene and the time in nanoseconds of each frame, by the key of the frame.

    Raises:
        ValueError: The file is damaged; the message names it and the line.
    """
    table: dict[str, tuple[str, int]] = {}
    reader = csv.DictReader(read_text(path).splitlines())
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise ValueError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, got {reader.fieldnames}"
        )
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        try:
            key, time_ns = frame_key(row["frame"]), int(row["time_ns"])
        except (TypeError, ValueError):
            raise ValueError(f"{where}: expected frame, scene and whole nanoseconds") from None
        if time_ns > MAX_TIME_NS:
            raise ValueError(f"{where}: expected at most {MAX_TIME_NS} nanoseconds, got {time_ns}")
        if key in table:
            raise ValueError(f"{where}: second row for frame {row['frame']}; keep one of the two")
        table[key] = row["scene"], time_ns
    return table


def write_table(path: Path, rows: Iterable[tuple[str, str, int]]) -> None:
    """Write the name, the scene and the time in nanoseconds of each frame."""
    # The table is replaced at once, so that a full disk does not destroy the earlier one.
    temporary = path.with_name(f"{path.name}.tmp")
    with open(temporary, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(rows)
    temporary.replace(path)

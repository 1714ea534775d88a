"""What is stored of each row, and figures with intervals from it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from evidence import AS_RECORDED, TIMES, Evidence, Resampled, read_result, result_name
from rows import TEST, Row, Table

from bev_semseg_ros.model.tasks.bootstrap import interval, resample

MAP = "detection.map"


@dataclass
class Results:
    """What is stored of one row.

    Attributes:
        row: the row.
        runs: seed -> content of its file.
        ms: time of the network; None if it was not measured.
        figures: column -> path of the figure in a report.
    """

    row: Row
    runs: dict[int, Evidence]
    ms: float | None
    figures: dict[str, str]

    def at(self, place: str) -> dict[int, Evidence]:
        """Return seed -> what was found at a place."""
        found = {seed: run["places"].get(place) for seed, run in self.runs.items()}
        return {seed: each for seed, each in found.items() if each is not None}

    def figure(self, column: str, place: str) -> float | None:
        """Return a figure as the report has it, averaged over the seeds; None if there is none."""
        values = [
            _at_path(each["report"], self.figures[column]) for each in self.at(place).values()
        ]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None


Part = Callable[[Evidence], Any]  # a frame -> what it adds to a figure, None if it adds nothing


def read_results(table: Table, folder: Path) -> dict[str, Results]:
    """Return the results of every row that ran, by its name.

    Raises:
        ValueError: no row ran.
    """
    times, results = read_times(folder)["ms"], {}
    for row in table.rows:
        runs = [read_result(file) for file in sorted(folder.glob(result_name(row.name, "*")))]
        if runs:
            by_seed = {run["seed"]: run for run in runs}
            results[row.name] = Results(row, by_seed, times.get(row.name), table.figures_of(row))
    if not results:
        raise ValueError(f"{folder}: has no result of a row; run.py makes them")
    return results


def read_times(folder: Path) -> dict[str, Any]:
    """Return what was measured: "ms", row -> milliseconds, and "on", in words where."""
    file = folder / TIMES
    times: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {"ms": {}, "on": ""}
    return times


def part_of(results: Results, column: str) -> Part:
    """Return what takes from a frame that which it adds to a row's figure."""
    path = results.figures[column]
    if path == MAP:
        return lambda frame: frame["boxes"].get(AS_RECORDED)
    task, _, place = path.removesuffix("miou").rstrip(".").partition(".")
    return lambda frame: frame["counts"].get(task, {}).get(place)


def paired(
    first: Results, second: Results, parts: tuple[Part, Part]
) -> tuple[float, list[float] | None] | None:
    """Return by how much a figure of one row exceeds another's on the test scenes.

    Args:
        first: one row.
        second: the other, or the same.
        parts: what their frames add to the figure.

    Returns:
        Difference and interval, averaged over the seeds that both have. None without any.

    Raises:
        ValueError: the rows were evaluated on other scenes.
    """
    differences: list[tuple[float, np.ndarray]] = []
    for seed, ours in first.at(TEST).items():
        theirs = second.at(TEST).get(seed)
        if theirs is None:
            continue
        if ours["scenes"] != theirs["scenes"]:
            raise ValueError(
                f"{first.row.name} and {second.row.name} were evaluated on other scenes; run "
                "run.py again for both of them with the same --data and --scenes"
            )
        frames = zip(ours["frames"], theirs["frames"], strict=True)
        pairs = [(parts[0](one), parts[1](two), one["scene"]) for one, two in frames]
        pairs = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
        if pairs:
            left, right, scenes = zip(*pairs, strict=True)
            times = resample_scenes(scenes)
            one = resampled(left, ours["labels"], times)
            two = resampled(right, theirs["labels"], times)
            differences.append((one.value - two.value, one.values - two.values))
    if not differences:
        return None
    value = float(np.mean([each for each, _ in differences]))
    values = np.mean([each for _, each in differences], axis=0)
    known = values[np.isfinite(values)]
    return None if math.isnan(value) else (value, interval(known) if len(known) else None)


def resampled(values: Sequence[Any], labels: str, times: np.ndarray) -> Resampled:
    """Return the figure that frames give: boxes have predictions, the others are confusions."""
    if isinstance(values[0], dict):
        return Resampled.of_boxes(labels, values, times)
    return Resampled.of_counts(values, times)


def resample_scenes(scenes: Sequence[str]) -> np.ndarray:
    """Return (R, F) how often each frame counts in resamples of the scenes."""
    names, number = np.unique(scenes, return_inverse=True)
    return resample(len(names))[:, number]


def mean_ap(results: Results, part: Part) -> float | None:
    """Return the mean AP of a part of each test frame, averaged over the seeds."""
    values = []
    for run in results.at(TEST).values():
        found = [part(frame) for frame in run["frames"]]
        known = [each for each in found if each is not None]
        if known:
            times = np.ones((1, len(known)), int)
            values.append(Resampled.of_boxes(run["labels"], known, times).value)
    finite = [value for value in values if not math.isnan(value)]
    return float(np.mean(finite)) if finite else None


def of_variant(name: str) -> Part:
    """Return what takes from a frame its boxes in one of `fusion.variants`."""
    return lambda frame: frame["boxes"].get(name)


def in_bin(name: str) -> Part:
    """Return what takes from a frame its boxes with so many points."""
    return lambda frame: frame.get("points", {}).get(name)


def _at_path(report: Any, path: str) -> float | None:
    """Return the value at a path such as "detection.map", or None."""
    for key in path.split("."):
        report = report.get(key) if isinstance(report, dict) else None
    return report

"""Score a network on the data of many vehicles, sensor by sensor, and against another network.

usage: python benchmarks/rigs.py --checkpoint C [--against C0] [--data NAME=PATH ...]
           [--moments NAME=PATTERN ...] [--json OUT]

Each row of the first table is a class of a data set: how many objects count, and the average
precision (AP) at 2 m with both sensors ("fused") and with the lidar alone. Each row of the second
table is a data set with masks. With --against, the rows also say by how much C exceeds C0.

Intervals are 95 % bootstrap intervals over moments. Differences are paired: both sides have the
same moments in each resample. A moment is a frame, unless --moments gives a regular expression for
the names of frames: frames in which it matches the same text are one moment. Use it for frames of
several cameras that show the same objects at the same time.

Without --data, the folders kitti, a2d2, sustech and camvid_people of $BEV_SEMSEG_DATA are used.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data.dataset import Dataset, open_dataset
from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, has_input
from bev_semseg_ros.frame import Mode
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.tasks.bootstrap import interval, resample
from bev_semseg_ros.model.tasks.detection.metric import (
    INTERVAL_THRESHOLD,
    DetectionMetric,
    DetectionScores,
)
from bev_semseg_ros.model.tasks.segmentation.metric import SegmentationMetric
from bev_semseg_ros.output_path import prepare_output_file
from bev_semseg_ros.progress import Progress

REAL = ("kitti", "a2d2", "sustech", "camvid_people")
# Data set -> regular expression for the part that the names of the frames of a moment share.
MOMENTS = {"sustech": r"\d+"}
MODES: tuple[Mode, ...] = ("fused", "lidar_only")
Row = dict[str, Any]


@dataclass
class Scored:
    """The scores of a network on a data set in one mode.

    Attributes:
        moments: The moment of each frame whose boxes were scored.
        boxes: Scores of boxes.
        masks: Scores of masks.
    """

    moments: list[str]
    boxes: DetectionScores
    masks: SegmentationMetric


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", required=True, metavar="C")
    parser.add_argument("--against", metavar="C0", help="another checkpoint, scored as well")
    parser.add_argument("--data", nargs="+", type=_pair, metavar="NAME=PATH")
    parser.add_argument("--moments", nargs="+", type=_pair, default=[], metavar="NAME=PATTERN")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    prepare_output_file(arguments.json, "rigs.json")
    moments = {**MOMENTS, **dict(arguments.moments)}
    network = _load(arguments.checkpoint)
    other = None if arguments.against is None else _load(arguments.against)
    rows: list[Row] = []
    for name, path in arguments.data or _real():
        dataset = open_dataset(path)
        pattern = moments.get(name, "")
        scored = {mode: score(network, dataset, mode, pattern, name) for mode in MODES}
        before = None if other is None else score(other, dataset, "fused", pattern, name)
        rows += box_rows(name, scored, before)
        rows += mask_rows(name, scored["fused"], before)
    print("\n".join(table([row for row in rows if "objects" in row])))
    print("\n".join(table([row for row in rows if "images" in row])))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def _load(checkpoint: str) -> Predictor:
    """Load a network that predicts boxes and masks."""
    # In float32, the figures depend little on the processor.
    predictor = Predictor.load(checkpoint, precision="fp32")
    if missing := {"detection", "segmentation"} - predictor.label_sets.keys():
        raise SystemExit(
            f"{checkpoint}: its network lacks the task {' and '.join(sorted(missing))}; score it "
            "with bev-semseg evaluate"
        )
    return predictor


def _pair(text: str) -> tuple[str, str]:
    """Return the two parts of NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return name, value


def _real() -> list[tuple[str, str]]:
    """Return the names and folders of the real frames."""
    root = Path(os.environ.get("BEV_SEMSEG_DATA", "../shared/data"))
    found = [(name, str(root / name)) for name in REAL if (root / name).is_dir()]
    if not found:
        raise SystemExit(
            f"{root.absolute()}: has none of the folders {', '.join(REAL)}; set BEV_SEMSEG_DATA, "
            "or name data sets with --data"
        )
    return found


def score(predictor: Predictor, dataset: Dataset, mode: Mode, pattern: str, name: str) -> Scored:
    """Run a network over a data set.

    Args:
        predictor: The network.
        dataset: Frames and ground truth.
        mode: Sensors to use.
        pattern: Regular expression for the moment in the name of a frame; empty: each frame is one.
        name: Name of the data set, for the progress bar.
    """
    boxes = DetectionMetric(predictor.label_sets["detection"], predictor.config.grid)
    masks = SegmentationMetric(predictor.label_sets["segmentation"])
    moments: list[str] = []
    with Progress(f"{name} {mode}", len(dataset), "frames") as progress:
        for index in range(len(dataset)):
            frame, annotation = dataset[index]
            progress.advance()
            if not has_input(frame, mode):
                continue
            prediction = predictor.predict(frame, mode, SCORE_THRESHOLD)
            before = boxes.scores.num_frames
            boxes.add(frame, annotation, prediction, mode)
            masks.add(frame, annotation, prediction, mode)
            if boxes.scores.num_frames > before:
                found = re.search(pattern, frame.name) if pattern else None
                moments.append(frame.name if found is None else found.group())
    return Scored(moments, boxes.scores, masks)


def resampled(scored: Scored, label: int) -> np.ndarray:
    """Return the AP of a class in resamples of the moments, NaN in those without ground truth."""
    names, moment = np.unique(scored.moments, return_inverse=True)
    times = resample(len(names))[:, moment]
    return scored.boxes.resampled_ap(label, INTERVAL_THRESHOLD, times)


def box_rows(name: str, scored: dict[Mode, Scored], before: Scored | None) -> list[Row]:
    """Return a row for each class that has ground truth."""
    rows: list[Row] = []
    fused, lidar_only = (scored[mode] for mode in MODES)
    results = {mode: each.boxes.result()["classes"] for mode, each in scored.items()}
    earlier = None if before is None else before.boxes.result()["classes"]
    for label, class_name in enumerate(fused.boxes.labels.classes):
        values = {mode: result[class_name] for mode, result in results.items()}
        if not values["lidar_only"]["num_truth"]:
            continue
        row: Row = {"data": name, "class": class_name}
        row["objects"] = values["fused"]["num_truth"] or values["lidar_only"]["num_truth"]
        for mode, each in scored.items():
            if values[mode]["num_truth"]:
                row[mode] = values[mode]["ap_2m"]
                row[f"{mode} interval"] = _interval(resampled(each, label))
        # Frames without an image are scored with the lidar alone.
        if fused.moments == lidar_only.moments:
            row["fused - lidar_only"] = _difference(row["fused"], row["lidar_only"])
            difference = resampled(fused, label) - resampled(lidar_only, label)
            row["fused - lidar_only interval"] = _interval(difference)
        if before is not None and earlier is not None and "fused" in row:
            row["before"] = earlier[class_name]["ap_2m"]
            row["gain"] = _difference(row["fused"], row["before"])
            row["gain interval"] = _interval(resampled(fused, label) - resampled(before, label))
        rows.append(row)
    return rows


def mask_rows(name: str, scored: Scored, before: Scored | None) -> list[Row]:
    """Return a row for each label set on which masks were scored."""
    rows: list[Row] = []
    earlier = {} if before is None else before.masks.result()["by_labels"]
    for labels, result in scored.masks.result()["by_labels"].items():
        if result["miou"] is None:
            continue
        row: Row = {"data": name, "labels": labels, "images": result["num_frames"]}
        row["mIoU"], row["mIoU interval"] = result["miou"], result["interval"]
        row["pedestrian"] = result["iou"].get("pedestrian")
        if labels in earlier:
            row["before"] = earlier[labels]["miou"]
            row["gain"] = _difference(row["mIoU"], row["before"])
        rows.append(row)
    return rows


def _difference(left: float, right: float | None) -> float | None:
    return None if right is None else left - right


def _interval(values: np.ndarray) -> list[float] | None:
    known = values[np.isfinite(values)]
    return interval(known) if len(known) else None


def table(rows: list[Row]) -> list[str]:
    """Return rows as lines of a Markdown table."""
    columns: list[str] = []
    for row in rows:
        columns += [name for name in row if name not in columns and not name.endswith("interval")]
    if not rows:
        return []
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    for row in rows:
        cells = [_cell(row.get(name), row.get(f"{name} interval")) for name in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _cell(value: float | str | None, bounds: list[float] | None) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3f}" + (f" ({bounds[0]:.2f} to {bounds[1]:.2f})" if bounds else "")


if __name__ == "__main__":
    main()

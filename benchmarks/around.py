"""Compare what is found ahead of the vehicle with what is found behind it.

usage: python benchmarks/around.py DATA [--checkpoint C] [--limit N]

DATA are frames that are labelled and scanned all around, such as

    bev-semseg synth DATA --rig kitti --full-turn --scenes 30 --frames 2 --seed 700000

The network runs with grid "around" on the lidar alone. Boxes are scored on the whole grid,
separately for each half: boxes in the other half count neither as found nor as missed.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scores import print_boxes

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, Report, spaced
from bev_semseg_ros.frame import Annotation, Boxes
from bev_semseg_ros.inference.predictor import Predictor

HALVES = {"ahead": 1, "behind": -1}  # sign of x


def half_of(annotation: Annotation, sign: int) -> Annotation:
    """Return the ground truth with the boxes of the other half ignored."""
    boxes = annotation.boxes or Boxes.empty()
    is_other = boxes.centers[:, 0] * sign < 0
    ignored = np.zeros(len(boxes), bool) if annotation.ignored is None else annotation.ignored
    return replace(annotation, boxes=boxes, ignored=ignored | is_other)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--checkpoint", default="weights/bev_semseg.pt")
    parser.add_argument("--limit", type=int, help="number of frames, evenly spaced; default: all")
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.data)
    around = Predictor.load(arguments.checkpoint, grid="around")
    forward = Predictor.load(arguments.checkpoint)
    reports = {name: Report(around.tasks, "lidar_only", "grid") for name in HALVES}
    times: dict[str, list[float]] = {"around": [], "forward": []}
    for index in spaced(len(dataset), arguments.limit):
        frame, annotation = dataset[index]
        prediction = around.predict(frame, "lidar_only", SCORE_THRESHOLD)
        times["around"].append(prediction.network_ms)
        times["forward"].append(forward.predict(frame, "lidar_only").network_ms)
        boxes = prediction.boxes or Boxes.empty()
        for name, sign in HALVES.items():
            own = boxes[boxes.centers[:, 0] * sign >= 0]
            of_half = replace(prediction, boxes=own)
            reports[name].add(frame, half_of(annotation, sign), of_half)
    print(f"{arguments.data}, {len(times['around'])} frames, {around.description}")
    print(f"time of the BEV part, p50: {time_ratio(times):.2f} times that of grid forward")
    for name, report in reports.items():
        print_boxes(name, report)


def time_ratio(times: dict[str, list[float]]) -> float:
    """Return the ratio of the median times with grid around and with grid forward."""
    return float(np.median(times["around"]) / np.median(times["forward"]))


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s")

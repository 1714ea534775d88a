r"""Measure how much the images of the side cameras improve the boxes that only they see.

usage: python benchmarks/side_cameras.py DATA --with C --without C [--limit N] [--json OUT]

DATA is a data set of several cameras, the reference camera first. These commands gave the figures
of docs/training.md. docs/several_sensors.md says how to get former.pt, the weights of version 0.1.

    bev-semseg synth TRAIN --rig a2d2_3 --scenes 600 --frames 1 --seed 920000
    bev-semseg synth VAL --rig a2d2_3 --scenes 250 --frames 1 --seed 910000
    cp -r TRAIN FRONT
    find FRONT -path '*front_left/*' -name '*.png' -delete
    find FRONT -path '*front_right/*' -name '*.png' -delete
    SETTINGS="training.learning_rate=1.0e-3 training.max_steps=110
        training.frozen_trunk_blocks=5 augmentation.image_zoom_max=1.3"
    bev-semseg train --config config/synthetic.yaml --init former.pt --cameras all \
        --data TRAIN --out runs/with/run --set $SETTINGS
    bev-semseg train --config config/synthetic.yaml --init former.pt --cameras all \
        --data FRONT --out runs/without/run --set $SETTINGS
    python benchmarks/side_cameras.py VAL --with runs/with/run/checkpoint.pt \
        --without runs/without/run/checkpoint.pt

The network WITH gets all images, the network WITHOUT only that of the reference camera. Both get
the same points. Only boxes outside the reference camera's image and inside another one are scored.
The interval of the difference is a bootstrap over frames; both networks have the same frames in
each resample.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, spaced
from bev_semseg_ros.frame import Annotation, Boxes, Frame
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.tasks.bootstrap import interval, resample
from bev_semseg_ros.model.tasks.detection.metric import DetectionScores, counted, scorable
from bev_semseg_ros.output_path import prepare_output_file
from bev_semseg_ros.progress import Progress

Scored = dict[str, tuple[DetectionScores, Predictor]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--with", required=True, dest="sighted", metavar="C", help="checkpoint")
    parser.add_argument("--without", required=True, metavar="C", help="checkpoint")
    parser.add_argument("--limit", type=int, help="number of frames, evenly spaced; default: all")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    prepare_output_file(arguments.json, "side_cameras.json")
    dataset = open_dataset(arguments.data, cameras="all")
    scored: Scored = {}
    for name, path in (("with", arguments.sighted), ("without", arguments.without)):
        predictor = Predictor.load(path)
        scored[name] = DetectionScores(predictor.label_sets["detection"]), predictor
    indices = spaced(len(dataset), arguments.limit)
    with Progress("scoring", len(indices), "frames") as progress:
        for index in indices:
            add(scored, *dataset[index])
            progress.advance()
    result = summary({name: scores for name, (scores, _) in scored.items()})
    print(f"{arguments.data}, {len(indices)} frames")
    for row in result["rows"]:
        print(
            f"  {row['class']:11} {row['labels']:5} labels, AP with {row['with']:.3f}, without "
            f"{row['without']:.3f}"
        )
    low, high = result["interval"]
    print(f"mAP with minus without: {result['difference']:+.3f} ({low:+.3f} to {high:+.3f})")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def add(scored: Scored, frame: Frame, annotation: Annotation) -> None:
    """Score the boxes of a frame that only the side cameras see."""
    reference = next(iter(frame.cameras))
    blinkered = replace(frame, cameras={reference: frame.cameras[reference]})
    for name, (scores, predictor) in scored.items():
        grid = predictor.config.grid
        labelled = annotation.with_labels(box_labels=scores.labels)
        truth = labelled.boxes or Boxes.empty()
        required = counted(frame, labelled, grid) & at_the_sides(truth, frame, grid)
        seen = frame if name == "with" else blinkered
        found = predictor.predict(seen, "fused", SCORE_THRESHOLD).boxes or Boxes.empty()
        scores.add(found[at_the_sides(found, frame, grid)], truth, required)


def at_the_sides(boxes: Boxes, frame: Frame, grid: GridConfig) -> np.ndarray:
    """Return (M,) bool: which boxes are in an image, but not in the reference camera's."""
    cameras = [seen.camera for seen in frame.cameras.values()]
    in_reference = scorable(boxes.centers, grid, cameras[:1])
    return scorable(boxes.centers, grid, cameras) & ~in_reference


def summary(scores: dict[str, DetectionScores]) -> dict[str, Any]:
    """Return the figures of both networks, and their difference with its 95 % interval."""
    results = {name: each.result() for name, each in scores.items()}
    rows = [
        {
            "class": label,
            "labels": row["num_truth"],
            **{name: result["classes"][label]["ap"] for name, result in results.items()},
        }
        for label, row in results["with"]["classes"].items()
        if row["num_truth"]
    ]
    times = resample(scores["with"].num_frames)
    differences = scores["with"].resampled_map(times) - scores["without"].resampled_map(times)
    return {
        "rows": rows,
        "difference": results["with"]["map"] - results["without"]["map"],
        "interval": interval(differences[np.isfinite(differences)]),
    }


if __name__ == "__main__":
    main()

"""Measure whether the network uses its camera for boxes.

It scores boxes with both sensors, with the lidar alone, with the image of another frame, and with
cameras whose calibration is wrong by some degrees.

usage: python benchmarks/fusion.py --checkpoint C --data PATH [--degrees D ...] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bev_semseg_ros.data.dataset import Dataset, open_dataset
from bev_semseg_ros.evaluation.report import evaluate
from bev_semseg_ros.frame import Annotation, Frame, Mode
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.inference.predictor import Predictor


class Shuffled:
    """A data set in which frames have exchanged their images.

    An image only goes to a frame whose camera has the same image size.
    """

    def __init__(self, dataset: Dataset, seed: int = 0) -> None:
        self._dataset = dataset
        self.name = dataset.name
        self._images: dict[int, int] = {}
        by_size: dict[tuple[int, int], list[int]] = {}
        for index in range(len(dataset)):
            frame, _ = dataset[index]
            if frame.image is not None and frame.camera is not None:
                by_size.setdefault(frame.camera.size, []).append(index)
        rng = np.random.default_rng(seed)
        for indices in by_size.values():
            order = rng.permutation(indices)
            # A cycle: no frame keeps its own image.
            for index, other in zip(order, np.roll(order, 1), strict=True):
                self._images[int(index)] = int(other)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = self._dataset[index]
        if index in self._images:
            other = self._dataset[self._images[index]][0]
            cameras = {
                name: replace(seen, image=other.cameras[name].image)
                for name, seen in frame.cameras.items()
            }
            frame = replace(frame, cameras=cameras)
        return frame, annotation

    def scene(self, index: int) -> str:
        return self._dataset.scene(index)


class Miscalibrated:
    """A data set whose cameras are turned by an angle, about an axis of chance in each frame."""

    def __init__(self, dataset: Dataset, degrees: float) -> None:
        self._dataset, self._angle = dataset, np.radians(degrees)
        self.name = dataset.name

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = self._dataset[index]
        rng = np.random.default_rng(index)
        cameras = {}
        for name, seen in frame.cameras.items():
            axis = rng.normal(size=3)
            turn = transform(cv2.Rodrigues(self._angle * axis / np.linalg.norm(axis))[0])
            camera = replace(seen.camera, camera_from_ego=turn @ seen.camera.camera_from_ego)
            cameras[name] = replace(seen, camera=camera)
        return replace(frame, cameras=cameras), annotation

    def scene(self, index: int) -> str:
        return self._dataset.scene(index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--degrees", type=float, nargs="+", default=[])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    predictor, dataset = Predictor.load(args.checkpoint), open_dataset(args.data)
    runs: dict[str, tuple[Dataset, Mode]] = {
        "fused": (dataset, "fused"),
        "lidar_only": (dataset, "lidar_only"),
        "shuffled images": (Shuffled(dataset), "fused"),
    }
    for degrees in args.degrees:
        runs[f"{degrees:g} degrees off"] = (Miscalibrated(dataset, degrees), "fused")
    results = {
        name: evaluate(predictor, data, mode).result()["detection"]
        for name, (data, mode) in runs.items()
    }
    for name, result in results.items():
        figures = []
        # The classes are those in which the network's and the data's boxes meet.
        for label, row in result["classes"].items():
            if row["ap"] is not None:
                figures.append(f"{label} {row['ap']:.3f}")
        classes = "  ".join(figures)
        print(f"{name:16} mAP {result['map']:.3f}  AP: {classes}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Measure whether the network uses its camera for boxes, and what a wrong calibration costs.

It scores boxes with both sensors, with the lidar alone, with the image of another frame, and with
cameras whose calibration is wrong by some degrees.

usage: python benchmarks/fusion.py --checkpoint C --data PATH [--degrees D ...] [--json OUT]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.data.dataset import Dataset, open_dataset
from bev_semseg_ros.evaluation.report import SCORE_THRESHOLD, has_input
from bev_semseg_ros.frame import Annotation, Frame, Mode
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.tasks.detection.metric import DetectionMetric
from bev_semseg_ros.output_path import prepare_output_file


class Shuffled:
    """A data set in which frames have exchanged their images.

    As far as possible, frames exchange images of the same size; otherwise, the images are resized.
    Frames only exchange images with frames that have the same number of cameras.
    """

    def __init__(self, dataset: Dataset, seed: int = 0) -> None:
        self._dataset = dataset
        self.name = dataset.name
        self._images: dict[int, int] = {}
        sizes: dict[int, list[tuple[int, int]]] = {}
        for index in range(len(dataset)):
            cameras = dataset[index][0].cameras.values()
            if cameras and all(seen.image is not None for seen in cameras):
                sizes[index] = [seen.camera.size for seen in cameras]
        rng = np.random.default_rng(seed)
        for count in {len(each) for each in sizes.values()}:
            indices = [index for index, each in sizes.items() if len(each) == count]
            order = sorted(map(int, rng.permutation(indices)), key=sizes.__getitem__)
            # A cycle: no frame keeps its own image.
            self._images |= dict(zip(order, np.roll(order, 1).tolist(), strict=True))

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = self._dataset[index]
        return self.disturbed(index, frame), annotation

    def disturbed(self, index: int, frame: Frame) -> Frame:
        """Return a frame of the data set with the images of another one."""
        if index not in self._images:
            return frame
        others = self._dataset[self._images[index]][0].cameras.values()
        cameras = {
            name: replace(seen, image=cv2.resize(other.image, seen.image.shape[1::-1]))
            for (name, seen), other in zip(frame.cameras.items(), others, strict=True)
        }
        return replace(frame, cameras=cameras)

    def scene(self, index: int) -> str:
        return self._dataset.scene(index)


def turned(index: int, frame: Frame, degrees: float) -> Frame:
    """Return a frame whose camera poses are rotated by an angle, each about a random axis.

    Args:
        index: Index of the frame, the seed of the axes.
        frame: The frame; its points and images do not change.
        degrees: The angle.
    """
    rng = np.random.default_rng(index)
    cameras = {}
    for name, seen in frame.cameras.items():
        axis = rng.normal(size=3)
        turn = transform(cv2.Rodrigues(np.radians(degrees) * axis / np.linalg.norm(axis))[0])
        camera = replace(seen.camera, camera_from_ego=turn @ seen.camera.camera_from_ego)
        cameras[name] = replace(seen, camera=camera)
    return replace(frame, cameras=cameras)


def turned_name(degrees: float) -> str:
    """Return the name of the variant whose camera poses are rotated by an angle."""
    return f"{degrees:g} degree{'' if degrees == 1 else 's'}"


@dataclass(frozen=True)
class Variant:
    """One way to show the frames of a data set to a network.

    Attributes:
        name: Name in words.
        mode: Sensors to use.
        shown: (index, frame as recorded) -> frame that the network gets. The recorded frame still
            decides the ground truth and which boxes count.
    """

    name: str
    mode: Mode
    shown: Callable[[int, Frame], Frame]


def variants(dataset: Dataset, degrees: Sequence[float]) -> list[Variant]:
    """Return the variants: frames as they are, with the lidar alone, and with each disturbance.

    Args:
        dataset: The frames.
        degrees: Angles by which the camera poses are rotated.
    """

    def unchanged(index: int, frame: Frame) -> Frame:
        return frame

    def turned_by(angle: float) -> Callable[[int, Frame], Frame]:
        return lambda index, frame: turned(index, frame, angle)

    return [
        Variant("fused", "fused", unchanged),
        Variant("lidar_only", "lidar_only", unchanged),
        Variant("another image", "fused", Shuffled(dataset).disturbed),
        *(Variant(turned_name(each), "fused", turned_by(each)) for each in degrees),
    ]


def summary(result: Mapping[str, Any]) -> str:
    """Format the mean AP of a result of boxes, and the AP of each class that has labels."""
    if result["map"] is None:
        return "no labels that count"
    figures = []
    # The classes are those that the boxes of the network and of the data have in common.
    for label, row in result["classes"].items():
        if row["ap"] is not None:
            figures.append(f"{label} {row['ap']:.3f}")
    return f"mAP {result['map']:.3f}  AP: {'  '.join(figures)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--degrees", type=float, nargs="+", default=[])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    prepare_output_file(args.json, "fusion.json")
    # In float32, the figures depend little on the processor.
    predictor = Predictor.load(args.checkpoint, precision="fp32")
    dataset = open_dataset(args.data)
    if "detection" not in predictor.label_sets:
        raise SystemExit(f"{args.checkpoint}: its network finds no boxes; give another checkpoint")
    labels, grid = predictor.label_sets["detection"], predictor.config.grid
    scored = [(each, DetectionMetric(labels, grid)) for each in variants(dataset, args.degrees)]
    for index in range(len(dataset)):
        frame, annotation = dataset[index]
        for variant, metric in scored:
            if has_input(frame, variant.mode):
                shown = variant.shown(index, frame)
                prediction = predictor.predict(shown, variant.mode, SCORE_THRESHOLD)
                metric.add(frame, annotation, prediction, variant.mode)
    results = {variant.name: metric.result() for variant, metric in scored}
    for name, result in results.items():
        print(f"{name:16} {summary(result)}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Intersection over union of point classes: all points, and those that no camera saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.example import Example, make_example
from bev_semseg_ros.frame import Annotation, Frame, Mode, Prediction
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.lifting import carry_classes
from bev_semseg_ros.model.tasks.point_segmentation.postprocess import classes_of_sample
from bev_semseg_ros.model.tasks.segmentation.metric import SegmentationMetric
from bev_semseg_ros.model.tasks.task import Metric

# Which points are scored. All points with labels from masks were seen by a camera.
PARTS = {"all": "all points", "seen": "seen by a camera", "unseen": "seen by no camera"}


class PointSegmentationMetric(Metric):
    """Scores points whose class is known from the data or from masks."""

    def __init__(self, name: str, labels: LabelSet, config: Config) -> None:
        """Start without frames.

        Args:
            name: name of the task, the key of its results in a prediction.
            labels: label set of the predicted classes.
            config: configuration of the network.
        """
        self._name = name
        # Labels of points in the data take precedence over masks, even if the training used masks.
        self._config = replace(config, training=replace(config.training, carry_masks=False))
        self._parts = {part: SegmentationMetric(labels) for part in PARTS}
        self._num_points = dict.fromkeys(PARTS, 0)

    def add(
        self, frame: Frame, annotation: Annotation, prediction: Prediction | None, mode: Mode
    ) -> None:
        """Score a frame's points, if it has ground truth and a prediction for them."""
        if prediction is None or self._name not in prediction.results:
            return
        if not annotation.point_classes and not annotation.masks:
            return
        example = make_example(frame, annotation, self._config, whole_clouds=True)
        truth = example.point_classes
        if truth is None:
            return
        predicted = classes_of_sample(prediction.results[self._name], example.sample)
        known = truth != MASK_IGNORED
        seen = seen_by_a_camera(example)
        chosen = {"all": known, "seen": known & seen, "unseen": known & ~seen}
        for part, points in chosen.items():
            if points.any():
                pair = (truth[points], predicted[points])
                self._parts[part].count([pair], annotation.mask_labels)
                self._num_points[part] += int(points.sum())

    def frame_counts(self) -> dict[str, np.ndarray]:
        """Return the confusion matrices of the frames by PARTS, see `Metric`."""
        return {
            part: counts
            for part, metric in self._parts.items()
            for counts in metric.frame_counts().values()
        }

    def result(self) -> dict[str, Any]:
        """Return for each of PARTS `num_points` and what `SegmentationMetric.result` has."""
        return {
            part: {"num_points": self._num_points[part], **metric.result()}
            for part, metric in self._parts.items()
        }

    @staticmethod
    def table(result: Mapping[str, Any]) -> list[str]:
        """Return a result as lines of text."""
        lines = []
        for part, title in PARTS.items():
            scores = result[part]
            if part == "seen" and scores["num_points"] == result["all"]["num_points"]:
                continue  # the same as all points
            if part == "unseen" and not scores["num_points"]:
                lines.append(f"{title}: no labelled points")
                continue
            lines.append(f"{title}: {scores['num_points']}")
            lines += [f"  {line}" for line in SegmentationMetric.table(scores, "points")]
        return lines

    @staticmethod
    def headline(result: Mapping[str, Any]) -> dict[str, float | None]:
        """Return the mean IoU of all points on the finest and the coarsest label set."""
        scores = result["all"]
        return {"point_miou": scores["miou"], "point_group_miou": scores["group_miou"]}


def seen_by_a_camera(example: Example) -> np.ndarray:
    """Return (N,) bool: points of an example that one of its images shows."""
    sample = example.sample
    if sample.points is None:
        return np.zeros(0, bool)
    cameras = {name: seen.camera for name, seen in sample.images.items()}
    anything = {name: np.zeros(camera.size[::-1], np.uint8) for name, camera in cameras.items()}
    return carry_classes(sample.points, anything, cameras) != MASK_IGNORED

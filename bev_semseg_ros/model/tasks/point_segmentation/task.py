"""Segmentation of points as a task: every point of the clouds is of one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import Example
from bev_semseg_ros.frame import PointClasses
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.class_weights import ClassWeights, trained_weights
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.point_segmentation.head import PointSegmentationHead
from bev_semseg_ros.model.tasks.point_segmentation.metric import PointSegmentationMetric
from bev_semseg_ros.model.tasks.point_segmentation.picture import draw_points
from bev_semseg_ros.model.tasks.point_segmentation.postprocess import decode_points
from bev_semseg_ros.model.tasks.point_segmentation.targets import (
    EncodedPoints,
    collate_points,
    encode_points,
)
from bev_semseg_ros.model.tasks.segmentation.loss import adjust_logits, cross_entropy
from bev_semseg_ros.model.tasks.task import Head, Outputs, Targets, Task
from bev_semseg_ros.preprocessing import Sample


class PointSegmentationTask(Task):
    """Semantic segmentation of lidar points, also of those outside the grid and the images."""

    name = "point_segmentation"
    view = "points"
    needs = frozenset({"points", "point_classes"})
    labels: LabelSet

    def __init__(self, config: Config, labels: LabelSet | None) -> None:
        if labels is None:
            raise ValueError(
                "labels.point_segmentation: the task point_segmentation needs a label set"
            )
        super().__init__(config, labels)
        self._class_weights = ClassWeights(labels, config.loss)

    def build_head(self, channels: int) -> PointSegmentationHead:
        """Return the head on the features of points."""
        return PointSegmentationHead(channels, self.config.model.head_channels, len(self.labels))

    def encode(self, example: Example) -> EncodedPoints:
        """Return the classes of the points, in the set where they meet the network's."""
        points = example.sample.points
        count = 0 if points is None else len(points)
        return encode_points(count, example.point_classes, example.mask_labels, self.labels)

    def collate(self, encoded: Sequence[EncodedPoints]) -> Targets | None:
        """Return the classes of a batch, see `collate_points`."""
        return collate_points(encoded)

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return `point_segmentation`: the weighted mean cross entropy of the labelled points."""
        logits = outputs["logits"]
        total, weight = logits.new_zeros(()), logits.new_zeros(())
        for labels, labelled in targets.items():
            view = view_of(self.labels, labels)
            part, weight_of_part = cross_entropy(
                logits[labelled["points"]],
                labelled["classes"],
                self._class_weights.seen_through(view, logits.device),
                view,
            )
            total = total + part
            weight = weight + weight_of_part
        factor = self.config.loss.point_segmentation_weight
        return {"point_segmentation": factor * total / weight.clamp_min(1)}

    def postprocess(
        self, outputs: Outputs, sample: Sample, score_threshold: float | None = None
    ) -> dict[str, PointClasses]:
        """Return the classes of every point of each lidar's scan, by the lidar's name."""
        return decode_points(outputs["logits"], sample)

    def picture(self, result: Mapping[str, PointClasses], sample: Sample) -> np.ndarray | None:
        """Return the points in the colours of their classes, over the image or from above."""
        return draw_points(result, sample, self.labels)

    def metric(self) -> PointSegmentationMetric:
        """Return a new metric."""
        return PointSegmentationMetric(self.name, self.labels, self.config)

    def adjust_logits(self, head: Head, info: Mapping[str, Any], share: float) -> bool:
        """Adjust the bias of the logits (Menon et al. 2021), see `loss.adjust_logits`."""
        assert isinstance(head, PointSegmentationHead)
        weights = trained_weights(info, "class_points", self.config.loss)
        adjust_logits(head.logits, weights, share)
        return True

    def observe(self, example: Example) -> None:
        """Count the points of each class."""
        classes = example.point_classes
        if classes is not None:
            self._class_weights.count(classes, example.mask_labels)

    def statistics(self) -> dict[str, Any]:
        """Return `class_points`: labelled points of each class."""
        return {"class_points": self._class_weights.counts()}

    def begin_training(self, info: Mapping[str, Any]) -> None:
        """Weight the classes by `class_points`."""
        self._class_weights.fix(info["class_points"])

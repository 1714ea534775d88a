"""The task point segmentation: a class for every point of the clouds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import PointClasses
from bev_semseg_ros.model.tasks.classification import ClassificationTask
from bev_semseg_ros.model.tasks.point_segmentation.head import PointSegmentationHead
from bev_semseg_ros.model.tasks.point_segmentation.metric import PointSegmentationMetric
from bev_semseg_ros.model.tasks.point_segmentation.picture import draw_points
from bev_semseg_ros.model.tasks.point_segmentation.postprocess import decode_points
from bev_semseg_ros.model.tasks.point_segmentation.targets import (
    EncodedPoints,
    collate_points,
    encode_points,
)
from bev_semseg_ros.model.tasks.task import Outputs, Targets
from bev_semseg_ros.preprocessing import Sample


class PointSegmentationTask(ClassificationTask):
    """Semantic segmentation of lidar points, including those outside the grid and the images."""

    name = "point_segmentation"
    view = "points"
    needs = frozenset({"points", "point_classes"})
    counts_key = "class_points"

    def build_head(self, channels: int) -> PointSegmentationHead:
        """Return the head for the features of points."""
        return PointSegmentationHead(channels, self.config.model.head_channels, len(self.labels))

    def encode(self, example: Example) -> EncodedPoints:
        """Return the classes of the points, in the label set shared with the network."""
        points = example.sample.points
        count = 0 if points is None else len(points)
        return encode_points(count, example.point_classes, example.mask_labels, self.labels)

    def collate(self, encoded: Sequence[EncodedPoints]) -> Targets | None:
        """Return the targets of a batch, see `collate_points`."""
        return collate_points(encoded)

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return `point_segmentation`: the weighted mean cross entropy of the labelled points."""
        mean = self.mean_loss(
            (labels, outputs["logits"][labelled["points"]], labelled["classes"])
            for labels, labelled in targets.items()
        )
        return {"point_segmentation": self.config.loss.point_segmentation_weight * mean}

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

    def observe(self, example: Example) -> None:
        """Count the points of each class."""
        classes = example.point_classes
        if classes is not None:
            self.class_weights.count(classes, example.mask_labels)

"""The task detection: boxes in the bird's-eye view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import Boxes, relabel_boxes
from bev_semseg_ros.labels import BOX_IGNORED, LabelSet
from bev_semseg_ros.model.tasks.detection.head import DetectionHead
from bev_semseg_ros.model.tasks.detection.loss import heatmap_loss, regression_loss
from bev_semseg_ros.model.tasks.detection.metric import DetectionMetric
from bev_semseg_ros.model.tasks.detection.postprocess import decode_boxes, join_boxes
from bev_semseg_ros.model.tasks.detection.targets import (
    EncodedBoxes,
    collate_boxes,
    encode_boxes,
    unlabelled,
)
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.task import Outputs, Targets, Task
from bev_semseg_ros.preprocessing import Sample


class DetectionTask(Task):
    """Boxes as peaks of heatmaps, with a regression (Yin et al. 2021, CenterPoint)."""

    name = "detection"
    view = "bev"
    needs = frozenset({"points", "boxes"})
    labels: LabelSet

    def __init__(self, config: Config, labels: LabelSet | None) -> None:
        if labels is None:
            raise ValueError("labels.detection: the task detection needs a label set")
        super().__init__(config, labels)

    def build_head(self, channels: int) -> DetectionHead:
        """Return the head for the BEV."""
        return DetectionHead(channels, self.config.model.head_channels, len(self.labels))

    def encode(self, example: Example) -> EncodedBoxes:
        """Return heatmap and regression, in the label set shared with the network.

        Boxes of a class that the network does not have are left out.
        """
        if example.boxes is None:
            return unlabelled(self.config.grid)
        view = view_of(self.labels, example.box_labels)
        boxes, ignored = relabel_boxes(
            example.boxes, example.ignored, example.box_labels, view.shared
        )
        known = (boxes.labels == BOX_IGNORED) | np.isin(boxes.labels, view.from_network)
        points = example.sample.points
        return encode_boxes(boxes[known], ignored[known], points, view.shared, self.config.grid)

    def collate(self, encoded: Sequence[EncodedBoxes]) -> Targets | None:
        """Return the targets of a batch, see `collate_boxes`."""
        return collate_boxes(encoded)

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return the losses `heatmap` and `regression`."""
        weight = self.config.loss.regression_weight
        return {
            "heatmap": heatmap_loss(outputs["heatmap"], targets["heatmaps"], self.labels),
            "regression": weight * regression_loss(outputs["regression"], targets),
        }

    def postprocess(
        self, outputs: Outputs, sample: Sample, score_threshold: float | None = None
    ) -> Boxes:
        """Return the boxes of a frame in the ego frame, by descending score."""
        settings = self.config.postprocess
        return decode_boxes(
            outputs["heatmap"],
            outputs["regression"],
            self.config.grid,
            self.labels,
            settings.score_threshold if score_threshold is None else score_threshold,
            settings.max_boxes,
        )[0]

    def join(self, ahead: Boxes, behind: Boxes) -> Boxes:
        """Return the boxes found ahead and behind, by descending score, see `join_boxes`."""
        return join_boxes(ahead, behind, self.labels)

    def metric(self) -> DetectionMetric:
        """Return a new metric."""
        return DetectionMetric(self.labels, self.config.grid)

"""BEV segmentation as a task: every cell of the bird's-eye view is of one class.

The task needs no labels of cells. It learns from points: from the classes that the data give them,
or that masks give them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import Example
from bev_semseg_ros.frame import BevMap
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.bev_segmentation.metric import BevSegmentationMetric
from bev_semseg_ros.model.tasks.bev_segmentation.postprocess import decode_map, join_maps
from bev_semseg_ros.model.tasks.bev_segmentation.targets import encode_cells
from bev_semseg_ros.model.tasks.class_weights import ClassWeights, trained_weights
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.segmentation.head import SegmentationHead
from bev_semseg_ros.model.tasks.segmentation.loss import adjust_logits, cross_entropy
from bev_semseg_ros.model.tasks.segmentation.targets import EncodedMask, collate_masks
from bev_semseg_ros.model.tasks.task import Head, Outputs, Targets, Task
from bev_semseg_ros.preprocessing import Sample, points_in_grid


class BevSegmentationTask(Task):
    """A class for each cell, learned where there are labelled points."""

    name = "bev_segmentation"
    view = "bev"
    needs = frozenset({"points", "point_classes"})
    labels: LabelSet

    def __init__(self, config: Config, labels: LabelSet | None) -> None:
        if labels is None:
            raise ValueError("labels.bev_segmentation: the task bev_segmentation needs a label set")
        super().__init__(config, labels)
        self._class_weights = ClassWeights(labels, config.loss)

    def build_head(self, channels: int) -> SegmentationHead:
        """Return the head on the BEV."""
        return SegmentationHead(channels, self.config.model.head_channels, len(self.labels))

    def encode(self, example: Example) -> EncodedMask | None:
        """Return the classes of the cells that have labelled points, see `encode_cells`."""
        classes, points = example.point_classes, example.sample.points
        if classes is None or points is None:
            return None
        # Of a whole cloud, points mirrored below the ground would be taken for the ground.
        inside = points_in_grid(points, self.config.grid)
        points, classes = points[inside], classes[inside]
        return encode_cells(points, classes, example.mask_labels, self.labels, self.config.grid)

    def collate(self, encoded: Sequence[EncodedMask | None]) -> Targets | None:
        """Return the cells of a batch by their label set, see `collate_masks`."""
        return collate_masks(encoded)

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return `bev_segmentation`: the weighted mean cross entropy of the labelled cells."""
        logits = outputs["logits"].float()
        total, weight = logits.new_zeros(()), logits.new_zeros(())
        for labels, cells in targets.items():
            view = view_of(self.labels, labels)
            weights = self._class_weights.seen_through(view, logits.device)
            part, weight_of_part = cross_entropy(
                logits[cells["frames"]], cells["mask"], weights, view
            )
            total, weight = total + part, weight + weight_of_part
        mean = total / weight.clamp_min(1)
        return {"bev_segmentation": self.config.loss.bev_segmentation_weight * mean}

    def postprocess(
        self, outputs: Outputs, sample: Sample, score_threshold: float | None = None
    ) -> BevMap:
        """Return the best class of every cell, however sure it is: `BevMap.confidence`.

        Far from any point the network has learned nothing. `BevMap.above` takes out such cells.
        """
        return decode_map(outputs["logits"][0], self.config.grid, self.labels)

    def join(self, ahead: BevMap, behind: BevMap) -> BevMap:
        """Return one map of what was found ahead and behind, see `join_maps`."""
        return join_maps(ahead, behind, self.config.grid)

    def metric(self) -> BevSegmentationMetric:
        """Return a new metric."""
        return BevSegmentationMetric(self.labels, self.config)

    def adjust_logits(self, head: Head, info: Mapping[str, Any], share: float) -> bool:
        """Adjust the bias of the logits (Menon et al. 2021), see `segmentation.loss`."""
        assert isinstance(head, SegmentationHead)
        weights = trained_weights(info, "bev_class_cells", self.config.loss)
        adjust_logits(head.logits, weights, share)
        return True

    def observe(self, example: Example) -> None:
        """Count the labelled cells of each class."""
        cells = self.encode(example)
        if cells is not None:
            self._class_weights.count(cells.mask, cells.labels)

    def statistics(self) -> dict[str, Any]:
        """Return `bev_class_cells`: labelled cells of each class."""
        return {"bev_class_cells": self._class_weights.counts()}

    def begin_training(self, info: Mapping[str, Any]) -> None:
        """Weight the classes by `bev_class_cells`."""
        self._class_weights.fix(info["bev_class_cells"])

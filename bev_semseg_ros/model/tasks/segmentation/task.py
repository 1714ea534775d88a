"""Segmentation as a task: every pixel of the image is of one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import Example
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.class_weights import ClassWeights, trained_weights
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.segmentation.head import SegmentationHead
from bev_semseg_ros.model.tasks.segmentation.loss import (
    adjust_logits,
    segmentation_loss,
)
from bev_semseg_ros.model.tasks.segmentation.metric import SegmentationMetric
from bev_semseg_ros.model.tasks.segmentation.postprocess import decode_mask
from bev_semseg_ros.model.tasks.segmentation.targets import (
    EncodedMask,
    collate_masks,
    encode_mask,
)
from bev_semseg_ros.model.tasks.task import Head, Outputs, Targets, Task
from bev_semseg_ros.preprocessing import Sample


class SegmentationTask(Task):
    """Semantic segmentation of the image, with weights against rare classes."""

    name = "segmentation"
    view = "image"
    needs = frozenset({"image", "mask"})
    labels: LabelSet

    def __init__(self, config: Config, labels: LabelSet | None) -> None:
        if labels is None:
            raise ValueError("labels.segmentation: the task segmentation needs a label set")
        super().__init__(config, labels)
        self._class_weights = ClassWeights(labels, config.loss)

    def build_head(self, channels: int) -> SegmentationHead:
        """Return the head on P2."""
        return SegmentationHead(channels, self.config.model.head_channels, len(self.labels))

    def encode(self, example: Example) -> EncodedMask | None:
        """Return the mask at half size, in the set where it meets the network's."""
        if example.mask is None:
            return None
        return encode_mask(example.mask, example.mask_labels, self.labels)

    def collate(self, encoded: Sequence[EncodedMask | None]) -> Targets | None:
        """Return the masks of a batch, see `collate_masks`."""
        return collate_masks(encoded)

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return `segmentation`: lambda times the weighted mean cross entropy."""
        logits = outputs["logits"]
        total = logits.new_zeros(())
        weight = logits.new_zeros(())
        for labels, masks in targets.items():
            view = view_of(self.labels, labels)
            part, weight_of_part = segmentation_loss(
                logits if len(masks["frames"]) == len(logits) else logits[masks["frames"]],
                masks["mask"],
                self._class_weights.seen_through(view, logits.device),
                view,
            )
            total = total + part
            weight = weight + weight_of_part
        mean = total / weight.clamp_min(1)
        return {"segmentation": self.config.loss.segmentation_weight * mean}

    def postprocess(
        self, outputs: Outputs, sample: Sample, score_threshold: float | None = None
    ) -> np.ndarray:
        """Return the mask (h, w) uint8 of the image that the network saw."""
        mask = decode_mask(outputs["logits"][0])
        if sample.image is None:
            return mask
        height, width = sample.image.shape[:2]
        return mask[:height, :width]

    def metric(self) -> SegmentationMetric:
        """Return a new metric."""
        return SegmentationMetric(self.labels)

    def adjust_logits(self, head: Head, info: Mapping[str, Any], share: float) -> bool:
        """Adjust the bias of the logits (Menon et al. 2021), see `loss.adjust_logits`."""
        assert isinstance(head, SegmentationHead)
        weights = trained_weights(info, "class_pixels", self.config.loss)
        adjust_logits(head.logits, weights, share)
        return True

    def observe(self, example: Example) -> None:
        """Count the pixels of each class."""
        if example.mask is not None:
            self._class_weights.count(example.mask, example.mask_labels)

    def statistics(self) -> dict[str, Any]:
        """Return `class_pixels`: labelled pixels of each class."""
        return {"class_pixels": self._class_weights.counts()}

    def begin_training(self, info: Mapping[str, Any]) -> None:
        """Weight the classes by `class_pixels`."""
        self._class_weights.fix(info["class_pixels"])

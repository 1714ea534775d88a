"""Segmentation as a task: every pixel of the image is of one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import Example
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.label_view import LabelView, view_of
from bev_semseg_ros.model.tasks.segmentation.head import SegmentationHead
from bev_semseg_ros.model.tasks.segmentation.loss import (
    adjust_logits,
    class_weights_from_counts,
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
        self._pixels = np.zeros(len(labels))
        self._class_weights: Tensor | None = None

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
                self._weights_in(view, logits.device),
                view,
            )
            total = total + part
            weight = weight + weight_of_part
        mean = total / weight.clamp_min(1)
        return {"segmentation": self.config.loss.segmentation_weight * mean}

    def _weights_in(self, view: LabelView, device: torch.device) -> Tensor | None:
        """Return the class weights in a view: of a united class the mean over its pixels."""
        if self._class_weights is None:
            return None
        weights = self._class_weights
        if not view.is_identity:
            pixels = np.maximum(self._pixels, 1)
            united = []
            for number in range(len(view.shared)):
                members = view.members(number)
                share = pixels[members] / max(pixels[members].sum(), 1)
                united.append(float((share * weights.numpy()[members]).sum()))
            weights = torch.tensor(united, dtype=torch.float32)
        return weights.to(device)

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
        if "class_pixels" not in info:
            raise ValueError(
                "does not say how often it saw each class; logit adjustment needs the checkpoint "
                "of a training run"
            )
        assert isinstance(head, SegmentationHead)
        weights = class_weights_from_counts(np.array(info["class_pixels"]), self.config.loss)
        adjust_logits(head.logits, weights, share)
        return True

    def observe(self, example: Example) -> None:
        """Count the pixels of each class; those of a united class go to its members equally."""
        if example.mask is None:
            return
        view = view_of(self.labels, example.mask_labels)
        counts = np.bincount(example.mask.ravel(), minlength=256)
        table = example.mask_labels.mask_table(view.shared)
        for number in range(len(view.shared)):
            members = view.members(number)
            if members:
                self._pixels[members] += counts[table == number].sum() / len(members)

    def statistics(self) -> dict[str, Any]:
        """Return `class_pixels`: labelled pixels of each class."""
        return {"class_pixels": np.rint(self._pixels).astype(np.int64).tolist()}

    def begin_training(self, info: Mapping[str, Any]) -> None:
        """Weight the classes by `class_pixels`."""
        self._pixels = np.array(info["class_pixels"], np.float64)
        self._class_weights = class_weights_from_counts(self._pixels, self.config.loss)

"""The task segmentation: a class for every pixel of the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from bev_semseg_ros.data.example import Example
from bev_semseg_ros.model.tasks.classification import ClassificationTask
from bev_semseg_ros.model.tasks.segmentation.head import SegmentationHead
from bev_semseg_ros.model.tasks.segmentation.metric import SegmentationMetric
from bev_semseg_ros.model.tasks.segmentation.postprocess import decode_mask
from bev_semseg_ros.model.tasks.segmentation.targets import (
    EncodedMask,
    collate_masks,
    encode_mask,
)
from bev_semseg_ros.model.tasks.task import Outputs, Targets
from bev_semseg_ros.preprocessing import Sample


class SegmentationTask(ClassificationTask):
    """Semantic segmentation of the image, trained with class weights."""

    name = "segmentation"
    view = "image"
    needs = frozenset({"image", "mask"})
    counts_key = "class_pixels"

    def build_head(self, channels: int) -> SegmentationHead:
        """Return the head for P2."""
        return SegmentationHead(channels, self.config.model.head_channels, len(self.labels))

    def encode(self, example: Example) -> EncodedMask | None:
        """Return the mask at half size, in the label set shared with the network."""
        if example.mask is None:
            return None
        return encode_mask(example.mask, example.mask_labels, self.labels)

    def collate(self, encoded: Sequence[EncodedMask | None]) -> Targets | None:
        """Return the masks of a batch, see `collate_masks`."""
        return collate_masks(encoded)

    def losses(self, outputs: Outputs, targets: Targets) -> dict[str, Tensor]:
        """Return `segmentation`: lambda times the weighted mean cross entropy."""
        mean = self.mean_loss(
            (labels, _upsample_logits(outputs["logits"], masks), masks["mask"])
            for labels, masks in targets.items()
        )
        return {"segmentation": self.config.loss.segmentation_weight * mean}

    def postprocess(
        self, outputs: Outputs, sample: Sample, score_threshold: float | None = None
    ) -> np.ndarray:
        """Return the mask (h, w) uint8 of the network's input image."""
        mask = decode_mask(outputs["logits"][0])
        if sample.image is None:
            return mask
        height, width = sample.image.shape[:2]
        return mask[:height, :width]

    def metric(self) -> SegmentationMetric:
        """Return a new metric."""
        return SegmentationMetric(self.labels)

    def observe(self, example: Example) -> None:
        """Count the pixels of each class."""
        if example.mask is not None:
            self.class_weights.count(example.mask, example.mask_labels)


def _upsample_logits(logits: Tensor, masks: Targets) -> Tensor:
    """Upsample the logits of the images that have masks to the size of these masks.

    The masks have half the image's size. With a quarter of the pixels, the loss costs a quarter.
    Because the logits are smooth, its gradients are nearly the same.

    Args:
        logits: (B, C, h/4, w/4) logits of all images.
        masks: targets of one label set, see `collate_masks`.

    Returns:
        (B', C, h/2, w/2) float32.
    """
    frames, (height, width) = masks["frames"], masks["mask"].shape[1:]
    labelled = logits if len(frames) == len(logits) else logits[frames]
    large = F.interpolate(labelled.float(), scale_factor=2, mode="bilinear")
    return large[..., :height, :width]

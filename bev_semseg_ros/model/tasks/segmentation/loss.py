"""The segmentation loss: weighted cross entropy, at a quarter of the image's pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import LossConfig
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.model.tasks.label_view import LabelView
from bev_semseg_ros.model.tasks.task import Targets


def upsample_logits(logits: Tensor, masks: Targets) -> Tensor:
    """Return the logits of the images that have masks, at the size of these masks.

    The masks have half the image's size. At a quarter of the pixels the loss costs a quarter and,
    since the logits are smooth, has nearly the same gradients.

    Args:
        logits: (B, C, h/4, w/4), brought to the masks' size by bilinear upsampling.
        masks: of one label set, as `collate_masks` gives them.

    Returns:
        (B', C, h/2, w/2) float32.
    """
    frames, (height, width) = masks["frames"], masks["mask"].shape[1:]
    labelled = logits if len(frames) == len(logits) else logits[frames]
    large = F.interpolate(labelled.float(), scale_factor=2, mode="bilinear")
    return large[..., :height, :width]


def cross_entropy(
    logits: Tensor, classes: Tensor, class_weights: Tensor | None, view: LabelView
) -> tuple[Tensor, Tensor]:
    """Return the summed cross entropy and the summed weight of the labelled places.

    Args:
        logits: (B, N, ...) float32 of the network's classes.
        classes: (B, ...) int64, `labels.MASK_IGNORED` is left out.
        class_weights: (M,) of the labels' classes; None: ones.
        view: how the network's classes look in the label set of `classes`.
    """
    known = classes[classes != MASK_IGNORED]
    settings: dict[str, Any] = {"ignore_index": MASK_IGNORED, "reduction": "sum"}
    if view.is_identity:
        total = F.cross_entropy(logits, classes, class_weights, **settings)
    else:
        scores = view.merge_exclusive(logits)
        total = F.nll_loss(scores, classes, class_weights, **settings)
    weight = known.new_tensor(len(known)) if class_weights is None else class_weights[known].sum()
    return total, weight


def class_weights_from_counts(counts: np.ndarray, config: LossConfig) -> Tensor:
    """Return (C,) float32 weights 1 / sqrt(share), one on the average pixel, clamped.

    Args:
        counts: (C,) pixels of each class.
        config: has the limits.
    """
    share = np.maximum(counts, 1) / max(counts.sum(), 1)
    weights = share**-0.5
    weights = weights / (weights * share).sum()
    clamped = np.clip(weights, config.class_weight_min, config.class_weight_max)
    return torch.tensor(clamped, dtype=torch.float32)


def adjust_logits(logits: nn.Conv2d | nn.Linear, class_weights: Tensor, share: float) -> None:
    """Take back, in place, a share of what class weights did to the odds of the classes.

    Weighted training multiplies a class's odds by its weight, which finds rare classes and draws
    them too wide. The bias of the logits undoes it: logit adjustment (Menon et al. 2021).

    Args:
        logits: the last layer.
        class_weights: (C,) that it was trained with.
        share: 0 takes back nothing, 1 all of it.

    Raises:
        ValueError: the share lies outside 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"logit adjustment: expected a share of 0 to 1, got {share}")
    if logits.bias is None:
        raise ValueError("logit adjustment: the last layer has no bias")
    with torch.no_grad():
        logits.bias -= share * class_weights.to(logits.bias).log()

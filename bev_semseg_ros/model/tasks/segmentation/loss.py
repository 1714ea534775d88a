"""The segmentation loss: weighted cross entropy, at a quarter of the image's pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import LossConfig
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.model.tasks.label_view import LabelView


def segmentation_loss(
    logits: Tensor,
    mask: Tensor,
    class_weights: Tensor | None = None,
    view: LabelView | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the summed cross entropy and the summed weight of the labelled pixels.

    The mask has half the image's size. At a quarter of the pixels the loss costs a quarter and,
    since the logits are smooth, has nearly the same gradients.

    Args:
        logits: (B, C, h/4, w/4), brought to the mask's size by bilinear upsampling.
        mask: (B, h/2, w/2) int64, `labels.MASK_IGNORED` is left out.
        class_weights: of the mask's classes; None: ones.
        view: how the network's classes look in the mask's label set; None: they are the same.
    """
    logits = F.interpolate(logits.float(), scale_factor=2, mode="bilinear")
    logits = logits[..., : mask.shape[1], : mask.shape[2]]
    return cross_entropy(logits, mask, class_weights, view)


def cross_entropy(
    logits: Tensor,
    mask: Tensor,
    class_weights: Tensor | None = None,
    view: LabelView | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the summed cross entropy and the summed weight of the labelled places.

    Args:
        logits: (B, C, h, w) float32.
        mask: (B, h, w) int64, `labels.MASK_IGNORED` is left out.
        class_weights: of the mask's classes; None: ones.
        view: how the network's classes look in the mask's label set; None: they are the same.
    """
    known = mask[mask != MASK_IGNORED]
    if view is None or view.is_identity:
        total = F.cross_entropy(
            logits, mask, class_weights, ignore_index=MASK_IGNORED, reduction="sum"
        )
    else:
        scores = view.merge_exclusive(logits)
        total = F.nll_loss(scores, mask, class_weights, ignore_index=MASK_IGNORED, reduction="sum")
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

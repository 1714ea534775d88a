"""Losses, each by name; their sum is what is minimised."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bev_semseg_ros.config import LossConfig
from bev_semseg_ros.model.network import Network, Outputs
from bev_semseg_ros.model.targets import Targets
from bev_semseg_ros.taxonomy import IGNORE

DIRECTION_WEIGHT = 0.3  # of sin yaw, cos yaw: front and back are often undecidable


def losses(
    outputs: Outputs, targets: Targets, config: LossConfig, class_weights: Tensor | None = None
) -> dict[str, Tensor]:
    """Weighted losses that the outputs and the truth allow: `heatmap`, `regression`, `segmentation`; add them up.

    class_weights (13,) float32 of the cross entropy, see `class_weights_from_counts`.
    """
    found = {}
    if outputs.heatmap is not None:
        positives = (targets.heatmap == 1).sum().clamp_min(1)
        found["heatmap"] = (
            focal_loss(outputs.heatmap, targets.heatmap, targets.negative_weight) / positives
        )
        regression = outputs.regression.permute(0, 2, 3, 1).reshape(
            -1, outputs.regression.shape[1]
        )[targets.cells]
        error = (regression.float() - targets.values).abs()
        error = error[:, :8].sum(1) + DIRECTION_WEIGHT * error[:, 8:].sum(1)
        found["regression"] = (
            config.regression_weight
            * (error * targets.weights).sum()
            / targets.weights.sum().clamp_min(1)
        )
    if outputs.segmentation is not None and targets.mask is not None:
        found["segmentation"] = config.segmentation_weight * segmentation_loss(
            outputs.segmentation, targets.mask, class_weights
        )
    return found


def focal_loss(logits: Tensor, truth: Tensor, negative_weight: Tensor) -> Tensor:
    """Penalty-reduced focal loss (Law & Deng 2018, alpha 2, beta 4), summed.

    logits and truth (B, K, X, Y), negative_weight (B, X, Y).
    """
    logits = logits.float()
    score = torch.sigmoid(logits)
    positive = (1 - score) ** 2 * F.softplus(-logits)
    negative = score**2 * F.softplus(logits) * (1 - truth) ** 4 * negative_weight[:, None]
    return torch.where(truth == 1, positive, negative).sum()


def segmentation_loss(logits: Tensor, mask: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Weighted mean cross entropy of logits (B, C, h/4, w/4), upsampled twice, against a mask (B, h/2, w/2).

    At a quarter of the pixels it costs a quarter and, the logits being smooth, teaches the same.
    Zero if all is ignored.
    """
    logits = F.interpolate(logits.float(), scale_factor=2, mode="bilinear")[
        ..., : mask.shape[1], : mask.shape[2]
    ]
    total = F.cross_entropy(logits, mask, class_weights, ignore_index=IGNORE, reduction="sum")
    known = mask[mask != IGNORE]
    weight = known.new_tensor(len(known)) if class_weights is None else class_weights[known].sum()
    return total / weight.clamp_min(1)


def class_weights_from_counts(counts: np.ndarray, config: LossConfig) -> Tensor:
    """(C,) float32 weights 1 / sqrt(share), one on the average pixel, clamped; from pixels (C,) of each class."""
    share = np.maximum(counts, 1) / max(counts.sum(), 1)
    weights = share**-0.5
    weights = weights / (weights * share).sum()
    return torch.tensor(
        np.clip(weights, config.class_weight_min, config.class_weight_max), dtype=torch.float32
    )


def unweight(network: Network, class_weights: Tensor, share: float) -> None:
    """Take `share` of what class weights did to the segmentation's odds back, in place: 0 nothing, 1 all of it.

    Weighted training multiplies a class's odds by its weight, which finds rare classes and draws them too wide; the
    bias of the logits undoes it (logit adjustment, Menon et al. 2021). Raises ValueError for a share outside of 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"unweight: expected a share of 0 to 1, got {share}")
    bias = network.camera.segmentation.logits.bias
    with torch.no_grad():
        bias -= share * class_weights.to(bias).log()

"""The detection losses: a focal loss of the heatmap and an L1 loss of the regression."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.detection.head import DIRECTION
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.task import Targets

DIRECTION_WEIGHT = 0.3  # front and back often cannot be told apart


def heatmap_loss(logits: Tensor, heatmaps: Targets, labels: LabelSet) -> Tensor:
    """Return the focal loss per object of a batch.

    Args:
        logits: (B, N, X, Y) logits of the network's classes.
        heatmaps: `heatmaps` of `collate_boxes`. A merged class is present if one of its members is.
        labels: label set of the network.
    """
    total, positives = logits.new_zeros(()), logits.new_zeros(())
    for truth_labels, ground_truth in heatmaps.items():
        view = view_of(labels, truth_labels)
        ours = (
            logits if len(ground_truth["frames"]) == len(logits) else logits[ground_truth["frames"]]
        )
        if not view.is_identity:
            ours = view.merge_independent(ours.float())
        total = total + focal_loss(ours, ground_truth["heatmap"], ground_truth["negative_weight"])
        positives = positives + (ground_truth["heatmap"] == 1).sum()
    return total / positives.clamp_min(1)


def focal_loss(logits: Tensor, ground_truth: Tensor, negative_weight: Tensor) -> Tensor:
    """Return the summed penalty-reduced focal loss (Law & Deng 2018, alpha 2, beta 4).

    Args:
        logits: (B, K, X, Y).
        ground_truth: (B, K, X, Y) float, one at centres.
        negative_weight: (B, X, Y) weight of cells that are not centres.
    """
    logits = logits.float()
    score = torch.sigmoid(logits)
    positive = (1 - score) ** 2 * F.softplus(-logits)
    negative = score**2 * F.softplus(logits) * (1 - ground_truth) ** 4 * negative_weight[:, None]
    return torch.where(ground_truth == 1, positive, negative).sum()


def regression_loss(regression: Tensor, targets: Targets) -> Tensor:
    """Return the weighted mean L1 loss at the cells of the objects.

    Args:
        regression: (B, 10, X, Y).
        targets: targets of `collate_boxes`.
    """
    cells = regression.permute(0, 2, 3, 1).reshape(-1, regression.shape[1])[targets["cells"]]
    error = (cells.float() - targets["values"]).abs()
    undirected, direction = error[:, : DIRECTION.start], error[:, DIRECTION]
    error = undirected.sum(1) + DIRECTION_WEIGHT * direction.sum(1)
    return (error * targets["weights"]).sum() / targets["weights"].sum().clamp_min(1)

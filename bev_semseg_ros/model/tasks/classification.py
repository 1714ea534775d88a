"""The common part of the tasks that give a class to each pixel, cell or point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import Config
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.model.tasks.class_weights import ClassWeights, trained_weights
from bev_semseg_ros.model.tasks.label_view import LabelView, view_of
from bev_semseg_ros.model.tasks.lovasz import lovasz_softmax
from bev_semseg_ros.model.tasks.task import Head, Task

# The Lovász loss is estimated from at most so many labels of a batch, chosen at random. It sorts
# them for each class.
MOST_SORTED = 20_000


class ClassificationTask(Task):
    """Base class of tasks whose loss is a cross entropy with class weights.

    With `loss.lovasz_weight`, the Lovász loss is added.

    A subclass counts the labelled pixels, cells or points of each class in `observe`.

    Attributes:
        counts_key: key of these counts in the `info` of a checkpoint.
        class_weights: the counts, and the weights computed from them.
    """

    counts_key: ClassVar[str]
    labels: LabelSet

    def __init__(self, config: Config, labels: LabelSet | None) -> None:
        if labels is None:
            raise ValueError(f"labels.{self.name}: the task {self.name} needs a label set")
        super().__init__(config, labels)
        self.class_weights = ClassWeights(labels, config.loss)

    def mean_loss(self, labelled: Iterable[tuple[LabelSet, Tensor, Tensor]]) -> Tensor:
        """Return the loss of a batch: the weighted mean over all labels.

        Args:
            labelled: for each label set: the set, logits (B, N, ...) float32 of the network's
                classes, and labels (B, ...) int64, of which `labels.MASK_IGNORED` is ignored.
        """
        totals, weights, lovasz = [], [], []
        for labels, logits, classes in labelled:
            view = view_of(self.labels, labels)
            class_weights = self.class_weights.seen_through(view, logits.device)
            total, weight = _cross_entropy(logits, classes, class_weights, view)
            totals.append(total)
            weights.append(weight)
            if self.config.loss.lovasz_weight:
                lovasz.append(weight * _lovasz(logits, classes, view))
        all_weights = torch.stack(weights).sum().clamp_min(1)
        loss = torch.stack(totals).sum() / all_weights
        if lovasz:
            mean = torch.stack(lovasz).sum() / all_weights
            loss = loss + self.config.loss.lovasz_weight * mean
        return loss

    def adjust_logits(self, head: Head, info: Mapping[str, Any], share: float) -> bool:
        """Adjust the bias of the logits, see `_adjust_logits`."""
        weights = trained_weights(info, self.counts_key, self.config.loss)
        for layer in head.class_layers:
            _adjust_logits(getattr(head, layer), weights, share)
        return True

    def statistics(self) -> dict[str, Any]:
        """Return the counts of the classes under `counts_key`."""
        return {self.counts_key: self.class_weights.counts()}

    def begin_training(self, info: Mapping[str, Any]) -> None:
        """Weight the classes by the counts under `counts_key`.

        Raises:
            ValueError: all counts are 0.
        """
        counts = info[self.counts_key]
        if not any(counts):
            raise ValueError(
                f"{self.name}: all labels that were examined are ignored (as {MASK_IGNORED} in a "
                "mask); check the labels, or leave this task out of training.tasks"
            )
        self.class_weights.fix(counts)


def _cross_entropy(
    logits: Tensor, classes: Tensor, class_weights: Tensor | None, view: LabelView
) -> tuple[Tensor, Tensor]:
    """Return the sum of the weighted cross entropy and the sum of the weights over all labels.

    Args:
        logits: (B, N, ...) float32 logits of the network's classes.
        classes: (B, ...) int64 labels; `labels.MASK_IGNORED` is ignored.
        class_weights: (M,) weights of the labels' classes; None: all one.
        view: maps the network's classes to the label set of `classes`.
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


def _lovasz(logits: Tensor, classes: Tensor, view: LabelView) -> Tensor:
    """Return the Lovász loss of at most MOST_SORTED labels; arguments as in `_cross_entropy`."""
    known = classes != MASK_IGNORED
    logits, classes = logits.movedim(1, -1)[known], classes[known]
    if len(classes) > MOST_SORTED:
        # Always the same ones, so that a resumed training continues as an uninterrupted one.
        random = torch.Generator().manual_seed(0)
        chosen = torch.randint(len(classes), (MOST_SORTED,), generator=random).to(classes.device)
        logits, classes = logits[chosen], classes[chosen]
    scores = F.log_softmax(logits, 1) if view.is_identity else view.merge_exclusive(logits)
    return lovasz_softmax(scores, classes)


def _adjust_logits(logits: nn.Conv2d | nn.Linear, class_weights: Tensor, share: float) -> None:
    """Undo, in place, a fraction of the effect of class weights on the odds of the classes.

    Training with class weights multiplies the odds of a class by its weight. Rare classes are then
    found, but their areas are too large. Logit adjustment (Menon et al. 2021) corrects this in the
    bias of the logits.

    Args:
        logits: the last layer.
        class_weights: (C,) weights that it was trained with.
        share: fraction of the effect to undo, 0 to 1.

    Raises:
        ValueError: `share` is outside 0..1, or the layer has no bias.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"logit adjustment: expected a share of 0 to 1, got {share}")
    if logits.bias is None:
        raise ValueError("logit adjustment: the last layer has no bias")
    with torch.no_grad():
        logits.bias -= share * class_weights.to(logits.bias).log()

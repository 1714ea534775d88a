"""What the tasks share that give a class to each pixel, cell or point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from bev_semseg_ros.config import Config
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.class_weights import ClassWeights, trained_weights
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.segmentation.loss import adjust_logits, cross_entropy
from bev_semseg_ros.model.tasks.task import Head, Task


class ClassificationTask(Task):
    """A task that is trained by a cross entropy with weights against rare classes.

    A subclass counts the labelled places of each class in `observe`.

    Attributes:
        counts_key: key of these counts in the `info` of a checkpoint.
        class_weights: the counts, and the weights made of them.
    """

    counts_key: ClassVar[str]
    labels: LabelSet

    def __init__(self, config: Config, labels: LabelSet | None) -> None:
        if labels is None:
            raise ValueError(f"labels.{self.name}: the task {self.name} needs a label set")
        super().__init__(config, labels)
        self.class_weights = ClassWeights(labels, config.loss)

    def mean_cross_entropy(self, labelled: Iterable[tuple[LabelSet, Tensor, Tensor]]) -> Tensor:
        """Return the weighted mean cross entropy of all labelled places of a batch.

        Args:
            labelled: for each label set the set, logits (B, N, ...) float32 of the network's
                classes, and the labels (B, ...) int64; `labels.MASK_IGNORED` is left out.
        """
        totals, weights = [], []
        for labels, logits, classes in labelled:
            view = view_of(self.labels, labels)
            class_weights = self.class_weights.seen_through(view, logits.device)
            total, weight = cross_entropy(logits, classes, class_weights, view)
            totals.append(total)
            weights.append(weight)
        return torch.stack(totals).sum() / torch.stack(weights).sum().clamp_min(1)

    def adjust_logits(self, head: Head, info: Mapping[str, Any], share: float) -> bool:
        """Adjust the bias of the logits (Menon et al. 2021), see `segmentation.loss`."""
        weights = trained_weights(info, self.counts_key, self.config.loss)
        for layer in head.class_layers:
            adjust_logits(getattr(head, layer), weights, share)
        return True

    def statistics(self) -> dict[str, Any]:
        """Return the labelled places of each class under `counts_key`."""
        return {self.counts_key: self.class_weights.counts()}

    def begin_training(self, info: Mapping[str, Any]) -> None:
        """Weight the classes by the counts under `counts_key`."""
        self.class_weights.fix(info[self.counts_key])

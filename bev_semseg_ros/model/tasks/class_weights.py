"""Counts of the classes in the labels, and class weights that favour rare classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bev_semseg_ros.config import LossConfig
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.model.tasks.label_view import LabelView, view_of


class ClassWeights:
    """Counts the labelled pixels, cells or points of each class, and computes class weights."""

    def __init__(self, labels: LabelSet, config: LossConfig) -> None:
        """Start without labels and without weights.

        Args:
            labels: label set of the network.
            config: settings with the limits of the weights.
        """
        self._labels, self._config = labels, config
        self._counts = np.zeros(len(labels))
        self._weights: Tensor | None = None

    def count(self, classes: np.ndarray, labels: LabelSet) -> None:
        """Count the labels of each class; a merged class is divided equally among its members.

        Args:
            classes: (...) uint8 class indices in `labels`.
            labels: label set of the classes.
        """
        view = view_of(self._labels, labels)
        counts = np.bincount(classes.ravel(), minlength=256)
        table = labels.mask_table(view.shared)
        for number in range(len(view.shared)):
            members = view.members(number)
            if members:
                self._counts[members] += counts[table == number].sum() / len(members)

    def counts(self) -> list[int]:
        """Return the count of each class."""
        return np.rint(self._counts).astype(np.int64).tolist()

    def fix(self, counts: Any) -> None:
        """Compute the class weights from counts (N,)."""
        self._counts = np.array(counts, np.float64)
        self._weights = class_weights_from_counts(self._counts, self._config)

    def seen_through(self, view: LabelView, device: torch.device) -> Tensor | None:
        """Return the weights of the shared classes of a view; None before `fix`.

        The weight of a merged class is the mean of its members' weights, weighted by their counts.
        """
        if self._weights is None:
            return None
        weights = self._weights
        if not view.is_identity:
            counts = np.maximum(self._counts, 1)
            united = []
            for number in range(len(view.shared)):
                members = view.members(number)
                share = counts[members] / max(counts[members].sum(), 1)
                united.append(float((share * weights.numpy()[members]).sum()))
            weights = torch.tensor(united, dtype=torch.float32)
        return weights.to(device)


def class_weights_from_counts(counts: np.ndarray, config: LossConfig) -> Tensor:
    """Return (C,) float32 weights 1 / sqrt(frequency), with a mean of one over all labels, clamped.

    Args:
        counts: (C,) number of labelled pixels, cells or points of each class.
        config: settings with the limits.
    """
    share = np.maximum(counts, 1) / max(counts.sum(), 1)
    weights = share**-0.5
    weights = weights / (weights * share).sum()
    clamped = np.clip(weights, config.class_weight_min, config.class_weight_max)
    return torch.tensor(clamped, dtype=torch.float32)


def trained_weights(info: Mapping[str, Any], key: str, config: LossConfig) -> Tensor:
    """Return the class weights that a checkpoint was trained with.

    Args:
        info: `info` of the checkpoint.
        key: key of the class counts there.
        config: settings with the limits of the weights.

    Raises:
        ValueError: `info` has no class counts.
    """
    if key not in info:
        raise ValueError(
            "has no class counts, which only the checkpoint of a run that trained the task has; "
            "leave out the logit adjustment"
        )
    return class_weights_from_counts(np.array(info[key]), config)

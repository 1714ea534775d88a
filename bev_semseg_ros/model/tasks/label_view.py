"""A network's classes in a coarser label set.

A network can be trained with labels of another set if both sets map to a shared set, which may be
one of the two or a third one. Both the labels and the outputs of the network are then mapped to the
shared set. One of its classes may merge several classes of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bev_semseg_ros.labels import LabelSet, shared_label_set


@dataclass(frozen=True, eq=False)
class LabelView:
    """Maps the classes of a network to a label set that it shares with labels.

    Attributes:
        shared: the shared label set.
        from_network: (N,) index in `shared` of each of the network's classes; below 0: none.
        is_identity: True if the network's set is the shared one.
    """

    shared: LabelSet
    from_network: np.ndarray
    is_identity: bool

    def members(self, number: int) -> list[int]:
        """Return the indices of the network's classes that a class of the shared set merges."""
        return [int(index) for index in np.flatnonzero(self.from_network == number)]

    def merge_exclusive(self, logits: Tensor) -> Tensor:
        """Return log-probabilities of the shared classes, for mutually exclusive classes.

        The probability of a shared class is the sum of those of its members.

        Args:
            logits: (B, N, ...) logits of a softmax over the network's classes.

        Returns:
            (B, M, ...) log-probabilities; a large negative number for a class without members.
        """
        scores = F.log_softmax(logits, 1)
        merged = [self._log_sum(scores, number) for number in range(len(self.shared))]
        return torch.stack(merged, 1)

    def _log_sum(self, scores: Tensor, number: int) -> Tensor:
        members = self.members(number)
        if not members:
            return torch.full_like(scores[:, 0], -30.0)
        if len(members) == 1:
            return scores[:, members[0]]
        return torch.logsumexp(scores[:, members], 1)

    def merge_independent(self, logits: Tensor) -> Tensor:
        """Return logits of the shared classes, for classes that are detected independently.

        A shared class is present if any of its members is: p = 1 - prod(1 - p_i). With S the sum
        of softplus(l_i), 1 - p = exp(-S), and the logit of p is log(exp(S) - 1).

        Args:
            logits: (B, N, ...) logits of one sigmoid for each of the network's classes.

        Returns:
            (B, M, ...) logits; a large negative number for a class without members.
        """
        merged = [self._any_of(logits, number) for number in range(len(self.shared))]
        return torch.stack(merged, 1)

    def _any_of(self, logits: Tensor, number: int) -> Tensor:
        members = self.members(number)
        if not members:
            return torch.full_like(logits[:, 0], -30.0)
        if len(members) == 1:
            return logits[:, members[0]]
        total = F.softplus(logits[:, members]).sum(1)
        return total + torch.log(-torch.expm1(-total).clamp_max(-1e-12))


def view_of(network: LabelSet, labels: LabelSet) -> LabelView:
    """Return the view of a network's classes for labels of another set.

    Raises:
        ValueError: the label sets do not map to a shared one; the message says what to add.
    """
    view = _find_view(network, labels)
    if view is None:
        raise ValueError(
            f"labels of the set {labels.name} cannot train or score a network of {network.name}: "
            "neither maps to the other nor both to a third; train with the set of the data "
            "(setting labels.TASK), or add a mapping under `coarser` or `finer` of one of them"
        )
    return view


def shared_sets(network: LabelSet, labels: LabelSet) -> list[LabelSet]:
    """Return the sets on which a network is scored against labels of another set, finest first.

    Raises:
        ValueError: the label sets do not map to a shared one; the message says what to add.
    """
    finest = view_of(network, labels).shared
    shared = [finest]
    for coarser in finest.coarser_sets():
        if network.maps_to(coarser) and labels.maps_to(coarser):
            shared.append(coarser)
    return shared


@lru_cache(maxsize=64)
def _find_view(network: LabelSet, labels: LabelSet) -> LabelView | None:
    shared = shared_label_set(network, labels)
    if shared is None:
        return None
    return LabelView(shared, network.mapping_to(shared), shared is network)

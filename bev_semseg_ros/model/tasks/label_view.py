"""A network's classes seen through a coarser label set.

Labels of another set than the network's train it where both map to a third, shared set: the labels
are brought there, and so are the network's outputs, each class of the shared set uniting some of
the network's.
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
    """How labels of one set and a network of another meet.

    Attributes:
        shared: the set in which they meet.
        from_network: (N,) number of each of the network's classes there; below 0: none.
        is_identity: True if the network's set is the shared one.
    """

    shared: LabelSet
    from_network: np.ndarray
    is_identity: bool

    def members(self, number: int) -> list[int]:
        """Return the network's classes that a class of the shared set unites."""
        return [int(index) for index in np.flatnonzero(self.from_network == number)]

    def merge_exclusive(self, logits: Tensor) -> Tensor:
        """Return log-probabilities of the shared classes, of classes that exclude each other.

        A shared class's probability is the sum of its members'.

        Args:
            logits: (B, N, ...) of a softmax over the network's classes.

        Returns:
            (B, M, ...); minus infinity, as a large number, for a class without members.
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
        """Return logits of the shared classes, of classes that are detected independently.

        A shared class is there if any of its members is: p = 1 - prod(1 - p_i). With S the sum of
        softplus(l_i), 1 - p = exp(-S), and the logit of p is log(exp(S) - 1).

        Args:
            logits: (B, N, ...) of one sigmoid for each of the network's classes.

        Returns:
            (B, M, ...); a large negative number for a class without members.
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
    """Return how a network's classes and labels of another set meet.

    Raises:
        ValueError: they share no set; the message says what to add.
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
        ValueError: they share no set; the message says what to add.
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

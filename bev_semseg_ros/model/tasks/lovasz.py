"""The Lovász-Softmax loss, a differentiable estimate of one minus the mean IoU."""

from __future__ import annotations

import torch
from torch import Tensor


def lovasz_softmax(scores: Tensor, classes: Tensor) -> Tensor:
    """Return the Lovász-Softmax loss (Berman et al. 2018), the mean over the classes in the labels.

    The cross entropy counts single labels, so a rare class hardly matters to it. The IoU of a rare
    class matters as much as that of a frequent one.

    Args:
        scores: (N, C) float32 log-probabilities.
        classes: (N,) int64 labels.

    Returns:
        A scalar; 0 without labels.
    """
    losses = [
        _loss_of_class(scores[:, number].exp(), classes == number)
        for number in classes.unique().tolist()
    ]
    return torch.stack(losses).mean() if losses else scores.sum()


def _loss_of_class(probabilities: Tensor, is_class: Tensor) -> Tensor:
    """Return the loss of one class, which at least one label has."""
    errors, order = torch.where(is_class, 1 - probabilities, probabilities).sort(descending=True)
    found = is_class[order].to(errors.dtype)
    # One minus the IoU, if the labels with the largest errors, up to each place, were all wrong.
    total = found.sum()
    jaccard = 1 - (total - found.cumsum(0)) / (total + (1 - found).cumsum(0))
    steps = torch.diff(jaccard, prepend=jaccard.new_zeros(1))
    return (errors * steps).sum()

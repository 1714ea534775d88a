"""The mean of a network's weights over the steps of a training run."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from bev_semseg_ros.model.network import Network


class WeightAverage:
    """The mean of the weights over the steps, in which step t counts about as t^power.

    The same power suits short and long runs, unlike the decay of an exponential mean
    (Shamir and Zhang 2013, "Stochastic gradient descent for non-smooth optimization": polynomial
    decay averaging).

    Attributes:
        network: copy of the network with the mean. The statistics of BatchNorm are averaged, too.
        steps: number of steps in the mean.
    """

    def __init__(self, network: Network, power: float) -> None:
        """Begin with the weights of a network, which count nothing after the first step.

        Args:
            network: network before its first step.
            power: 0 gives all steps the same weight; a higher power favours the later ones.
        """
        self.network = deepcopy(network).eval()
        self.power = power
        self.steps = 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Add the weights after a step to the mean."""
        self.steps += 1
        share = (self.power + 1) / (self.steps + self.power)
        averages = self.network.state_dict()  # the tensors of the network, not copies
        floats: tuple[list[Tensor], list[Tensor]] = [], []
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                floats[0].append(averages[key])
                floats[1].append(value)
            else:
                averages[key].copy_(value)
        torch._foreach_lerp_(*floats, share)

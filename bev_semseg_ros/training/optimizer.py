"""The optimizer of a training run: learning rate and weight decay of each weight."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW

from bev_semseg_ros.config import TrainingConfig
from bev_semseg_ros.model.network import Network


def make_optimizer(network: Network, training: TrainingConfig, is_pretrained: bool) -> AdamW:
    """Return the optimizer of all weights that are not frozen.

    Args:
        network: network to train.
        training: settings with the learning rate and the weight decay. Biases and BatchNorm have no
            weight decay.
        is_pretrained: True gives the camera encoder its own learning rate.

    Returns:
        AdamW. The `peak` of each parameter group is its highest learning rate.
    """
    trunk = {id(parameter) for parameter in network.camera.encoder.parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            peak = training.learning_rate
            if is_pretrained and id(parameter) in trunk:
                peak *= training.trunk_learning_rate
            decay = training.weight_decay if parameter.dim() > 1 else 0.0
            groups.setdefault((peak, decay), []).append(parameter)
    return AdamW(
        [
            {"params": parameters, "lr": peak, "peak": peak, "weight_decay": decay}
            for (peak, decay), parameters in groups.items()
        ],
        betas=(0.9, 0.98),
    )

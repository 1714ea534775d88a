"""The optimizer of a training run: which weights learn, how fast, and with how much decay."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW

from bev_semseg_ros.config import TrainingConfig
from bev_semseg_ros.model.network import Network


def make_optimizer(network: Network, training: TrainingConfig, is_pretrained: bool) -> AdamW:
    """Return the optimizer of all weights that are not frozen.

    Args:
        network: that is trained.
        training: its learning rate and weight decay; biases and BatchNorm have no decay.
        is_pretrained: True gives the camera encoder its own learning rate.

    Returns:
        AdamW. Each of its groups has a `peak`, the learning rate at its highest.
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

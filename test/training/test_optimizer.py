"""The optimizer: learning rates and weight decay of the parameters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.memory_dataset import TINY
from torch import nn

from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.training.optimizer import make_optimizer


def test_weights_decay_and_biases_and_batch_normalization_do_not():
    network = build_network(TINY)
    settings = replace(TINY.training, weight_decay=0.03)
    optimizer = make_optimizer(network, settings, is_pretrained=False)
    decays = {
        id(parameter): group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert decays.keys() == {id(parameter) for parameter in network.parameters()}
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert decays[id(module.weight)] == 0.03
            assert module.bias is None or decays[id(module.bias)] == 0
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert decays[id(module.weight)] == decays[id(module.bias)] == 0


@pytest.mark.parametrize(("is_pretrained", "factor"), [(True, 0.3), (False, 1.0)])
def test_only_a_pretrained_camera_encoder_has_a_learning_rate_of_its_own(is_pretrained, factor):
    network = build_network(TINY)
    optimizer = make_optimizer(network, TINY.training, is_pretrained)
    trunk = {id(parameter) for parameter in network.camera.encoder.parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            expected = TINY.training.learning_rate * (factor if id(parameter) in trunk else 1)
            assert group["peak"] == pytest.approx(expected)

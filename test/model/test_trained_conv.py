"""TrainedConv has the outputs and gradients of torch's own convolution on every processor."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bev_semseg_ros.model.layers import TrainedConv


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_outputs_and_gradients_are_those_of_torch(kernel, stride, capability, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    torch.manual_seed(0)
    ours = TrainedConv(3, 5, kernel, stride)
    torchs = nn.Conv2d(3, 5, kernel, stride, kernel // 2, bias=False)
    torchs.load_state_dict(ours.state_dict())
    gradients = []
    for conv in (ours, torchs):
        conv.to(memory_format=torch.channels_last)
        torch.manual_seed(1)
        x = torch.randn(2, 3, 9, 8).to(memory_format=torch.channels_last).requires_grad_()
        out = conv(x)
        (out * torch.randn(out.shape)).sum().backward()
        gradients.append((out, x.grad, conv.weight.grad))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_an_input_that_requires_no_gradient_is_accepted():
    conv = TrainedConv(3, 5, 3, 1)
    conv(torch.randn(1, 3, 6, 6)).sum().backward()
    assert conv.weight.grad is not None

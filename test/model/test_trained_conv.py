"""TrainedConv has the outputs and gradients of torch's own convolution on every processor."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from bev_semseg_ros.model.layers import TrainedConv

# Without the detour of TrainedConv, oneDNN damages the memory of this process.
PROGRAM = """
import torch
from bev_semseg_ros.model.layers import ResidualBlock

block = ResidualBlock(12, 24, 2).to(memory_format=torch.channels_last)
for _ in range(10):
    x = torch.randn(2, 12, 32, 288).to(memory_format=torch.channels_last)
    block(x).sum().backward()
"""


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
    # torch's own convolution would damage memory in channels_last, see PROGRAM.
    for conv, layout in ((ours, torch.channels_last), (torchs, torch.contiguous_format)):
        conv.to(memory_format=layout)
        torch.manual_seed(1)
        x = torch.randn(2, 3, 9, 8).to(memory_format=layout).requires_grad_()
        out = conv(x)
        (out * torch.randn(out.shape)).sum().backward()
        gradients.append((out, x.grad, conv.weight.grad))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_an_input_that_requires_no_gradient_is_accepted():
    conv = TrainedConv(3, 5, 3, 1)
    conv(torch.randn(1, 3, 6, 6)).sum().backward()
    assert conv.weight.grad is not None


@pytest.mark.slow
def test_a_strided_convolution_of_few_channels_is_trained_without_damage_to_memory():
    result = subprocess.run([sys.executable, "-c", PROGRAM], check=False)
    assert result.returncode == 0

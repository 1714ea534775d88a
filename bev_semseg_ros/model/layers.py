"""The three layers that several parts of the network are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvBlock(nn.Sequential):
    """Convolution without bias, BatchNorm and, unless `relu` is False, ReLU; padded so that stride 1 keeps the size."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True
    ) -> None:
        layers = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions round a shortcut (He et al. 2016, the basic block); (B, C, H, W) -> ceil(size / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvBlock(inputs, outputs, stride=stride)
        self.second = ConvBlock(outputs, outputs, relu=False)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else ConvBlock(inputs, outputs, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


def residual_stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """A residual block of stride 2 and `blocks` - 1 of stride 1."""
    return nn.Sequential(
        ResidualBlock(inputs, outputs, 2),
        *[ResidualBlock(outputs, outputs) for _ in range(blocks - 1)],
    )


class Float32Conv(nn.Conv2d):
    """A 1x1 convolution that answers in float32 whatever precision surrounds it.

    Last layers are of this kind: equal scores, which bfloat16's eight bits of mantissa produce, make twin peaks.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())

"""Layers that several parts of the network are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvBlock(nn.Sequential):
    """Convolution without bias, BatchNorm and ReLU, padded so that stride 1 keeps the size."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True
    ) -> None:
        """Build the layers.

        Args:
            inputs: channels in.
            outputs: channels out.
            kernel: its side.
            stride: its stride.
            relu: False leaves the ReLU out.
        """
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016): (B, C, H, W) -> ceil(size / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvBlock(inputs, outputs, stride=stride)
        self.second = ConvBlock(outputs, outputs, relu=False)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = ConvBlock(inputs, outputs, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


def residual_stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """Return a residual block of stride 2 and `blocks` - 1 of stride 1."""
    return nn.Sequential(
        ResidualBlock(inputs, outputs, 2),
        *[ResidualBlock(outputs, outputs) for _ in range(blocks - 1)],
    )


class Float32Conv(nn.Conv2d):
    """A 1x1 convolution that answers in float32 whatever precision surrounds it.

    Last layers are of this kind. bfloat16 has eight bits of mantissa, so that neighbouring cells
    would get equal scores, and an object two peaks.
    """

    bias: Tensor  # it always has one

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of x (B, C, H, W) in float32."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())

"""The decoder of U-Net (Ronneberger et al. 2015), down to a quarter of the image's size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bev_semseg_ros.model.layers import ConvBlock
from bev_semseg_ros.model.necks.neck import Neck, resize_to


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(ConvBlock(inputs, outputs), ConvBlock(outputs, outputs))


class Unet(Neck):
    """From C5 upwards: halve the channels, upsample, concatenate the skip, two 3x3 convolutions.

    The paper halves the channels in a transposed 2x2 convolution. Here a 1x1 convolution does this
    on the coarse map. Bilinear upsampling then resizes the map to any size of the skip connection.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__(in_channels, channels)
        *skips, top = in_channels
        half = max(channels // 2, 1)
        self.bottom = _two_convolutions(top, channels)
        self.narrow = nn.ModuleList(nn.Conv2d(channels, half, 1) for _ in skips)
        self.merge = nn.ModuleList(_two_convolutions(half + width, channels) for width in skips)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return P2 from C2..C5."""
        *skips, top = features
        x = self.bottom(top)
        for level in range(len(skips) - 1, -1, -1):
            upsampled = resize_to(self.narrow[level](x), skips[level])
            x = self.merge[level](torch.cat([upsampled, skips[level]], 1))
        return x

"""The decoder of DeepLabv3+ (Chen et al. 2018): atrous spatial pyramid pooling, then C2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.model.layers import ConvBlock, SeparableBlock
from bev_semseg_ros.model.necks.neck import Neck, resize_to

# Half of the paper's (6, 12, 18). A training crop has only 28x18 cells at 1/16 of its size, so most
# taps of a convolution of rate 18 would be in the padding.
RATES = (3, 6, 9)


class AtrousPyramid(nn.Module):
    """Combines 1x1 and atrous convolutions of several rates with the mean of the map."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.near = ConvBlock(inputs, channels, 1)
        self.far = nn.ModuleList(SeparableBlock(inputs, channels, rate) for rate in RATES)
        # Without BatchNorm, which cannot be trained with a single value per channel.
        self.context = nn.Conv2d(inputs, channels, 1)
        self.project = ConvBlock((2 + len(RATES)) * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map (B, channels, H, W) for x (B, inputs, H, W)."""
        seen = [self.near(x), *(block(x) for block in self.far)]
        context = F.relu(self.context(x.mean((2, 3), keepdim=True)))
        return self.project(torch.cat([*seen, context.expand_as(seen[0])], 1))


class DeepLab(Neck):
    """The pyramid on C4 and C5 at 1/16, upsampled and refined with C2 by separable convolutions.

    The encoder of the paper is itself atrous, so its last map is at 1/16. Here C5 is upsampled to
    the size of C4. As in the paper, C3 is not used.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__(in_channels, channels)
        low, _, high, top = in_channels
        detail = max(channels // 4, 1)  # few, so that they do not outweigh the pyramid
        self.high = ConvBlock(high, channels, 1)
        self.top = ConvBlock(top, channels, 1)
        self.pyramid = AtrousPyramid(2 * channels, channels)
        self.low = ConvBlock(low, detail, 1)
        self.refine = nn.Sequential(
            SeparableBlock(channels + detail, channels), SeparableBlock(channels, channels)
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return P2 from C2..C5."""
        low, _, high, top = features
        x = self.pyramid(torch.cat([self.high(high), resize_to(self.top(top), high)], 1))
        return self.refine(torch.cat([resize_to(x, low), self.low(low)], 1))

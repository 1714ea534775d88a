"""The BEV backbone: pillar canvas -> one feature map for the heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.model.layers import ConvBlock, residual_stage


class BevBackbone(nn.Module):
    """Canvas (B, C, X, Y) -> (B, channels, X/2, Y/2).

    Residual stages going down, then lateral 1x1 convolutions, upsampling and addition going up.

    Attributes:
        channels: number of channels of the result.
    """

    def __init__(
        self, inputs: int, widths: tuple[int, ...], blocks: tuple[int, ...], channels: int
    ) -> None:
        super().__init__()
        self.channels = channels
        self.stages = nn.ModuleList(
            residual_stage(before, after, count)
            for before, after, count in zip((inputs, *widths[:-1]), widths, blocks, strict=True)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.smooth = ConvBlock(channels, channels)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, to which the canvas is converted."""
        return next(self.parameters()).dtype

    def bottom_up(self, canvas: Tensor) -> list[Tensor]:
        """Return the features of the stages, at strides 2, 4, 8, ... of the pillars."""
        features = []
        for stage in self.stages:
            canvas = stage(canvas)
            features.append(canvas)
        return features

    def top_down(self, features: list[Tensor]) -> Tensor:
        """Return the map for the heads."""
        x = self.laterals[-1](features[-1])
        for level in range(len(features) - 2, -1, -1):
            lateral = self.laterals[level](features[level])
            x = F.interpolate(x, size=lateral.shape[-2:], mode="nearest") + lateral
        return self.smooth(x)

    def forward(self, canvas: Tensor) -> Tensor:
        """Return the map for the heads, without a fusion at the coarsest stage."""
        return self.top_down(self.bottom_up(canvas))

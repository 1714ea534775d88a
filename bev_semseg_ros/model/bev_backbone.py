"""The BEV backbone: pillar canvas -> one map at the cells of the heads."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.model.layers import ConvBlock, residual_stage


class BevBackbone(nn.Module):
    """Canvas (B, C, X, Y) -> (B, channels, X/2, Y/2): residual stages, then 1x1 laterals, upsampling and addition."""

    def __init__(
        self, inputs: int, widths: tuple[int, ...], blocks: tuple[int, ...], channels: int
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks):
            raise ValueError(
                f"model.bev_blocks: {len(blocks)} values for the {len(widths)} of model.bev_channels"
            )
        self.stages = nn.ModuleList(
            residual_stage(before, after, count)
            for before, after, count in zip((inputs, *widths[:-1]), widths, blocks, strict=True)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.smooth = ConvBlock(channels, channels)

    def bottom_up(self, canvas: Tensor) -> list[Tensor]:
        """Features of the stages: strides 2, 4, 8, ... of the pillars."""
        features = []
        for stage in self.stages:
            canvas = stage(canvas)
            features.append(canvas)
        return features

    def top_down(self, features: list[Tensor]) -> Tensor:
        x = self.laterals[-1](features[-1])
        for level in range(len(features) - 2, -1, -1):
            lateral = self.laterals[level](features[level])
            x = F.interpolate(x, size=lateral.shape[-2:], mode="nearest") + lateral
        return self.smooth(x)

    def forward(self, canvas: Tensor) -> Tensor:
        return self.top_down(self.bottom_up(canvas))

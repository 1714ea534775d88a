"""Heads: the segmentation of the image and the detection in the BEV. Last layers are in float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bev_semseg_ros.model.layers import ConvBlock, Float32Conv

REGRESSION_CHANNELS = 10  # dx, dy, z, log l, log w, log h, sin 2yaw, cos 2yaw, sin yaw, cos yaw
HEATMAP_BIAS = (
    -4.0
)  # a score of 0.02 everywhere at first: nearly all cells are empty (Lin et al. 2017, focal loss)


class SegmentationHead(nn.Module):
    """P2 (B, C, h, w) -> logits (B, classes, h, w) float32."""

    def __init__(self, inputs: int, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = ConvBlock(inputs, channels)
        self.logits = Float32Conv(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.hidden(x))


class DetectionHead(nn.Module):
    """BEV (B, C, X, Y) -> heatmap logits (B, classes, X, Y) and regression (B, 10, X, Y), float32.

    Each has `channels` hidden channels of its own; one convolution computes them together.
    """

    def __init__(self, inputs: int, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = ConvBlock(inputs, 2 * channels)
        self.heatmap = Float32Conv(channels, classes)
        self.regression = Float32Conv(channels, REGRESSION_CHANNELS)
        nn.init.constant_(self.heatmap.bias, HEATMAP_BIAS)
        nn.init.normal_(self.heatmap.weight, std=0.01)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        of_heatmap, of_regression = torch.chunk(self.hidden(x), 2, dim=1)
        return self.heatmap(of_heatmap), self.regression(of_regression)

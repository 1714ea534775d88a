"""The detection head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bev_semseg_ros.model.layers import ConvBlock, Float32Conv
from bev_semseg_ros.model.tasks.task import Head

# Channels of the regression.
OFFSET = slice(0, 2)  # dx, dy from the centre of the cell, cells
HEIGHT = slice(2, 3)  # z, metres
LOG_SIZE = slice(3, 6)  # log l, log w, log h
AXIS = slice(6, 8)  # sin 2yaw, cos 2yaw
DIRECTION = slice(8, 10)  # sin yaw, cos yaw
REGRESSION_CHANNELS = DIRECTION.stop
# An initial score of 0.02 everywhere, because nearly all cells are empty (Lin et al. 2017).
HEATMAP_BIAS = -4.0


class DetectionHead(Head):
    """BEV (B, C, X, Y) -> heatmap logits (B, classes, X, Y) and regression (B, 10, X, Y), float32.

    Each output has its own `channels` hidden channels. One convolution computes them together.
    """

    outputs = ("heatmap", "regression")
    class_layers = ("heatmap",)

    def __init__(self, inputs: int, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = ConvBlock(inputs, 2 * channels)
        self.heatmap = Float32Conv(channels, classes)
        self.regression = Float32Conv(channels, REGRESSION_CHANNELS)
        nn.init.constant_(self.heatmap.bias, HEATMAP_BIAS)
        nn.init.normal_(self.heatmap.weight, std=0.01)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return heatmap logits and regression."""
        of_heatmap, of_regression = torch.chunk(self.hidden(x), 2, dim=1)
        return self.heatmap(of_heatmap), self.regression(of_regression)

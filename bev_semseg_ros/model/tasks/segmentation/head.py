"""The head that classifies pixels, or cells of the bird's-eye view."""

from __future__ import annotations

from torch import Tensor

from bev_semseg_ros.model.layers import ConvBlock, Float32Conv
from bev_semseg_ros.model.tasks.task import Head


class SegmentationHead(Head):
    """P2 or features of the BEV (B, C, h, w) -> logits (B, classes, h, w) float32."""

    outputs = ("logits",)
    class_layers = ("logits",)

    def __init__(self, inputs: int, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = ConvBlock(inputs, channels)
        self.logits = Float32Conv(channels, classes)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits."""
        return (self.logits(self.hidden(x)),)

"""The head of the BEV segmentation."""

from __future__ import annotations

from torch import Tensor

from bev_semseg_ros.model.layers import ConvBlock, Float32Conv
from bev_semseg_ros.model.tasks.task import Head


class BevSegmentationHead(Head):
    """Features of the BEV (B, C, X, Y) -> logits (B, classes, X, Y) float32."""

    outputs = ("logits",)
    class_layers = ("logits",)

    def __init__(self, inputs: int, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = ConvBlock(inputs, channels)
        self.logits = Float32Conv(channels, classes)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits."""
        return (self.logits(self.hidden(x)),)

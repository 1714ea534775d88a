"""The head of the point segmentation."""

from __future__ import annotations

from torch import Tensor, nn

from bev_semseg_ros.model.layers import Float32Linear, PointNorm
from bev_semseg_ros.model.tasks.task import Head


class PointSegmentationHead(Head):
    """Features of points (N, C) -> logits (N, classes) float32."""

    outputs = ("logits",)
    class_layers = ("logits",)

    def __init__(self, inputs: int, channels: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, channels, bias=False)
        self.norm = PointNorm(channels)
        self.logits = Float32Linear(channels, classes)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits."""
        return (self.logits(self.norm(self.hidden(x)).relu_()),)

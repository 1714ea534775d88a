"""The interface of point encoders: the points of a batch -> features of each point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.batch import Batch


class PointEncoder(nn.Module):
    """Base class of point encoders, and the encoder "none": points have no features.

    `forward(batch: Batch) -> Tensor | None` returns (N, channels) float32 for all points of the
    batch. An encoder with features needs whole clouds: `batch.points` also holds points outside the
    grid, and `batch.rays` holds how each point was measured.

    Attributes:
        whole_clouds: True if the encoder has features, and so needs whole clouds.
        channels: number of features of a point.
        dense: dense part of the encoder, whose inputs have only a few different shapes. An engine
            may replace it by a compiled module of the same signature, which processes the rows of
            its inputs one by one. None if there is none.
    """

    whole_clouds: ClassVar[bool] = False

    def __init__(self, config: Config) -> None:
        """Build the layers.

        Args:
            config: the whole configuration.
        """
        super().__init__()
        self.channels = 0
        self.dense: nn.Module | None = None

    def example_inputs(self) -> Sequence[Tensor]:
        """Return an input of `dense` for each of its shapes, for compilation in advance."""
        return []

    def forward(self, batch: Batch) -> Tensor | None:
        """Return (N, channels), or None if there are no features."""
        return None

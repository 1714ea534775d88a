"""What a point encoder is: the points of a batch -> features of each single point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.batch import Batch


class PointEncoder(nn.Module):
    """The interface of point encoders, and the encoder "none": points have no features.

    `forward(batch: Batch) -> Tensor | None` returns (N, channels) float32 for all points of the
    batch. An encoder that has features looks at whole clouds: `batch.points` also holds what lies
    outside the grid, and `batch.rays` says how each point was measured.

    Attributes:
        whole_clouds: True if there are features.
        channels: of a point's features.
        dense: the part between points and points, a module of tensors of few shapes; an engine may
            replace it by a compiled module of the same signature, which runs row by row. None
            without.
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
        """Return an input of `dense` for each of its shapes, so that it can be compiled early."""
        return []

    def forward(self, batch: Batch) -> Tensor | None:
        """Return (N, channels), or None if there are no features."""
        return None

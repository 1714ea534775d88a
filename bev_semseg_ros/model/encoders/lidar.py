"""What a lidar encoder is: the points of a batch -> a BEV canvas."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.model.batch import Batch


class LidarEncoder(nn.Module):
    """The interface of lidar encoders.

    `forward(batch: Batch, point_features: Tensor | None) -> Tensor` takes the points of a batch and
    what the fusion adds to each of them, (N, point_channels), and returns a canvas (B, X, Y, C),
    zero where there is nothing. An encoder that works in the sensor's own frame brings the points
    back there with `batch.ego_from_lidar`.

    Attributes:
        channels: C of the canvas.
        attributes: names of `frame.POINT_ATTRIBUTES` it wants in `batch.point_attributes`.
    """

    attributes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, grid: GridConfig, point_channels: int, channels: int) -> None:
        """Keep the grid and the numbers of channels.

        Args:
            grid: the canvas has its `shape`.
            point_channels: of what the fusion adds to each point; 0: nothing.
            channels: of the canvas.
        """
        super().__init__()
        self.grid = grid
        self.point_channels = point_channels
        self.channels = channels

    def fit_weight(self, name: str, value: Tensor, shared_channels: int = 0) -> Tensor | None:
        """Fit a weight of a checkpoint that has another shape here, or other features as inputs.

        Args:
            name: of the weight within this encoder.
            value: as the checkpoint has it.
            shared_channels: how many of the first point features are known to be the same there and
                here.

        Returns:
            The fitted weight, or None if it cannot be carried over without guessing.
        """
        return None

    def forward(self, batch: Batch, point_features: Tensor | None) -> Tensor:
        """Return the canvas (B, X, Y, C)."""
        raise NotImplementedError

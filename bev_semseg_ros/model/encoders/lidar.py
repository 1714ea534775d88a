"""The interface of lidar encoders: the points of a batch -> a BEV canvas."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.model.batch import Batch


class LidarEncoder(nn.Module):
    """Base class of lidar encoders.

    `forward(batch: Batch, point_features: Tensor | None) -> Tensor` takes the points of a batch and
    additional features of each point, (N, point_channels). It returns a canvas (B, X, Y, C) that is
    zero in empty cells. An encoder that works in the frame of the lidar can transform the points
    back to it with `batch.ego_from_lidar`.

    Attributes:
        channels: number of channels C of the canvas.
        attributes: names of `frame.POINT_ATTRIBUTES` that it needs in `batch.point_attributes`.
    """

    attributes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, grid: GridConfig, point_channels: int, channels: int) -> None:
        """Store the grid and the numbers of channels.

        Args:
            grid: BEV grid; the canvas has its `shape`.
            point_channels: number of additional features of each point; 0: none.
            channels: number of channels of the canvas.
        """
        super().__init__()
        self.grid = grid
        self.point_channels = point_channels
        self.channels = channels

    def fit_weight(self, name: str, value: Tensor, shared_channels: int = 0) -> Tensor | None:
        """Fit a weight of a checkpoint whose shape or input features differ from this encoder's.

        Args:
            name: name of the weight within this encoder.
            value: weight of the checkpoint.
            shared_channels: number of the first point features that are the same in the checkpoint
                and here.

        Returns:
            The fitted weight, or None if it cannot be carried over without guessing.
        """
        return None

    def forward(self, batch: Batch, point_features: Tensor | None) -> Tensor:
        """Return the canvas (B, X, Y, C)."""
        raise NotImplementedError

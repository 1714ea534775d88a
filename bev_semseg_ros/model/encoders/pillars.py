"""The pillar encoder, which limits neither the number of pillars nor that of their points."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.encoders.lidar import LidarEncoder
from bev_semseg_ros.model.layers import PointNorm

# x, y, z, intensity; offset x, y to the cell's centre; offset x, y, z to the pillar's mean;
# logarithm of the number of points.
GEOMETRY_CHANNELS = 10


class PillarEncoder(LidarEncoder):
    """Dynamic pillars: a linear layer per point, then the maximum per pillar.

    Sources: Lang et al. 2019 (PointPillars), Zhou et al. 2019 (dynamic voxelization).
    """

    def __init__(self, grid: GridConfig, point_channels: int, channels: int) -> None:
        super().__init__(grid, point_channels, channels)
        self.linear = nn.Linear(GEOMETRY_CHANNELS + point_channels, channels, bias=False)
        self.norm = PointNorm(channels)

    def fit_weight(self, name: str, value: Tensor, shared_channels: int = 0) -> Tensor | None:
        """Keep the inputs for geometry and shared features; all others get weights of zero."""
        wanted = self.linear.weight
        if name != "linear.weight" or len(value) != len(wanted):
            return None
        known = GEOMETRY_CHANNELS + shared_channels
        if value.shape[1] < known:
            return None
        return torch.cat(
            [value[:, :known], value.new_zeros(len(value), wanted.shape[1] - known)], 1
        )

    def forward(self, batch: Batch, point_features: Tensor | None) -> Tensor:
        """Return the canvas (B, X, Y, channels), zero in cells without points.

        Args:
            batch: batch whose points are all inside the grid.
            point_features: (N, point_channels) additional features of the points; None: none.
        """
        points = batch.points
        size_x, size_y = self.grid.shape
        shape = (len(batch), size_x, size_y, self.channels)
        if not len(points):
            return points.new_zeros(shape)
        position = (
            points[:, :2] - points.new_tensor([self.grid.x_min, self.grid.y_min])
        ) / self.grid.cell
        x, y = position.long().unbind(1)
        # float32 may round a point onto the far edge.
        cell = torch.stack([x.clamp(0, size_x - 1), y.clamp(0, size_y - 1)], 1)
        key = (batch.point_batch * size_x + cell[:, 0]) * size_y + cell[:, 1]
        # Counting over all cells and numbering the occupied ones is cheaper than sorting the keys.
        count = torch.bincount(key, minlength=len(batch) * size_x * size_y)
        occupied = count.nonzero()[:, 0]
        number = torch.empty_like(count)
        number[occupied] = torch.arange(len(occupied), device=key.device)
        pillar = number[key]
        features = self._features(points, position - cell - 0.5, pillar, count[occupied])
        if point_features is not None:
            features = torch.cat([features, point_features], 1)
        features = F.relu(self.norm(self.linear(features)))
        maximum = features.new_zeros(len(occupied), self.channels)  # nothing is below 0: ReLU
        maximum = maximum.scatter_reduce(
            0, pillar[:, None].expand(-1, self.channels), features, "amax"
        )
        return (
            maximum.new_zeros(len(count), self.channels)
            .index_copy_(0, occupied, maximum)
            .view(shape)
        )

    @staticmethod
    def _features(points: Tensor, offset: Tensor, pillar: Tensor, count: Tensor) -> Tensor:
        """Return (N, 10) geometry of each point: the input of the linear layer.

        Args:
            points: (N, 4) x, y, z, metres, and intensity 0..1.
            offset: (N, 2) offset from the cell's centre, in cells.
            pillar: (N,) index of each point's pillar.
            count: (P,) number of points of each pillar.
        """
        sums = points.new_zeros(len(count), 3).index_add_(0, pillar, points[:, :3])
        count = count.to(points.dtype)
        mean = (sums / count[:, None])[pillar]
        return torch.cat(
            [
                points[:, :1] / 40,
                points[:, 1:2] / 20,
                points[:, 2:3],
                2 * points[:, 3:4],
                1.6 * offset,
                points[:, :3] - mean,
                (0.3 * count.log())[pillar, None],
            ],
            1,
        )

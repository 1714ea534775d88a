"""The pillar encoder: points -> a canvas of pillar features. Nothing is capped, padded or looped over."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import GridConfig

GEOMETRY_CHANNELS = 10  # x, y, z, intensity; 2 offsets to the cell's centre; 3 to the pillar's mean; number of points


class PillarEncoder(nn.Module):
    """Dynamic pillars (Zhou et al. 2019; Lang et al. 2019): a linear layer per point, the maximum per pillar."""

    def __init__(self, grid: GridConfig, extra_channels: int, channels: int) -> None:
        super().__init__()
        self.grid = grid
        self.channels = channels
        self.linear = nn.Linear(GEOMETRY_CHANNELS + extra_channels, channels, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(
        self, points: Tensor, point_batch: Tensor, batch_size: int, extra: Tensor | None = None
    ) -> Tensor:
        """Points (N, 4) inside the grid, their frames (N,) and image features (N, extra_channels) ->
        canvas (B, X, Y, channels), zero where no point lies."""
        size_x, size_y = self.grid.shape
        shape = (batch_size, size_x, size_y, self.channels)
        if not len(points):
            return points.new_zeros(shape)
        position = (
            points[:, :2] - points.new_tensor([self.grid.x_min, self.grid.y_min])
        ) / self.grid.cell
        x, y = position.long().unbind(1)
        cell = torch.stack(
            [x.clamp(0, size_x - 1), y.clamp(0, size_y - 1)], 1
        )  # float32 may round onto the far edge
        key = (point_batch * size_x + cell[:, 0]) * size_y + cell[:, 1]
        # Counting over all cells and numbering the occupied ones is cheaper than sorting the keys.
        count = torch.bincount(key, minlength=batch_size * size_x * size_y)
        occupied = count.nonzero()[:, 0]
        number = torch.empty_like(count)
        number[occupied] = torch.arange(len(occupied), device=key.device)
        pillar = number[key]
        features = self._features(points, position - cell - 0.5, pillar, count[occupied])
        if extra is not None:
            features = torch.cat([features, extra], 1)
        features = F.relu(self.norm(self.linear(features)))
        maximum = features.new_zeros(len(occupied), self.channels)  # ReLU: nothing is below zero
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
        """(N, 10): what the linear layer sees of each point; `offset` to the cell's centre is in cells."""
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

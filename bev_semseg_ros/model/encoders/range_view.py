"""The range view: a 2D network on the spherical images of the lidar units.

Range images are used as in RangeNet++ (Milioto et al. 2019). As in KPRNet (Kochanov et al. 2020),
points sample features from the map of their image and refine them with their own values, so that
points in the same pixel can have different features.

The azimuth of a point is not an input. So what the network learns ahead of the vehicle, where masks
label the points, is also valid beside and behind it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.bev_backbone import BevBackbone
from bev_semseg_ros.model.encoders.points import PointEncoder
from bev_semseg_ros.model.encoders.spherical_image import ROWS, WIDTHS, SphericalImages
from bev_semseg_ros.model.layers import ConvBlock, PointNorm, ResidualBlock

# Logarithm of the range, range, height above the ground, slope, intensity; 1 if there is a point.
PIXEL_CHANNELS = 6
# The same without the last, and how much farther away the point is than the nearest of its pixel.
REFINEMENT_CHANNELS = 6
# Channels at strides 2, 4 and 8, and those of their combined result, as multiples of the map's.
COARSE_WIDTHS = (1.5, 3.0, 4.0)
COARSE_BLOCKS = (2, 2, 2)
COARSE_RESULT = 1.5
# The more the nearest range of a cell differs from that of a point, the lower its weight. A
# difference of half a metre plus 5 % of the range reduces it to about a third. Otherwise the
# features of a pole would bleed into the wall behind it.
EDGE, EDGE_SHARE = 0.5, 0.05
LEAST = 1e-3  # added to each weight, for points whose range differs from those of all cells


class RangeNetwork(nn.Module):
    """Images (B, ROWS, w, PIXEL_CHANNELS) -> a map (B, ROWS, w / 2, channels).

    Two neighbouring columns become one cell with twice the channels, so that no point is lost.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = ConvBlock(2 * PIXEL_CHANNELS, channels)
        self.fine = ResidualBlock(channels, channels)
        widths = tuple(math.ceil(factor * channels) for factor in COARSE_WIDTHS)
        result = math.ceil(COARSE_RESULT * channels)
        self.coarse = BevBackbone(channels, widths, COARSE_BLOCKS, result)
        self.lateral = nn.Conv2d(result, channels, 1)
        self.smooth = ConvBlock(channels, channels)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Return the map, as a tuple of one."""
        count, rows, columns, channels = image.shape
        x = image.reshape(count, rows, columns // 2, 2 * channels).permute(0, 3, 1, 2)
        fine = self.fine(self.stem(x.to(self.lateral.weight.dtype)))
        coarse = self.lateral(self.coarse(fine))
        coarse = F.interpolate(coarse, size=fine.shape[-2:], mode="nearest")
        return (self.smooth(fine + coarse).permute(0, 2, 3, 1),)


class RangeView(PointEncoder):
    """Features of points from the spherical image of their unit."""

    whole_clouds = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.channels = config.model.point_channels
        self.dense = RangeNetwork(self.channels)
        self.refine = nn.Linear(self.channels + REFINEMENT_CHANNELS, self.channels, bias=False)
        self.norm = PointNorm(self.channels)

    def example_inputs(self) -> Sequence[Tensor]:
        """Return an empty image of each width."""
        return [torch.zeros(1, ROWS, width, PIXEL_CHANNELS) for width in WIDTHS]

    def forward(self, batch: Batch) -> Tensor:
        """Return the features (N, channels) of all points of the batch."""
        rays = batch.rays
        assert rays is not None, "the batch was made without rays"
        if not len(batch.points):
            return batch.points.new_zeros(0, self.channels)
        images = SphericalImages.of(rays)
        seen = _inputs(images, batch)
        features = self._sample(images, self._maps(images, seen))
        farther = images.ranges - images.ranges[images.winners[images.pixels()]]
        own = torch.cat([seen[:, :-1], (farther / 2).clamp_max(3)[:, None]], 1)
        refined = self.norm(self.refine(torch.cat([features, own], 1)))
        return F.relu(refined).float()

    def _maps(self, images: SphericalImages, seen: Tensor) -> Tensor:
        """Return the maps of all images, in order, flattened to (cells, channels)."""
        assert self.dense is not None
        pixels = seen.new_zeros(len(images.winners), PIXEL_CHANNELS)
        occupied = (images.winners >= 0).nonzero()[:, 0]
        pixels[occupied] = seen[images.winners[occupied]]
        maps, start = [], 0
        for width, count in zip(WIDTHS, images.counts, strict=True):
            if count:
                end = start + count * ROWS * width
                (answer,) = self.dense(pixels[start:end].view(count, ROWS, width, PIXEL_CHANNELS))
                maps.append(answer.reshape(-1, self.channels))
                start = end
        return maps[0] if len(maps) == 1 else torch.cat(maps)

    @staticmethod
    def _sample(images: SphericalImages, maps: Tensor) -> Tensor:
        """Return the features (N, channels) of the cells around each point, weighted by range."""
        nearest = images.ranges[images.winners.clamp_min(0)]
        nearest = torch.where(images.winners >= 0, nearest, torch.inf).view(-1, 2).amin(1)
        cells, shares = images.corners()
        apart = (nearest[cells] - images.ranges).abs() / (EDGE + EDGE_SHARE * images.ranges)
        weights = shares * (torch.exp(-apart) + LEAST)
        weights = weights / weights.sum(0)
        features = torch.zeros_like(maps[:1]).expand(len(images.ranges), -1).float()
        for cell, weight in zip(cells, weights, strict=True):
            features = features + weight[:, None] * maps.index_select(0, cell)
        return features


def _inputs(images: SphericalImages, batch: Batch) -> Tensor:
    """Return the inputs of the network (N, PIXEL_CHANNELS) for each point."""
    ranges = images.ranges
    return torch.stack(
        [
            ranges.log() - 2,
            (ranges / 40).clamp_max(5),
            (batch.points[:, 2] / 2).clamp(-5, 10),
            4 * images.slopes,
            2 * batch.points[:, 3].clamp(0, 1),
            torch.ones_like(ranges),
        ],
        1,
    )

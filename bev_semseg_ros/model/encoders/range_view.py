"""The range view: a 2D network on the spherical images of the lidar units.

Range images are used as in RangeNet++ (Milioto et al. 2019). As in KPRNet (Kochanov et al. 2020),
points sample features from the map of their image and refine them with their own values, so that
points in the same pixel can have different features.

A pixel also has the directions to its neighbours. They distinguish a wall from a hedge, and the
ground from the foot of an object. Convolutions can hardly compute them from ranges: differences of
centimetres are lost beside those of metres at the edges of objects.

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

# Logarithm of the range, range, height above the ground, slope, intensity.
POINT_CHANNELS = 5
# For each of four neighbours: how steeply it is above the pixel, how directly behind it, how far
# away from it; all 0 without a neighbour.
NEIGHBOUR_CHANNELS = 4 * 3
# These, and 1 if there is a point.
PIXEL_CHANNELS = POINT_CHANNELS + NEIGHBOUR_CHANNELS + 1
# The values of the point, and how much farther away it is than the nearest of its pixel.
REFINEMENT_CHANNELS = POINT_CHANNELS + 1
# Channels at strides 2, 4 and 8, and those of their combined result, as multiples of the map's.
COARSE_WIDTHS = (1.5, 3.0, 4.0)
COARSE_BLOCKS = (2, 2, 2)
COARSE_RESULT = 1.5
# The more the nearest range of a cell differs from that of a point, the lower its weight. A
# difference of half a metre plus 5 % of the range reduces it to about a third. Otherwise the
# features of a pole would bleed into the wall behind it.
EDGE, EDGE_SHARE = 0.5, 0.05
# Distance of a neighbour at which its channel is 0.5: 5 cm plus 2 % of the range.
NEARBY, NEARBY_SHARE = 0.05, 0.02
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
        own = point_inputs(images, batch)
        features = self._sample(images, self._maps(images, pixel_inputs(images, batch, own)))
        farther = images.ranges - images.ranges[images.winners[images.pixels()]]
        own = torch.cat([own, (farther / 2).clamp_max(3)[:, None]], 1)
        refined = self.norm(self.refine(torch.cat([features, own], 1)))
        return refined.relu_().float()

    def _maps(self, images: SphericalImages, pixels: Tensor) -> Tensor:
        """Return the maps of all images, in order, flattened to (cells, channels)."""
        assert self.dense is not None
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
        nearest = torch.where(images.winners >= 0, nearest, torch.inf)
        nearest = torch.minimum(nearest[::2], nearest[1::2])  # of each cell
        cells, shares = images.corners()
        apart = (nearest[cells] - images.ranges).abs() / (EDGE + EDGE_SHARE * images.ranges)
        weights = shares * (torch.exp(-apart) + LEAST)
        weights = weights / weights.sum(0)
        # The weighted sum of the four cells, in one operation.
        return F.embedding_bag(cells.T, maps.float(), per_sample_weights=weights.T, mode="sum")


def point_inputs(images: SphericalImages, batch: Batch) -> Tensor:
    """Return what the network knows of each point, (N, POINT_CHANNELS)."""
    ranges = images.ranges
    return torch.stack(
        [
            ranges.log() - 2,
            (ranges / 40).clamp_max(5),
            (batch.points[:, 2] / 2).clamp(-5, 10),
            4 * images.slopes,
            2 * batch.points[:, 3],
        ],
        1,
    )


def pixel_inputs(images: SphericalImages, batch: Batch, of_points: Tensor) -> Tensor:
    """Return what the network knows of each pixel, (P, PIXEL_CHANNELS); empty ones are 0."""
    occupied = (images.winners >= 0).nonzero()[:, 0]
    winners = images.winners[occupied]
    neighbours = images.neighbours().index_select(1, occupied)
    places = torch.cat([batch.points[:, :3], images.ranges[:, None]], 1)
    there = places.index_select(0, neighbours.clamp_min(0).view(-1)).view(4, -1, 4)
    away = there - places.index_select(0, winners)
    z, farther = away[..., 2], away[..., 3]
    length = torch.linalg.vector_norm(away[..., :3], dim=2).clamp_min(1e-3)
    nearby = length / (length + NEARBY + NEARBY_SHARE * images.ranges[winners])
    directions = torch.stack([z / length, farther / length, nearby], 2)
    directions *= (neighbours >= 0)[..., None]
    known = [of_points.index_select(0, winners), *directions, of_points.new_ones(len(winners), 1)]
    pixels = of_points.new_zeros(len(images.winners), PIXEL_CHANNELS)
    return pixels.index_copy_(0, occupied, torch.cat(known, 1))

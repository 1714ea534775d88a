"""Fusion of camera and lidar: `projective` (points take image features) or `cross_attention` (BEV asks the image).

In each a frame without an image gives exactly what lidar alone gives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import GridConfig

FUSIONS = ("projective", "cross_attention", "none")
P2_STRIDE = 4
TOKEN_STRIDE = 16


def project(image_from_ego: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (N, 2) and depth (N,) of points (N, 3) through a matrix (3, 4) or one per point (N, 3, 4)."""
    if image_from_ego.dim() == 2:
        homogeneous = points @ image_from_ego[:, :3].T + image_from_ego[:, 3]
    else:
        homogeneous = (image_from_ego[:, :, :3] @ points[:, :, None])[:, :, 0] + image_from_ego[
            :, :, 3
        ]
    depth = homogeneous[:, 2]
    return homogeneous[:, :2] / depth.clamp_min(1e-3)[:, None], depth


class ImageContext(nn.Module):
    """What the camera hands to the fusion: a map (B, C, h, w) narrowed to `outputs` -> (B, h, w, outputs).

    The 1x1 is done on the map, where it is a cheap convolution, and the rows it leaves are gathered later.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.narrow(features).permute(0, 2, 3, 1)


def gather_image_features(
    context: Tensor,
    points: Tensor,
    point_batch: Tensor,
    image_from_ego: Tensor,
    has_image: Tensor,
    image_size: tuple[int, int],
) -> Tensor:
    """Each point takes the features of the P2 cell it projects into (as PointPainting, Vora et al. 2020, takes scores).

    context (B, h/4, w/4, C), points (N, 4), image_size (h, w) -> (N, C + 1): the features and a one, or zeros for a
    point outside of the image or in a frame without one. Nearest: P2 is smooth, and a gather of rows is all it costs.
    """
    matrix = image_from_ego[0] if len(image_from_ego) == 1 else image_from_ego[point_batch]
    pixel, depth = project(matrix, points[:, :3])
    inside = (depth > 0.1) & (pixel >= -0.5).all(1) & has_image[point_batch]
    inside &= (pixel[:, 0] < image_size[1] - 0.5) & (pixel[:, 1] < image_size[0] - 0.5)
    # P2's cell i covers the pixels 4 i .. 4 i + 3, and pixel centres are integers.
    cell = torch.where(inside[:, None], (pixel + 0.5) / P2_STRIDE, 0).long()
    rows, columns = context.shape[1:3]
    index = (point_batch * rows + cell[:, 1]) * columns + cell[:, 0]
    features = context.reshape(-1, context.shape[3]).index_select(0, index).to(points.dtype)
    inside = inside[:, None].to(points.dtype)
    return torch.cat([features * inside, inside], 1)


def query_centers(grid: GridConfig, stride: int, height: float = 0.8) -> Tensor:
    """(X * Y, 3) centres of BEV cells of `stride` pillars, at `height` metres above the ground."""
    counts = [-(-size // stride) for size in grid.shape]
    x, y = (
        low + (torch.arange(count) + 0.5) * grid.cell * stride
        for low, count in zip((grid.x_min, grid.y_min), counts, strict=True)
    )
    x, y = torch.meshgrid(x, y, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, height)], -1).reshape(-1, 3)


def query_places(
    centers: Tensor, image_from_ego: Tensor, has_image: Tensor, image_size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Where BEV queries (Q, 3) look: places (B, Q, 2) in columns and rows of tokens, whether they look (B, Q, 1)."""
    height, width = image_size
    places, looks = [], []
    for matrix in image_from_ego:
        pixel, depth = project(matrix, centers)
        # The ground beside the vehicle projects below the image though what stands there is in it: some grace.
        inside = (
            (depth > 0.1)
            & (pixel[:, 0] >= -0.5)
            & (pixel[:, 0] < width - 0.5)
            & (pixel[:, 1] >= -0.5 * height)
            & (pixel[:, 1] < 1.5 * height)
        )
        places.append(torch.where(inside[:, None], (pixel + 0.5) / TOKEN_STRIDE - 0.5, 0))
        looks.append(inside)
    return torch.stack(places), (torch.stack(looks) & has_image[:, None])[..., None].float()


class TokenAttention(nn.Module):
    """BEV queries attend to camera tokens, residually: multi-head attention (Vaswani et al. 2017).

    Calibration tells a query where to look: a token counts less the farther it lies from the query's own projection,
    as a Gaussian whose width each head learns. Without that nothing is learnt in an hour.
    """

    HEADS = 4

    def __init__(self, bev_channels: int, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(bev_channels, channels, 1)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.output = nn.Conv2d(channels, bev_channels, 1)
        self.log_width = nn.Parameter(torch.linspace(0.0, 2.0, self.HEADS))  # in tokens

    def forward(self, bev: Tensor, tokens: Tensor, place: Tensor, looks: Tensor) -> Tensor:
        """bev (B, C, X, Y), tokens (B, h, w, channels), place and looks of `query_places` -> (B, C, X, Y)."""
        batch, rows, columns, channels = tokens.shape
        query = self.query(bev).flatten(2).transpose(1, 2)  # (B, Q, channels)
        tokens = tokens.reshape(batch, rows * columns, channels).to(query.dtype)
        query, key, value = (
            x.reshape(batch, -1, self.HEADS, channels // self.HEADS).transpose(1, 2)
            for x in (query, self.key(tokens), self.value(tokens))
        )
        column, row = (
            torch.arange(count, device=bev.device, dtype=place.dtype) for count in (columns, rows)
        )
        distance = (
            (place[..., 1:] - row)[..., None] ** 2 + (place[..., :1] - column)[:, :, None] ** 2
        ).flatten(2)
        bias = (
            -0.5 * distance[:, None] * torch.exp(-2 * self.log_width.to(place.dtype))[:, None, None]
        )
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        found = self.output(found.transpose(2, 3).reshape(batch, channels, *bev.shape[2:]))
        return bev + found * looks.to(found.dtype).reshape(batch, 1, *bev.shape[2:])

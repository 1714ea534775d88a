"""The cross-attention fusion: BEV queries attend to camera tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.fusion import Fusion, NarrowedMap, choose_camera

C4 = 2  # index into C2..C5
TOKEN_STRIDE = 16
QUERY_HEIGHT = 0.8  # metres above the ground: the centre of most objects


class CrossAttentionFusion(Fusion):
    """BEV queries attend to tokens of C4. Their reference points are where they project to."""

    uses_image = True
    finds_boxes_in_images = True

    def __init__(self, config: Config, camera_channels: Sequence[int]) -> None:
        super().__init__(config, camera_channels)
        if config.model.neck_channels % TokenAttention.HEADS:
            raise ValueError(
                f"model.neck_channels: {config.model.fusion} has {TokenAttention.HEADS} heads of "
                f"attention; expected a multiple of {TokenAttention.HEADS}, got "
                f"{config.model.neck_channels}"
            )
        self._c4_channels = camera_channels[C4]
        self._channels = config.model.neck_channels
        self._bev_channels = config.model.bev_channels[-1]
        centers = query_centers(config.grid, 2 ** len(config.model.bev_channels))
        self.centers: Tensor
        self.register_buffer("centers", centers, persistent=False)

    def image_part(self) -> nn.Module:
        """Build the layer that makes tokens from C4."""
        return NarrowedMap(self._c4_channels, self._channels, level=C4)

    def bev_part(self) -> nn.Module:
        """Build the attention."""
        return TokenAttention(self._bev_channels, self._channels)

    def bev_inputs(self, image_maps: Sequence[Tensor], batch: Batch) -> tuple[Tensor, ...]:
        """Return for each camera its tokens (B, h, w, C), reference points and their validity.

        A query attends to the tokens of the camera that `choose_camera` chooses for its centre.

        Raises:
            ValueError: a batch of several frames whose images differ in size.
        """
        if not image_maps:
            return ()
        count = len(self.centers)
        frames = torch.arange(len(batch), device=self.centers.device).repeat_interleave(count)
        # A centre near the vehicle may project below the image, although the image shows the object
        # there. So half of the image's height is allowed above and below.
        sight = choose_camera(batch, self.centers.repeat(len(batch), 1), frames, (0.0, 0.5))
        place = (sight.pixel + 0.5) / TOKEN_STRIDE - 0.5
        reference = torch.where(sight.seen[:, None], place, 0).view(len(batch), count, 2)
        inputs: list[Tensor] = []
        for slots in batch.image_slots.T:
            seen = sight.seen & (sight.image == slots.repeat_interleave(count))
            valid = seen.view(len(batch), count, 1).float()
            inputs += (_tokens_of(slots, image_maps), reference, valid)
        return tuple(inputs)


def _tokens_of(slots: Tensor, image_maps: Sequence[Tensor]) -> Tensor:
    """Return the tokens (B, h, w, C) of one camera of each frame, zeros for frames without it.

    Args:
        slots: (B,) index of each frame's image; -1: none.
        image_maps: (I', h, w, C) for each image size.
    """
    if len(image_maps) == 1:
        tokens = image_maps[0].index_select(0, slots.clamp_min(0))
        return tokens * (slots >= 0).to(tokens.dtype)[:, None, None, None]
    if len(slots) > 1:
        raise ValueError("cross_attention: images of one batch must have one size")
    images = [image for image_map in image_maps for image in image_map]
    return images[int(slots[0])][None]


def query_centers(grid: GridConfig, stride: int, height: float = QUERY_HEIGHT) -> Tensor:
    """Return the centres (X * Y, 3) of BEV cells, in the ego frame.

    Args:
        grid: BEV grid of the pillars.
        stride: side of a cell, in pillars.
        height: height of the centres above the ground, metres.
    """
    counts = [-(-size // stride) for size in grid.shape]
    x, y = (
        low + (torch.arange(count) + 0.5) * grid.cell * stride
        for low, count in zip((grid.x_min, grid.y_min), counts, strict=True)
    )
    x, y = torch.meshgrid(x, y, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, height)], -1).reshape(-1, 3)


class TokenAttention(nn.Module):
    """Residual multi-head attention (Vaswani et al. 2017) of BEV queries to camera tokens.

    The attention to a token decreases with its distance from the query's reference point, as a
    Gaussian whose width each head learns. Without this, nothing is learned within an hour.
    """

    HEADS = 4

    def __init__(self, bev_channels: int, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(bev_channels, channels, 1)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.output = nn.Conv2d(channels, bev_channels, 1)
        self.log_width = nn.Parameter(torch.linspace(0.0, 2.0, self.HEADS))  # in tokens

    def forward(self, bev: Tensor, *inputs: Tensor) -> Tensor:
        """Return a map like `bev`.

        Args:
            bev: (B, C, X, Y).
            *inputs: for each camera: tokens (B, h, w, channels), reference points (B, Q, 2) in
                columns and rows of tokens, with Q = X * Y, and their validity (B, Q, 1), 0.0 or
                1.0.
        """
        found = bev
        for camera in range(0, len(inputs), 3):
            tokens, reference, valid = inputs[camera : camera + 3]
            found = found + self._attend(bev, tokens, reference, valid)
        return found

    def _attend(self, bev: Tensor, tokens: Tensor, reference: Tensor, valid: Tensor) -> Tensor:
        """Return the result (B, C, X, Y) of the attention to the tokens of one camera."""
        batch, rows, columns, channels = tokens.shape
        query = self.query(bev).flatten(2).transpose(1, 2)  # (B, Q, channels)
        tokens = tokens.reshape(batch, rows * columns, channels).to(query.dtype)
        query, key, value = (
            x.reshape(batch, -1, self.HEADS, channels // self.HEADS).transpose(1, 2)
            for x in (query, self.key(tokens), self.value(tokens))
        )
        column, row = (
            torch.arange(count, device=bev.device, dtype=reference.dtype)
            for count in (columns, rows)
        )
        rows_apart = (reference[..., 1:] - row)[..., None] ** 2
        columns_apart = (reference[..., :1] - column)[:, :, None] ** 2
        distance = (rows_apart + columns_apart).flatten(2)
        sharpness = torch.exp(-2 * self.log_width.to(reference.dtype))[:, None, None]
        bias = -0.5 * distance[:, None] * sharpness
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        found = self.output(found.transpose(2, 3).reshape(batch, channels, *bev.shape[2:]))
        return found * valid.to(found.dtype).reshape(batch, 1, *bev.shape[2:])

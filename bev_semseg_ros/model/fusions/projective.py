"""The projective fusion: each point takes the image features of the place it projects to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.fusion import (
    NEAREST_DEPTH,
    Fusion,
    NarrowedMap,
    image_matrix_of_points,
    project,
)

P2_STRIDE = 4


class ProjectiveFusion(Fusion):
    """Points take features of P2, as PointPainting (Vora et al. 2020) takes scores.

    A point's features are those of P2's cell, and a one that says it was seen; zeros for a point
    outside the image or in a frame without one. The nearest cell will do: P2 is smooth, and a
    gather of rows is all it costs.
    """

    uses_image = True

    def __init__(self, config: Config, camera_channels: Sequence[int]) -> None:
        super().__init__(config, camera_channels)
        self._p2_channels = config.model.neck_channels
        self._channels = config.model.fusion_channels
        self.point_channels = self._channels + 1

    def image_part(self) -> nn.Module:
        """Build the layer that narrows P2."""
        return NarrowedMap(self._p2_channels, self._channels, level=None)

    def point_features(self, image_map: Tensor | None, batch: Batch) -> Tensor:
        """Return (N, fusion_channels + 1)."""
        points = batch.points
        if image_map is None:
            return points.new_zeros(len(points), self.point_channels)
        pixel, depth = project(image_matrix_of_points(batch), points[:, :3])
        height, width = batch.image_size
        inside = (
            (depth > NEAREST_DEPTH) & (pixel >= -0.5).all(1) & batch.has_image[batch.point_batch]
        )
        inside &= (pixel[:, 0] < width - 0.5) & (pixel[:, 1] < height - 0.5)
        # P2's cell i covers the pixels 4 i .. 4 i + 3, and pixel centres are integers.
        cell = torch.where(inside[:, None], (pixel + 0.5) / P2_STRIDE, 0).long()
        rows, columns, channels = image_map.shape[1:]
        index = (batch.point_batch * rows + cell[:, 1]) * columns + cell[:, 0]
        features = image_map.reshape(-1, channels).index_select(0, index).to(points.dtype)
        seen = inside[:, None].to(points.dtype)
        return torch.cat([features * seen, seen], 1)

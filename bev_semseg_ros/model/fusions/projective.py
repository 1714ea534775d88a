"""The projective fusion: each point takes the image features of its pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.fusion import Fusion, NarrowedMap, Sight, choose_camera

P2_STRIDE = 4


class ProjectiveFusion(Fusion):
    """Points take features of P2, as those of PointPainting (Vora et al. 2020) take class scores.

    The features of a point are those of its cell of P2, then a one. They are all zero for a point
    that no image shows. Of several cameras, `choose_camera` chooses one. The nearest cell is
    precise enough, because P2 is smooth, and it only costs a gather of rows.
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

    def point_features(self, image_maps: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the features (N, fusion_channels + 1)."""
        points = batch.points
        if not image_maps:
            return points.new_zeros(len(points), self.point_channels)
        sight = choose_camera(batch, points[:, :3], batch.point_batch)
        features = features_at(sight, image_maps).to(points.dtype)
        seen = sight.seen[:, None].to(points.dtype)
        return torch.cat([features * seen, seen], 1)


def features_at(sight: Sight, image_maps: Sequence[Tensor]) -> Tensor:
    """Return (N, C) values of the cells of P2 that show the points.

    Points that are not seen get the values of an arbitrary cell.

    Args:
        sight: image and pixel of each point.
        image_maps: (I', h, w, C) for each image size.
    """
    # P2's cell i covers the pixels 4 i .. 4 i + 3, and pixel centres are integers.
    cell = ((sight.pixel + 0.5) / P2_STRIDE).long()
    if len(image_maps) == 1:
        rows, columns, channels = image_maps[0].shape[1:]
        index = (sight.image * rows + cell[:, 1]) * columns + cell[:, 0]
        flat = image_maps[0].reshape(-1, channels)
    else:
        first, widths = _cells_of_images(image_maps)
        index = first[sight.image] + cell[:, 1] * widths[sight.image] + cell[:, 0]
        flat = torch.cat([image_map.flatten(0, 2) for image_map in image_maps])
    return flat.index_select(0, index)


def _cells_of_images(image_maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the first cell of each image in the flattened maps (I,), and its columns (I,)."""
    shapes = [image_map.shape[1:3] for image_map in image_maps for _ in image_map]
    device = image_maps[0].device
    cells = torch.tensor([rows * columns for rows, columns in shapes], device=device)
    return cells.cumsum(0) - cells, torch.tensor([columns for _, columns in shapes], device=device)

"""The painted fusion: points take image features and class probabilities of their pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bev_semseg_ros.config import Config, ModelConfig
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.fusion import Fusion, NarrowedMap, choose_camera
from bev_semseg_ros.model.fusions.projective import ProjectiveFusion, features_at
from bev_semseg_ros.model.fusions.semantics import (
    SEGMENTATION_LOGITS,
    class_probabilities,
    count_classes,
)
from bev_semseg_ros.model.tasks.task import Task


class PaintedFusion(Fusion):
    """Points take features and class probabilities of P2's cells (Vora et al. 2020).

    The features of a point are those of the projective fusion, then the probabilities of the
    segmentation head. So the detection loss also trains that head. A point that no image shows, or
    that nearer points hide, takes learned values.
    """

    uses_image = True
    image_outputs = (SEGMENTATION_LOGITS,)
    class_layers = ("unseen",)
    extends = ProjectiveFusion

    def __init__(
        self, config: Config, camera_channels: Sequence[int], tasks: Mapping[str, Task]
    ) -> None:
        super().__init__(config, camera_channels)
        self._p2_channels = config.model.neck_channels
        self._channels = config.model.fusion_channels
        self.point_channels = self._channels + 1 + count_classes(tasks)
        # Initially as in the fusion that this one extends.
        self.unseen = nn.Parameter(torch.zeros(self.point_channels))

    def image_part(self) -> nn.Module:
        """Build the layer that narrows P2 and adds the probabilities."""
        return PaintedMap(self._p2_channels, self._channels, level=None)

    def point_features(self, image_maps: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the features (N, fusion_channels + 1 + classes)."""
        points = batch.points
        if not image_maps:
            return self.unseen.expand(len(points), -1)
        sight = choose_camera(batch, points[:, :3], batch.point_batch, occlusion=True)
        found = features_at(sight, image_maps).to(points.dtype)
        features, probabilities = found.tensor_split([self._channels], 1)
        seen = torch.cat([features, points.new_ones(len(points), 1), probabilities], 1)
        return torch.where(sight.seen[:, None], seen, self.unseen)

    def shared_point_channels(self, there: ModelConfig) -> int:
        """Return the number of features before the probabilities; 0 if it differs there."""
        return self._channels + 1 if there.fusion_channels == self._channels else 0


class PaintedMap(NarrowedMap):
    """The narrowed P2, followed by the probability of each class."""

    def forward(self, features: list[Tensor], p2: Tensor, *outputs: Tensor) -> Tensor:
        """Return the map (B, h, w, outputs + classes)."""
        narrowed = super().forward(features, p2)
        probabilities = class_probabilities(*outputs).permute(0, 2, 3, 1)
        return torch.cat([narrowed, probabilities.to(narrowed.dtype)], -1)

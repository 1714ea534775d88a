"""The assembly: two dense branches that an engine may replace, and the sparse part between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.bev_backbone import BevBackbone
from bev_semseg_ros.model.camera_encoder import build_camera_encoder
from bev_semseg_ros.model.decoders import build_decoder
from bev_semseg_ros.model.fusion import (
    FUSIONS,
    ImageContext,
    TokenAttention,
    gather_image_features,
    query_centers,
    query_places,
)
from bev_semseg_ros.model.heads import DetectionHead, SegmentationHead
from bev_semseg_ros.model.pillars import PillarEncoder
from bev_semseg_ros.preprocessing import Sample
from bev_semseg_ros.taxonomy import DETECTION_CLASSES, SEGMENTATION_CLASSES


@dataclass
class Batch:
    """Several samples as tensors.

    points (N, 4) float32 of all frames, point_batch (N,) int64 the frame of each; image (B, h, w, 3) uint8, zeros
    where has_image (B,) is False; image_from_ego (B, 3, 4) float32; has_points (B,) bool: the lidar was there.
    """

    points: Tensor
    point_batch: Tensor
    image: Tensor
    image_from_ego: Tensor
    has_points: Tensor
    has_image: Tensor

    @classmethod
    def from_samples(cls, samples: Sequence[Sample]) -> Batch:
        """Raises ValueError if the images differ in size."""
        sizes = {sample.image.shape[:2] for sample in samples if sample.image is not None}
        if len(sizes) > 1:
            raise ValueError(f"images of one batch must have one size, got {sorted(sizes)}")
        height, width = sizes.pop() if sizes else (32, 32)
        image = np.zeros((len(samples), height, width, 3), np.uint8)
        matrices = np.zeros((len(samples), 3, 4), np.float32)
        clouds = [np.zeros((0, 4), np.float32) if s.points is None else s.points for s in samples]
        for index, sample in enumerate(samples):
            if sample.image is not None:
                image[index], matrices[index] = sample.image, sample.camera.image_from_ego
        frame = np.repeat(np.arange(len(samples)), [len(cloud) for cloud in clouds])
        return cls(
            torch.from_numpy(np.concatenate(clouds).astype(np.float32, copy=False)),
            torch.from_numpy(frame),
            torch.from_numpy(image),
            torch.from_numpy(matrices),
            torch.tensor([s.points is not None for s in samples]),
            torch.tensor([s.image is not None for s in samples]),
        )

    def to(self, device: torch.device | str) -> Batch:
        return Batch(
            *(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self))
        )

    def __len__(self) -> int:
        return len(self.has_points)


@dataclass
class Outputs:
    """What the network says of a batch; BEV maps are indexed [x, y].

    heatmap (B, K, X, Y) logits and regression (B, 10, X, Y), see `heads`; None where no frame has what detection
    needs; segmentation (B, 13, h/4, w/4) logits, None where no frame has an image.
    """

    heatmap: Tensor | None
    regression: Tensor | None
    segmentation: Tensor | None


class CameraBranch(nn.Module):
    """Image (B, h, w, 3) uint8 -> segmentation logits (B, 13, h/4, w/4) and the fusion's features (B, r, c, C).

    The latter comes from P2 for `projective`, C4 (stride 16) for `cross_attention`, nothing for `none`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        model = config.model
        self.encoder = build_camera_encoder(model.camera_encoder)
        self.decoder = build_decoder(model.decoder, self.encoder.channels, model.fpn_channels)
        self.segmentation = SegmentationHead(
            model.fpn_channels, model.head_channels, len(SEGMENTATION_CLASSES)
        )
        self.context: ImageContext | None = None
        self.context_from_c4 = model.fusion == "cross_attention"
        if model.fusion == "projective":
            self.context = ImageContext(model.fpn_channels, model.fusion_channels)
        elif model.fusion == "cross_attention":
            self.context = ImageContext(self.encoder.channels[2], model.fpn_channels)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.encoder(image)
        p2 = self.decoder(features)
        logits = self.segmentation(p2)
        if self.context is None:
            return (logits,)
        return logits, self.context(features[2] if self.context_from_c4 else p2)


class BevBranch(nn.Module):
    """Canvas (B, X, Y, C), and what `cross_attention` needs -> heatmap (B, K, X/2, Y/2) and regression (B, 10, ...)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        model = config.model
        self.backbone = BevBackbone(
            model.pillar_channels, model.bev_channels, model.bev_blocks, model.head_channels
        )
        self.head = DetectionHead(model.head_channels, model.head_channels, len(DETECTION_CLASSES))
        self.attention = (
            TokenAttention(model.bev_channels[-1], model.fpn_channels)
            if model.fusion == "cross_attention"
            else None
        )

    def forward(self, canvas: Tensor, *tokens_and_places: Tensor) -> tuple[Tensor, Tensor]:
        canvas = canvas.permute(0, 3, 1, 2).to(self.backbone.smooth[0].weight.dtype)
        features = self.backbone.bottom_up(canvas)
        if tokens_and_places:
            features[-1] = self.attention(features[-1], *tokens_and_places)
        return self.head(self.backbone.top_down(features))


class Network(nn.Module):
    """`camera` and `bev` are dense and may be replaced by compiled modules of the same signature (see `predictor`)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        model = config.model
        if model.fusion not in FUSIONS:
            raise ValueError(
                f"model.fusion: unknown {model.fusion!r}, expected one of {', '.join(FUSIONS)}"
            )
        self.config = config
        self.camera = CameraBranch(config)
        extra = model.fusion_channels + 1 if model.fusion == "projective" else 0
        self.pillars = PillarEncoder(config.grid, extra, model.pillar_channels)
        self.bev = BevBranch(config)
        self.register_buffer(
            "centers", query_centers(config.grid, 2 ** len(model.bev_channels)), persistent=False
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, batch: Batch) -> Outputs:
        logits, context = self.run_camera(batch)
        sees = batch.has_points.any() or (
            context is not None and self.config.model.finds_boxes_in_images
        )
        if not sees:
            return Outputs(None, None, logits)
        heatmap, regression = self.bev(*self.run_sparse(batch, context))
        return Outputs(heatmap, regression, logits)

    def run_camera(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Logits and the fusion's features, of the images that are there: the others must not touch BatchNorm."""
        if not batch.has_image.any():
            return None, None
        if batch.has_image.all():
            results = self.camera(batch.image)
        else:
            index = batch.has_image.nonzero()[:, 0]
            results = [
                part.new_zeros(len(batch), *part.shape[1:]).index_copy(0, index, part)
                for part in self.camera(batch.image[index])
            ]
        return results[0], results[1] if len(results) > 1 else None

    def run_sparse(self, batch: Batch, context: Tensor | None) -> tuple[Tensor, ...]:
        """The inputs of the BEV branch: the canvas (B, X, Y, C) and what the fusion adds."""
        fusion, extra, size = self.config.model.fusion, None, tuple(batch.image.shape[1:3])
        if fusion == "projective":
            if context is None:
                extra = batch.points.new_zeros(
                    len(batch.points), self.config.model.fusion_channels + 1
                )
            else:
                extra = gather_image_features(
                    context,
                    batch.points,
                    batch.point_batch,
                    batch.image_from_ego,
                    batch.has_image,
                    size,
                )
        canvas = self.pillars(batch.points, batch.point_batch, len(batch), extra)
        if fusion != "cross_attention" or context is None:
            return (canvas,)
        return (
            canvas,
            context,
            *query_places(self.centers, batch.image_from_ego, batch.has_image, size),
        )

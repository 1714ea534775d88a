"""Several samples as tensors: what the network takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bev_semseg_ros.preprocessing import Sample

EMPTY_IMAGE = (32, 32)  # height and width where no frame of a batch has an image


@dataclass
class Batch:
    """Several samples as tensors.

    Attributes:
        points: (N, 4) float32 x, y, z in the ego frame and intensity, of all frames.
        point_batch: (N,) int64 the frame of each point.
        image: (B, h, w, 3) uint8 RGB, zeros where `has_image` is False.
        image_from_ego: (B, 3, 4) float32 projection of homogeneous ego points to pixels.
        has_points: (B,) bool: the lidar was there.
        has_image: (B,) bool: the camera was there.
        ego_from_lidar: (B, 4, 4) float32 pose of the lidar, for encoders that work in its frame.
        point_attributes: (N,) float32 by the names of `frame.POINT_ATTRIBUTES`, as far as the
            lidar encoder asked for them; NaN for points whose data do not have it.
    """

    points: Tensor
    point_batch: Tensor
    image: Tensor
    image_from_ego: Tensor
    has_points: Tensor
    has_image: Tensor
    ego_from_lidar: Tensor
    point_attributes: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def from_samples(cls, samples: Sequence[Sample], attributes: Sequence[str] = ()) -> Batch:
        """Stack samples.

        Args:
            samples: B of them.
            attributes: the point attributes to carry.

        Raises:
            ValueError: the images differ in size, or one has no camera.
        """
        sizes = {sample.image.shape[:2] for sample in samples if sample.image is not None}
        if len(sizes) > 1:
            raise ValueError(f"images of one batch must have one size, got {sorted(sizes)}")
        height, width = sizes.pop() if sizes else EMPTY_IMAGE
        image = np.zeros((len(samples), height, width, 3), np.uint8)
        projections = np.zeros((len(samples), 3, 4), np.float32)
        clouds = [
            np.zeros((0, 4), np.float32) if sample.points is None else sample.points
            for sample in samples
        ]
        for index, sample in enumerate(samples):
            if sample.image is not None:
                if sample.camera is None:
                    raise ValueError("a sample has an image and no camera")
                image[index] = sample.image
                projections[index] = sample.camera.image_from_ego
        frames = np.repeat(np.arange(len(samples)), [len(cloud) for cloud in clouds])
        poses = np.stack([sample.ego_from_lidar for sample in samples]).astype(np.float32)
        return cls(
            torch.from_numpy(np.concatenate(clouds).astype(np.float32, copy=False)),
            torch.from_numpy(frames),
            torch.from_numpy(image),
            torch.from_numpy(projections),
            torch.tensor([sample.points is not None for sample in samples]),
            torch.tensor([sample.image is not None for sample in samples]),
            torch.from_numpy(poses),
            {name: _attribute(samples, clouds, name) for name in attributes},
        )

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device."""
        return Batch(
            self.points.to(device, non_blocking=True),
            self.point_batch.to(device, non_blocking=True),
            self.image.to(device, non_blocking=True),
            self.image_from_ego.to(device, non_blocking=True),
            self.has_points.to(device, non_blocking=True),
            self.has_image.to(device, non_blocking=True),
            self.ego_from_lidar.to(device, non_blocking=True),
            {
                name: values.to(device, non_blocking=True)
                for name, values in self.point_attributes.items()
            },
        )

    def __len__(self) -> int:
        return len(self.has_points)

    @property
    def image_size(self) -> tuple[int, int]:
        """(h, w) of the images."""
        return int(self.image.shape[1]), int(self.image.shape[2])


def _attribute(samples: Sequence[Sample], clouds: list[np.ndarray], name: str) -> Tensor:
    parts = []
    for sample, cloud in zip(samples, clouds, strict=True):
        values = sample.point_attributes.get(name)
        if values is None:
            values = np.full(len(cloud), np.nan)
        parts.append(values.astype(np.float32))
    return torch.from_numpy(np.concatenate(parts))

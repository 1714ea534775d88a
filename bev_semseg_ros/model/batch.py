"""Several samples as tensors: the input of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.preprocessing import MAX_GRID_POINTS, Sample


@dataclass
class BatchRays:
    """How the points of a batch were measured, see `frame.Rays`.

    Attributes:
        points: (N, 3) float32 in the frame of the unit that measured each point.
        units: (N,) int64 index of that unit, counted over all frames.
        num_units: number of units.
    """

    points: Tensor
    units: Tensor
    num_units: int

    @classmethod
    def from_samples(cls, samples: Sequence[Sample]) -> BatchRays:
        """Stack the rays of samples."""
        points, units, first = [], [], 0
        for sample in samples:
            rays = sample.known_rays()
            points.append(rays.points)
            units.append(first + rays.units)
            first += int(rays.units.max(initial=-1)) + 1
        return cls(
            torch.from_numpy(np.concatenate(points).astype(np.float32, copy=False)),
            torch.from_numpy(np.concatenate(units).astype(np.int64, copy=False)),
            first,
        )

    def __getitem__(self, kept: Tensor) -> BatchRays:
        return BatchRays(self.points[kept], self.units[kept], self.num_units)

    def to(self, device: torch.device | str) -> BatchRays:
        """Return the rays on a device."""
        return BatchRays(
            self.points.to(device, non_blocking=True),
            self.units.to(device, non_blocking=True),
            self.num_units,
        )


@dataclass
class Batch:
    """Several samples as tensors.

    Images are numbered throughout the batch and grouped by size. `images` has one tensor for each
    size.

    Attributes:
        points: (N, 4) float32 points of all frames: x, y, z in the ego frame, metres, and
            intensity, limited to 0..1.
        point_batch: (N,) int64 index of each point's frame.
        point_lidar: (N,) int64 lidar of each point, an index into `ego_from_lidar`.
        has_points: (B,) bool: frames that have a cloud.
        ego_from_lidar: (L, 4, 4) float32 poses of the lidars of all frames, for encoders that work
            in a lidar's frame.
        images: (I', h, w, 3) uint8 RGB for each size.
        image_from_ego: (I, 3, 4) float32 projection of homogeneous ego points to pixels.
        image_slots: (B, C) int64 indices of each frame's images, padded with -1.
        image_keys: index of the frame and name of the camera, for each image.
        point_attributes: attribute -> (N,) float32 values, for those of `frame.POINT_ATTRIBUTES`
            that the lidar encoder needs; NaN for points whose data lack it.
        rays: how the points were measured, if a point encoder needs it.
        point_features: (N, C) output of the point encoder; None before it has run.
    """

    points: Tensor
    point_batch: Tensor
    point_lidar: Tensor
    has_points: Tensor
    ego_from_lidar: Tensor
    images: tuple[Tensor, ...]
    image_from_ego: Tensor
    image_slots: Tensor
    image_keys: tuple[tuple[int, str], ...]
    point_attributes: dict[str, Tensor] = field(default_factory=dict)
    rays: BatchRays | None = None
    point_features: Tensor | None = None

    @classmethod
    def from_samples(
        cls, samples: Sequence[Sample], attributes: Sequence[str] = (), with_rays: bool = False
    ) -> Batch:
        """Stack samples.

        Args:
            samples: one sample for each of the B frames.
            attributes: names of the point attributes to include.
            with_rays: True includes the rays.
        """
        clouds = [
            np.zeros((0, 4), np.float32) if sample.points is None else sample.points
            for sample in samples
        ]
        frames = np.repeat(np.arange(len(samples)), [len(cloud) for cloud in clouds])
        poses = [sample.ego_from_lidar for sample in samples]
        first_lidar = np.cumsum([0, *map(len, poses)])
        lidars = [
            first + sample.point_lidar
            for first, sample in zip(first_lidar[:-1], samples, strict=True)
        ]
        images, projections, slots, keys = _stack_images(samples)
        points = torch.from_numpy(np.concatenate(clouds).astype(np.float32, copy=False))
        # A few points far above 1, such as those of a reflector, would make the network find
        # objects that do not exist. Samples keep such values, so that the input check sees them.
        points[:, 3].clamp_(0, 1)
        return cls(
            points,
            torch.from_numpy(frames),
            torch.from_numpy(np.concatenate(lidars).astype(np.int64, copy=False)),
            torch.tensor([sample.points is not None for sample in samples]),
            torch.from_numpy(np.concatenate(poses).astype(np.float32)),
            images,
            projections,
            slots,
            keys,
            {name: _attribute(samples, clouds, name) for name in attributes},
            BatchRays.from_samples(samples) if with_rays else None,
        )

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device."""
        return Batch(
            self.points.to(device, non_blocking=True),
            self.point_batch.to(device, non_blocking=True),
            self.point_lidar.to(device, non_blocking=True),
            self.has_points.to(device, non_blocking=True),
            self.ego_from_lidar.to(device, non_blocking=True),
            tuple(images.to(device, non_blocking=True) for images in self.images),
            self.image_from_ego.to(device, non_blocking=True),
            self.image_slots.to(device, non_blocking=True),
            self.image_keys,
            {
                name: values.to(device, non_blocking=True)
                for name, values in self.point_attributes.items()
            },
            None if self.rays is None else self.rays.to(device),
            None if self.point_features is None else self.point_features.to(device),
        )

    def __len__(self) -> int:
        return len(self.has_points)

    def turned(self) -> Batch:
        """Return the batch in an ego frame that faces backwards: rotated by 180 degrees about z.

        The images stay the same. Only their projection changes.
        """
        signs = self.points.new_tensor([-1, -1, 1, 1])
        return replace(
            self,
            points=self.points * signs,
            ego_from_lidar=self.ego_from_lidar * signs[:, None],
            image_from_ego=self.image_from_ego * signs,
        )

    def inside(self, grid: GridConfig) -> Batch:
        """Return the batch with only the points inside a grid.

        If a frame has more than MAX_GRID_POINTS there, about this many are chosen at random.
        """
        low = self.points.new_tensor([grid.x_min, grid.y_min, grid.z_min])
        high = self.points.new_tensor([grid.x_max, grid.y_max, grid.z_max])
        kept = ((self.points[:, :3] >= low) & (self.points[:, :3] < high)).all(1)
        counts = torch.bincount(self.point_batch[kept], minlength=len(self))
        if int(counts.max()) > MAX_GRID_POINTS:
            generator = torch.Generator().manual_seed(0)
            drawn = torch.rand(len(kept), generator=generator).to(kept.device)
            kept &= drawn * counts[self.point_batch] < MAX_GRID_POINTS
        features = self.point_features
        return replace(
            self,
            points=self.points[kept],
            point_batch=self.point_batch[kept],
            point_lidar=self.point_lidar[kept],
            point_attributes={name: each[kept] for name, each in self.point_attributes.items()},
            rays=None if self.rays is None else self.rays[kept],
            point_features=None if features is None else features[kept],
        )

    @property
    def image_sizes(self) -> list[tuple[int, int]]:
        """(h, w) of every image."""
        return [
            (int(images.shape[1]), int(images.shape[2])) for images in self.images for _ in images
        ]


def _stack_images(
    samples: Sequence[Sample],
) -> tuple[tuple[Tensor, ...], Tensor, Tensor, tuple[tuple[int, str], ...]]:
    """Return `images`, `image_from_ego`, `image_slots` and `image_keys` of a batch."""
    by_size: dict[tuple[int, ...], list[tuple[int, str]]] = {}
    for index, sample in enumerate(samples):
        for name, seen in sample.images.items():
            by_size.setdefault(seen.image.shape[:2], []).append((index, name))
    keys = [key for group in by_size.values() for key in group]
    number_of = {key: number for number, key in enumerate(keys)}
    slots = np.full((len(samples), max(len(sample.images) for sample in samples)), -1)
    for index, sample in enumerate(samples):
        for slot, name in enumerate(sample.images):
            slots[index, slot] = number_of[index, name]
    projections = [samples[index].images[name].camera.image_from_ego for index, name in keys]
    images = tuple(
        torch.from_numpy(np.stack([samples[index].images[name].image for index, name in group]))
        for group in by_size.values()
    )
    matrices = np.array(projections, np.float32).reshape(-1, 3, 4)
    return images, torch.from_numpy(matrices), torch.from_numpy(slots), tuple(keys)


def _attribute(samples: Sequence[Sample], clouds: list[np.ndarray], name: str) -> Tensor:
    parts = []
    for sample, cloud in zip(samples, clouds, strict=True):
        values = sample.point_attributes.get(name)
        if values is None:
            values = np.full(len(cloud), np.nan)
        parts.append(values.astype(np.float32))
    return torch.from_numpy(np.concatenate(parts))

"""Random samples that are small enough for quick tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.frame import Boxes, Camera
from bev_semseg_ros.geometry import rotation_z, transform
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.network import Network, NetworkOutputs
from bev_semseg_ros.preprocessing import Sample

# The heads have 64 x 64 cells.
GRID = GridConfig(x_max=25.6, y_min=-12.8, y_max=12.8)
CAMERA_FROM_EGO = np.array([[0, -1, 0, 0], [0, 0, -1, 1.6], [1, 0, 0, 0], [0, 0, 0, 1.0]])


def small_config(labels: dict[str, str] | None = None, **model: Any) -> Config:
    """Return a configuration with GRID and the small camera encoder.

    Args:
        labels: Task -> label set, if it is not the default.
        model: Further settings of `model`.
    """
    base = Config(grid=GRID)
    settings = {"camera_encoder": "residual"} | model
    return replace(base, labels=base.labels | (labels or {}), model=replace(base.model, **settings))


def sample(seed: int = 0, points: int = 400, size: tuple[int, int] = (96, 64)) -> Sample:
    """Return a sample with random points and a random image.

    Args:
        seed: Seed of points and image.
        points: Number of points.
        size: (width, height) of the image.
    """
    rng = np.random.default_rng(seed)
    positions = rng.uniform([2, -8, 0], [25, 8, 2], (points, 3))
    cloud = np.concatenate([positions, rng.random((points, 1))], 1).astype(np.float32)
    matrix = np.array([[60, 0, size[0] / 2], [0, 60, size[1] / 2], [0, 0, 1.0]])
    image = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Sample.of(cloud, image, Camera(matrix, size, CAMERA_FROM_EGO))


def lidar_sample(seed: int = 0) -> Sample:
    """Return a sample without an image."""
    return Sample.of(sample(seed).points)


def rig_sample(sizes: dict[str, tuple[int, int]], seed: int = 0) -> Sample:
    """Return a sample with the images of several cameras, each rotated further to the right.

    Args:
        sizes: Name of a camera -> (width, height) of its image.
        seed: Seed of points and images.
    """
    images = {}
    for number, (name, size) in enumerate(sizes.items()):
        seen = sample(seed + number, size=size).images["camera"]
        turn = transform(
            rotation_z(0.7 * number)
        )  # rotates the world to the left, relative to the camera
        pose = seen.camera.camera_from_ego @ turn
        images[name] = replace(seen, camera=replace(seen.camera, camera_from_ego=pose))
    return replace(sample(seed), images=images)


def camera_sample(seed: int = 0) -> Sample:
    """Return a sample without points."""
    return Sample.of(None, sample(seed).image, sample(seed).camera)


def run(network: Network, *samples: Sample) -> NetworkOutputs:
    """Return the outputs of a network for a batch of samples."""
    with torch.inference_mode():
        return network(Batch.from_samples(samples, network.lidar_encoder.attributes))


def box(
    x: float = 5.1,
    y: float = 0.3,
    yaw: float = 0.4,
    label: int = 0,
    size: tuple[float, float, float] = (4.0, 1.8, 1.5),
    score: float = 1.0,
) -> Boxes:
    """Return one box, 0.8 m above the ground."""
    return Boxes([[x, y, 0.8]], [size], [yaw], [label], [score])

"""A frame with two boxes, and its augmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.config import AugmentationConfig, GridConfig
from bev_semseg_ros.data.augmentation import augment
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import CAMERA, Boxes, Camera
from bev_semseg_ros.geometry import (
    OPTICAL_FROM_VIEW,
    invert,
    rotation_rpy,
    transform,
)
from bev_semseg_ros.preprocessing import Sample

WIDTH, HEIGHT = 320, 200
QUIET = replace(
    AugmentationConfig(),
    flip=0.0,
    rotation=0.0,
    scale=0.0,
    height=0.0,
    point_drop=0.0,
    ring_drop=0.0,
    intensity_zero=0.0,
    intensity_gain=0.0,
    photometric=0.0,
    camera_drop=0.0,
    lidar_drop=0.0,
)


def make_example() -> Example:
    """Return a frame with two boxes.

    The cloud has 25 points inside each box. The red channel of the image is half the column, the
    green one the row. The mask is a chessboard of two classes.
    """
    ego_from_view = transform(rotation_rpy(0.02, -0.01, 0.03), (1.6, 0.2, 1.5))
    camera = Camera(
        [[260, 3, 165], [0, 262, 95], [0, 0, 1]],
        (WIDTH, HEIGHT),
        OPTICAL_FROM_VIEW @ invert(ego_from_view),
    )
    boxes = Boxes(
        [[14, 1.5, 0.8], [25, -4, 1.0]], [[4.2, 1.8, 1.6], [8, 2.5, 3]], [0.4, -2.9], [0, 1], [1, 1]
    )
    inner = np.random.default_rng(0).uniform(-0.45, 0.45, (2, 25, 3)) * boxes.sizes[:, None]
    c, s = np.cos(boxes.yaws)[:, None], np.sin(boxes.yaws)[:, None]
    turned = np.stack(
        [
            c * inner[..., 0] - s * inner[..., 1],
            s * inner[..., 0] + c * inner[..., 1],
            inner[..., 2],
        ],
        -1,
    )
    cloud = np.concatenate([(turned + boxes.centers[:, None]).reshape(-1, 3)])
    points = np.column_stack([cloud, np.full(len(cloud), 0.5)]).astype(np.float32)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([columns // 2, rows, np.zeros_like(rows)], -1).astype(np.uint8)
    mask = np.where((columns // 20 + rows // 20) % 2, 3, 9).astype(np.uint8)
    return Example(Sample.of(points, image, camera), {CAMERA: mask}, boxes, np.array([False, True]))


def augmented(example: Example | None = None, seed: int = 0, **settings: float) -> Example:
    """Augment an example with only these settings; the image keeps its size."""
    config = replace(QUIET, **settings)
    grid = GridConfig(x_max=102.4, y_min=-51.2, y_max=51.2)
    rng = np.random.default_rng(seed)
    return augment(example or make_example(), config, grid, (0, 0), rng)

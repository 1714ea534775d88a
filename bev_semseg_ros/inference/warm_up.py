"""Samples that make a network compile what a vehicle's frames need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.inference.engine import MAX_SHAPES
from bev_semseg_ros.preprocessing import RectifiedImage, Sample, network_size


def warm_up_samples(
    camera_sizes: Iterable[tuple[int, int]], config: Config, bev_sees_images: bool
) -> list[Sample]:
    """Return a sample for each combination of cameras that needs its own compilation.

    Args:
        camera_sizes: (width, height) of each camera's images as recorded, in the order of the
            cameras.
        config: configuration of the network.
        bev_sees_images: True if the BEV branch takes the maps of all cameras together. Then a
            missing image must not cost a compilation either, as far as the compiled branches are
            kept.
    """
    sizes = tuple(network_size(size, config.image) for size in camera_sizes)
    rigs: list[tuple[tuple[int, int], ...]] = [(), *((size,) for size in sizes)]
    if bev_sees_images:
        without_one = combinations(sizes, max(len(sizes) - 1, 0))
        rigs = list(dict.fromkeys([(), sizes, *without_one, *rigs]))[:MAX_SHAPES]
    grid = config.grid
    middle = np.array([[0.5 * (grid.x_min + grid.x_max), 0, 1, 0.5]], np.float32)
    lidar_alone = Sample.of(middle)
    return [
        replace(
            lidar_alone, images={str(number): _black_image(size) for number, size in enumerate(rig)}
        )
        for rig in dict.fromkeys(rigs)
    ]


def _black_image(size: tuple[int, int]) -> RectifiedImage:
    """Return an image of a size (width, height)."""
    width, height = size
    camera = Camera(np.diag([width, width, 1.0]), size, np.eye(4))
    return RectifiedImage(np.zeros((height, width, 3), np.uint8), camera)

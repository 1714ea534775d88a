"""Lifting: classes of pixels carried onto the lidar points that the pixels show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import project
from bev_semseg_ros.labels import MASK_IGNORED

# A camera sits beside the lidar, so it may not see a point that the lidar measured. Such a point
# projects onto what hides it, and lies behind the nearest point of its neighbourhood in the image.
# The ground is nearer below, so that there only a jump in depth tells something that hides.
CELL = 8  # pixels of the neighbourhood: wider than the gaps between the rings of most lidars
BELOW = 4  # pixels of it below the point
DEPTH_TOLERANCE = 0.5  # metres behind the nearest point that are the same surface
DEPTH_SHARE = 0.05  # the same as a share of the depth, beside the point and above it
JUMP_SHARE = 0.3  # the same below the point


def carry_classes(
    points: np.ndarray, masks: Mapping[str, np.ndarray], cameras: Mapping[str, Camera]
) -> np.ndarray:
    """Return for each point the class of the pixel that shows it.

    Args:
        points: (N, >= 3) in the ego frame.
        masks: for each camera (h, w) uint8 classes in the rectified image.
        cameras: the pinhole cameras of those images.

    Returns:
        (N,) uint8, MASK_IGNORED for points that no image shows. Of several cameras the first one
        counts that has a class.
    """
    classes = np.full(len(points), MASK_IGNORED, np.uint8)
    for name, mask in masks.items():
        pixels, depth = project(cameras[name].image_from_ego, points[:, :3])
        shown = np.flatnonzero(is_shown(pixels, depth, mask.shape) & (classes == MASK_IGNORED))
        columns, rows = np.rint(pixels[shown]).astype(np.int64).T
        classes[shown] = mask[rows, columns]
    return classes


def is_shown(pixels: np.ndarray, depth: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return (N,) bool: points inside the image that no nearer point hides.

    Args:
        pixels: (N, 2) columns and rows of the points.
        depth: (N,) metres.
        size: (h, w) of the image.
    """
    height, width = size
    inside = (depth > 0) & (pixels > -0.5).all(1) & (pixels < (width - 0.5, height - 0.5)).all(1)
    columns, rows = (pixels[inside] + 0.5).astype(np.int64).T
    columns //= CELL
    nearest = np.full((height, width // CELL + 1), np.inf)
    np.minimum.at(nearest, (rows, columns), depth[inside])
    above, below = nearest.copy(), nearest.copy()
    for step in range(1, min(CELL, height)):
        np.minimum(above[step:], nearest[:-step], out=above[step:])
    for step in range(1, min(BELOW + 1, height)):
        np.minimum(below[:-step], nearest[step:], out=below[:-step])
    limit = np.minimum((1 + DEPTH_SHARE) * above, (1 + JUMP_SHARE) * below) + DEPTH_TOLERANCE
    shown = inside.copy()
    shown[inside] = depth[inside] <= limit[rows, columns]
    return shown

"""Lifting: gives each lidar point the class of the pixel that shows it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import project
from bev_semseg_ros.labels import MASK_IGNORED

# Camera and lidar are at different positions, so an object can hide a measured point from the
# camera. The point then projects to a pixel of that object, and is farther away than the nearest
# point in its neighbourhood in the image. The ground below a point in the image is always nearer
# than the point, so there only a larger jump in depth means that the point is hidden.
CELL = 8  # pixels of the neighbourhood: wider than the gaps between the rings of most lidars
BELOW = 4  # pixels of it that are below the point
DEPTH_TOLERANCE = 0.5  # metres that a point of the same surface may be behind the nearest point
DEPTH_SHARE = 0.05  # the same as a fraction of the depth, beside and above the point
JUMP_SHARE = 0.3  # the same below the point


def carry_classes(
    points: np.ndarray, masks: Mapping[str, np.ndarray], cameras: Mapping[str, Camera]
) -> np.ndarray:
    """Return for each point the class of the pixel that shows it.

    Args:
        points: (N, >= 3) points in the ego frame, metres.
        masks: camera name -> (h, w) uint8 classes in the rectified image.
        cameras: camera name -> pinhole camera of the rectified image.

    Returns:
        (N,) uint8, MASK_IGNORED for points that no image shows. If several cameras show a point,
        the first one that has a class for it counts.
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
        depth: (N,) depths of the points, metres.
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

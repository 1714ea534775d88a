"""Rain in an image: spray behind vehicles, and drops on the lens or the windscreen."""

from __future__ import annotations

import math

import cv2
import numpy as np

from bev_semseg_ros.geometry import project
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.weather import spraying

# Fraction of the rainy drives with drops on the glass in front of the camera.
DROPS_SHARE = 0.5


def add_spray(
    radiance: np.ndarray,
    depths: np.ndarray,
    view: View,
    image_from_ego: np.ndarray,
    color: np.ndarray,
) -> None:
    """Add clouds of spray behind fast vehicles, occluded by nearer surfaces.

    Args:
        radiance: (H, W, 3) float32, changed in place.
        depths: (H, W) metres along the optical axis, infinite for the sky.
        view: State of the world.
        image_from_ego: (3, 4) projection of the camera.
        color: (3,) radiance of the spray.
    """
    strength = min(view.weather.rain / 12, 1.0) * view.weather.wet
    boxes = view.boxes
    if strength <= 0 or len(boxes) == 0:
        return
    height, width = depths.shape
    rng = np.random.default_rng([view.seed, 31])
    speeds = np.linalg.norm(boxes.velocities, axis=1)
    for row in spraying(boxes):
        way = boxes.velocities[row] / speeds[row]
        half = boxes.sizes[row, 0] / 2
        for behind in (0.3, 1.6, 3.4, 6.0):
            radius = boxes.sizes[row, 1] * (0.35 + 0.1 * behind) * rng.uniform(0.7, 1.2)
            middle = boxes.centers[row].copy()
            middle[:2] -= way * (half + behind)
            middle[2] += 0.6 * radius - boxes.sizes[row, 2] / 2
            pixel, depth = project(image_from_ego, middle[None])
            top = middle + np.array([0.0, 0.0, radius])
            edge, _ = project(image_from_ego, top[None])
            if depth[0] < 2:
                continue
            size = float(np.hypot(*(edge - pixel)[0]))
            x, y = pixel[0]
            x0, x1 = int(max(x - 2 * size, 0)), int(min(x + 2 * size, width))
            y0, y1 = int(max(y - 2 * size, 0)), int(min(y + 1.5 * size, height))
            if x0 >= x1 or y0 >= y1:
                continue
            columns, rows = np.arange(x0, x1) - x, np.arange(y0, y1) - y
            square = (columns**2 + (1.2 * rows[:, None]) ** 2) / size**2
            alpha = strength * min(speeds[row] / 15, 1.3) * (0.55 - 0.06 * behind)
            alpha = (alpha * np.exp(-1.5 * square)).astype(np.float32)
            alpha *= depths[y0:y1, x0:x1] > depth[0]
            part = radiance[y0:y1, x0:x1]
            part += alpha[..., None] * (color.astype(np.float32) - part)


def add_drops(radiance: np.ndarray, rain: float, drive_seed: int, seed: int) -> None:
    """Add drops on the glass in front of a camera, in some drives.

    A drop shows a blurred, upside-down image of the scene.

    Args:
        radiance: (H, W, 3) float32, changed in place.
        rain: Rain rate in mm/h.
        drive_seed: Seed of the drive, which decides whether there are drops and how large they are.
        seed: Seed of the frame.
    """
    drive = np.random.default_rng([drive_seed, 32])
    if rain <= 0 or drive.random() > DROPS_SHARE:
        return
    height, width = radiance.shape[:2]
    rng = np.random.default_rng([seed, 32])
    scale = width / 640
    typical = drive.uniform(1.5, 7) * scale
    count = int(min(drive.uniform(15, 90) * math.sqrt(rain / 5), 160))
    alpha = np.zeros((height, width), np.float32)
    for _ in range(count):
        radius = max(typical * math.exp(rng.normal(0, 0.5)), 1.0)
        center = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        axes = int(radius) + 1, int(radius * rng.uniform(1.0, 1.7)) + 1
        cv2.ellipse(alpha, center, axes, rng.uniform(-15, 15), 0, 360, rng.uniform(0.35, 0.95), -1)
    soft = cv2.GaussianBlur(alpha, (0, 0), max(0.25 * typical, 0.6))
    small_size = (max(width // 4, 1), max(height // 4, 1))
    small = cv2.resize(radiance, small_size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(2.2 * scale, 0.8))
    # Drops in the lower half of the image show the sky, and those in the upper half the ground.
    mirrored = cv2.addWeighted(small, 0.65, np.ascontiguousarray(small[::-1]), 0.35, 0)
    mirrored = cv2.resize(mirrored, (width, height), interpolation=cv2.INTER_LINEAR)
    radiance += soft[..., None] * (mirrored - radiance)

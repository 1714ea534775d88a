"""Reflections in wet ground: the rendered image itself is mirrored (screen-space reflections)."""

from __future__ import annotations

import math

import numpy as np

from bev_semseg_ros.sim.classes import LANE_MARKING, ROAD, SIDEWALK
from bev_semseg_ros.sim.render.light import dome_pixel
from bev_semseg_ros.sim.render.noise import NOISE, hash_unit, kernel, value_noise

# Classes of surfaces on which water stands.
_IS_GROUND = np.zeros(256, np.uint8)
_IS_GROUND[[ROAD, LANE_MARKING, SIDEWALK]] = 1
# Steps along a mirrored ray: their number, the first one in metres, and the factor from one to the
# next.
_STEPS, _FIRST_STEP, _GROWTH = 22, 0.25, 1.28


@kernel
def _reflect(
    rays,
    places,
    keys,
    pixels,
    matrix,
    rotation,
    origin,
    noise,
    dome,
    is_ground,
    wet,
    mask,
    radiance,
):
    """Mix mirrored light into `radiance`; see `reflect`."""
    height, width = mask.shape
    rows, columns = keys.shape
    flat_keys = keys.reshape(-1)
    r = rotation
    for row in range(height):
        for column in range(width):
            if is_ground[mask[row, column]] == 0:
                continue
            key = flat_keys[places[row, column, 0]]
            if key <= 0:
                continue
            cx, cy = rays[row, column, 0], rays[row, column, 1]
            dx = r[0, 0] * cx + r[0, 1] * cy + r[0, 2]
            dy = r[1, 0] * cx + r[1, 1] * cy + r[1, 2]
            dz = r[2, 0] * cx + r[2, 1] * cy + r[2, 2]
            if dz > -1e-3:
                continue
            depth = 1 / key
            x, y, z = origin[0] + dx * depth, origin[1] + dy * depth, origin[2] + dz * depth
            length = math.sqrt(dx * dx + dy * dy + dz * dz)
            dx, dy, dz = dx / length, dy / length, -dz / length
            # Water stands in some places and only darkens others.
            water = 0.6 * value_noise(noise, x * 0.31, y * 0.31, 0.5) + 0.4 * value_noise(
                noise, x * 1.3, y * 1.3, 7.5
            )
            film = min(max((water - 0.85 + 0.75 * wet) * 3, 0.12), 1.0) * min(1.0, 1.4 * wet)
            share = film * (0.03 + 0.97 * (1 - dz) ** 5)
            if share < 0.01:
                continue
            rough = 0.035 * (1.2 - film)
            dx += (hash_unit(column, row, 21) - 0.5) * rough
            dy += (hash_unit(column, row, 22) - 0.5) * rough
            dz = max(dz + (hash_unit(column, row, 23) - 0.5) * 3 * rough, 0.004)
            found = -1
            step, travelled = _FIRST_STEP, 0.0
            for _ in range(_STEPS):
                travelled += step
                step *= _GROWTH
                qx, qy, qz = (
                    x + dx * travelled - origin[0],
                    y + dy * travelled - origin[1],
                    z + dz * travelled - origin[2],
                )
                forward = r[0, 2] * qx + r[1, 2] * qy + r[2, 2] * qz
                if forward < 0.5:
                    break
                right = r[0, 0] * qx + r[1, 0] * qy + r[2, 0] * qz
                down = r[0, 1] * qx + r[1, 1] * qy + r[2, 1] * qz
                u = int(right / forward * matrix[0, 0] + matrix[0, 2] + 0.5)
                v = int(down / forward * matrix[1, 1] + matrix[1, 2] + 0.5)
                if u < 0 or v < 0 or u >= columns or v >= rows:
                    break
                there = keys[v, u]
                pixel = pixels[v * columns + u]
                if pixel < 0:
                    continue
                if there > 0 and 1 / there < forward and forward - 1 / there < 2.5 * step + 0.5:
                    if is_ground[mask[pixel // width, pixel % width]] == 0:
                        found = pixel
                        break
                elif there <= 0 and travelled > 60:
                    found = pixel
                    break
            if found >= 0:
                for c in range(3):
                    seen = radiance[found // width, found % width, c]
                    radiance[row, column, c] += share * (seen - radiance[row, column, c])
            else:
                length = math.sqrt(dx * dx + dy * dy + dz * dz)
                i, j = dome_pixel(dx / length, dy / length, dz / length)
                for c in range(3):
                    # A street hides most of the low sky.
                    seen = dome[i, j, c] * min(0.45 + 1.5 * dz, 1.0)
                    radiance[row, column, c] += share * (seen - radiance[row, column, c])


def pixels_of(samples: np.ndarray, place_count: int) -> np.ndarray:
    """Return the pixel to which each element of the z-buffer belongs.

    Args:
        samples: (H, W, SAMPLES) indices of the pixels' samples in the flat z-buffer.
        place_count: Number of elements of the z-buffer.

    Returns:
        (place_count,) int32, row * W + column; -1 for an element without a pixel.
    """
    pixels = np.full(place_count, -1, np.int32)
    numbers = np.arange(samples.shape[0] * samples.shape[1], dtype=np.int32)
    for sample in range(samples.shape[2]):
        pixels[samples[..., sample].ravel()] = numbers
    return pixels


def reflect(
    rays: np.ndarray,
    samples: np.ndarray,
    keys: np.ndarray,
    matrix: np.ndarray,
    rotation: np.ndarray,
    origin: np.ndarray,
    dome: np.ndarray,
    wet: float,
    mask: np.ndarray,
    radiance: np.ndarray,
) -> None:
    """Add reflections to wet roads and pavements.

    A mirrored ray that meets nothing in the image shows the sky, darkened near the horizon.

    Args:
        rays: (H, W, 2) x and y of the pixels' centres at depth 1 in the camera frame.
        samples: (H, W, SAMPLES) indices of the pixels' samples in the flat z-buffer.
        keys: (R, C) z-buffer of inverse depths, 0 for the sky.
        matrix: (3, 3) K of the z-buffer.
        rotation: (3, 3) world_from_camera.
        origin: (3,) position of the camera in the world frame.
        dome: Sky map, see `light.sky_dome`.
        wet: Wetness, 0 to 1.
        mask: (H, W) uint8 classes.
        radiance: (H, W, 3) float32, changed in place.
    """
    pixels = pixels_of(samples, keys.size)
    _reflect(
        rays,
        samples,
        keys,
        pixels,
        np.asarray(matrix, np.float64),
        rotation,
        origin,
        NOISE,
        dome,
        _IS_GROUND,
        wet,
        mask,
        radiance,
    )

"""Holes in surfaces (leaves, twigs, bars, wire mesh, slats), identical for camera and lidar."""

from __future__ import annotations

import math

import numpy as np

from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN, CUTOUTS
from bev_semseg_ros.sim.render.noise import NOISE, inline, kernel, value_noise

CUTOUT = CAMERA_COLUMN["cutout"]
_FREQUENCY = CAMERA_COLUMN["cutout_frequency"]
_THRESHOLD = CAMERA_COLUMN["cutout_threshold"]
_LEAVES, _TWIGS, _BARS, _MESH = (
    CUTOUTS.index(name) for name in ("leaves", "twigs", "bars", "mesh")
)


@inline
def is_cut(noise, camera_table, material, x, y, z, nx, ny):
    """Return whether a surface has a hole at a world point.

    Args:
        noise: NOISE.
        camera_table: `MaterialTable.camera`.
        material: Row of that table.
        x, y, z: World point in metres.
        nx, ny: x and y of the triangle's unit normal by the right-hand rule, not flipped towards
            the viewer.

    The material's threshold is a noise level for leaves and twigs. For bars, wire mesh and slats it
    is the fraction of the surface that remains.
    """
    kind = camera_table[material, CUTOUT]
    if kind == 0:
        return False
    frequency = camera_table[material, _FREQUENCY]
    threshold = camera_table[material, _THRESHOLD]
    if kind == _LEAVES:
        coarse = value_noise(noise, x * frequency, y * frequency, z * frequency)
        # The finer octave adds at most 0.35, so most points are decided without it.
        if 0.65 * coarse >= threshold:
            return False
        if 0.65 * coarse + 0.35 < threshold:
            return True
        fine = 2.7 * frequency
        return (
            0.65 * coarse + 0.35 * value_noise(noise, x * fine + 3, y * fine, z * fine) < threshold
        )
    if kind == _TWIGS:  # the surface remains near the zero crossings of two noises
        if (
            abs(value_noise(noise, x * frequency, y * frequency, z * frequency * 0.5) - 0.5)
            <= threshold
        ):
            return False
        fine = 1.9 * frequency
        return abs(value_noise(noise, x * fine + 7, y * fine, z * fine * 0.5) - 0.5) > threshold
    along = (nx * y - ny * x) / (math.sqrt(nx * nx + ny * ny) + 1e-6)
    if kind == _BARS:
        return (along * frequency) % 1.0 > threshold
    if kind == _MESH:
        return ((along + z) * frequency) % 1.0 > threshold and (
            (along - z) * frequency
        ) % 1.0 > threshold
    return (z * frequency) % 1.0 > threshold  # slats


@kernel
def _cut_mask(noise, camera_table, materials, points, normals, result):
    """Write for each point whether it is in a hole; see `cut_mask`."""
    for i in range(len(points)):
        result[i] = is_cut(
            noise,
            camera_table,
            materials[i],
            points[i, 0],
            points[i, 1],
            points[i, 2],
            normals[i, 0],
            normals[i, 1],
        )


def cut_mask(
    camera_table: np.ndarray, materials: np.ndarray, points: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """Return which points on triangles are in holes.

    Args:
        camera_table: `MaterialTable.camera`.
        materials: (N,) rows of that table.
        points: (N, 3) points in the world frame, metres.
        normals: (N, 3) unit normals of the triangles by the right-hand rule.

    Returns:
        (N,) bool.
    """
    result = np.empty(len(points), np.bool_)
    _cut_mask(
        NOISE,
        camera_table,
        np.asarray(materials, np.int32),
        np.asarray(points, np.float32),
        np.asarray(normals, np.float32),
        result,
    )
    return result

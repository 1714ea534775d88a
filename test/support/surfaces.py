"""The surfaces of a mesh above and below a point."""

from __future__ import annotations

import numpy as np


def surfaces_at(triangles: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangles that a vertical line meets.

    Args:
        triangles: (T, 3, 3) corners.
        point: A point on the line; only x and y count.

    Returns:
        Rows (K,) of the triangles, and z (K,) at which the line meets them.
    """
    a, b, c = np.moveaxis(triangles.astype(np.float64), 1, 0)
    area = _cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):  # upright triangles have no area
        u, v = _cross(point - a, c - a) / area, _cross(b - a, point - a) / area
        is_over = (u >= 0) & (v >= 0) & (u + v <= 1)
    rows = np.flatnonzero((np.abs(area) > 1e-9) & is_over)
    u, v, a, b, c = u[rows], v[rows], a[rows, 2], b[rows, 2], c[rows, 2]
    return rows, a + u * (b - a) + v * (c - a)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the vertical component (N,) of the cross products of vectors (N, 3)."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]

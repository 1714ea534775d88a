"""Z-buffers: perspective views of cameras, and parallel views for shadow and height maps."""

from __future__ import annotations

import math

import numpy as np

from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN
from bev_semseg_ros.sim.assets.mesh import Mesh
from bev_semseg_ros.sim.render.cutout import CUTOUT, is_cut
from bev_semseg_ros.sim.render.noise import NOISE, inline, kernel

# Distance of the near plane in metres.
NEAR = 0.1
_DEPTH_BIAS = CAMERA_COLUMN["depth_bias"]

# Columns of a projected corner: u and v in pixels, the key (the largest one is visible), a weight,
# and the world point times that weight. Key, weight and weighted point are linear in u and v, so
# one function draws perspective and parallel views.
_U, _V, _KEY, _WEIGHT, _POINT, _CORNER = 0, 1, 2, 3, 4, 7


@inline
def _fill(
    corner0, corner1, corner2, triangle, bias, material, nx, ny, camera_table, noise, keys, ids
):
    """Draw a projected triangle where its key exceeds the key in the z-buffer.

    The z-buffer `keys` (H, W) and the triangle indices `ids` (H, W), which may be None, are changed
    in place. `bias` is a factor on the key.
    """
    height, width = keys.shape
    u0, v0, u1, v1, u2, v2 = (
        corner0[_U],
        corner0[_V],
        corner1[_U],
        corner1[_V],
        corner2[_U],
        corner2[_V],
    )
    top = max(math.ceil(min(v0, v1, v2)), 0)
    bottom = min(math.floor(max(v0, v1, v2)), height - 1)
    left = max(math.ceil(min(u0, u1, u2)), 0)
    right = min(math.floor(max(u0, u1, u2)), width - 1)
    area = (u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0)
    if top > bottom or left > right or abs(area) < 1e-12:
        return
    # Barycentric weights of corners 1 and 2, linear in u and v.
    w1_u, w1_v = (v2 - v0) / area, (u0 - u2) / area
    w2_u, w2_v = (v0 - v1) / area, (u1 - u0) / area
    w0_u = -(w1_u + w2_u)
    key_u = w1_u * (corner1[_KEY] - corner0[_KEY]) + w2_u * (corner2[_KEY] - corner0[_KEY])
    has_holes = camera_table[material, CUTOUT] > 0
    tolerance = 1e-7  # without it, two neighbours may both omit a pixel on their common edge
    for y in range(top, bottom + 1):
        w1_row = w1_v * (y - v0) - w1_u * u0
        w2_row = w2_v * (y - v0) - w2_u * u0
        w0_row = 1 - w1_row - w2_row
        start, stop = float(left), float(right)
        empty = False
        for row, slope in ((w0_row, w0_u), (w1_row, w1_u), (w2_row, w2_u)):  # row + slope * x >= 0
            if slope > 0:
                start = max(start, -(row + tolerance) / slope)
            elif slope < 0:
                stop = min(stop, -(row + tolerance) / slope)
            elif row < 0:
                empty = True
        if empty or start > stop:
            continue
        key_row = (
            corner0[_KEY]
            + w1_row * (corner1[_KEY] - corner0[_KEY])
            + w2_row * (corner2[_KEY] - corner0[_KEY])
        )
        for x in range(math.ceil(start), math.floor(stop) + 1):
            key = (key_row + key_u * x) * bias
            if key <= keys[y, x]:
                continue
            if has_holes:
                w1, w2 = w1_row + w1_u * x, w2_row + w2_u * x
                w0 = 1 - w1 - w2
                share = 1 / (w0 * corner0[_WEIGHT] + w1 * corner1[_WEIGHT] + w2 * corner2[_WEIGHT])
                w0, w1, w2 = w0 * share, w1 * share, w2 * share
                if is_cut(
                    noise,
                    camera_table,
                    material,
                    w0 * corner0[_POINT] + w1 * corner1[_POINT] + w2 * corner2[_POINT],
                    w0 * corner0[_POINT + 1] + w1 * corner1[_POINT + 1] + w2 * corner2[_POINT + 1],
                    w0 * corner0[_POINT + 2] + w1 * corner1[_POINT + 2] + w2 * corner2[_POINT + 2],
                    nx,
                    ny,
                ):
                    continue
            keys[y, x] = key
            if ids is not None:
                ids[y, x] = triangle


@inline
def horizontal_normal(triangle):
    """Return x and y of the unit normal (right-hand rule) of a triangle (3, 3)."""
    ax, ay, az = (
        triangle[1, 0] - triangle[0, 0],
        triangle[1, 1] - triangle[0, 1],
        triangle[1, 2] - triangle[0, 2],
    )
    bx, by, bz = (
        triangle[2, 0] - triangle[0, 0],
        triangle[2, 1] - triangle[0, 1],
        triangle[2, 2] - triangle[0, 2],
    )
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
    return nx / length, ny / length


@kernel
def _select(triangles, camera_from_world, matrix, width, height, rows, depths):
    """Write the rows and mean depths of the triangles that may be in view; return their number.

    A triangle is omitted if it lies entirely beyond one side of the view.
    """
    count = 0
    # The sides of the view are planes through the camera: a * x + z * b >= 0.
    left, right = (matrix[0, 2] + 1) / matrix[0, 0], (width - matrix[0, 2]) / matrix[0, 0]
    top, bottom = (matrix[1, 2] + 1) / matrix[1, 1], (height - matrix[1, 2]) / matrix[1, 1]
    m = camera_from_world
    for k in range(len(triangles)):
        near = out_left = out_right = out_top = out_bottom = 0
        total = 0.0
        for q in range(3):
            wx, wy, wz = triangles[k, q, 0], triangles[k, q, 1], triangles[k, q, 2]
            z = m[2, 0] * wx + m[2, 1] * wy + m[2, 2] * wz + m[2, 3]
            x = m[0, 0] * wx + m[0, 1] * wy + m[0, 2] * wz + m[0, 3]
            y = m[1, 0] * wx + m[1, 1] * wy + m[1, 2] * wz + m[1, 3]
            near += z < NEAR
            out_left += x < -left * z
            out_right += x > right * z
            out_top += y < -top * z
            out_bottom += y > bottom * z
            total += z
        if near < 3 and out_left < 3 and out_right < 3 and out_top < 3 and out_bottom < 3:
            rows[count] = k
            depths[count] = total / 3
            count += 1
    return count


def select(
    mesh: Mesh,
    camera_table: np.ndarray,
    camera_from_world: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Return the rows of a mesh that a pinhole camera may see, in the fastest drawing order.

    Surfaces without holes come first, followed by those with holes from near to far. So holes are
    computed only where nothing hides them.

    Args:
        mesh: Mesh in the world frame.
        camera_table: `MaterialTable.camera`.
        camera_from_world: (4, 4), optical camera frame.
        matrix: (3, 3) K.
        size: (width, height) in pixels.

    Returns:
        (R,) int32.
    """
    rows, depths = np.empty(len(mesh), np.int32), np.empty(len(mesh), np.float32)
    count = _select(mesh.triangles, camera_from_world, matrix, *size, rows, depths)
    rows, depths = rows[:count], depths[:count]
    has_holes = camera_table[mesh.materials[rows], CUTOUT] > 0
    holed = np.flatnonzero(has_holes)
    return np.concatenate([rows[~has_holes], rows[holed[np.argsort(depths[holed])]]])


@kernel
def _draw_perspective(
    rows,
    triangles,
    materials,
    camera_from_world,
    matrix,
    camera_table,
    noise,
    keys,
    ids,
    seen,
    polygon,
    corners,
):
    """Draw rows of a mesh in the view of a pinhole camera.

    The last three arguments are scratch memory: `seen` (3, 3), the corners in the camera frame;
    `polygon` (4, 6), camera and world points after clipping; `corners` (4, _CORNER).
    """
    m = camera_from_world
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    for k in rows:
        behind = 0
        for q in range(3):
            for r in range(3):
                seen[q, r] = (
                    m[r, 0] * triangles[k, q, 0]
                    + m[r, 1] * triangles[k, q, 1]
                    + m[r, 2] * triangles[k, q, 2]
                    + m[r, 3]
                )
            behind += seen[q, 2] < NEAR
        if behind == 3:
            continue
        count = 0
        for q in range(3):  # clip against the near plane (Sutherland-Hodgman)
            following = (q + 1) % 3
            if seen[q, 2] >= NEAR:
                for r in range(3):
                    polygon[count, r], polygon[count, 3 + r] = seen[q, r], triangles[k, q, r]
                count += 1
            if (seen[q, 2] >= NEAR) != (seen[following, 2] >= NEAR):
                t = (NEAR - seen[q, 2]) / (seen[following, 2] - seen[q, 2])
                for r in range(3):
                    polygon[count, r] = seen[q, r] + t * (seen[following, r] - seen[q, r])
                    polygon[count, 3 + r] = triangles[k, q, r] + t * (
                        triangles[k, following, r] - triangles[k, q, r]
                    )
                count += 1
        for q in range(count):
            inverse_depth = 1 / polygon[q, 2]
            corners[q, _U] = fx * polygon[q, 0] * inverse_depth + cx
            corners[q, _V] = fy * polygon[q, 1] * inverse_depth + cy
            corners[q, _KEY] = corners[q, _WEIGHT] = inverse_depth
            for r in range(3):
                corners[q, _POINT + r] = polygon[q, 3 + r] * inverse_depth
        material = materials[k]
        bias = 1 / (1 - camera_table[material, _DEPTH_BIAS])
        nx, ny = 0.0, 0.0
        if camera_table[material, CUTOUT] > 0:
            nx, ny = horizontal_normal(triangles[k])
        for q in range(count - 2):
            _fill(
                corners[0],
                corners[q + 1],
                corners[q + 2],
                k,
                bias,
                material,
                nx,
                ny,
                camera_table,
                noise,
                keys,
                ids,
            )


@kernel
def _draw_parallel(triangles, materials, axes, offset, scale, camera_table, noise, keys, corners):
    """Draw all triangles of a mesh in parallel projection; see `draw_parallel`."""
    size = keys.shape[0]
    for k in range(len(triangles)):
        material = materials[k]
        # The surface below a decal casts the shadow.
        if camera_table[material, _DEPTH_BIAS] > 0:
            continue
        for q in range(3):
            x, y, z = triangles[k, q, 0], triangles[k, q, 1], triangles[k, q, 2]
            corners[q, _U] = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z - offset[0]) * scale
            corners[q, _V] = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z - offset[1]) * scale
        if (
            max(corners[0, _U], corners[1, _U], corners[2, _U]) < 0
            or max(corners[0, _V], corners[1, _V], corners[2, _V]) < 0
            or min(corners[0, _U], corners[1, _U], corners[2, _U]) > size
            or min(corners[0, _V], corners[1, _V], corners[2, _V]) > size
        ):
            continue
        for q in range(3):
            x, y, z = triangles[k, q, 0], triangles[k, q, 1], triangles[k, q, 2]
            corners[q, _KEY] = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z
            corners[q, _WEIGHT] = 1
            corners[q, _POINT], corners[q, _POINT + 1], corners[q, _POINT + 2] = x, y, z
        nx, ny = 0.0, 0.0
        if camera_table[material, CUTOUT] > 0:
            nx, ny = horizontal_normal(triangles[k])
        _fill(
            corners[0],
            corners[1],
            corners[2],
            k,
            1.0,
            material,
            nx,
            ny,
            camera_table,
            noise,
            keys,
            None,
        )


def draw(
    mesh: Mesh,
    rows: np.ndarray,
    camera_table: np.ndarray,
    camera_from_world: np.ndarray,
    matrix: np.ndarray,
    keys: np.ndarray,
    ids: np.ndarray,
) -> None:
    """Draw rows of a mesh into a z-buffer.

    Args:
        mesh: Mesh in the world frame.
        rows: (R,) int32 rows to draw.
        camera_table: `MaterialTable.camera`.
        camera_from_world: (4, 4), optical camera frame.
        matrix: (3, 3) K.
        keys: (H, W) float32, changed in place: inverse depth, raised by the material's depth bias.
            It starts with zeros.
        ids: (H, W) int32, changed in place: row of the visible triangle.
    """
    _draw_perspective(
        rows,
        mesh.triangles,
        mesh.materials,
        camera_from_world,
        matrix,
        camera_table,
        NOISE,
        keys,
        ids,
        np.empty((3, 3)),
        np.empty((4, 6)),
        np.empty((4, _CORNER)),
    )


def draw_parallel(
    mesh: Mesh,
    camera_table: np.ndarray,
    axes: np.ndarray,
    offset: np.ndarray,
    scale: float,
    keys: np.ndarray,
) -> None:
    """Draw a mesh in parallel projection.

    Args:
        mesh: Mesh in the world frame.
        camera_table: `MaterialTable.camera`.
        axes: (3, 3) unit rows. The last one points from the scene to the viewer.
        offset: (2,) coordinates of pixel (0, 0) along the first two axes, in metres.
        scale: Pixels per metre. Pixel (u, v) of a point is (axes[:2] @ point - offset) * scale.
        keys: (S, S) float32, raised in place to the largest coordinate along the last axis, metres.
    """
    _draw_parallel(
        mesh.triangles,
        mesh.materials,
        axes,
        offset,
        scale,
        camera_table,
        NOISE,
        keys,
        np.empty((3, _CORNER)),
    )

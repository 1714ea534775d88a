"""The radiance of each pixel: light, shadow and reflections on the visible surfaces."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN
from bev_semseg_ros.sim.render.cutout import CUTOUT
from bev_semseg_ros.sim.render.lamp_light import lamp_light
from bev_semseg_ros.sim.render.light import Light, dome_pixel, sky_radiance
from bev_semseg_ros.sim.render.noise import hash_unit, inline, kernel, pasted, value_noise
from bev_semseg_ros.sim.render.texture import (
    BEND,
    EMISSION,
    FRESNEL,
    SPECULAR,
    SURFACE,
    sample_surface,
)

_TRANSLUCENCY = CAMERA_COLUMN["translucency"]
_SEED = CAMERA_COLUMN["seed"]
# Visibility samples of a pixel, 2 x 2.
SAMPLES = 4
# Neighbouring triangles of one material are shaded as one if the cosine between their normals is
# larger than this.
_SAME_PLANE = 0.95

# Taps of the shadow and height maps come in fours, a quarter turn apart. If one of them lies in a
# wall, the opposite one does not, so half-hidden points are evenly dark instead of grainy. Columns:
# x and y (metres in the height map) and the radius.
_QUARTERS = 4
_turns = np.arange(256) / 256
_radii = 0.25 + 1.3 * (np.arange(256) * 0.61803 % 1)
TAPS = np.stack(
    [_radii * np.cos(np.pi / 2 * _turns), _radii * np.sin(np.pi / 2 * _turns), _radii], -1
).astype(np.float32)


class ParallelMap(NamedTuple):
    """A parallel projection of the scene; see `raster.draw_parallel`."""

    axes: np.ndarray  # (3, 3) unit rows; the last one points towards the viewer
    offset: np.ndarray  # (2,) coordinates of pixel (0, 0) along the first two axes, metres
    scale: float  # pixels per metre
    keys: np.ndarray  # (S, S) float32, largest coordinate along the last axis, metres


class Scene(NamedTuple):
    """Input of the kernel: the visible triangles, the light and the pose of the camera.

    The first five arrays are those of a Mesh.
    """

    triangles: np.ndarray
    uvs: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    materials: np.ndarray
    camera_table: np.ndarray
    noise: np.ndarray
    taps: np.ndarray  # TAPS
    light: Light
    dome: np.ndarray
    shadow: ParallelMap
    heights: ParallelMap
    rotation: np.ndarray  # (3, 3) world_from_camera
    origin: np.ndarray  # (3,) position of the camera in the world frame
    sky_label: int
    lamps: np.ndarray  # (L, LAMP_COLUMNS) lamps that light the scene; L is 0 by day


@inline
def _dither(column, row):
    """Return a random index in TAPS, 0 to 255; a regular pattern would be visible."""
    return int(hash_unit(column, row, 3) * 256)


@inline
def _face_normal(triangles, k):
    """Return the unit normal (right-hand rule) of triangle k."""
    ax, ay, az = (
        triangles[k, 1, 0] - triangles[k, 0, 0],
        triangles[k, 1, 1] - triangles[k, 0, 1],
        triangles[k, 1, 2] - triangles[k, 0, 2],
    )
    bx, by, bz = (
        triangles[k, 2, 0] - triangles[k, 0, 0],
        triangles[k, 2, 1] - triangles[k, 0, 1],
        triangles[k, 2, 2] - triangles[k, 0, 2],
    )
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
    return nx / length, ny / length, nz / length


@pasted
def _lit_share(scene, x, y, z, column, row):
    """Return the fraction of the sun's disc that is visible from a point, by the shadow map."""
    shadow = scene.shadow
    axes = shadow.axes
    size = shadow.keys.shape[0]
    height = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z + 0.12
    u = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z - shadow.offset[0]) * shadow.scale + 0.5
    v = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z - shadow.offset[1]) * shadow.scale + 0.5
    blur = (scene.light.shadow_blur * shadow.scale + 1) / 1.55  # 1.55 is the longest tap
    tap = _dither(column, row)
    du, dv = blur * scene.taps[tap, 0], blur * scene.taps[tap, 1]
    lit = 0
    for _ in range(_QUARTERS):
        i, j = int(v + dv), int(u + du)
        if i < 0 or j < 0 or i >= size or j >= size or shadow.keys[i, j] <= height:
            lit += 1
        du, dv = -dv, du
    return lit / _QUARTERS


@pasted
def _open_share(scene, x, y, z, column, row):
    """Return the fraction of ambient light at a point: 1 in the open, less near tall objects."""
    heights = scene.heights
    size = heights.keys.shape[0]
    u, v = (
        (x - heights.offset[0]) * heights.scale + 0.5,
        (y - heights.offset[1]) * heights.scale + 0.5,
    )
    tap = _dither(column, row)
    du, dv = heights.scale * scene.taps[tap, 0], heights.scale * scene.taps[tap, 1]
    height = z + 0.12 + 0.5 * scene.taps[tap, 2]
    hidden = 0
    for _ in range(_QUARTERS):
        i, j = int(v + dv), int(u + du)
        if 0 <= i < size and 0 <= j < size and heights.keys[i, j] > height:
            hidden += 1
        du, dv = -dv, du
    return 1 - 0.62 * hidden / _QUARTERS


@pasted
def _mirror(scene, rx, ry, rz, seed, environment):
    """Write the radiance (3,) reflected from direction rx, ry, rz: sky above a dark skyline."""
    light = scene.light
    skyline = light.skyline_height * (
        0.4 + 1.2 * value_noise(scene.noise, rx * 5 + seed, ry * 5, 1.0)
    )
    if rz > skyline:
        row, column = dome_pixel(rx, ry, rz)
        for c in range(3):
            environment[c] = scene.dome[row, column, c]
    else:
        shade = 0.3 + 1.4 * value_noise(scene.noise, rx * 9 + seed, ry * 9, rz * 7)
        if rz <= 0:
            shade *= 0.6
        for c in range(3):
            environment[c] = light.skyline[c] * shade


@pasted
def _shade(scene, k, dx, dy, dz, length, pixel_angle, column, row, surface, environment, radiance):
    """Write the radiance (3,) of triangle k seen along a direction.

    The direction dx, dy, dz is in the world frame, has depth 1 along the optical axis, and `length`
    is its length. `pixel_angle` is the angle of a pixel in radians. `surface` and `environment` are
    scratch memory.
    """
    light = scene.light
    triangles = scene.triangles
    material = scene.materials[k]
    fx, fy, fz = _face_normal(triangles, k)
    px, py, pz = triangles[k, 0, 0], triangles[k, 0, 1], triangles[k, 0, 2]
    facing = fx * dx + fy * dy + fz * dz
    # The ray may miss the triangle by a fraction of a pixel. At grazing incidence, keep the point
    # near the triangle.
    if abs(facing) < 1e-4:
        facing = 1e-4 if facing >= 0 else -1e-4
    depth = (
        fx * (px - scene.origin[0]) + fy * (py - scene.origin[1]) + fz * (pz - scene.origin[2])
    ) / facing
    x, y, z = (
        scene.origin[0] + dx * depth,
        scene.origin[1] + dy * depth,
        scene.origin[2] + dz * depth,
    )
    # Barycentric weights in the coordinate plane to which the triangle is most parallel.
    size_x, size_y, size_z = abs(fx), abs(fy), abs(fz)
    if size_z >= size_x and size_z >= size_y:
        p, q, rp, rq = 0, 1, x - px, y - py
    elif size_y >= size_x:
        p, q, rp, rq = 0, 2, x - px, z - pz
    else:
        p, q, rp, rq = 1, 2, y - py, z - pz
    ap, aq = triangles[k, 1, p] - triangles[k, 0, p], triangles[k, 1, q] - triangles[k, 0, q]
    bp, bq = triangles[k, 2, p] - triangles[k, 0, p], triangles[k, 2, q] - triangles[k, 0, q]
    area = ap * bq - bp * aq
    if abs(area) < 1e-12:
        area = 1e-12
    w1 = min(max((rp * bq - bp * rq) / area, 0.0), 1.0)
    w2 = min(max((ap * rq - rp * aq) / area, 0.0), 1.0 - w1)
    w0 = 1 - w1 - w2
    x = w0 * px + w1 * triangles[k, 1, 0] + w2 * triangles[k, 2, 0]
    y = w0 * py + w1 * triangles[k, 1, 1] + w2 * triangles[k, 2, 1]
    z = w0 * pz + w1 * triangles[k, 1, 2] + w2 * triangles[k, 2, 2]
    vx, vy, vz = x - scene.origin[0], y - scene.origin[1], z - scene.origin[2]
    distance = math.sqrt(vx * vx + vy * vy + vz * vz)
    vx, vy, vz = vx / distance, vy / distance, vz / distance
    slant = abs(fx * dx + fy * dy + fz * dz) / length
    # Between the short and the long axis of the pixel's ellipse on a slanted surface.
    footprint = distance * pixel_angle / math.sqrt(max(slant, 0.04))
    u = w0 * scene.uvs[k, 0, 0] + w1 * scene.uvs[k, 1, 0] + w2 * scene.uvs[k, 2, 0]
    v = w0 * scene.uvs[k, 0, 1] + w1 * scene.uvs[k, 1, 1] + w2 * scene.uvs[k, 2, 1]
    sample_surface(scene.noise, scene.camera_table, material, x, y, z, u, v, footprint, surface)
    nx = w0 * scene.normals[k, 0, 0] + w1 * scene.normals[k, 1, 0] + w2 * scene.normals[k, 2, 0]
    ny = w0 * scene.normals[k, 0, 1] + w1 * scene.normals[k, 1, 1] + w2 * scene.normals[k, 2, 1]
    nz = w0 * scene.normals[k, 0, 2] + w1 * scene.normals[k, 1, 2] + w2 * scene.normals[k, 2, 2]
    if facing > 0 and nx * vx + ny * vy + nz * vz > 0:  # the back of a sheet
        nx, ny, nz = -nx, -ny, -nz
    nx, ny, nz = nx + surface[BEND], ny + surface[BEND + 1], nz + surface[BEND + 2]
    norm = 1 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
    nx, ny, nz = nx * norm, ny * norm, nz * norm

    incidence = (
        nx * light.sun_direction[0] + ny * light.sun_direction[1] + nz * light.sun_direction[2]
    )
    translucency = scene.camera_table[material, _TRANSLUCENCY]
    if translucency > 0:
        incidence = max(incidence, 0.0) * (1 - 0.5 * translucency) + translucency * (
            0.3 + 0.25 * abs(incidence)
        )
    sun = 0.0
    if incidence > 0:
        sun = incidence
        if scene.shadow.keys.shape[0] > 1:
            sun *= _lit_share(scene, x + 0.06 * nx, y + 0.06 * ny, z + 0.06 * nz, column, row)
    open_share = _open_share(scene, x + 0.15 * nx, y + 0.15 * ny, z, column, row)
    reflectance = 0.0
    rx, ry, rz = vx, vy, vz
    if surface[SPECULAR] > 0:
        toward_viewer = min(max(-(nx * vx + ny * vy + nz * vz), 0.0), 1.0)
        grazing = 1 - toward_viewer
        # Schlick's approximation of Fresnel's equations.
        reflectance = surface[SPECULAR] * (surface[FRESNEL] + (1 - surface[FRESNEL]) * grazing**5)
        rx, ry, rz = (
            vx + 2 * toward_viewer * nx,
            vy + 2 * toward_viewer * ny,
            vz + 2 * toward_viewer * nz,
        )
        _mirror(scene, rx, ry, rz, scene.camera_table[material, _SEED], environment)
        highlight = (
            rx * light.sun_direction[0] + ry * light.sun_direction[1] + rz * light.sun_direction[2]
        )
        if highlight > 0.9 and sun > 0:
            for _ in range(7):  # to the power of 128
                highlight *= highlight
            for c in range(3):
                environment[c] += 6 * highlight * sun * light.sun[c]
    if scene.lamps.shape[0] > 0:
        lamp_light(scene.lamps, x, y, z, nx, ny, nz, rx, ry, rz, reflectance, environment[3:9])
    upward = 0.5 + 0.5 * nz
    clear = math.exp(-distance / light.fog_length)
    for c in range(3):
        ambient = (
            light.ground_ambient[c] + (light.sky_ambient[c] - light.ground_ambient[c]) * upward
        ) * open_share
        value = surface[c] * (light.sun[c] * sun + ambient + 3 * surface[EMISSION])
        if scene.lamps.shape[0] > 0:
            value += surface[c] * environment[3 + c] * open_share + environment[6 + c]
        if reflectance > 0:
            value += reflectance * (environment[c] * (0.4 + 0.6 * open_share) - value)
        radiance[c] = value * clear + (1 - clear) * light.horizon[c]


@pasted
def _shaded_alike(scene, k, other):
    """Return whether one shading sample of a pixel may represent two triangles."""
    if k == other:
        return True
    if (
        k < 0
        or other < 0
        or scene.materials[k] != scene.materials[other]
        or scene.labels[k] != scene.labels[other]
    ):
        return False
    if scene.camera_table[scene.materials[k], CUTOUT] > 0:
        return True
    ax, ay, az = _face_normal(scene.triangles, k)
    bx, by, bz = _face_normal(scene.triangles, other)
    return abs(ax * bx + ay * by + az * bz) > _SAME_PLANE


@kernel
def _shade_all(
    scene, rays, samples, ids, keys, pixel_angles, radiance, mask, surface, environment, color, seen
):
    """Fill radiance and mask; see `shade`. The last four arguments are scratch memory."""
    r = scene.rotation
    height, width = mask.shape
    for row in range(height):
        for column in range(width):
            alike = True
            for s in range(SAMPLES):
                seen[s] = ids[samples[row, column, s]]
                alike = alike and seen[s] == seen[0]
            radiance[row, column, 0] = radiance[row, column, 1] = radiance[row, column, 2] = 0
            done = 0
            best, best_key = 0, np.float32(0)
            for s in range(SAMPLES):
                if done >> s & 1:
                    continue
                k = seen[s]
                count = 0
                du = dv = 0.0
                for other in range(s, SAMPLES):
                    if not done >> other & 1 and (alike or _shaded_alike(scene, k, seen[other])):
                        done |= 1 << other
                        count += 1
                        du += (other & 1) - 0.5
                        dv += (other >> 1) - 0.5
                cx = rays[row, column, 0] + 0.5 * du / count * pixel_angles[0]
                cy = rays[row, column, 1] + 0.5 * dv / count * pixel_angles[1]
                dx = r[0, 0] * cx + r[0, 1] * cy + r[0, 2]
                dy = r[1, 0] * cx + r[1, 1] * cy + r[1, 2]
                dz = r[2, 0] * cx + r[2, 1] * cy + r[2, 2]
                length = math.sqrt(dx * dx + dy * dy + dz * dz)
                if k < 0:
                    sky_radiance(
                        scene.noise, scene.light, dx / length, dy / length, dz / length, color
                    )
                else:
                    _shade(
                        scene,
                        k,
                        dx,
                        dy,
                        dz,
                        length,
                        max(pixel_angles),
                        column,
                        row,
                        surface,
                        environment,
                        color,
                    )
                for c in range(3):
                    radiance[row, column, c] += color[c] * count / SAMPLES
                key = keys[samples[row, column, s]]
                if count > best or (count == best and key > best_key):
                    best, best_key = count, key
                    mask[row, column] = scene.sky_label if k < 0 else scene.labels[k]


def shade(
    scene: Scene,
    rays: np.ndarray,
    samples: np.ndarray,
    ids: np.ndarray,
    keys: np.ndarray,
    pixel_angles: tuple[float, float],
    radiance: np.ndarray,
    mask: np.ndarray,
) -> None:
    """Compute the radiance and the class of every pixel.

    A pixel is shaded once for each different surface among its samples. Its class is that of the
    surface with the most samples, or of the nearer surface if two have equally many.

    Args:
        scene: Triangles, light and pose of the camera.
        rays: (H, W, 2) x and y of the pixels' centres at depth 1 in the camera frame.
        samples: (H, W, SAMPLES) indices of the pixels' 2 x 2 samples in the flat z-buffer.
        ids: (P,) row of the visible triangle for each element of the z-buffer, -1 for the sky.
        keys: (P,) inverse depth for each element of the z-buffer.
        pixel_angles: Width and height of a pixel in radians.
        radiance: (H, W, 3) float32, overwritten.
        mask: (H, W) uint8, overwritten.
    """
    _shade_all(
        scene,
        rays,
        samples,
        ids,
        keys,
        pixel_angles,
        radiance,
        mask,
        np.empty(SURFACE),
        np.empty(9),  # mirrored radiance, and diffuse and specular light of lamps
        np.empty(3),
        np.empty(SAMPLES, np.int32),
    )

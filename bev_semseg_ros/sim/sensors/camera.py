"""The camera: renders a View to an image and to a mask with the true class of every pixel."""

from __future__ import annotations

import functools
import math
import weakref

import cv2
import numpy as np

from bev_semseg_ros.frame import Camera, scale_matrix
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.sim.assets.mesh import Mesh, concatenate
from bev_semseg_ros.sim.classes import SKY
from bev_semseg_ros.sim.render import raster
from bev_semseg_ros.sim.render.imaging import Imaging, develop
from bev_semseg_ros.sim.render.light import Light, random_light, sky_dome
from bev_semseg_ros.sim.render.noise import NOISE
from bev_semseg_ros.sim.render.rain import add_drops, add_spray
from bev_semseg_ros.sim.render.shading import SAMPLES, TAPS, ParallelMap, Scene, shade
from bev_semseg_ros.sim.render.wet_ground import reflect
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.weather import Weather

# Largest tangent of a ray. A pinhole z-buffer cannot cover more than about 150 degrees.
_MAX_TANGENT = 4.0
# Maps for shadows and for ambient occlusion: side in pixels, side in metres, and distance in metres
# of the centre from the vehicle, in the camera's direction.
_SHADOW_MAP = (1024, 105.0, 35.0)
_HEIGHT_MAP = (512, 90.0, 30.0)
# The maps move with the vehicle in steps of this many metres. The static part of a map is drawn
# again only after a step.
_MAP_STEP = 12.0


def render(view: View, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Render the image that a camera records of a view.

    A pinhole z-buffer of twice the resolution determines the visible triangle in each quarter of a
    pixel. The pixel is then shaded along its own ray, so no image is resampled for the distortion.
    Light, exposure and colour come from `view.drive_seed`, grain from `view.seed`.

    Args:
        view: State of the world.
        camera: Camera; its `matrix` and distortion define the geometry.

    Returns:
        Image (H, W, 3) uint8 RGB and mask (H, W) uint8 of `classes.MASK_LABEL`.

    Raises:
        ValueError: If the field of view exceeds about 150 degrees.
    """
    rays, samples, matrix, size = _optics(
        camera.matrix.tobytes(), camera.distortion.tobytes(), camera.distortion_model, camera.size
    )
    table = view.materials.camera
    camera_from_world = camera.camera_from_ego @ invert(view.world_from_ego)
    seen = concatenate(
        [
            mesh[raster.select(mesh, table, camera_from_world, matrix, size)]
            for mesh in (view.static, view.moving)
        ]
    )
    keys, ids = np.zeros(size[::-1], np.float32), np.full(size[::-1], -1, np.int32)
    raster.draw(
        seen, np.arange(len(seen), dtype=np.int32), table, camera_from_world, matrix, keys, ids
    )

    light, dome, imaging = _drive(view.drive_seed, view.season, view.weather)
    world_from_camera = invert(camera_from_world)
    side = _main_direction(camera)
    scene = Scene(
        triangles=seen.triangles,
        uvs=seen.uvs,
        normals=seen.normals,
        labels=seen.labels,
        materials=seen.materials,
        camera_table=table,
        noise=NOISE,
        taps=TAPS,
        light=light,
        dome=dome,
        shadow=_shadow_map(view, light, table, side),
        heights=_height_map(view, table, side),
        rotation=np.ascontiguousarray(world_from_camera[:3, :3]),
        origin=world_from_camera[:3, 3].copy(),
        sky_label=SKY,
        lamps=view.lamps,
    )
    width, height = camera.size
    radiance, mask = np.empty((height, width, 3), np.float32), np.empty((height, width), np.uint8)
    shade(
        scene,
        rays,
        samples,
        ids.reshape(-1),
        keys.reshape(-1),
        (1 / camera.matrix[0, 0], 1 / camera.matrix[1, 1]),
        radiance,
        mask,
    )
    if view.weather.wet > 0:
        reflect(
            rays,
            samples,
            keys,
            matrix,
            scene.rotation,
            scene.origin,
            dome,
            view.weather.wet,
            mask,
            radiance,
        )
    if view.weather.rain > 0:
        with np.errstate(divide="ignore"):
            depths = 1 / keys.reshape(-1)[samples[..., 0]]
        add_spray(radiance, depths, view, camera.image_from_ego, light.horizon)
        add_drops(radiance, view.weather.rain, view.drive_seed, view.seed)
    return develop(radiance, mask == SKY, imaging, light.sky_ambient, view.seed), mask


@functools.lru_cache(maxsize=8)
def _drive(drive_seed: int, season: str, weather: Weather) -> tuple[Light, np.ndarray, Imaging]:
    """Return the light, the sky map and the camera settings of a drive."""
    light = random_light(drive_seed, season, weather)
    return light, sky_dome(light), Imaging.draw(drive_seed, weather)


@functools.lru_cache(maxsize=8)
def _optics(
    matrix: bytes, distortion: bytes, model: str, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Compute the rays of the pixels of a camera, and their samples in a z-buffer.

    Args:
        matrix: Bytes of K (3, 3) float64.
        distortion: Bytes of the distortion coefficients, float64.
        model: Distortion model of `frame.Camera`.
        size: (width, height) in pixels.

    Returns:
        rays: (H, W, 2) float32, x and y of the pixels' centres at depth 1 in the camera frame.
        samples: (H, W, SAMPLES) int32, indices of the pixels' 2 x 2 samples in the flat z-buffer.
        matrix: (3, 3) K of the pinhole z-buffer.
        size: (width, height) of the z-buffer.

    Raises:
        ValueError: If the field of view exceeds about 150 degrees.
    """
    width, height = size
    fine = scale_matrix(np.frombuffer(matrix).reshape(3, 3), size, (2 * width, 2 * height))
    # A fisheye distorts the image even if its coefficients are zero.
    if model == "none" or (model != "equidistant" and not np.frombuffer(distortion).any()):
        return _pinhole_optics(fine, size)
    columns, rows = np.meshgrid(
        np.arange(2 * width, dtype=np.float64), np.arange(2 * height, dtype=np.float64)
    )
    pixels = np.stack([columns, rows], -1).reshape(-1, 1, 2)
    coefficients = np.frombuffer(distortion)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-9)
    if model == "equidistant":
        rays = cv2.fisheye.undistortPoints(pixels, fine, coefficients[:4])
    else:
        rays = cv2.undistortPointsIter(  # type: ignore[call-overload]  # its stub forbids None
            pixels, fine, coefficients, None, None, criteria
        )
    rays = rays.reshape(2 * height, 2 * width, 2)
    _check_width(rays, size)
    # The z-buffer starts at the leftmost and the topmost ray.
    focal = np.diag(fine)[:2]
    low, high = rays.reshape(-1, 2).min(0), rays.reshape(-1, 2).max(0)
    columns_needed, rows_needed = np.ceil((high - low) * focal - 1e-6) + 1
    buffer_size = (int(columns_needed), int(rows_needed))
    buffer_matrix = np.diag([*focal, 1.0])
    buffer_matrix[:2, 2] = -low * focal
    places = np.rint((rays - low) * focal).astype(np.int32)
    flat = places[..., 1] * buffer_size[0] + places[..., 0]
    samples = (
        flat.reshape(height, 2, width, 2).transpose(0, 2, 1, 3).reshape(height, width, SAMPLES)
    )
    centres = rays.reshape(height, 2, width, 2, 2).mean((1, 3)).astype(np.float32)
    return centres, np.ascontiguousarray(samples), buffer_matrix, buffer_size


def _pinhole_optics(
    fine: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Compute the result of `_optics` for a camera without distortion, in a tenth of the time.

    The z-buffer is the image at twice its size.

    Args:
        fine: (3, 3) K of that z-buffer.
        size: (width, height) of the image in pixels.
    """
    width, height = size
    x = (np.arange(2 * width) - fine[0, 2]) / fine[0, 0]
    y = (np.arange(2 * height) - fine[1, 2]) / fine[1, 1]
    _check_width(np.concatenate([x, y]), size)
    columns, rows = x.reshape(width, 2).mean(1), y.reshape(height, 2).mean(1)
    centres = np.stack(np.meshgrid(columns, rows), -1).astype(np.float32)
    left = np.arange(0, 2 * width, 2, dtype=np.int32)
    top = np.arange(0, 2 * height, 2, dtype=np.int32)[:, None] * np.int32(2 * width)
    samples = np.empty((height, width, SAMPLES), np.int32)
    for number, offset in enumerate((0, 1, 2 * width, 2 * width + 1)):
        samples[..., number] = top + left + np.int32(offset)
    return centres, samples, fine, (2 * width, 2 * height)


def _check_width(rays: np.ndarray, size: tuple[int, int]) -> None:
    """Raise ValueError if rays, given as x or y at depth 1, are too far from the optical axis."""
    if not (np.abs(rays) < _MAX_TANGENT).all():
        raise ValueError(
            f"camera of {size[0]}x{size[1]} pixels: sees more than "
            f"{2 * math.degrees(math.atan(_MAX_TANGENT)):.0f} degrees, or its distortion has no "
            "inverse at the border of the image; simulate a camera with a narrower view"
        )


def _main_direction(camera: Camera) -> np.ndarray:
    """Return the axis of the ego frame, +-x or +-y, closest to the camera's direction, as (3,).

    Cameras that look in about the same direction share their maps.
    """
    forward, left = camera.camera_from_ego[2, :2]
    if abs(forward) >= abs(left):
        return np.array([np.copysign(1.0, forward), 0.0, 0.0])
    return np.array([0.0, np.copysign(1.0, left), 0.0])


# The latest maps of the static mesh, by the direction of projection and the side of the vehicle on
# which they lie. The key is `View.static`, which is the same object for a whole drive.
_static_maps: weakref.WeakKeyDictionary[Mesh, dict[bytes, ParallelMap]] = (
    weakref.WeakKeyDictionary()
)


def _parallel_map(
    view: View,
    table: np.ndarray,
    axes: np.ndarray,
    geometry: tuple[int, float, float],
    side: np.ndarray,
) -> ParallelMap:
    """Draw the scene in parallel projection along -axes[2], around a point near the vehicle.

    Args:
        view: State of the world.
        table: Camera columns of the materials.
        axes: (3, 3) unit rows; the last one points from the scene to the viewer.
        geometry: Side in pixels, side in metres, distance of the centre from the vehicle in metres.
        side: (3,) unit vector in the ego frame from the vehicle to the centre.
    """
    size, extent, distance = geometry
    pose = view.world_from_ego
    centre = axes[:2] @ (pose[:3, 3] + distance * (pose[:3, :3] @ side))
    offset = np.round(centre / _MAP_STEP) * _MAP_STEP - extent / 2
    maps = _static_maps.setdefault(view.static, {})
    key = axes.tobytes() + side.tobytes()
    static = maps.get(key)
    if static is None or not np.array_equal(static.offset, offset):
        keys = np.full((size, size), -1e9, np.float32)
        static = ParallelMap(axes, offset, size / extent, keys)
        raster.draw_parallel(view.static, table, axes, offset, static.scale, keys)
        maps[key] = static
    keys = static.keys.copy()
    raster.draw_parallel(view.moving, table, axes, offset, static.scale, keys)
    return static._replace(keys=keys)


def _shadow_map(view: View, light: Light, table: np.ndarray, side: np.ndarray) -> ParallelMap:
    """Draw the scene as seen from the sun; a single empty pixel if the sun casts no shadows."""
    if not light.has_shadows:
        return ParallelMap(np.eye(3), np.zeros(2), 1.0, np.zeros((1, 1), np.float32))
    sun = light.sun_direction
    across = np.cross([0.0, 0.0, 1.0], sun)
    across /= np.linalg.norm(across)
    axes = np.stack([across, np.cross(sun, across), sun])
    return _parallel_map(view, table, axes, _SHADOW_MAP, side)


def _height_map(view: View, table: np.ndarray, side: np.ndarray) -> ParallelMap:
    """Draw the scene from above."""
    return _parallel_map(view, table, np.eye(3), _HEIGHT_MAP, side)

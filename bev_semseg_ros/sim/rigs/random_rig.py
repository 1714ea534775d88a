"""Random rigs, which prepare a network for vehicles that it was not trained on.

The random values span the vehicles in use. The x axis of the ego frame points where the camera
looks. The origin is on the ground below the first lidar.

- Lidars: one in four of five rigs, otherwise two to four; the additional ones may be lower and more
  tilted. They spin, with 16 to 128 beams, evenly or unevenly spaced, or look forward with a raster
  of 70 to 130 rows. Their range is 35 to 200 m.
- Pose of the lidar: 1.2 to 2.8 m above the ground, pitch and roll up to 3 degrees.
- Intensity: reflectivity, with a scale that differs between rigs; strength of the echo; or zero for
  all points.
- Sweep: none, or 0.05, 0.1 or 0.2 s, during which the vehicle and the objects move. In half of the
  rigs with a sweep, the driver of the lidar has removed the motion of the vehicle. Boxes have their
  positions at the time of the frame. The beams pass the x axis, along which the camera looks, at
  most 30 ms before or after that time.
- Camera: horizontal field of view of 45 to 110 degrees; 1.1 to 2.2 m above the ground, up to 1.5 m
  beside and 1 m in front of the lidar; looks to the front (70 %), a side (20 %) or the rear (10 %).
- Image: aspect ratio 1.25 to 3.2, 0.17 to 0.6 megapixels; up to 50 ms before or after the time of
  the frame; vignetting, JPEG. In three of ten rigs, it shows the bonnet, which is unlabelled in the
  mask and has no box.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import (
    OPTICAL_FROM_VIEW,
    apply,
    invert,
    rotation_rpy,
    rotation_z,
    transform,
)
from bev_semseg_ros.sim.rigs.bonnet import Bonnet
from bev_semseg_ros.sim.rigs.camera_effects import CameraEffects
from bev_semseg_ros.sim.rigs.random_beams import Pattern, draw_pattern, draw_small_pattern
from bev_semseg_ros.sim.rigs.rig import BodyPart, BoxConvention, Lidar, Rig
from bev_semseg_ros.sim.sensors.sweep import Sweep

CAMERA = "image_02"
# Fractions of the cameras that look to the front, to a side and to the rear.
DIRECTION_SHARES = {"front": 0.7, "side": 0.2, "rear": 0.1}
# Fraction of the cameras to the rear whose vehicle reverses: its rear is where others have their
# front. The street ends 40 m behind a vehicle that drives forward, so there is little to see.
BACKING_SHARE = 0.75
# A lidar and a camera are at most this many metres beside the centre line of the vehicle.
HALF_WIDTH = 0.9
# Horizontal field of view in degrees, and number of pixels of an image. Most images are as large as
# those of the fixed rigs, so they cost as much.
VIEW_WIDTHS = (45.0, 110.0)
PIXELS = (170_000, 300_000)
LARGE_PIXELS = (300_000, 600_000)
LARGE_SHARE = 0.12
ASPECTS = (1.25, 3.2)
COMMON_ASPECTS = (1.25, 4 / 3, 1.6, 16 / 9, 2.0)
MAX_TILT = np.radians(3.0)
# Most rays of a lidar within the image. A finer pattern gets a larger azimuth step.
MAX_RAYS = 45_000


def random_rig(rng: np.random.Generator) -> Rig:
    """Draw a rig.

    Args:
        rng: Source of randomness; the same state gives the same rig.
    """
    direction = str(rng.choice(list(DIRECTION_SHARES), p=list(DIRECTION_SHARES.values())))
    is_backing = direction == "rear" and rng.random() < BACKING_SHARE
    yaw = 0.0 if is_backing else _draw_yaw(rng, direction)
    side = _clipped(rng, 0.1, 0.3) if rng.random() < 0.7 else rng.uniform(-0.8, 0.8)
    vehicle_from_ego = transform(rotation_z(yaw), (0.0, side, 0.0))
    view_width = np.radians(rng.uniform(*VIEW_WIDTHS))
    lidars = _draw_lidars(rng, view_width)
    lidar_height = float(lidars[0].ego_from_lidar[2, 3])
    position = _draw_camera_position(rng, vehicle_from_ego)
    camera, below = _draw_camera(rng, view_width, position)
    max_range = float(np.exp(rng.uniform(np.log(35), np.log(200))))
    reach = max(max_range * rng.uniform(0.22, 0.75), 20.0)
    gain, exponent, fade_range = _draw_intensity(rng)
    dark = rng.random()
    body = _draw_body(rng, lidar_height, direction, is_backing)
    lidars = tuple(_outside(lidar, body, vehicle_from_ego) for lidar in lidars)
    return Rig(
        name="random",
        layout="kitti",
        cameras={CAMERA: camera},
        lidars=lidars,
        convention=BoxConvention({"car": (0.955, 0.955, 1.0)}, pull=0.02),
        max_range=max_range,
        range_sigma=rng.uniform(0.01, 0.04),
        ring_sigma=rng.uniform(0.0, 0.015),
        beam_sigma=np.radians(rng.uniform(0.0, 0.03)),
        signal_range=(reach, reach),
        intensity_gain=gain,
        intensity_exponent=exponent,
        intensity_sigma=rng.uniform(0.15, 0.35),
        dark_share=0.06 if dark < 0.15 else 0.0,
        body=body,
        dark_range=rng.uniform(12, 40) if dark > 0.75 else float("inf"),
        fade_range=fade_range,
        vehicle_from_ego=vehicle_from_ego,
        sweep=_draw_sweep(rng, lidars[0]),
        effects=_draw_effects(rng),
        bonnet=_draw_bonnet(rng, position, below, direction),
        is_merged=True,
    )


def _clipped(rng: np.random.Generator, sigma: float, limit: float) -> float:
    """Return a normally distributed number that is at most `limit` away from zero."""
    return float(np.clip(rng.normal(0, sigma), -limit, limit))


def _draw_yaw(rng: np.random.Generator, direction: str) -> float:
    """Draw the yaw of the ego frame in radians, to the left from the direction of travel."""
    if direction == "front":
        return 0.0
    if direction == "rear":
        return np.pi + float(np.radians(rng.normal(0, 3)))
    return float(np.radians(rng.uniform(35, 105)) * rng.choice([-1, 1]))


def _draw_lidars(rng: np.random.Generator, view_width: float) -> tuple[Lidar, ...]:
    """Draw the lidars: one in most rigs, otherwise two of the same kind or several small ones.

    Args:
        rng: Source of randomness.
        view_width: Horizontal field of view of the camera in radians.
    """
    height = float(rng.triangular(1.2, 1.8, 2.8))
    kind = rng.random()
    if kind < 0.8:
        return (_lidar("lidar", draw_pattern(rng), _draw_mount(rng, (0, 0), height), view_width),)
    if kind < 0.93:
        pattern = draw_pattern(rng)
        second = (rng.uniform(-1.0, 1.5), rng.uniform(-0.7, 0.7))
        second_height = height if rng.random() < 0.6 else rng.uniform(0.5, 1.2)
        return (
            _lidar("lidar", pattern, _draw_mount(rng, (0, 0), height), view_width),
            _lidar("lidar_2", pattern, _draw_mount(rng, second, second_height), view_width),
        )
    pattern = draw_small_pattern(rng)
    lidars = [_lidar("lidar", pattern, _draw_mount(rng, (0, 0), height), view_width)]
    for number in range(2, int(rng.integers(4, 6))):
        place = (rng.uniform(-1.0, 0.3), rng.uniform(-0.7, 0.7))
        # Small lidars at the edges of a roof are tilted.
        tilt = rotation_rpy(*np.radians(rng.uniform([-40, -15, -5], [40, 15, 5])))
        pose = _draw_mount(rng, place, height) @ transform(tilt)
        lidars.append(_lidar(f"lidar_{number}", pattern, pose, view_width))
    return tuple(lidars)


def _draw_mount(rng: np.random.Generator, place: tuple[float, float], height: float) -> np.ndarray:
    """Draw an almost upright pose (4, 4) of a lidar at `place` (x, y) and a height in metres."""
    roll, pitch = (np.clip(rng.normal(0, np.radians(1.2), 2), -MAX_TILT, MAX_TILT)).tolist()
    yaw = np.radians(rng.normal(0, 1.5))
    return transform(rotation_rpy(roll, pitch, yaw), (*place, height))


def _lidar(name: str, pattern: Pattern, pose: np.ndarray, view_width: float) -> Lidar:
    """Return a lidar with a pattern at a pose (4, 4) in the ego frame."""
    step = np.radians(pattern.azimuth_step)
    seen = min(view_width, np.radians(pattern.span))
    step = max(step, len(pattern.elevations) * seen / MAX_RAYS)
    azimuths = (0.0, 2 * np.pi)
    if pattern.span < 360:
        half = np.radians(pattern.span) / 2
        azimuths = (-float(half), float(half))
    return Lidar(
        name,
        pose,
        np.radians(pattern.elevations),
        pattern.heights,
        float(step),
        azimuths,
        pattern.model,
    )


def _draw_camera_position(
    rng: np.random.Generator, vehicle_from_ego: np.ndarray
) -> tuple[float, float, float]:
    """Draw x, y, z of the camera on the vehicle, in the ego frame, metres."""
    x = rng.uniform(-0.4, 1.0)
    y = _clipped(rng, 0.25, 1.5) if rng.random() < 0.5 else rng.uniform(-1.5, 1.5)
    z = rng.triangular(1.1, 1.5, 2.2)
    in_vehicle = apply(vehicle_from_ego, np.array([x, y, z]))
    in_vehicle[1] = np.clip(in_vehicle[1], -HALF_WIDTH, HALF_WIDTH)
    x, y, z = apply(invert(vehicle_from_ego), in_vehicle).tolist()
    return x, y, z


def _draw_camera(
    rng: np.random.Generator, view_width: float, position: tuple[float, float, float]
) -> tuple[Camera, float]:
    """Draw a camera with a horizontal field of view `view_width` in radians.

    Returns:
        The camera, and the angle in radians by which the lower edge of the image lies below the
        horizon.
    """
    aspect = float(np.exp(rng.uniform(*np.log(ASPECTS))))
    if rng.random() < 0.5:
        aspect = float(rng.choice(COMMON_ASPECTS))
    sizes = LARGE_PIXELS if rng.random() < LARGE_SHARE else PIXELS
    pixels = np.exp(rng.uniform(*np.log(sizes)))
    width, height = round(np.sqrt(pixels * aspect)), round(np.sqrt(pixels / aspect))
    focal = width / 2 / np.tan(view_width / 2)
    cx = width * (0.5 + rng.uniform(-0.03, 0.03))
    cy = height * (0.5 + rng.uniform(-0.08, 0.08))
    roll, pitch, yaw = np.radians(rng.normal(0, 1.5, 3))
    ego_from_view = transform(rotation_rpy(roll, pitch, yaw), position)
    matrix = np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]])
    camera = Camera(matrix, (width, height), OPTICAL_FROM_VIEW @ invert(ego_from_view))
    return camera, float(pitch + np.arctan((height - cy) / focal))


def _draw_intensity(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw the meaning of intensity for a lidar.

    Returns:
        `intensity_gain`, `intensity_exponent` and `fade_range` of `Rig`.
    """
    kind = rng.random()
    if kind < 0.12:  # none
        return 0.0, 1.0, float("inf")
    if kind < 0.62:  # reflectivity, with a random scale
        return rng.uniform(0.4, 1.0), rng.uniform(0.5, 1.6), float("inf")
    if kind < 0.82:  # 0 to 100 for surfaces that scatter, up to 255 for reflectors
        return 100 / 255, 1.0, float("inf")
    return rng.uniform(0.6, 1.5), rng.uniform(0.7, 1.2), rng.uniform(5, 30)  # strength of the echo


def _draw_body(
    rng: np.random.Generator, lidar_height: float, direction: str, is_backing: bool
) -> tuple[BodyPart, ...]:
    """Draw the ego vehicle: its roof below the lidar, and its body below the windows.

    Args:
        rng: Source of randomness.
        lidar_height: Height of the lidar above the ground in metres.
        direction: Key of DIRECTION_SHARES. With a camera to the rear, the lidar is near the rear
            edge of the roof. Otherwise, the roof would hide the road from it.
        is_backing: Whether the vehicle reverses: its rear is towards positive x.
    """
    roof = lidar_height - rng.uniform(0.15, 0.5)
    roof_front = rng.uniform(0.1, 0.9)
    roof_rear = -rng.uniform(0.3, 1.0) if direction == "rear" else -rng.uniform(0.6, 2.2)
    front, rear = roof_front + rng.uniform(1.0, 2.0), roof_rear - rng.uniform(0.2, 1.2)
    bonnet = rng.uniform(0.7, 1.0)
    half_width = rng.uniform(0.82, 0.98)
    if is_backing:
        front, rear = -rear, -front
        roof_front, roof_rear = -roof_rear, -roof_front
    parts = [BodyPart(front, rear, half_width, min(bonnet, roof))]
    if roof > bonnet:
        parts.append(BodyPart(roof_front, roof_rear, 0.68, roof))
    return tuple(parts)


def _outside(lidar: Lidar, body: tuple[BodyPart, ...], vehicle_from_ego: np.ndarray) -> Lidar:
    """Return a lidar that is outside the ego vehicle.

    A low lidar that would be inside is moved in the direction of the camera, to the bumper or a
    side.
    """
    pose = lidar.ego_from_lidar.copy()
    while any(part.contains(apply(vehicle_from_ego, pose[:3, 3])) for part in body):
        pose[0, 3] += 0.1
    return replace(lidar, ego_from_lidar=pose)


def _draw_sweep(rng: np.random.Generator, lidar: Lidar) -> Sweep | None:
    """Draw the timing of the beams; None for one of six rigs: all beams fire at one moment."""
    if rng.random() < 1 / 6:
        return None
    first, end = lidar.azimuths
    direction = int(rng.choice([-1, 1]))
    is_turn = end - first > 2 * np.pi - 1e-6
    start = rng.uniform(-np.pi, np.pi) if is_turn else (first if direction > 0 else end)
    return Sweep(
        period=float(rng.choice([0.1, 0.05, 0.2], p=[0.8, 0.14, 0.06])),
        start=float(start),
        span=float(end - first),
        direction=direction,
        delay=_clipped(rng, 0.01, 0.03),
        is_corrected=bool(rng.random() < 0.5),
    )


def _draw_effects(rng: np.random.Generator) -> CameraEffects:
    """Draw the time offset, the vignetting and the compression of the camera."""
    return CameraEffects(
        delay=rng.uniform(-0.05, 0.05) if rng.random() < 0.4 else _clipped(rng, 0.005, 0.05),
        vignette=rng.uniform(0.3, 0.95) if rng.random() < 0.3 else 0.0,
        vignette_power=rng.uniform(2.0, 5.0),
        jpeg_quality=int(rng.integers(35, 96)) if rng.random() < 0.6 else None,
    )


def _draw_bonnet(
    rng: np.random.Generator,
    position: tuple[float, float, float],
    below: float,
    direction: str,
) -> Bonnet | None:
    """Draw the bonnet of the ego vehicle, which covers a part of the image's lower edge, or None.

    Args:
        rng: Source of randomness.
        position: x, y, z of the camera in the ego frame in metres.
        below: Angle in radians by which the image's lower edge lies below the horizon.
        direction: Key of DIRECTION_SHARES.
    """
    is_seen = rng.random() < (0.6 if direction != "side" else 0.15)
    edge = rng.uniform(0.65, 1.2)
    # The front edge is visible at this angle below the horizon.
    angle = below * rng.uniform(0.5, 0.95)
    turn = rng.normal(0, 6) if direction != "side" else rng.normal(0, 25)
    length, width = rng.uniform(0.8, 1.6), rng.uniform(1.3, 1.9)
    rise, crown = rng.uniform(0.02, 0.14), rng.uniform(0.03, 0.12)
    roundness = rng.uniform(0.05, 0.35)
    grey = float(np.exp(rng.uniform(np.log(0.01), np.log(0.8))))
    tint = rng.uniform(0.15, 1.0, 3) if rng.random() < 0.35 else np.ones(3)
    fresnel = rng.uniform(0.04, 0.25)
    cowl = rng.uniform(0.1, 0.35) if rng.random() < 0.6 else 0.0
    x, y, z = position
    # The bonnet must be at a plausible distance, and lie below the camera.
    if not is_seen or angle < np.radians(3) or edge + rise > z - 0.15:
        return None
    distance = (z - edge) / np.tan(angle)
    if not 0.8 < distance < 2.6:
        return None
    side = y + rng.normal(0, 0.25 if direction != "side" else 0.6)
    red, green, blue = grey * tint
    return Bonnet(
        (x + float(distance), side, edge),
        float(np.radians(turn)),
        length,
        width,
        rise,
        crown,
        roundness,
        (red, green, blue),
        fresnel,
        cowl,
    )

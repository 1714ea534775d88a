"""Simulates lidars: casts rays into a scene, selects those that return, and adds noise."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from bev_semseg_ros.geometry import apply, invert, project
from bev_semseg_ros.sim.assets.materials import LIDAR_COLUMN
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT
from bev_semseg_ros.sim.rigs.rig import BodyPart, Rig
from bev_semseg_ros.sim.sensors.lidar_weather import transmission, weathered
from bev_semseg_ros.sim.sensors.ray_casting import Hits, cast
from bev_semseg_ros.sim.sensors.sweep import OneMoment, Path, Sweeping

if TYPE_CHECKING:
    from bev_semseg_ros.frame import Camera
    from bev_semseg_ros.sim.scene.view import View

# Points nearer than this many metres are not returned.
MIN_RANGE = 0.9
# Signal that is detected half of the time at the distance drawn from `Rig.signal_range`.
SIGNAL_THRESHOLD = 0.06
# Signal that is lost half of the time even nearby, such as from black paint at grazing incidence.
LEAST_SIGNAL = 0.012
# Signal that is reported with intensity 0 half of the time up to `Rig.dark_range`.
FAINT_SIGNAL = 0.05
# Metres around a box within which a hit on the object still counts as inside its box.
BOX_MARGIN = 0.3
# Distances in metres at which a ray is tested against the images. A lidar and a camera are at
# different places, so where a ray crosses the border of an image depends on the distance.
TEST_DISTANCES = (2.0, 4.0, 8.0, 20.0, 1000.0)
# Step in azimuth of a coarse test, which precedes the test of every ray.
_COARSE_STEP = np.radians(3.0)


@dataclass(frozen=True, eq=False)
class Scan:
    """N points of one sweep of all lidars.

    Attributes:
        positions: (N, 3) float64, metres in the ego frame.
        intensities: (N,) intensity, 0 to 1.
        classes: (N,) uint8 class of the surface, a value of `classes.MASK_LABEL`, or
            `classes.IGNORED_PIXEL` for a point on water in the air.
        lidars: (N,) index into `Rig.lidars`.
        rings: (N,) index of the beam.
        azimuths: (N,) radians, counter-clockwise from the x axis of the lidar.
        distances: (N,) metres along the beam.
        objects: (N,) row in `View.boxes` of the object in whose box the point lies, or NO_OBJECT.
            The trailer of a car lies outside its box, so its points belong to no object.
    """

    positions: np.ndarray
    intensities: np.ndarray
    classes: np.ndarray
    lidars: np.ndarray
    rings: np.ndarray
    azimuths: np.ndarray
    distances: np.ndarray
    objects: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: np.ndarray) -> Scan:
        return Scan(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class _Rays:
    """N rays that may give a point.

    Attributes:
        lidars: (N,) index into `Rig.lidars`.
        rings: (N,) index of the beam.
        azimuths: (N,) radians in the frame of the lidar.
    """

    lidars: np.ndarray
    rings: np.ndarray
    azimuths: np.ndarray

    def __getitem__(self, index: np.ndarray) -> _Rays:
        return _Rays(self.lidars[index], self.rings[index], self.azimuths[index])


def scan(view: View, rig: Rig, full_turn: bool = False, path: Path | None = None) -> Scan:
    """Measure a view with the lidars of a rig.

    Without a path, or if the rig has no sweep, all rays are cast at one moment: the motion of the
    vehicle and the objects is neglected. The result depends only on the view, its seeds, the rig,
    `full_turn` and the path.

    Args:
        view: State of the world.
        rig: Lidars, body of the ego vehicle, and cameras whose images limit the points.
        full_turn: Whether to keep points outside all images, too.
        path: Motion of the ego frame around the time of the view.

    Returns:
        The returned points that lie in an image, or all returned points with `full_turn`.
    """
    drive_rng = np.random.default_rng([view.drive_seed, 64])
    rng = np.random.default_rng([view.seed, 64])
    rays = _rays_of(rig, full_turn)
    shape = rig.beam_shape
    ring_bias = drive_rng.normal(0, rig.ring_sigma, shape)
    # The beams of a sensor do not fire at the same time.
    ring_phase = drive_rng.uniform(-0.5, 0.5, shape)
    jitter = rng.normal(0, rig.beam_sigma, shape)
    turn_phase = rng.uniform(-0.5, 0.5, shape[0])

    steps = np.array([lidar.azimuth_step for lidar in rig.lidars])
    azimuths = rays.azimuths + steps[rays.lidars] * (
        ring_phase[rays.lidars, rays.rings] + turn_phase[rays.lidars]
    )
    origins, directions = _beams(rig, rays, azimuths, jitter)
    shots: OneMoment | Sweeping
    if path is None or rig.sweep is None:
        shots = OneMoment(view, origins, directions)
    else:
        shots = Sweeping(view, path, rig.sweep, origins, directions)
    hits = cast(view, rig.max_range, shots.origins, shots.directions, rng)
    hits = weathered(hits, view, shots.origins, shots.directions, rng)
    index = hits.rays

    table = view.materials.lidar[hits.materials]
    exponents = table[:, LIDAR_COLUMN["exponent"]]
    signals = table[:, LIDAR_COLUMN["reflectance"]] * hits.cosines**exponents
    signals = signals * transmission(view, hits)
    lidars, rings = rays.lidars[index], rays.rings[index]
    limits = np.minimum([lidar.max_range for lidar in rig.lidars], rig.max_range)[lidars]
    chances = _return_chances(view, hits, signals, limits, rig, drive_rng)
    returned = rng.random(len(index)) < chances
    intensities = _intensities(signals, hits.distances, rig, rng)
    sigma = np.hypot(rig.range_sigma, table[:, LIDAR_COLUMN["range_sigma"]])
    noise = rng.normal(0, 1, len(index)) * sigma
    distances = hits.distances + ring_bias[lidars, rings] + noise
    positions = shots.points(index, distances, hits.objects)
    kept = returned & (distances > MIN_RANGE) & (distances < limits)
    if not full_turn:
        kept &= _inside_any_image(positions, rig)
    everything = Scan(
        positions,
        intensities,
        hits.labels,
        lidars,
        rings,
        azimuths[index],
        distances,
        _owners(view, hits, shots.origins, shots.directions),
    )
    return everything[kept]


def sees_an_image(rig: Rig) -> bool:
    """Return whether a beam of a rig may end in one of its images."""
    return len(_rays_of(rig, full_turn=False).rings) > 0


def _owners(view: View, hits: Hits, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the objects (H,) in whose boxes hits lie, or NO_OBJECT.

    A trailer behind a car, or a pram that a person pushes, moves with the object but is not in its
    box.

    Args:
        view: State of the world.
        hits: H hits.
        origins: (N, 3) origins of all rays in the world frame, metres.
        directions: (N, 3) unit vectors of all rays in the world frame.
    """
    owners = hits.objects.copy()
    on_object = np.flatnonzero(owners >= 0)
    rays, boxes = hits.rays[on_object], view.boxes[owners[on_object]]
    points = origins[rays] + directions[rays] * hits.distances[on_object, None]
    offsets = apply(invert(view.world_from_ego), points) - boxes.centers
    cos, sin = np.cos(boxes.yaws), np.sin(boxes.yaws)
    along = np.abs(cos * offsets[:, 0] + sin * offsets[:, 1])
    across = np.abs(cos * offsets[:, 1] - sin * offsets[:, 0])
    is_inside = along < boxes.sizes[:, 0] / 2 + BOX_MARGIN
    is_inside &= across < boxes.sizes[:, 1] / 2 + BOX_MARGIN
    owners[on_object[~is_inside]] = NO_OBJECT
    return owners


def _return_chances(
    view: View,
    hits: Hits,
    signals: np.ndarray,
    limits: np.ndarray,
    rig: Rig,
    drive_rng: np.random.Generator,
) -> np.ndarray:
    """Return the probabilities (H,) that hits result in a point.

    Args:
        view: State of the world.
        hits: H hits.
        signals: (H,) light that returns, as a fraction of that from a nearby white surface.
        limits: (H,) maximum range in metres of the lidar of each hit.
        rig: Lidars.
        drive_rng: Source of the random values that are constant over a drive.
    """
    sensitivity = drive_rng.uniform(*rig.signal_range) * limits / rig.max_range
    threshold = SIGNAL_THRESHOLD * (hits.distances / sensitivity) ** 2
    threshold = np.maximum(threshold, LEAST_SIGNAL)
    chances = 1 / (1 + (threshold / np.maximum(signals, 1e-6)) ** 3)
    table = view.materials.lidar
    drop_factors = drive_rng.uniform(0.6, 1.4, len(table))
    drops = table[hits.materials, LIDAR_COLUMN["drop"]] * drop_factors[hits.materials]
    chances *= (1 - np.clip(drops, 0, 1)) * drive_rng.uniform(0.985, 1.0)
    return chances


def _intensities(
    signals: np.ndarray, distances: np.ndarray, rig: Rig, rng: np.random.Generator
) -> np.ndarray:
    """Return the intensities (H,), 0 to 1, that the lidars report for signals at distances."""
    intensities = rig.intensity_gain * signals**rig.intensity_exponent
    intensities = intensities * np.exp(rng.normal(0, rig.intensity_sigma, len(signals)))
    intensities *= np.minimum(1, rig.fade_range / distances)
    intensities[rng.random(len(signals)) < _dark_chances(signals, distances, rig)] = 0
    return np.clip(intensities, 0, 1)


def _dark_chances(signals: np.ndarray, distances: np.ndarray, rig: Rig) -> np.ndarray:
    """Return the probabilities (H,) that returns are reported with intensity 0."""
    if not np.isfinite(rig.dark_range):
        return np.full(len(signals), rig.dark_share)
    faint = FAINT_SIGNAL * np.maximum(1, distances / rig.dark_range) ** 2
    return np.maximum(rig.dark_share, 1 / (1 + (signals / faint) ** 4))


def _inside_any_image(positions: np.ndarray, rig: Rig, margin: float = 0.0) -> np.ndarray:
    """Return which points (N, 3) project into at least one image, see `inside_image`."""
    inside = np.zeros(len(positions), bool)
    for camera in rig.cameras.values():
        inside |= inside_image(positions, camera, margin)
    return inside


def inside_image(positions: np.ndarray, camera: Camera, margin: float = 0.0) -> np.ndarray:
    """Return which points project into the rectified image.

    Args:
        positions: (N, 3) points in the ego frame.
        camera: Camera of the image.
        margin: Fraction of its size by which the image is enlarged on every side.

    Returns:
        (N,) bool.
    """
    pixels, depth = project(camera.image_from_ego, positions)
    width, height = camera.size
    return (
        (depth > 0.1)
        & (pixels[:, 0] >= -0.5 - margin * width)
        & (pixels[:, 0] <= width * (1 + margin) - 0.5)
        & (pixels[:, 1] >= -0.5 - margin * height)
        & (pixels[:, 1] <= height * (1 + margin) - 0.5)
    )


def _beams(
    rig: Rig, rays: _Rays, azimuths: np.ndarray, jitter: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the origins and the directions of rays.

    Args:
        rig: Lidars.
        rays: N rays.
        azimuths: (N,) radians in the frame of the lidar.
        jitter: (lidars, rings) radians to add to the elevation.

    Returns:
        Origins (N, 3) and unit directions (N, 3) in the ego frame.
    """
    origins, directions = np.empty((len(azimuths), 3)), np.empty((len(azimuths), 3))
    for number, lidar in enumerate(rig.lidars):
        mine = rays.lidars == number
        rings = rays.rings[mine]
        elevations = (lidar.elevations + jitter[number, : len(lidar.elevations)])[rings]
        cosine = np.cos(elevations)
        local = np.stack(
            [cosine * np.cos(azimuths[mine]), cosine * np.sin(azimuths[mine]), np.sin(elevations)],
            1,
        )
        directions[mine] = local @ lidar.ego_from_lidar[:3, :3].T
        offset = np.stack([np.zeros(len(rings)), np.zeros(len(rings)), lidar.heights[rings]], 1)
        origins[mine] = apply(lidar.ego_from_lidar, offset)
    return origins, directions


@functools.lru_cache(maxsize=4)
def _rays_of(rig: Rig, full_turn: bool) -> _Rays:
    """Return the rays that miss the ego vehicle and, without `full_turn`, may end in an image."""
    turns = [_turn(number, rig, full_turn) for number in range(len(rig.lidars))]
    rays = _Rays(
        np.concatenate([turn.lidars for turn in turns]),
        np.concatenate([turn.rings for turn in turns]),
        np.concatenate([turn.azimuths for turn in turns]),
    )
    origins, directions = _beams(rig, rays, rays.azimuths, np.zeros(rig.beam_shape))
    kept = np.full(len(origins), full_turn)
    if not full_turn:
        for distance in TEST_DISTANCES:
            kept |= _inside_any_image(origins + distance * directions, rig, margin=0.03)
    origins = apply(rig.vehicle_from_ego, origins)
    directions = directions @ rig.vehicle_from_ego[:3, :3].T
    for part in rig.body:
        kept &= ~_hits(origins, directions, part)
    return rays[kept]


def _turn(number: int, rig: Rig, full_turn: bool) -> _Rays:
    """Return the rays of a sweep of a lidar, without most of those that end in no image.

    Args:
        number: Index in `Rig.lidars`.
        rig: The lidars and the cameras.
        full_turn: Whether to return all rays.
    """
    lidar = rig.lidars[number]
    first, end = lidar.azimuths
    steps = np.arange(first, end - lidar.azimuth_step / 2, lidar.azimuth_step)
    if not full_turn:
        steps = steps[_near_images(steps, number, rig)]
    rings, azimuths = np.meshgrid(np.arange(len(lidar.elevations)), steps)
    return _Rays(np.full(rings.size, number), rings.ravel(), azimuths.ravel())


def _near_images(azimuths: np.ndarray, number: int, rig: Rig) -> np.ndarray:
    """Return at which azimuths (A,) rays of a lidar may end in an image.

    Every beam is tested, but only at coarse steps in azimuth. All azimuths within two coarse steps
    of a ray that ends in an image are accepted.

    Args:
        azimuths: (A,) radians in the frame of the lidar.
        number: Index of the lidar in `Rig.lidars`.
        rig: The lidars and the cameras.
    """
    beams = np.arange(len(rig.lidars[number].elevations))
    cell_count = round(2 * np.pi / _COARSE_STEP)
    rings, cells = (grid.ravel() for grid in np.meshgrid(beams, np.arange(cell_count)))
    rays = _Rays(np.full(len(rings), number), rings, cells * _COARSE_STEP)
    origins, directions = _beams(rig, rays, rays.azimuths, np.zeros(rig.beam_shape))
    seen = np.zeros(cell_count, bool)
    for distance in TEST_DISTANCES:
        inside = _inside_any_image(origins + distance * directions, rig, margin=0.1)
        seen[cells[inside]] = True
    seen = np.logical_or.reduce([np.roll(seen, shift) for shift in range(-2, 3)])
    return seen[np.rint(azimuths / _COARSE_STEP).astype(int) % cell_count]


def _hits(origins: np.ndarray, directions: np.ndarray, part: BodyPart) -> np.ndarray:
    """Return which rays enter a part of the ego vehicle.

    Args:
        origins: (N, 3) origins in the frame of the vehicle, metres.
        directions: (N, 3) unit vectors in the frame of the vehicle.
        part: Part of the vehicle.

    Returns:
        (N,) bool.
    """
    low = np.array([part.rear, -part.half_width, -np.inf])
    high = np.array([part.front, part.half_width, part.height])
    # A ray is inside a cuboid between the last entry and the first exit of the three pairs of
    # planes. If it is parallel to a pair, the distances to these planes are infinite, or NaN for a
    # plane that contains the ray. fmin and fmax ignore NaN.
    with np.errstate(divide="ignore", invalid="ignore"):
        to_low, to_high = (low - origins) / directions, (high - origins) / directions
    entry = np.fmax.reduce(np.fmin(to_low, to_high), axis=1)
    leave = np.fmin.reduce(np.fmax(to_low, to_high), axis=1)
    return np.fmax(entry, 0) < leave

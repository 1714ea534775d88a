"""Spinning lidars: rays through a scene's triangles, what comes back of them, and their noise."""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from bev_semseg_ros.geometry import apply, invert, project
from bev_semseg_ros.sim.assets.materials import LIDAR_COLUMN
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT, Mesh
from bev_semseg_ros.sim.render.cutout import cut_mask
from bev_semseg_ros.sim.sensors.rig import Lidar, Rig

if TYPE_CHECKING:
    from bev_semseg_ros.frame import Camera
    from bev_semseg_ros.sim.scene.view import View

MAX_CASTS = 5  # surfaces a ray may pass (glass, holes between leaves) before it is given up
MIN_RANGE = 0.9  # metres
STATIC_MARGIN = 60.0  # metres the vehicle may drive before the static scene is cut out anew
SIGNAL_THRESHOLD = 0.06  # the signal that is seen half of the time at the rig's `signal_range`


@dataclass(frozen=True, eq=False)
class Scan:
    """One turn of all lidars, cropped to the rectified image.

    positions (N, 3) float64 in the ego frame; intensities (N,) 0..1; lidars (N,) index into `Rig.lidars`;
    rings (N,) beam; azimuths (N,) radians, counter-clockwise from the lidar's x axis; distances (N,) metres along
    the beam; objects (N,) row of `View.boxes` or NO_OBJECT.
    """

    positions: np.ndarray
    intensities: np.ndarray
    lidars: np.ndarray
    rings: np.ndarray
    azimuths: np.ndarray
    distances: np.ndarray
    objects: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: np.ndarray) -> Scan:
        return Scan(
            self.positions[index],
            self.intensities[index],
            self.lidars[index],
            self.rings[index],
            self.azimuths[index],
            self.distances[index],
            self.objects[index],
        )


@dataclass(frozen=True, eq=False)
class _Rays:
    """Rays that may end inside the image: lidar, ring and azimuth (N,)."""

    lidars: np.ndarray
    rings: np.ndarray
    azimuths: np.ndarray


def scan(view: View, rig: Rig) -> Scan:
    """What the rig's lidars return of a view, the same for the same seeds of the view.

    Movement during a turn is neglected.
    """
    drive, rng = (
        np.random.default_rng([view.drive_seed, 64]),
        np.random.default_rng([view.seed, 64]),
    )
    rays = _rays_of(rig)
    ring_count = max(len(lidar.elevations) for lidar in rig.lidars)
    shape = (len(rig.lidars), ring_count)
    ring_bias = drive.normal(0, rig.ring_sigma, shape)
    ring_phase = drive.uniform(-0.5, 0.5, shape)  # the beams of a sensor do not fire at once
    jitter = rng.normal(0, rig.beam_sigma, shape)
    turn_phase = rng.uniform(-0.5, 0.5, shape[0])

    steps = np.array([lidar.azimuth_step for lidar in rig.lidars])
    azimuths = rays.azimuths + steps[rays.lidars] * (
        ring_phase[rays.lidars, rays.rings] + turn_phase[rays.lidars]
    )
    origins, directions = _beams(rig, rays, azimuths, jitter)
    world = view.world_from_ego
    index, distances, materials, cosines, ups, objects = _cast(
        view, rig, apply(world, origins), directions @ world[:3, :3].T, rng
    )

    table = view.materials.lidar[materials]
    signals = table[:, LIDAR_COLUMN["reflectance"]] * cosines ** table[:, LIDAR_COLUMN["exponent"]]
    signals = signals * (1 - 0.5 * view.wet * (ups > 0.9))  # water mirrors the beam away
    sensitivity = drive.uniform(*rig.signal_range)
    threshold = SIGNAL_THRESHOLD * (distances / sensitivity) ** 2
    chance = 1 / (1 + (threshold / np.maximum(signals, 1e-6)) ** 3)
    drops = (
        table[:, LIDAR_COLUMN["drop"]]
        * drive.uniform(0.6, 1.4, len(view.materials.lidar))[materials]
    )
    chance *= (1 - np.clip(drops, 0, 1)) * drive.uniform(0.95, 1.0)
    returned = rng.random(len(index)) < chance

    intensities = rig.intensity_gain * signals**rig.intensity_exponent
    intensities = intensities * np.exp(rng.normal(0, rig.intensity_sigma, len(index)))
    intensities[rng.random(len(index)) < rig.dark_share] = 0
    lidars, rings = rays.lidars[index], rays.rings[index]
    sigma = np.hypot(rig.range_sigma, table[:, LIDAR_COLUMN["range_sigma"]])
    distances = distances + ring_bias[lidars, rings] + rng.normal(0, 1, len(index)) * sigma
    positions = origins[index] + directions[index] * distances[:, None]
    kept = (
        returned
        & (distances > MIN_RANGE)
        & (distances < rig.max_range)
        & inside_image(positions, rig.camera)
    )
    return Scan(
        positions, np.clip(intensities, 0, 1), lidars, rings, azimuths[index], distances, objects
    )[kept]


def inside_image(positions: np.ndarray, camera: Camera, margin: float = 0.0) -> np.ndarray:
    """(N,) bool: ego points (N, 3) that project into the rectified image, grown by `margin` of its size."""
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
    """Origins and unit directions (N, 3) of rays in the ego frame; jitter (lidars, rings) radians of elevation."""
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
def _rays_of(rig: Rig) -> _Rays:
    """The rays of a full turn that may end in the image and pass the own vehicle's roof."""

    def turn(number: int, lidar: Lidar) -> tuple[np.ndarray, ...]:
        azimuths = np.arange(0, 2 * np.pi - lidar.azimuth_step / 2, lidar.azimuth_step)
        rings, azimuths = (
            grid.ravel() for grid in np.meshgrid(np.arange(len(lidar.elevations)), azimuths)
        )
        return np.full(len(rings), number), rings, azimuths

    turns = [turn(number, lidar) for number, lidar in enumerate(rig.lidars)]
    rays = _Rays(*(np.concatenate(parts) for parts in zip(*turns, strict=True)))
    rings = max(len(lidar.elevations) for lidar in rig.lidars)
    origins, directions = _beams(rig, rays, rays.azimuths, np.zeros((len(rig.lidars), rings)))
    kept = np.zeros(len(origins), bool)
    for distance in (
        2.0,
        4.0,
        8.0,
        20.0,
        1000.0,
    ):  # lidar and camera stand apart, so the image's border depends on it
        kept |= inside_image(origins + distance * directions, rig.camera, margin=0.03)
    if rig.roof is not None:
        kept &= _clear_of_roof(origins, directions, *rig.roof)
    return _Rays(rays.lidars[kept], rays.rings[kept], rays.azimuths[kept])


def _clear_of_roof(
    origins: np.ndarray, directions: np.ndarray, front: float, half_width: float, height: float
) -> np.ndarray:
    """(N,) bool: rays that are above the roof's height where they leave it over its front or a side edge."""
    with np.errstate(divide="ignore", invalid="ignore"):
        to_front = (front - origins[:, 0]) / directions[:, 0]
        to_side = (np.sign(directions[:, 1]) * half_width - origins[:, 1]) / directions[:, 1]
    # A ray that never meets an edge has a distance that is negative, infinite or not a number.
    leaves = np.minimum(
        np.where(to_front > 0, to_front, np.inf), np.where(to_side > 0, to_side, np.inf)
    )
    edge_height = origins[:, 2] + np.where(np.isfinite(leaves), leaves, 0) * directions[:, 2]
    return (origins[:, 0] >= front) | (edge_height >= height)


def _cast(
    view: View, rig: Rig, origins: np.ndarray, directions: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """First surface of every ray that neither lets it pass nor is cut out there.

    Returns (ray index, distance, material, cosine of the incidence, |z| of the normal, object), one entry per hit.
    """
    soups = [_static_soup(view, rig), _Soup.around(view.moving, view, rig.max_range)]
    camera_table, lidar_table = view.materials.camera, view.materials.lidar
    active = np.arange(len(origins))
    travelled = np.zeros(len(origins))
    found: list[tuple[np.ndarray, ...]] = []
    for _ in range(MAX_CASTS):
        starts = (origins[active] + travelled[active, None] * directions[active]).astype(np.float32)
        ways = directions[active].astype(np.float32)
        steps = (rig.max_range - travelled[active]).astype(np.float32)
        materials = np.full(len(active), -1)
        objects = np.full(len(active), NO_OBJECT)
        normals = np.zeros((len(active), 3), np.float32)
        for soup in soups:
            soup.nearest(starts, ways, steps, materials, objects, normals)
        hit = materials >= 0
        active, steps, materials, objects, normals = (
            a[hit] for a in (active, steps, materials, objects, normals)
        )
        starts, ways = starts[hit], ways[hit]
        cosines = np.abs(np.sum(normals * ways, axis=1))
        passed = cut_mask(camera_table, materials, starts + steps[:, None] * ways, normals)
        transmission = lidar_table[materials, LIDAR_COLUMN["transmission"]]
        passed |= rng.random(len(active)) < transmission * np.minimum(1, cosines + 0.4)
        distances = travelled[active] + steps
        stays = ~passed
        found.append(
            (
                active[stays],
                distances[stays],
                materials[stays],
                cosines[stays],
                np.abs(normals[stays, 2]),
                objects[stays],
            )
        )
        active = active[passed]
        if not len(active):
            break
        travelled[active] = distances[passed] + 0.002
    index, *rest = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(index, kind="stable")
    return index[order], *(values[order] for values in rest)


class _Soup:
    """A Mesh in Embree, with what a hit needs to know."""

    def __init__(self, mesh: Mesh, kept: np.ndarray) -> None:
        self._materials, self._objects = mesh.materials[kept], mesh.objects[kept]
        self._scene = None
        if len(self._materials):
            self._scene = EmbreeScene()
            TriangleMesh(self._scene, np.ascontiguousarray(mesh.triangles[kept], np.float32))

    @classmethod
    def around(cls, mesh: Mesh, view: View, reach: float) -> _Soup:
        """The triangles within `reach` metres that are not wholly behind the vehicle by more than a margin."""
        corner = mesh.triangles[:, 0, :2] - view.world_from_ego[:2, 3].astype(np.float32)
        extent = np.abs(mesh.triangles[:, 1:] - mesh.triangles[:, :1]).max(axis=(1, 2))
        forward = corner @ view.world_from_ego[:2, 0].astype(np.float32)
        kept = (np.linalg.norm(corner, axis=1) < reach + 2 * extent) & (
            forward > -10.0 - 2 * extent
        )
        return cls(mesh, np.flatnonzero(kept))

    def nearest(
        self,
        origins: np.ndarray,
        directions: np.ndarray,
        distances: np.ndarray,
        materials: np.ndarray,
        objects: np.ndarray,
        normals: np.ndarray,
    ) -> None:
        """Overwrite distance, material, object and unit normal of the rays that meet this soup before `distances`."""
        if self._scene is None or not len(origins):
            return
        answer = self._scene.run(origins, directions, distances.copy(), query="INTERSECT", output=1)
        triangle = answer["primID"]
        hit = triangle >= 0
        triangle = triangle[hit]
        distances[hit] = answer["tfar"][hit]
        materials[hit] = self._materials[triangle]
        objects[hit] = self._objects[triangle]
        normal = answer["Ng"][hit]
        normals[hit] = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-20)


# What was copied of a static soup last, with pose and reach then: a View's `static` is one object for the whole drive.
_static_soups: weakref.WeakKeyDictionary[Mesh, tuple[_Soup, np.ndarray, float]] = (
    weakref.WeakKeyDictionary()
)


def _static_soup(view: View, rig: Rig) -> _Soup:
    """The static scene in Embree. Copying it there costs more than all rays, so it is done once for a stretch."""
    if view.static in _static_soups:
        soup, pose, reach = _static_soups[view.static]
        moved = invert(pose) @ view.world_from_ego
        # What the image shows now must lie in the half-space that was copied then.
        near = (
            np.linalg.norm(moved[:3, 3]) < STATIC_MARGIN and moved[0, 3] > -5 and moved[0, 0] > 0.8
        )
        if near and reach == rig.max_range:
            return soup
    soup = _Soup.around(view.static, view, rig.max_range + STATIC_MARGIN)
    _static_soups[view.static] = soup, view.world_from_ego.copy(), rig.max_range
    return soup

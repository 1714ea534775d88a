"""Ray casting with Embree, through holes and transparent surfaces of the scene."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, fields

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from bev_semseg_ros.geometry import invert
from bev_semseg_ros.sim.assets.materials import LIDAR_COLUMN
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT, Mesh
from bev_semseg_ros.sim.classes import IGNORED_PIXEL
from bev_semseg_ros.sim.render.cutout import cut_mask
from bev_semseg_ros.sim.scene.view import View

# A ray is abandoned after passing this many surfaces (glass, holes between leaves).
MAX_CASTS = 5
# Metres that the vehicle may drive before the part of the static scene in Embree is replaced:
# FIRST_MARGIN for the first part of a drive, STATIC_MARGIN for all others.
STATIC_MARGIN = 60.0
FIRST_MARGIN = 1.0
# Metres from the vehicle within which rays start. This covers the positions of its lidars and its
# motion during a sweep.
START_MARGIN = 5.0


@dataclass(frozen=True, eq=False)
class Hits:
    """The first surface that stops each of H rays.

    Attributes:
        rays: (H,) index of the ray, ascending.
        distances: (H,) metres along the ray.
        materials: (H,) row of the scene's MaterialTable.
        cosines: (H,) cosine of the angle of incidence.
        uprightness: (H,) absolute z of the surface's unit normal, 1 for level ground.
        objects: (H,) row of `View.boxes`, or NO_OBJECT.
        labels: (H,) uint8 class of the surface, a value of `classes.MASK_LABEL`, or
            IGNORED_PIXEL if the ray ends on water in the air.
    """

    rays: np.ndarray
    distances: np.ndarray
    materials: np.ndarray
    cosines: np.ndarray
    uprightness: np.ndarray
    objects: np.ndarray
    labels: np.ndarray

    def __getitem__(self, index: np.ndarray) -> Hits:
        return Hits(*(getattr(self, field.name)[index] for field in fields(self)))


def cast(
    view: View,
    max_range: float,
    origins: np.ndarray,
    directions: np.ndarray,
    rng: np.random.Generator,
) -> Hits:
    """Find the first surface that stops each ray.

    A ray passes through a surface where its material has a hole, and at random if the material is
    transparent.

    Args:
        view: State of the world.
        max_range: Length of the rays in metres.
        origins: (N, 3) origins in the world frame, metres.
        directions: (N, 3) unit vectors in the world frame.
        rng: Source of randomness for transparent surfaces.

    Returns:
        The hits, at most one per ray.
    """
    looks_back = bool((directions @ view.world_from_ego[:3, 0]).min(initial=0) < 0)
    meshes = [
        _static_mesh(view, max_range, looks_back),
        EmbreeMesh.around(view.moving, view, max_range, looks_back),
    ]
    camera_table, lidar_table = view.materials.camera, view.materials.lidar
    active = np.arange(len(origins))
    travelled = np.zeros(len(origins))
    found: list[Hits] = []
    for _ in range(MAX_CASTS):
        starts = (origins[active] + travelled[active, None] * directions[active]).astype(np.float32)
        ways = directions[active].astype(np.float32)
        steps = (max_range - travelled[active]).astype(np.float32)
        materials = np.full(len(active), -1)
        objects = np.full(len(active), NO_OBJECT)
        labels = np.full(len(active), IGNORED_PIXEL, np.uint8)
        normals = np.zeros((len(active), 3), np.float32)
        for mesh in meshes:
            mesh.nearest(starts, ways, steps, materials, objects, labels, normals)
        hit = materials >= 0
        active = active[hit]
        starts, ways, steps = starts[hit], ways[hit], steps[hit]
        materials, objects, normals = materials[hit], objects[hit], normals[hit]
        labels = labels[hit]
        cosines = np.abs(np.sum(normals * ways, axis=1))
        passed = cut_mask(camera_table, materials, starts + steps[:, None] * ways, normals)
        transmission = lidar_table[materials, LIDAR_COLUMN["transmission"]]
        passed |= rng.random(len(active)) < transmission * np.minimum(1, cosines + 0.4)
        distances = travelled[active] + steps
        stays = ~passed
        found.append(
            Hits(
                active[stays],
                distances[stays],
                materials[stays],
                cosines[stays],
                np.abs(normals[stays, 2]),
                objects[stays],
                labels[stays],
            )
        )
        active = active[passed]
        if not len(active):
            break
        # Start the next cast just behind the surface.
        travelled[active] = distances[passed] + 0.002
    return in_order(found)


def in_order(parts: list[Hits]) -> Hits:
    """Join hits and sort them by ray."""
    columns = [[getattr(part, field.name) for part in parts] for field in fields(Hits)]
    joined = Hits(*(np.concatenate(column) for column in columns))
    return joined[np.argsort(joined.rays, kind="stable")]


class EmbreeMesh:
    """A part of a Mesh in Embree, with the attributes of its triangles."""

    def __init__(self, mesh: Mesh, kept: np.ndarray) -> None:
        """Copy triangles into Embree.

        Args:
            mesh: Mesh in the world frame.
            kept: (K,) rows of the triangles to copy.
        """
        self._materials, self._objects = mesh.materials[kept], mesh.objects[kept]
        self._labels = mesh.labels[kept]
        self._scene = None
        if len(self._materials):
            self._scene = EmbreeScene()
            # embreex reads the array element by element. That takes a third less time with float64,
            # the type of Python's own numbers.
            TriangleMesh(self._scene, mesh.triangles[kept].astype(np.float64))

    @classmethod
    def around(cls, mesh: Mesh, view: View, reach: float, looks_back: bool) -> EmbreeMesh:
        """Copy the triangles of a mesh that rays from the vehicle can hit.

        Args:
            mesh: Mesh in the world frame.
            view: State of the world, with the pose of the vehicle.
            reach: Length of the rays in metres.
            looks_back: Whether any ray points backwards. If not, triangles that are entirely behind
                the vehicle, beyond a margin, are omitted.
        """
        corner = mesh.triangles[:, 0, :2] - view.world_from_ego[:2, 3].astype(np.float32)
        extent = np.abs(mesh.triangles[:, 1:] - mesh.triangles[:, :1]).max(axis=(1, 2))
        kept = np.linalg.norm(corner, axis=1) < reach + START_MARGIN + 2 * extent
        if not looks_back:
            forward = corner @ view.world_from_ego[:2, 0].astype(np.float32)
            kept &= forward > -10.0 - 2 * extent
        return cls(mesh, np.flatnonzero(kept))

    def nearest(
        self,
        origins: np.ndarray,
        directions: np.ndarray,
        distances: np.ndarray,
        materials: np.ndarray,
        objects: np.ndarray,
        labels: np.ndarray,
        normals: np.ndarray,
    ) -> None:
        """Find the nearest hits of rays, and store those nearer than the hits found so far.

        Args:
            origins: (N, 3) float32 origins in the world frame.
            directions: (N, 3) float32 unit vectors.
            distances: (N,) float32, largest distance of interest in metres; overwritten by a hit.
            materials: (N,) rows of the MaterialTable; overwritten by a hit.
            objects: (N,) objects; overwritten by a hit.
            labels: (N,) uint8 classes; overwritten by a hit.
            normals: (N, 3) float32 unit normals; overwritten by a hit.
        """
        if self._scene is None or not len(origins):
            return
        answer = self._scene.run(origins, directions, distances.copy(), query="INTERSECT", output=1)
        triangle = answer["primID"]
        hit = triangle >= 0
        triangle = triangle[hit]
        distances[hit] = answer["tfar"][hit]
        materials[hit] = self._materials[triangle]
        objects[hit] = self._objects[triangle]
        labels[hit] = self._labels[triangle]
        normal = answer["Ng"][hit]
        normals[hit] = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-20)


@dataclass(frozen=True, eq=False)
class _StaticCopy:
    """A part of a static mesh in Embree, and the rays for which it is valid.

    Attributes:
        mesh: The part.
        pose: (4, 4) pose of the vehicle when it was copied.
        max_range: Length in metres of the rays for which it was copied.
        margin: Metres that the vehicle may drive from that pose.
        looks_back: Whether it includes the triangles behind the vehicle.
    """

    mesh: EmbreeMesh
    pose: np.ndarray
    max_range: float
    margin: float
    looks_back: bool

    def serves(self, view: View, max_range: float, looks_back: bool) -> bool:
        """Return whether it contains everything that such rays of a view can hit."""
        moved = invert(self.pose) @ view.world_from_ego
        is_near = bool(np.linalg.norm(moved[:3, 3]) <= self.margin)
        # Everything that forward rays can hit now must lie in the half-space that was copied.
        faces_forward = bool(moved[0, 3] > -5 and moved[0, 0] > 0.8)
        covers = self.looks_back or (faces_forward and not looks_back)
        return is_near and covers and self.max_range == max_range


# The latest copy of a static mesh. The key is `View.static`, which is the same object for a whole
# drive.
_static_copies: weakref.WeakKeyDictionary[Mesh, _StaticCopy] = weakref.WeakKeyDictionary()


def _static_mesh(view: View, max_range: float, looks_back: bool) -> EmbreeMesh:
    """Return the static scene in Embree.

    Copying it takes longer than casting all rays. The first copy of a drive covers only the first
    frame, since many drives have a single frame. A later copy covers a longer stretch of the drive.
    """
    copy = _static_copies.get(view.static)
    if copy is None or not copy.serves(view, max_range, looks_back):
        margin = FIRST_MARGIN if copy is None else STATIC_MARGIN
        mesh = EmbreeMesh.around(view.static, view, max_range + margin, looks_back)
        copy = _StaticCopy(mesh, view.world_from_ego.copy(), max_range, margin, looks_back)
        _static_copies[view.static] = copy
    return copy.mesh

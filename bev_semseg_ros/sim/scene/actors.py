"""Annotated objects: where they are at a time, their boxes, and the soup of those that move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.sim.assets.mesh import Mesh, concatenate
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.scene.road.street import Street


@dataclass(frozen=True, eq=False)
class Actor:
    """At station s and offset t at time 0, moving along the road at `speed` (m/s, signed), heading `turn` off the
    road's direction. scale: of the shape, the same along all axes."""

    shape: Shape
    materials: np.ndarray
    s: float
    t: float
    turn: float
    speed: float
    scale: float

    @property
    def is_moving(self) -> bool:
        return self.speed != 0.0

    def pose(self, street: Street, time: float) -> tuple[np.ndarray, float]:
        """World position (3,) of the ground below its middle, and its yaw."""
        s = self.s + self.speed * time
        return street.point(s, self.t), float(street.alignment.heading(s)) + self.turn

    def mesh(
        self, index: int, position: np.ndarray | tuple = (0.0, 0.0, 0.0), yaw: float = 0.0
    ) -> Mesh:
        """Its triangles, carrying object `index`; in its own frame unless placed."""
        return self.shape.mesh.placed(
            tuple(position), yaw, self.materials, (self.scale,) * 3, index
        )


def boxes_of(actors: list[Actor], street: Street, time: float) -> Boxes:
    """The true boxes of all actors in the world frame, in their order."""
    if not actors:
        return Boxes.empty()
    sizes = np.array([actor.shape.size for actor in actors]) * np.array(
        [[actor.scale] for actor in actors]
    )
    poses = [actor.pose(street, time) for actor in actors]
    centers = np.array([position for position, _ in poses]) + np.array([0, 0, 0.5]) * sizes
    return Boxes(
        centers,
        sizes,
        np.array([yaw for _, yaw in poses]),
        np.array([actor.shape.label for actor in actors]),
        np.ones(len(actors)),
    )


class Movers:
    """The actors that move, as one soup whose parts are turned and moved together."""

    def __init__(self, actors: list[Actor]) -> None:
        self._actors = [actor for actor in actors if actor.is_moving]
        meshes = [actor.mesh(index) for index, actor in enumerate(actors) if actor.is_moving]
        self._mesh = concatenate(meshes)
        self._counts = [len(mesh) for mesh in meshes]

    def at(self, street: Street, time: float) -> Mesh:
        """The soup at a time, in the world frame."""
        if not self._actors:
            return self._mesh
        poses = [actor.pose(street, time) for actor in self._actors]
        positions = np.repeat(
            np.array([position for position, _ in poses], np.float32), self._counts, axis=0
        )[:, None]
        yaws = np.array([yaw for _, yaw in poses])
        cos, sin = (
            np.repeat(f(yaws).astype(np.float32), self._counts)[:, None] for f in (np.cos, np.sin)
        )

        def turned(vectors: np.ndarray) -> np.ndarray:
            out = vectors.copy()
            out[..., 0] = cos * vectors[..., 0] - sin * vectors[..., 1]
            out[..., 1] = sin * vectors[..., 0] + cos * vectors[..., 1]
            return out

        mesh = self._mesh
        return Mesh(
            turned(mesh.triangles) + positions,
            mesh.uvs,
            turned(mesh.normals),
            mesh.labels,
            mesh.materials,
            mesh.objects,
        )

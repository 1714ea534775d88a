"""Annotated objects: their poses over time, their boxes, and the mesh of the moving ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.sim.assets.mesh import Mesh, concatenate
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.classes import BOX_LABEL
from bev_semseg_ros.sim.scene.road.street import Street


@dataclass(frozen=True, eq=False)
class Actor:
    """A vehicle or a person with a box, standing or moving at a constant speed.

    Attributes:
        shape: Mesh, size and class.
        materials: (slots,) row index in the scene's MaterialTable for each slot of the shape.
        s: Station at time 0, metres along the road.
        t: Offset to the left of the road's centre line at time 0 in metres.
        turn: Heading relative to the direction of the road in radians, constant.
        speed: Rate of change of the station in m/s.
        scale: Scale factor of the shape, the same along all axes.
        drift: Rate of change of the offset in m/s; not 0 for an actor that crosses the road.
        is_in_traffic: Whether it takes part in traffic, driving or waiting. Its lamps may be on.
    """

    shape: Shape
    materials: np.ndarray
    s: float
    t: float
    turn: float
    speed: float
    scale: float
    drift: float = 0.0
    is_in_traffic: bool = False

    @property
    def is_moving(self) -> bool:
        """Whether the actor moves at all."""
        return self.speed != 0.0 or self.drift != 0.0

    @property
    def footprint(self) -> tuple[float, float]:
        """Length and width of the ground that it occupies, in metres."""
        length, width = self.shape.footprint
        return length * self.scale, width * self.scale

    def pose(self, street: Street, time: float) -> tuple[np.ndarray, float]:
        """Return the pose at a time in seconds.

        Returns:
            World position (3,) of the ground below the centre, and yaw in radians.
        """
        s, t = self.s + self.speed * time, self.t + self.drift * time
        return street.point(s, t), float(street.alignment.heading(s)) + self.turn

    def velocity(self, street: Street, time: float) -> np.ndarray:
        """Return the velocity over ground (2,) in m/s at a time in seconds, in the world frame."""
        s, t = self.s + self.speed * time, self.t + self.drift * time
        heading = float(street.alignment.heading(s))
        # An arc at an offset from the centre line is shorter on the inside of a bend.
        ground_speed = self.speed * (1 - street.alignment.curvature * t)
        cos, sin = np.cos(heading), np.sin(heading)
        return np.array(
            [ground_speed * cos - self.drift * sin, ground_speed * sin + self.drift * cos]
        )

    def grade(self, street: Street, time: float) -> float:
        """Return the grade of the ground below it, in metres per metre; 0 for people on foot."""
        if self.shape.label == BOX_LABEL["pedestrian"]:
            return 0.0
        s, t = self.s + self.speed * time, self.t + self.drift * time
        return street.grade(s, t, self.turn, self.shape.size[0])

    def mesh(
        self,
        object_index: int,
        position: tuple[float, float, float] | np.ndarray = (0.0, 0.0, 0.0),
        yaw: float = 0.0,
    ) -> Mesh:
        """Return the mesh of the actor.

        Args:
            object_index: Object index of the triangles.
            position: Position of the mesh in metres; by default it stays in its own frame.
            yaw: Heading in radians.
        """
        x, y, z = position
        scale = (self.scale, self.scale, self.scale)
        return self.shape.mesh.placed((x, y, z), yaw, self.materials, scale, object_index)


def boxes_of(actors: list[Actor], street: Street, time: float) -> Boxes:
    """Return the true boxes of actors at a time.

    Args:
        actors: M actors; the index in the list is the id of the box.
        street: The street they are on.
        time: Seconds since the start of the drive.

    Returns:
        M boxes in the world frame, in the order of the actors.
    """
    if not actors:
        return Boxes.empty()
    scales = np.array([[actor.scale] for actor in actors])
    sizes = np.array([actor.shape.size for actor in actors]) * scales
    poses = [actor.pose(street, time) for actor in actors]
    centers = np.array([position for position, _ in poses]) + np.array([0, 0, 0.5]) * sizes
    return Boxes(
        centers,
        sizes,
        np.array([yaw for _, yaw in poses]),
        np.array([actor.shape.label for actor in actors]),
        np.ones(len(actors)),
        np.arange(len(actors)),
        np.array([actor.velocity(street, time) for actor in actors]),
    )


def leaning(mesh: Mesh, place: np.ndarray, yaw: float, grade: float) -> Mesh:
    """Shear a mesh so that it follows a slope along its heading.

    Args:
        mesh: Mesh in the world frame.
        place: (3,) world point that keeps its height.
        yaw: Heading in radians.
        grade: Rise in metres per metre.
    """
    if abs(grade) < 0.005:
        return mesh
    triangles = mesh.triangles.copy()
    ahead = (triangles[..., 0] - place[0]) * np.cos(yaw) + (triangles[..., 1] - place[1]) * np.sin(
        yaw
    )
    triangles[..., 2] += (grade * ahead).astype(np.float32)
    return replace(mesh, triangles=triangles)


class MovingActors:
    """The moving actors as one mesh, whose parts are all transformed in one step."""

    def __init__(self, actors: list[Actor]) -> None:
        """Join the meshes of the actors that move.

        Args:
            actors: All actors; the index in the list is the object index of the triangles.
        """
        self._actors = [actor for actor in actors if actor.is_moving]
        meshes = [actor.mesh(index) for index, actor in enumerate(actors) if actor.is_moving]
        self._mesh = concatenate(meshes)
        self._counts = [len(mesh) for mesh in meshes]

    def at(self, street: Street, time: float) -> Mesh:
        """Return the mesh at a time in seconds, in the world frame."""
        if not self._actors:
            return self._mesh
        poses = [actor.pose(street, time) for actor in self._actors]
        positions = np.array([position for position, _ in poses], np.float32)
        yaws = np.array([yaw for _, yaw in poses])
        grades = np.array([actor.grade(street, time) for actor in self._actors], np.float32)
        positions = self._per_triangle(positions)
        grade = self._per_triangle(grades)
        cos = self._per_triangle(np.cos(yaws).astype(np.float32))
        sin = self._per_triangle(np.sin(yaws).astype(np.float32))

        def turned(vectors: np.ndarray) -> np.ndarray:
            """Rotate vectors (T, 3, 3) by the yaws of their actors."""
            out = vectors.copy()
            out[..., 0] = cos * vectors[..., 0] - sin * vectors[..., 1]
            out[..., 1] = sin * vectors[..., 0] + cos * vectors[..., 1]
            return out

        mesh = self._mesh
        triangles = turned(mesh.triangles) + positions
        triangles[..., 2] += grade * mesh.triangles[..., 0]
        return Mesh(
            triangles,
            mesh.uvs,
            turned(mesh.normals),
            mesh.labels,
            mesh.materials,
            mesh.objects,
        )

    def _per_triangle(self, values: np.ndarray) -> np.ndarray:
        """Repeat a value (or a vector) per actor for each of its triangles: (T, 1) or (T, 1, 3)."""
        return np.repeat(values, self._counts, axis=0)[:, None]

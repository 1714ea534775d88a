"""A triangle soup that every sensor sees: geometry, and for each triangle its class, material and object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.geometry import rotation_z

NO_OBJECT = -1


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length one."""
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12)


@dataclass(frozen=True, eq=False)
class Mesh:
    """triangles (T, 3, 3) metres; uvs (T, 3, 2) metres on the surface; normals (T, 3, 3) per corner, unit length;
    labels (T,) uint8 segmentation class; materials (T,) int32 row of the scene's MaterialTable (in a library: slot);
    objects (T,) int32 index of the annotated object, or NO_OBJECT.
    """

    triangles: np.ndarray
    uvs: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    materials: np.ndarray
    objects: np.ndarray

    def __len__(self) -> int:
        return len(self.triangles)

    def placed(
        self,
        position: tuple[float, float, float],
        yaw: float = 0.0,
        materials: np.ndarray | None = None,
        scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
        object_index: int = NO_OBJECT,
    ) -> Mesh:
        """A copy, scaled, turned by yaw and moved; `materials` maps the library's slots to the scene's materials."""
        scaling = np.asarray(scale, np.float32)
        rotation = rotation_z(yaw).astype(np.float32).T
        # As one long list of vectors: a stack of small matrix products is several times slower.
        triangles = ((self.triangles * scaling).reshape(-1, 3) @ rotation).reshape(-1, 3, 3)
        normals = self.normals if len(set(scale)) == 1 else normalize(self.normals / scaling)
        return Mesh(
            triangles + np.asarray(position, np.float32),
            self.uvs,
            (normals.reshape(-1, 3) @ rotation).reshape(-1, 3, 3),
            self.labels,
            self.materials
            if materials is None
            else np.asarray(materials, np.int32)[self.materials],
            np.full(len(self), object_index, np.int32),
        )

    @property
    def face_normals(self) -> np.ndarray:
        """(T, 3) unit normals of the triangles."""
        a, b, c = self.triangles[:, 0], self.triangles[:, 1], self.triangles[:, 2]
        return normalize(np.cross(b - a, c - a))


def concatenate(meshes: list[Mesh]) -> Mesh:
    """One soup of several; an empty list gives an empty soup."""
    if not meshes:
        return Mesh(
            np.zeros((0, 3, 3), np.float32),
            np.zeros((0, 3, 2), np.float32),
            np.zeros((0, 3, 3), np.float32),
            np.zeros(0, np.uint8),
            np.zeros(0, np.int32),
            np.zeros(0, np.int32),
        )
    return Mesh(
        *(
            np.concatenate([getattr(mesh, name) for mesh in meshes])
            for name in ("triangles", "uvs", "normals", "labels", "materials", "objects")
        )
    )


class MeshBuilder:
    """Collects primitives into a Mesh."""

    def __init__(self) -> None:
        self._parts: list[Mesh] = []

    def build(self) -> Mesh:
        return concatenate(self._parts)

    def add(
        self,
        triangles: np.ndarray,
        label: int | np.ndarray,
        material: int | np.ndarray,
        uvs: np.ndarray | None = None,
        normals: np.ndarray | None = None,
    ) -> None:
        """Triangles (T, 3, 3); flat normals and zero uvs unless given."""
        triangles = np.asarray(triangles, np.float32).reshape(-1, 3, 3)
        count = len(triangles)
        if count == 0:
            return
        if normals is None:
            flat = normalize(
                np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
            )
            normals = np.repeat(flat[:, None], 3, 1)
        if uvs is None:
            uvs = np.zeros((count, 3, 2))
        self._parts.append(
            Mesh(
                triangles,
                np.asarray(uvs, np.float32).reshape(count, 3, 2),
                np.asarray(normals, np.float32).reshape(count, 3, 3),
                np.broadcast_to(np.asarray(label, np.uint8), (count,)),
                np.broadcast_to(np.asarray(material, np.int32), (count,)),
                np.full(count, NO_OBJECT, np.int32),
            )
        )

    def append(self, mesh: Mesh) -> None:
        self._parts.append(mesh)

    def grid(
        self,
        points: np.ndarray,
        label: int,
        material: int | np.ndarray,
        uvs: np.ndarray | None = None,
        smooth: bool = True,
    ) -> None:
        """A surface through points (R, C, 3); `material` one, or one per cell (R-1, C-1); uvs (R, C, 2)."""
        points = np.asarray(points, np.float64)
        normals = None
        if smooth:
            vertex = normalize(np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1)))
            normals = _cells(vertex)
        if np.ndim(material) == 2:
            material = np.repeat(np.asarray(material).reshape(-1), 2)
        self.add(
            _cells(points),
            label,
            material,
            None if uvs is None else _cells(np.asarray(uvs)),
            normals,
        )

    def quad(
        self, a, b, c, d, label: int, material: int, size: tuple[float, float] | None = None
    ) -> None:
        """A rectangle a-b-c-d, counter-clockwise seen from outside; uv runs along a-b and a-d in metres."""
        width, height = size or (
            float(np.linalg.norm(np.subtract(b, a))),
            float(np.linalg.norm(np.subtract(d, a))),
        )
        self.add(
            np.array([[a, b, c], [a, c, d]]),
            label,
            material,
            np.array(
                [[[0, 0], [width, 0], [width, height]], [[0, 0], [width, height], [0, height]]]
            ),
        )

    def box(
        self,
        base,
        size: tuple[float, float, float],
        yaw: float,
        label: int,
        material: int,
        top_material: int | None = None,
    ) -> None:
        """An upright cuboid of length, width, height standing on `base` (the middle of its lower face); no floor."""
        length, width, height = size
        rotation = rotation_z(yaw)

        def corner(i: int, j: int, k: int) -> np.ndarray:
            return np.asarray(base, np.float64) + rotation @ np.array(
                [i * length / 2, j * width / 2, k * height]
            )

        self.quad(
            corner(-1, -1, 0),
            corner(1, -1, 0),
            corner(1, -1, 1),
            corner(-1, -1, 1),
            label,
            material,
        )
        self.quad(
            corner(1, 1, 0), corner(-1, 1, 0), corner(-1, 1, 1), corner(1, 1, 1), label, material
        )
        self.quad(
            corner(1, -1, 0), corner(1, 1, 0), corner(1, 1, 1), corner(1, -1, 1), label, material
        )
        self.quad(
            corner(-1, 1, 0),
            corner(-1, -1, 0),
            corner(-1, -1, 1),
            corner(-1, 1, 1),
            label,
            material,
        )
        self.quad(
            corner(-1, -1, 1),
            corner(1, -1, 1),
            corner(1, 1, 1),
            corner(-1, 1, 1),
            label,
            material if top_material is None else top_material,
        )

    def tube(
        self,
        start,
        end,
        start_radius: float,
        end_radius: float,
        sides: int,
        label: int,
        material: int,
    ) -> None:
        """A cone frustum from start to end, without caps, smooth."""
        start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
        axis = normalize(end - start)
        a = normalize(np.cross(axis, [0, 0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0, 0]))
        angle = np.linspace(0, 2 * np.pi, sides + 1)
        ring = np.cos(angle)[:, None] * a + np.sin(angle)[:, None] * np.cross(axis, a)
        length = np.linalg.norm(end - start)
        around = angle * max(start_radius, 0.02)
        points = np.stack([start + ring * start_radius, end + ring * end_radius], 1)
        uvs = np.stack(
            [np.stack([around, 0 * around], -1), np.stack([around, 0 * around + length], -1)], 1
        )
        self.add(_cells(points), label, material, _cells(uvs), _cells(np.stack([ring, ring], 1)))


def _cells(values: np.ndarray) -> np.ndarray:
    """(R, C, K) values at grid points -> (2 (R-1) (C-1), 3, K) at the corners of the grid's triangles."""
    a, b, c, d = values[:-1, :-1], values[1:, :-1], values[1:, 1:], values[:-1, 1:]
    return np.stack([np.stack([a, b, c], -2), np.stack([a, c, d], -2)], 2).reshape(
        -1, 3, values.shape[-1]
    )

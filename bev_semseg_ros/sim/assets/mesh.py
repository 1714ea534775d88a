"""Triangle meshes for cameras and lidars, and a builder that combines primitives into a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from bev_semseg_ros.geometry import rotation_z

# Object index of triangles that belong to no annotated object.
NO_OBJECT = -1

# Corners of a cuboid of size 1 that stands on the origin.
BOX_CORNERS = np.array(
    [
        (-0.5, -0.5, 0),
        (0.5, -0.5, 0),
        (0.5, 0.5, 0),
        (-0.5, 0.5, 0),
        (-0.5, -0.5, 1),
        (0.5, -0.5, 1),
        (0.5, 0.5, 1),
        (-0.5, 0.5, 1),
    ]
)
# Corners of its faces, counter-clockwise seen from outside: the sides, then the top; no floor.
BOX_FACES = np.array([[0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7], [4, 5, 6, 7]])
# Dimensions that span each face: 0 is length, 1 width, 2 height.
BOX_FACE_SIZES = np.array([[0, 2], [1, 2], [0, 2], [1, 2], [0, 1]])
# Indices of a face's corners in its two triangles.
QUAD_HALVES = [0, 1, 2, 0, 2, 3]
_UNIT_SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)

# x, y, z of a point, as an array (3,) or as three numbers.
Point = Sequence[float] | np.ndarray


def normalize(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3) scaled to length one."""
    return vectors / (np.sqrt((vectors * vectors).sum(-1, keepdims=True)) + 1e-12)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cross products (N, 3) of vectors (N, 3).

    A scene has thousands of small meshes, for which `numpy.cross` takes several times as long.
    """
    out = np.empty_like(a)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def repeated(value: int | np.ndarray, count: int) -> np.ndarray:
    """Return `count` copies of a single value, or an array (count,) unchanged."""
    return np.full(count, value) if np.ndim(value) == 0 else np.asarray(value)


@dataclass(frozen=True, eq=False)
class Mesh:
    """T triangles, each with a class, a material and an object.

    Attributes:
        triangles: (T, 3, 3) float32 corners in metres, counter-clockwise seen from outside.
        uvs: (T, 3, 2) float32 texture coordinates in metres on the surface.
        normals: (T, 3, 3) float32 unit normal of each corner.
        labels: (T,) uint8 class, a value of `classes.MASK_LABEL`.
        materials: (T,) int32 row of the scene's MaterialTable; in a Shape, the index of a slot.
        objects: (T,) int32 index of the annotated object, or NO_OBJECT.
    """

    triangles: np.ndarray
    uvs: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    materials: np.ndarray
    objects: np.ndarray

    def __len__(self) -> int:
        return len(self.triangles)

    def __getitem__(self, index: np.ndarray) -> Mesh:
        return Mesh(*(getattr(self, field.name)[index] for field in fields(self)))

    def placed(
        self,
        position: tuple[float, float, float],
        yaw: float = 0.0,
        materials: np.ndarray | None = None,
        scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
        object_index: int = NO_OBJECT,
    ) -> Mesh:
        """Return a copy that is scaled, then rotated, then translated.

        Args:
            position: New position of the origin in metres.
            yaw: Angle about z in radians.
            materials: (slots,) row of the scene's MaterialTable for each slot of this mesh; None
                keeps the materials.
            scale: Factors along x, y and z.
            object_index: Index of the annotated object for all triangles, or NO_OBJECT.
        """
        scaling = np.asarray(scale, np.float32)
        rotation = rotation_z(yaw).astype(np.float32).T
        # One product with a long list of vectors is several times faster than a stack of small
        # ones.
        triangles = ((self.triangles * scaling).reshape(-1, 3) @ rotation).reshape(-1, 3, 3)
        normals = self.normals
        if len(set(scale)) > 1:
            normals = normalize(normals / scaling)
        rows = self.materials
        if materials is not None:
            rows = np.asarray(materials, np.int32)[rows]
        return Mesh(
            triangles + np.asarray(position, np.float32),
            self.uvs,
            (normals.reshape(-1, 3) @ rotation).reshape(-1, 3, 3),
            self.labels,
            rows,
            np.full(len(self), object_index, np.int32),
        )


def face_normals(triangles: np.ndarray) -> np.ndarray:
    """Return the unit normals (T, 3) of triangles (T, 3, 3) by the right-hand rule."""
    corner = triangles[:, 0]
    return normalize(cross(triangles[:, 1] - corner, triangles[:, 2] - corner))


def concatenate(meshes: list[Mesh]) -> Mesh:
    """Join meshes into one; an empty list gives an empty mesh."""
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
        np.concatenate([mesh.triangles for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.labels for mesh in meshes]),
        np.concatenate([mesh.materials for mesh in meshes]),
        np.concatenate([mesh.objects for mesh in meshes]),
    )


class MeshBuilder:
    """Combines primitives into a Mesh.

    In all methods, `label` is a value of `classes.MASK_LABEL` and `material` a value for
    `Mesh.materials`. Lengths are in metres.
    """

    def __init__(self) -> None:
        self._parts: list[Mesh] = []

    def build(self) -> Mesh:
        """Return everything added so far as one mesh."""
        return concatenate(self._parts)

    def add(
        self,
        triangles: np.ndarray,
        label: int | np.ndarray,
        material: int | np.ndarray,
        uvs: np.ndarray | None = None,
        normals: np.ndarray | None = None,
    ) -> None:
        """Add triangles.

        Args:
            triangles: (T, 3, 3) corners.
            label: A single class, or one per triangle (T,).
            material: A single material, or one per triangle (T,).
            uvs: (T, 3, 2) texture coordinates; zeros by default.
            normals: (T, 3, 3) unit normals; those of the flat triangles by default.
        """
        triangles = np.asarray(triangles, np.float32).reshape(-1, 3, 3)
        count = len(triangles)
        if count == 0:
            return
        if normals is None:
            normals = np.repeat(face_normals(triangles)[:, None], 3, 1)
        if uvs is None:
            uvs = np.zeros((count, 3, 2))
        self._parts.append(
            Mesh(
                triangles,
                np.asarray(uvs, np.float32).reshape(count, 3, 2),
                np.asarray(normals, np.float32).reshape(count, 3, 3),
                repeated(label, count).astype(np.uint8),
                repeated(material, count).astype(np.int32),
                np.full(count, NO_OBJECT, np.int32),
            )
        )

    def append(self, mesh: Mesh) -> None:
        """Add a mesh."""
        self._parts.append(mesh)

    def grid(
        self,
        points: np.ndarray,
        label: int,
        material: int | np.ndarray,
        uvs: np.ndarray | None = None,
        smooth: bool = True,
    ) -> None:
        """Add a surface through a grid of points.

        Args:
            points: (R, C, 3) points of the surface.
            label: Class of the surface.
            material: A single material, or one per cell (R - 1, C - 1).
            uvs: (R, C, 2) texture coordinates; zeros by default.
            smooth: Whether normals are interpolated between the points; otherwise every triangle
                is flat.
        """
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
        self,
        a: Point,
        b: Point,
        c: Point,
        d: Point,
        label: int,
        material: int,
    ) -> None:
        """Add a rectangle a-b-c-d, counter-clockwise seen from outside.

        Args:
            a: First corner.
            b: Second corner; texture coordinate u runs from a to b.
            c: Third corner.
            d: Fourth corner; texture coordinate v runs from a to d.
            label: Class of the surface.
            material: Material of the surface.
        """
        width = float(np.linalg.norm(np.subtract(b, a)))
        height = float(np.linalg.norm(np.subtract(d, a)))
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
        base: Point,
        size: tuple[float, float, float],
        yaw: float,
        label: int,
        material: int,
        top_material: int | None = None,
    ) -> None:
        """Add an upright cuboid without a floor.

        Args:
            base: Centre of the lower face.
            size: Length, width and height.
            yaw: Heading in radians.
            label: Class of the surface.
            material: Material of the surface.
            top_material: Material of the upper face; by default that of the sides.
        """
        corners = BOX_CORNERS * size @ rotation_z(yaw).T
        faces = (corners + np.asarray(base, np.float64))[BOX_FACES]
        materials = np.full(len(BOX_FACES), material)
        if top_material is not None:
            materials[-1] = top_material
        spans = np.asarray(size)[BOX_FACE_SIZES]
        uvs = _UNIT_SQUARE * spans[:, None]
        normals = np.array([(0, -1, 0), (1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, 0, 1)], np.float64)
        normals = np.repeat(normals @ rotation_z(yaw).T, 6, axis=0)
        self.add(
            faces[:, QUAD_HALVES].reshape(-1, 3, 3),
            label,
            np.repeat(materials, 2),
            uvs[:, QUAD_HALVES].reshape(-1, 3, 2),
            normals.reshape(-1, 3, 3),
        )

    def tube(
        self,
        start: Point,
        end: Point,
        start_radius: float,
        end_radius: float,
        sides: int,
        label: int,
        material: int,
    ) -> None:
        """Add a cone frustum without caps, with smooth normals.

        Args:
            start: Centre of the lower end.
            end: Centre of the upper end.
            start_radius: Radius at the lower end.
            end_radius: Radius at the upper end.
            sides: Number of sides.
            label: Class of the surface.
            material: Material of the surface.
        """
        start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
        axis = normalize(end - start)
        helper = [0, 0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0, 0]
        a = normalize(np.cross(axis, helper))
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
    """Return the values at the corners of the triangles of a grid.

    Args:
        values: (R, C, K) values at the points of a grid.

    Returns:
        (2 * (R - 1) * (C - 1), 3, K), two triangles for each cell.
    """
    a, b, c, d = values[:-1, :-1], values[1:, :-1], values[1:, 1:], values[:-1, 1:]
    return np.stack([np.stack([a, b, c], -2), np.stack([a, c, d], -2)], 2).reshape(
        -1, 3, values.shape[-1]
    )

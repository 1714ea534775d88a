"""Rectangles, boxes, tubes and polygons, collected cheaply and built into one Mesh in one step."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.geometry import rotation_z
from bev_semseg_ros.sim.assets.mesh import (
    BOX_CORNERS,
    BOX_FACE_SIZES,
    BOX_FACES,
    QUAD_HALVES,
    Mesh,
    MeshBuilder,
    Point,
    cross,
    normalize,
    repeated,
)

UP = np.array([0.0, 0, 1])


class Primitives:
    """Collects the primitives of a scene.

    A street has thousands of small parts. This class stores them as plain numbers, and `build`
    computes all primitives of one kind together. That is much faster than a MeshBuilder. Arguments
    are as in MeshBuilder.
    """

    def __init__(self) -> None:
        self._quads: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._boxes: list[tuple[float, ...]] = []
        self._box_materials: list[tuple[int, int, int]] = []
        self._tubes: dict[int, list[tuple[Point, Point, float, float, int, int]]] = {}
        self._builder = MeshBuilder()

    def quad(
        self,
        a: Point,
        b: Point,
        c: Point,
        d: Point,
        label: int,
        material: int,
    ) -> None:
        """Add a rectangle a-b-c-d; see `MeshBuilder.quad`."""
        self.quads(np.array([[a, b, c, d]], np.float64), label, material)

    def quads(
        self,
        corners: np.ndarray,
        label: int | np.ndarray,
        material: int | np.ndarray,
        sizes: np.ndarray | None = None,
    ) -> None:
        """Add N rectangles.

        Args:
            corners: (N, 4, 3), counter-clockwise seen from outside.
            label: A single class, or one per rectangle (N,).
            material: A single material, or one per rectangle (N,).
            sizes: (N, 2) largest u and v; the lengths of the edges by default.
        """
        corners = np.asarray(corners, np.float64)
        if sizes is None:
            sizes = np.linalg.norm(corners[:, [1, 3]] - corners[:, :1], axis=-1)
        count = len(corners)
        self._quads.append((corners, sizes, repeated(label, count), repeated(material, count)))

    def box(
        self,
        base: Point,
        size: tuple[float, float, float],
        yaw: float,
        label: int,
        material: int,
        top_material: int | None = None,
    ) -> None:
        """Add an upright cuboid without a floor; see `MeshBuilder.box`."""
        self._boxes.append((*base, *size, yaw))
        self._box_materials.append(
            (label, material, material if top_material is None else top_material)
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
        """Add a cone frustum without caps; see `MeshBuilder.tube`."""
        self._tubes.setdefault(sides, []).append(
            (start, end, start_radius, end_radius, label, material)
        )

    def polygon(self, points: np.ndarray, label: int, material: int) -> None:
        """Add a flat convex polygon.

        Args:
            points: (P, 3) corners, counter-clockwise seen from outside. Texture coordinates are
                metres from the first one.
            label: Class of the surface.
            material: Material of the surface.
        """
        points = np.asarray(points, np.float64)
        offsets = points - points[0]
        along = normalize(offsets[1:2])
        across = cross(normalize(cross(along, offsets[-1:])), along)
        uvs = offsets @ np.concatenate([along, across]).T
        fan = [(0, number, number + 1) for number in range(1, len(points) - 1)]
        self._builder.add(points[fan], label, material, uvs[fan])

    def append(self, mesh: Mesh) -> None:
        """Add a mesh."""
        self._builder.append(mesh)

    @property
    def builder(self) -> MeshBuilder:
        """The builder to which surfaces with their own normals are added directly."""
        return self._builder

    def build(self) -> Mesh:
        """Return everything added so far as one mesh."""
        if self._boxes:
            self._build_boxes()
        if self._quads:
            corners, sizes, labels, materials = (
                np.concatenate(column) for column in zip(*self._quads, strict=True)
            )
            uvs = np.zeros((len(corners), 4, 2))
            uvs[:, 1:3, 0] = sizes[:, :1]
            uvs[:, 2:, 1] = sizes[:, 1:]
            self._builder.add(
                corners[:, QUAD_HALVES].reshape(-1, 3, 3),
                np.repeat(labels, 2),
                np.repeat(materials, 2),
                uvs[:, QUAD_HALVES].reshape(-1, 3, 2),
            )
        for sides, tubes in self._tubes.items():
            self._build_tubes(sides, tubes)
        self._quads, self._boxes, self._box_materials, self._tubes = [], [], [], {}
        return self._builder.build()

    def _build_boxes(self) -> None:
        """Turn the collected boxes into rectangles."""
        numbers = np.array(self._boxes, np.float64)
        labels, sides, tops = np.array(self._box_materials).T
        base, size, yaw = numbers[:, :3], numbers[:, 3:6], numbers[:, 6]
        local = BOX_CORNERS * size[:, None]
        c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, y, z = np.moveaxis(local, -1, 0)
        corners = np.stack([c * x - s * y, s * x + c * y, z], -1) + base[:, None]
        count = len(BOX_FACES)
        materials = np.repeat(sides[:, None], count, 1)
        materials[:, -1] = tops
        self.quads(
            corners[:, BOX_FACES].reshape(-1, 4, 3),
            np.repeat(labels, count),
            materials.reshape(-1),
            size[:, BOX_FACE_SIZES].reshape(-1, 2),
        )

    def _build_tubes(self, sides: int, tubes: list[tuple]) -> None:
        """Add the triangles of the collected tubes with this number of sides."""
        start = np.array([tube[0] for tube in tubes], np.float64)
        end = np.array([tube[1] for tube in tubes], np.float64)
        radii = np.array([tube[2:4] for tube in tubes], np.float64)
        axis = end - start
        length = np.linalg.norm(axis, axis=-1)
        axis = normalize(axis)
        helper = np.where(np.abs(axis[:, 2:]) < 0.9, [[0.0, 0, 1]], [[1.0, 0, 0]])
        a = normalize(cross(axis, helper))
        b = cross(axis, a)
        angle = np.linspace(0, 2 * np.pi, sides + 1)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        ring = cos * a[:, None] + sin * b[:, None]  # (N, sides + 1, 3)
        points = np.stack(
            [start[:, None] + ring * radii[:, :1, None], end[:, None] + ring * radii[:, 1:, None]],
            1,
        )
        around = angle * np.maximum(radii[:, :1], 0.02)
        lengths = np.broadcast_to(length[:, None], around.shape)
        lower_uvs = np.stack([around, np.zeros_like(around)], -1)
        uvs = np.stack([lower_uvs, np.stack([around, lengths], -1)], 1)
        normals = np.stack([ring, ring], 1)

        def corners(values: np.ndarray) -> np.ndarray:
            """Return values (N, 2, sides + 1, K) at the corners of the triangles, (T, 3, K)."""
            p, q, r, t = values[:, 0, :-1], values[:, 0, 1:], values[:, 1, 1:], values[:, 1, :-1]
            return np.stack([np.stack([p, q, r], 2), np.stack([p, r, t], 2)], 2).reshape(
                -1, 3, values.shape[-1]
            )

        self._builder.add(
            corners(points),
            np.repeat([tube[4] for tube in tubes], 2 * sides),
            np.repeat([tube[5] for tube in tubes], 2 * sides),
            corners(uvs),
            corners(normals),
        )


def polygon_corners(
    center: Point, right: Point, up: Point, radius: float, sides: int, turn: float = 0.0
) -> np.ndarray:
    """Return the corners of a regular polygon.

    Args:
        center: Centre in the world frame, metres.
        right: Unit vector in the plane of the polygon.
        up: Unit vector in that plane, perpendicular to `right`.
        radius: Metres from the centre to the corners.
        sides: Number of corners.
        turn: Angle in radians from `right` to the first corner.

    Returns:
        (sides, 3) corners, counter-clockwise for a viewer towards whom right x up points.
    """
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False) + turn
    return np.asarray(center, np.float64) + radius * (
        np.cos(angle)[:, None] * np.asarray(right) + np.sin(angle)[:, None] * np.asarray(up)
    )


def axes(yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit vectors (3,) that point forward and left at a heading in radians."""
    rotation = rotation_z(yaw)
    return rotation[:, 0], rotation[:, 1]

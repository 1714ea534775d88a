"""Quads, boxes, tubes and polygons, collected cheaply and built into one Mesh at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bev_semseg_ros.geometry import rotation_z
from bev_semseg_ros.sim.assets.mesh import Mesh, MeshBuilder, normalize

# Faces of a box: front-left-lower corner order, counter-clockwise seen from outside; the top last, no floor.
_BOX_CORNERS = np.array(
    [
        [-1, -1, 0],
        [1, -1, 0],
        [1, 1, 0],
        [-1, 1, 0],
        [-1, -1, 1],
        [1, -1, 1],
        [1, 1, 1],
        [-1, 1, 1],
    ],
    np.float64,
)
_BOX_FACES = np.array([[0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7], [4, 5, 6, 7]])
_FACE_SIZES = np.array(
    [[0, 2], [1, 2], [0, 2], [1, 2], [0, 1]]
)  # which of length, width, height spans a face

Point = Sequence[float] | np.ndarray


class Primitives:
    """A street has thousands of small parts: they are queued here as plain numbers and computed together by `build`."""

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
        size: tuple[float, float] | None = None,
    ) -> None:
        """A rectangle a-b-c-d, counter-clockwise seen from outside; uv runs along a-b and a-d in metres."""
        self.quads(
            np.array([[a, b, c, d]], np.float64),
            label,
            material,
            None if size is None else np.array([size]),
        )

    def quads(
        self,
        corners: np.ndarray,
        label: int | np.ndarray,
        material: int | np.ndarray,
        sizes: np.ndarray | None = None,
    ) -> None:
        """Rectangles (N, 4, 3); labels and materials one or (N,); sizes (N, 2) metres of uv, measured if not given."""
        corners = np.asarray(corners, np.float64)
        if sizes is None:
            sizes = np.linalg.norm(corners[:, [1, 3]] - corners[:, :1], axis=-1)
        count = len(corners)
        self._quads.append(
            (corners, sizes, np.broadcast_to(label, count), np.broadcast_to(material, count))
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
        """An upright cuboid of length, width, height standing on `base` (the middle of its lower face); no floor."""
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
        """A cone frustum from start to end, without caps, smooth."""
        self._tubes.setdefault(sides, []).append(
            (start, end, start_radius, end_radius, label, material)
        )

    def polygon(self, points: np.ndarray, label: int, material: int) -> None:
        """A flat convex polygon (P, 3), counter-clockwise seen from outside; uv in metres from its first corner."""
        points = np.asarray(points, np.float64)
        along = normalize(points[1] - points[0])
        across = np.cross(normalize(np.cross(along, points[-1] - points[0])), along)
        uvs = np.stack([(points - points[0]) @ along, (points - points[0]) @ across], -1)
        fan = np.stack(
            [
                np.zeros(len(points) - 2, int),
                np.arange(1, len(points) - 1),
                np.arange(2, len(points)),
            ],
            -1,
        )
        self._builder.add(points[fan], label, material, uvs[fan])

    def append(self, mesh: Mesh) -> None:
        self._builder.append(mesh)

    @property
    def builder(self) -> MeshBuilder:
        """Where surfaces with normals of their own go straight away."""
        return self._builder

    def build(self) -> Mesh:
        """Everything added so far, as one soup."""
        if self._boxes:
            self._build_boxes()
        if self._quads:
            corners, sizes, labels, materials = (
                np.concatenate(column) for column in zip(*self._quads, strict=True)
            )
            uvs = np.zeros((len(corners), 4, 2))
            uvs[:, 1:3, 0] = sizes[:, :1]
            uvs[:, 2:, 1] = sizes[:, 1:]
            order = [0, 1, 2, 0, 2, 3]
            self._builder.add(
                corners[:, order].reshape(-1, 3, 3),
                np.repeat(labels, 2),
                np.repeat(materials, 2),
                uvs[:, order].reshape(-1, 3, 2),
            )
        for sides, tubes in self._tubes.items():
            self._build_tubes(sides, tubes)
        self._quads, self._boxes, self._box_materials, self._tubes = [], [], [], {}
        return self._builder.build()

    def _build_boxes(self) -> None:
        numbers = np.array(self._boxes, np.float64)
        labels, sides, tops = np.array(self._box_materials).T
        base, size, yaw = numbers[:, :3], numbers[:, 3:6], numbers[:, 6]
        local = _BOX_CORNERS * (size * [0.5, 0.5, 1.0])[:, None]
        c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
        x, y, z = np.moveaxis(local, -1, 0)
        corners = np.stack([c * x - s * y, s * x + c * y, z], -1) + base[:, None]
        materials = np.repeat(sides[:, None], 5, 1)
        materials[:, 4] = tops
        self.quads(
            corners[:, _BOX_FACES].reshape(-1, 4, 3),
            np.repeat(labels, 5),
            materials.reshape(-1),
            size[:, _FACE_SIZES].reshape(-1, 2),
        )

    def _build_tubes(self, sides: int, tubes: list[tuple]) -> None:
        start = np.array([tube[0] for tube in tubes], np.float64)
        end = np.array([tube[1] for tube in tubes], np.float64)
        radii = np.array([tube[2:4] for tube in tubes], np.float64)
        axis = end - start
        length = np.linalg.norm(axis, axis=-1)
        axis = normalize(axis)
        helper = np.where(np.abs(axis[:, 2:]) < 0.9, [[0.0, 0, 1]], [[1.0, 0, 0]])
        a = normalize(np.cross(axis, helper))
        b = np.cross(axis, a)
        angle = np.linspace(0, 2 * np.pi, sides + 1)
        ring = (
            np.cos(angle)[:, None] * a[:, None] + np.sin(angle)[:, None] * b[:, None]
        )  # (N, sides + 1, 3)
        points = np.stack(
            [start[:, None] + ring * radii[:, :1, None], end[:, None] + ring * radii[:, 1:, None]],
            1,
        )
        around = angle * np.maximum(radii[:, :1], 0.02)
        uvs = np.stack(
            [
                np.stack([around, np.broadcast_to(along, around.shape)], -1)
                for along in (np.zeros_like(length)[:, None], length[:, None])
            ],
            1,
        )
        normals = np.stack([ring, ring], 1)

        def corners(values: np.ndarray) -> np.ndarray:
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


def disc(
    center: Point, right: Point, up: Point, radius: float, sides: int, turn: float = 0.0
) -> np.ndarray:
    """(sides, 3) corners of a regular polygon in the plane of `right` and `up`, counter-clockwise seen against
    right x up."""
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False) + turn
    return np.asarray(center, np.float64) + radius * (
        np.cos(angle)[:, None] * np.asarray(right) + np.sin(angle)[:, None] * np.asarray(up)
    )


def axes(yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors forward and left of a heading."""
    rotation = rotation_z(yaw)
    return rotation[:, 0], rotation[:, 1]

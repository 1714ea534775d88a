"""A dressed and posed person as triangles, with hair, headwear and skirt."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import Mesh, MeshBuilder
from bev_semseg_ros.sim.assets.people.bodies import BONE, Body, BodyPool, vertex_normals
from bev_semseg_ros.sim.assets.people.clothes import Outfit, dressed
from bev_semseg_ros.sim.assets.people.pose import Pose
from bev_semseg_ros.sim.assets.people_materials import HAIR, HAT

_LEG_BONES = tuple(
    BONE[name]
    for name in ("spine", "pelvis", "thigh_left", "shin_left", "thigh_right", "shin_right")
)


def transformed(mesh: Mesh, rotation: np.ndarray, position: np.ndarray) -> Mesh:
    """Return a mesh rotated by `rotation` (3, 3) and then translated by `position` (3,)."""
    matrix = rotation.astype(np.float32).T
    return Mesh(
        mesh.triangles @ matrix + position.astype(np.float32),
        mesh.uvs,
        mesh.normals @ matrix,
        mesh.labels,
        mesh.materials,
        mesh.objects,
    )


class Figure:
    """A person under construction: pose it, `settle` it, then `add_to` a builder.

    Attributes:
        pose: Pose of the body; change it before `settle`.
        outfit: Clothes and hair of the person.
        label: Class of the surface.
        vertices: (V, 3) vertices of the dressed and posed body in metres; set by `settle`.
    """

    def __init__(self, pool: BodyPool, body: Body, outfit: Outfit, label: int) -> None:
        """Dress a body.

        Args:
            pool: Topology of the bodies.
            body: Body to dress.
            outfit: Clothes and hair.
            label: Class of the surface.
        """
        self.pose = Pose(body)
        self.outfit = outfit
        self.label = label
        self._pool = pool
        self._rest, self._slots = dressed(body, outfit, pool)
        self.vertices = self._rest

    @property
    def size(self) -> float:
        """Height relative to a body of STANDARD_HEIGHT."""
        return self.pose.body.size

    def settle(self, ground: float | None = 0.0) -> None:
        """Compute the surface, and put the lowest vertex on z = `ground` unless it is None."""
        self.vertices = self.pose.skin(self._rest, self._pool)
        if ground is not None:
            shift = ground - float(self.vertices[:, 2].min())
            self.pose.hips[2] += shift
            self.vertices = self.vertices + np.array([0, 0, shift])

    def part(self, bone: str) -> np.ndarray:
        """Return the vertices (K, 3), in the rest pose, that mainly follow a bone."""
        return self._rest[self._pool.weights.argmax(1) == BONE[bone]]

    def posed_part(self, *bones: str) -> np.ndarray:
        """Return the posed vertices (K, 3) that mainly follow one of the bones."""
        rows = [BONE[bone] for bone in bones]
        return self.vertices[np.isin(self._pool.weights.argmax(1), rows)]

    def attach(self, mesh: Mesh, bone: str) -> Mesh:
        """Return a mesh, given for the rest pose, moved to the posed bone."""
        rotation = self.pose.rotation(bone)
        rest = self.pose.body.joints[BONE[bone]]
        return transformed(mesh, rotation, self.pose.joint(bone) - rotation @ rest)

    def add_to(self, builder: MeshBuilder) -> None:
        """Add the triangles of the settled person."""
        faces = self._pool.faces
        normals = vertex_normals(self.vertices, faces)
        rest = self._rest[faces]
        around = 0.15 * np.arctan2(rest[..., 1], rest[..., 0])
        builder.add(
            self.vertices[faces],
            self.label,
            self._slots,
            np.stack([rest[..., 2], around], -1),
            normals[faces],
        )
        on_head = MeshBuilder()
        self._add_headwear(on_head)
        if self.outfit.hair_length > 0:
            self._add_hair(on_head)
        builder.append(self.attach(on_head.build(), "head"))
        if self.outfit.hem < 1:
            self._add_skirt(builder)

    def _add_headwear(self, builder: MeshBuilder) -> None:
        """Add the brim of a cap or a hat, in the rest pose."""
        head = self.part("head")
        low, high = head.min(0), head.max(0)
        x, width = (low[0] + high[0]) / 2, (high[1] - low[1]) / 2
        depth = (high[0] - low[0]) / 2
        brow = low[2] + 0.68 * (high[2] - low[2])
        if self.outfit.headwear == "cap":
            angle = np.radians(np.linspace(-70, 70, 6))
            inner = np.stack(
                [x + 0.8 * depth * np.cos(angle), 0.9 * width * np.sin(angle), brow + 0 * angle], -1
            )
            tip = [0.08, 0, -0.02] * np.cos(angle)[:, None]
            builder.grid(np.stack([inner, inner + tip + np.array([0.01, 0, 0])]), self.label, HAT)
        elif self.outfit.headwear == "hat":
            angle = np.linspace(0, 2 * np.pi, 13)
            ring = np.stack([depth * np.cos(angle), width * np.sin(angle), 0 * angle], -1)
            middle = np.array([x, 0, brow + 0.02])
            brim = [middle + 0.9 * ring, middle + 1.6 * ring - np.array([0, 0, 0.015])]
            builder.grid(np.stack(brim), self.label, HAT)

    def _add_hair(self, builder: MeshBuilder) -> None:
        """Add hair that hangs from the back of the head, in the rest pose."""
        head = self.part("head")
        low, high = head.min(0), head.max(0)
        x, width = 0.6 * low[0] + 0.4 * high[0], (high[1] - low[1]) / 2
        depth = x - low[0]
        top = low[2] + 0.6 * (high[2] - low[2])
        angle = np.radians(np.linspace(75, 285, 8))
        rings = []
        for share in (0.0, 0.35, 0.7, 1.0):
            size = 1.02 - 0.15 * share
            rings.append(
                np.stack(
                    [
                        x + size * depth * np.cos(angle) - 0.03 * share,
                        size * width * np.sin(angle),
                        top - share * (0.12 + self.outfit.hair_length) + 0 * angle,
                    ],
                    -1,
                )
            )
        builder.grid(np.stack(rings[::-1], 1), self.label, HAIR)

    def _add_skirt(self, builder: MeshBuilder) -> None:
        """Add a skirt, or the lower part of a coat or jacket, around both legs."""
        outfit, hips = self.outfit, self.pose.hips
        is_leg = np.isin(self._pool.weights.argmax(1), _LEG_BONES)
        legs = self.vertices[is_leg]
        angle = np.linspace(0, 2 * np.pi, 13)
        around = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
        low, high, factor = np.full(2, np.inf), np.full(2, -np.inf), 1.0
        rings = []
        for z in np.linspace(hips[2] + 0.14 * self.size, outfit.hem * hips[2], 6):
            near = legs[np.abs(legs[:, 2] - z) < 0.09 * self.size][:, :2]
            if len(near):
                # The cloth hangs down from the widest part above.
                low = np.minimum(near.min(0), low + 0.02)
                high = np.maximum(near.max(0), high - 0.02)
                spread = (near - (low + high) / 2) / ((high - low) / 2)
                factor = max(0.95 * factor, float(np.sqrt(np.sum(spread**2, axis=1).max())))
                if outfit.hem > 0.8:  # a jacket lies close
                    factor = min(factor, 1.04)
            radii = factor * (high - low) / 2 + 0.01
            rings.append([*((low + high) / 2), z] + around * [*radii, 0.0])
        points = np.stack(rings[::-1], 1)
        uvs = np.stack(
            [points[..., 2], 0.2 * np.broadcast_to(angle[:, None], points.shape[:2])], -1
        )
        builder.grid(points, self.label, outfit.hem_slot, uvs)

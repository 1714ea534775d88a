"""The part of the own vehicle that its cameras see at the lower edge of the image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bev_semseg_ros.geometry import apply, rotation_z, transform
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import Mesh, MeshBuilder
from bev_semseg_ros.sim.classes import IGNORED_PIXEL

# Points of the surface along and across it.
_ROWS, _COLUMNS = 14, 17


@dataclass(frozen=True)
class Bonnet:
    """A curved painted surface in front of the camera. It has no box and no class.

    Its pixels are IGNORED_PIXEL in the mask. No class of the label set is true of it: `car` is what
    a network must not say of it, and any other class would teach that paint and reflections at the
    lower edge are road. A network learns what to do there from the boxes: there is none.

    Attributes:
        position: x, y, z in metres in the ego frame of the middle of its front edge.
        yaw: Direction that it points in, radians from the x axis of the ego frame.
        length: Metres from the front edge back.
        width: Metres.
        rise: Metres by which its rear lies above the front edge.
        crown: Metres by which the middle lies above the sides.
        roundness: Metres by which the corners of the front edge are set back.
        color: Linear RGB.
        fresnel: Reflectance of the paint at normal incidence.
        cowl: Share of the length, at its rear, that is dark: the gap below the windscreen.
    """

    position: tuple[float, float, float]
    yaw: float
    length: float
    width: float
    rise: float
    crown: float
    roundness: float
    color: tuple[float, float, float]
    fresnel: float
    cowl: float

    def mesh(self, materials: MaterialTable) -> Mesh:
        """Return the surface in the ego frame; its paint is added to the materials."""
        paint = materials.add(
            "paint",
            self.color,
            self.color,
            noise_contrast=0,
            fine_contrast=0,
            stain_contrast=0.05,
            specular=0.9,
            fresnel=self.fresnel,
        )
        gap = materials.add("plastic", (0.02, 0.02, 0.02), noise_contrast=0.2)
        back = np.linspace(0, 1, _ROWS)[:, None]
        side = np.linspace(-1, 1, _COLUMNS)[None]
        x = -self.roundness * side**2 - back * self.length
        y = side * self.width / 2 * (1 - 0.06 * (1 - back))
        # The front edge bends down like a lip.
        lip = 0.25 * self.length * np.maximum(0.12 - back, 0)
        ridge = 0.012 * np.exp(-(((np.abs(side) - 0.55) / 0.08) ** 2))
        z = self.rise * back + self.crown * (1 - side**2) + ridge - lip - self.crown
        points = np.stack(np.broadcast_arrays(x, y, z), -1)
        pose = transform(rotation_z(self.yaw), self.position)
        builder = MeshBuilder()
        is_cowl = np.broadcast_to(back[1:] > 1 - self.cowl, (_ROWS - 1, _COLUMNS - 1))
        rows = np.where(is_cowl, gap, paint)
        builder.grid(apply(pose, points), IGNORED_PIXEL, rows)
        # Below the edge stands the front of the vehicle, which hides the road there.
        front = np.stack([points[0], points[0] - [0.05, 0, 0.5]])
        builder.grid(apply(pose, front), IGNORED_PIXEL, gap)
        return builder.build()


def in_world(mesh: Mesh, world_from_ego: np.ndarray) -> Mesh:
    """Return a mesh of the ego frame in the world frame."""
    rotation = world_from_ego[:3, :3].astype(np.float32)
    return replace(
        mesh,
        triangles=apply(world_from_ego, mesh.triangles).astype(np.float32),
        normals=mesh.normals @ rotation.T,
    )

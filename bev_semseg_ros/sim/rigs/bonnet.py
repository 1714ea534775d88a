"""The bonnet of the ego vehicle, visible at the lower edge of its images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bev_semseg_ros.geometry import apply, rotation_z, transform
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import Mesh, MeshBuilder
from bev_semseg_ros.sim.classes import IGNORED_PIXEL

# Number of points along and across the surface.
_ROWS, _COLUMNS = 14, 17


@dataclass(frozen=True)
class Bonnet:
    """A curved painted surface in front of the camera. It has no box and no class.

    Its pixels are IGNORED_PIXEL in the mask, because no class of the label set fits. With `car`, a
    network would learn to report the ego vehicle; with another class such as `road`, it would learn
    that paint and reflections have this class. Since there is no box, a network still learns not to
    detect an object here.

    Attributes:
        position: x, y, z of the centre of the front edge in the ego frame, metres.
        yaw: Direction in which the bonnet points, radians from the x axis of the ego frame.
        length: Length in metres, from the front edge to the rear.
        width: Width in metres.
        rise: Metres by which the rear lies above the front edge.
        crown: Metres by which the centre line lies above the sides.
        roundness: Metres by which the corners of the front edge are set back.
        color: Linear RGB.
        fresnel: Reflectance of the paint at normal incidence.
        cowl: Fraction of the length, at the rear, that is dark: the gap below the windscreen.
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
        """Return the surface in the ego frame, and add its materials to `materials`."""
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
        # The front of the vehicle is below the edge. It hides the road there.
        front = np.stack([points[0], points[0] - [0.05, 0, 0.5]])
        builder.grid(apply(pose, front), IGNORED_PIXEL, gap)
        return builder.build()


def in_world(mesh: Mesh, world_from_ego: np.ndarray) -> Mesh:
    """Transform a mesh from the ego frame to the world frame."""
    rotation = world_from_ego[:3, :3].astype(np.float32)
    return replace(
        mesh,
        triangles=apply(world_from_ego, mesh.triangles).astype(np.float32),
        normals=mesh.normals @ rotation.T,
    )

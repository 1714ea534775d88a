"""Common parts of two-wheelers: wheels, rounded bodies, and the position of the rider."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.people_materials import METAL, TYRE
from bev_semseg_ros.sim.classes import TWO_WHEELER


@dataclass(frozen=True)
class RidingPosition:
    """Position of the rider on a two-wheeler, in metres; x forward, y left, z up.

    Attributes:
        seat: x and z of the top of the saddle; None for a rider who stands.
        grip: x, y, z of the left grip; the right one is its mirror image.
        foot: x, z, y of the left footrest or deck; with cranks, x and z of their axle, and y of the
            left pedal.
        crank: Length of the cranks; 0 if there are none.
    """

    seat: tuple[float, float] | None
    grip: tuple[float, float, float]
    foot: tuple[float, float, float]
    crank: float = 0.0


def add_wheel(
    builder: MeshBuilder,
    x: float,
    radius: float,
    thickness: float,
    spokes: int,
    label: int = TWO_WHEELER,
    y: float = 0.0,
    sides: int = 14,
) -> None:
    """Add an upright wheel that stands on z = 0: a tyre made of short tubes, a hub and spokes.

    Args:
        builder: Receives the triangles.
        x: x of the axle in metres.
        radius: Outer radius in metres.
        thickness: Half the width of the tyre in metres.
        spokes: Approximate number of spokes; 0 for a disc.
        label: Class of the surface.
        y: y of the wheel's centre in metres.
        sides: Number of segments of the tyre.
    """
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    radial = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
    axle, hub = np.array([0, 1.0, 0]), np.array([x, y, radius])
    ring = hub + (radius - thickness) * radial
    across = np.linspace(0, 2 * np.pi, 5)[:, None]
    tyre = np.cos(across) * radial[:, None] + np.sin(across) * axle
    builder.grid((ring[:, None] + thickness * tyre).swapaxes(0, 1), label, TYRE)
    if spokes == 0:
        disc = np.stack([np.broadcast_to(hub, ring[1:].shape), ring[:-1], ring[1:]], 1)
        builder.add(disc, label, METAL)
        return
    ends = ring[: -1 : max(1, sides // spokes)]
    tangents = np.cross(axle, ends - hub)
    tangents = tangents / np.linalg.norm(tangents, axis=1, keepdims=True)
    for half in (np.broadcast_to(0.006 * axle, ends.shape), 0.006 * tangents):
        a, b, c, d = hub - half, hub + half, ends + half, ends - half
        builder.add(np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]), label, METAL)


def add_loft(
    builder: MeshBuilder,
    sections: list[tuple[float, float, float, float]],
    label: int,
    material: int,
    is_upright: bool = False,
) -> None:
    """Add a closed rounded body along x, or along z if `is_upright`.

    Args:
        builder: Receives the triangles.
        sections: For each section, from rear to front or from bottom to top: x and z of its centre,
            half its height (or depth, if upright) and half its width, in metres.
        label: Class of the surface.
        material: Material of the surface.
        is_upright: Whether the sections are horizontal.
    """
    angle = np.linspace(0, 2 * np.pi, 9)
    x, z, size, width = np.array(sections).T[:, None, :]
    # Between an ellipse and a rectangle.
    cosine = (np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.7)[:, None]
    sine = (np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.7)[:, None]
    if is_upright:
        points = np.stack([x + size * cosine, width * sine, z + 0 * cosine], -1)
    else:
        points = np.stack([x + 0 * cosine, width * cosine, z + size * sine], -1)
    ends = np.repeat(points[:, [0, -1]].mean(0, keepdims=True), len(angle), 0)
    points = np.concatenate([ends[:, :1], points, ends[:, 1:]], 1)
    builder.grid(points, label, material)

"""Farm tractors, some with a trailer."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.vehicles.cabs import cabin, crew
from bev_semseg_ros.sim.assets.vehicles.loads import Bay, add_platform, add_tank, add_tipper
from bev_semseg_ros.sim.assets.vehicles.parts import (
    GLASS,
    LAMP,
    PAINT,
    PLASTIC,
    upright,
    wheel,
    wheels,
)
from bev_semseg_ros.sim.classes import TRUCK

# Fraction of tractors that pull a trailer.
TRAILER_SHARE = 0.4


def add_tractor(builder: MeshBuilder, rng: np.random.Generator) -> tuple[float, float, float]:
    """Add a tractor; return its width, and x and z of its mirrors."""
    u = rng.uniform
    width, roof, rear_radius = u(1.9, 2.5), u(2.5, 3.0), u(0.7, 0.95)
    front_radius = rear_radius * u(0.6, 0.8)
    cab_length, bonnet = u(1.4, 1.7), u(1.6, 2.1)
    cab_front = cab_length / 2
    foot, head = u(1.35, 1.5), roof - 0.2
    cells = np.full((3, 3), GLASS)
    cells[:, 0], cells[:, 2], cells[2, :] = PAINT, PAINT, PLASTIC
    columns = np.array([-cab_front, 0.0, cab_front - 0.12, cab_front])
    heights, cab_width = (0.75, foot, head, roof), 0.62 * width
    cabin(builder, -cab_front, cab_front, cab_width, heights, columns, (cells, cells), 0.12, True)
    crew(builder, -0.35, cab_width, foot, rng)
    hood = foot + u(-0.1, 0.05)
    nose = (cab_front + bonnet / 2, 0, 0.75)
    builder.box(nose, (bonnet, u(0.7, 0.85), hood - 0.75), 0, TRUCK, PAINT)
    end = cab_front + bonnet
    for side in (-1, 1):
        y = side * 0.25
        upright(builder, end + 0.01, 1, (y - 0.12, y + 0.12), (hood - 0.3, hood - 0.1), TRUCK, LAMP)
        fender = (-0.35, side * (width / 2 - 0.22), 1.95 * rear_radius)
        builder.box(fender, (1.3 * rear_radius, 0.44, 0.06), 0, TRUCK, PLASTIC)
        tyre = 0.28 * rear_radius + 0.22
        wheel(builder, -0.35, side * width / 2, rear_radius, tyre, TRUCK)
        y = side * (0.9 * width / 2)
        wheel(builder, end - 0.55, y, front_radius, 0.3, TRUCK)
    builder.tube(
        (end - 0.5, 0.2, hood), (end - 0.5, 0.2, hood + 0.8), 0.05, 0.05, 6, TRUCK, PLASTIC
    )
    if rng.random() < TRAILER_SHARE:
        _add_trailer(builder, rng, -cab_front - 0.9, width)
    else:  # the hitch
        builder.box((-cab_front - 0.5, 0, 0.5), (0.5, 0.8, 0.5), 0, TRUCK, PLASTIC)
    return cab_width, cab_front - 0.25, foot + 0.2


def _add_trailer(
    builder: MeshBuilder, rng: np.random.Generator, front: float, width: float
) -> None:
    """Add a trailer whose load begins at x `front` in metres."""
    length, height = rng.uniform(4.0, 6.5), rng.uniform(2.2, 3.0)
    load = (add_platform, add_tipper, add_tank)[rng.integers(3)]
    load(builder, rng, Bay(front - length, front - 0.7, max(width, 2.2), height))
    builder.box((front - 0.2, 0, 0.55), (2.2, 0.15, 0.15), 0, TRUCK, PLASTIC)
    axles = (front - 0.35 * length - 0.6, front - 0.8 * length)
    wheels(builder, axles, 1.05, 0.45, 0.35, TRUCK)

"""Trailers towed by cars: open trailers, covered trailers and caravans."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.vehicles.parts import (
    CARGO,
    GLASS,
    INTERIOR,
    PLASTIC,
    REAR_LAMP,
    panel,
    upright,
    wheel,
)
from bev_semseg_ros.sim.classes import TRUCK

# As in A2D2, whose masks label trailers as "utility vehicle".
LABEL = TRUCK
# Kind -> bounds in metres of the length and the width of the body, and of the height of its top.
TRAILERS = {
    "open": ((1.9, 2.8), (1.2, 1.6), (0.85, 1.15)),
    "covered": ((2.0, 3.2), (1.3, 1.8), (1.5, 2.1)),
    "caravan": ((4.0, 6.0), (2.0, 2.35), (2.4, 2.65)),
}
TRAILER_PROBABILITIES = (0.45, 0.3, 0.25)
# Radius of a wheel and height of the floor, in metres.
WHEEL_RADIUS = 0.3
FLOOR = 0.45


def add_trailer(builder: MeshBuilder, rng: np.random.Generator, hitch: float) -> None:
    """Add a trailer of a random kind.

    Args:
        builder: Receives the triangles.
        rng: Source of randomness.
        hitch: x of the rear end of the car in metres.
    """
    kind = str(rng.choice(list(TRAILERS), p=TRAILER_PROBABILITIES))
    length, width, top = (rng.uniform(*bounds) for bounds in TRAILERS[kind])
    drawbar = rng.uniform(0.8, 1.3)
    front, rear = hitch - drawbar, hitch - drawbar - length
    middle = (front + rear) / 2
    builder.box((hitch - drawbar / 2, 0, FLOOR - 0.05), (drawbar, 0.1, 0.1), 0, LABEL, PLASTIC)
    lid = INTERIOR if kind == "open" else CARGO
    builder.box((middle, 0, FLOOR), (length, width, top - FLOOR), 0, LABEL, CARGO, lid)
    if kind == "caravan":
        windows = (FLOOR + 0.5 * (top - FLOOR), top - 0.35)
        upright(builder, rear - 0.01, -1, (-0.3 * width, 0.3 * width), windows, LABEL, GLASS)
        upright(builder, front + 0.01, 1, (-0.3 * width, 0.3 * width), windows, LABEL, GLASS)
        for side in (-1, 1):
            y = side * (width / 2 + 0.01)
            panel(builder, y, (middle - 0.5, middle + 0.6), windows, LABEL, GLASS)
    for side in (-1, 1):
        y = side * (width / 2 + 0.03)
        wheel(builder, middle - 0.1, y, WHEEL_RADIUS, 0.2, LABEL)
        lamps = sorted((side * 0.9 * width / 2, side * 0.65 * width / 2))
        lamp_y = (lamps[0], lamps[1])
        upright(builder, rear - 0.02, -1, lamp_y, (FLOOR + 0.05, FLOOR + 0.2), LABEL, REAR_LAMP)

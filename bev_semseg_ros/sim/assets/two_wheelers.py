"""Two-wheelers that are parked, pushed or ridden: bicycles, and those with a motor."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder, Point
from bev_semseg_ros.sim.assets.motor_two_wheelers import MOTOR_BUILDERS
from bev_semseg_ros.sim.assets.people_materials import (
    BAG,
    FABRIC,
    FRAME,
    LAMP,
    METAL,
    REAR_LAMP,
    SKIN,
)
from bev_semseg_ros.sim.assets.shape import Shape, centered
from bev_semseg_ros.sim.assets.wheels import RidingPosition, add_wheel
from bev_semseg_ros.sim.classes import TWO_WHEELER

BICYCLE_KINDS = ("city_bicycle", "low_step_bicycle", "sports_bicycle", "cargo_bicycle")
PARKED_KINDS = (*BICYCLE_KINDS, *MOTOR_BUILDERS)

# Length of the cranks in metres.
CRANK = 0.17
# Leg length from hip to ankle, in metres, of the rider for whom bicycles are designed by default.
STANDARD_LEG = 0.83


@dataclass(frozen=True)
class _Geometry:
    """Points on a bicycle as (x, z) in metres; x is forward from midway between the axles.

    Attributes:
        radius: Radius of the wheels.
        rear: x of the rear axle.
        front: x of the front axle.
        crank: Axle of the cranks.
        saddle: Top of the saddle.
        head: Top of the head tube.
        bar: Centre of the handlebar.
        grip_x: x of the grips.
        bar_width: Half the width of the handlebar.
    """

    radius: float
    rear: float
    front: float
    crank: tuple[float, float]
    saddle: tuple[float, float]
    head: tuple[float, float]
    bar: tuple[float, float]
    grip_x: float
    bar_width: float


def parked_two_wheeler(rng: np.random.Generator, kind: str) -> Shape:
    """Make a two-wheeler without a rider.

    Args:
        rng: Source of randomness.
        kind: One of PARKED_KINDS.

    Returns:
        A shape of mask class "two_wheeler" without a box, with the slots PEOPLE_SLOTS.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in PARKED_KINDS:
        raise ValueError(f"unknown two-wheeler {kind!r}, expected one of {', '.join(PARKED_KINDS)}")
    builder = MeshBuilder()
    add_two_wheeler(builder, rng, kind)
    return centered(builder.build(), None, kind)


def add_two_wheeler(
    builder: MeshBuilder, rng: np.random.Generator, kind: str, leg: float = STANDARD_LEG
) -> RidingPosition:
    """Add a two-wheeler that stands upright on z = 0, with x = 0 midway between its axles.

    Args:
        builder: Receives the triangles.
        rng: Source of randomness.
        kind: One of PARKED_KINDS.
        leg: Length of the rider's leg from hip to ankle in metres, for the height of the saddle.

    Returns:
        Position of the rider's seat, hands and feet.
    """
    if kind in MOTOR_BUILDERS:
        return MOTOR_BUILDERS[kind](builder, rng)
    geometry = _geometry(rng, kind, leg)
    _add_bicycle(builder, rng, kind, geometry)
    return RidingPosition(
        seat=geometry.saddle,
        grip=(geometry.grip_x, geometry.bar_width - 0.05, geometry.bar[1] + 0.02),
        foot=(*geometry.crank, 0.11),
        crank=CRANK,
    )


def _geometry(rng: np.random.Generator, kind: str, leg: float) -> _Geometry:
    """Draw the geometry of a bicycle for a leg length in metres."""
    u = rng.uniform
    size = float(np.clip(leg / STANDARD_LEG, 0.62, 1.1))
    is_sports, is_cargo = kind == "sports_bicycle", kind == "cargo_bicycle"
    radius = (u(0.33, 0.36) if not is_cargo else 0.27) * min(size, 1.0)
    base = u(1.0, 1.1) * size + (0.85 if is_cargo else 0.0)
    rear, front = -base / 2, base / 2
    crank = (rear + 0.44 * size, 0.28 * size)
    reach = u(0.9, 0.97) * leg if is_sports else u(0.84, 0.94) * leg
    saddle_z = crank[1] - CRANK + 0.1 + reach - 0.1 * size
    saddle = (crank[0] - (0.17 if is_sports else 0.22) * size, saddle_z)
    head_z = max(0.82 * size, saddle_z - 0.14)
    head = (saddle[0] + u(0.58, 0.66) * size, head_z)
    if is_sports:
        bar = (head[0] + u(0.05, 0.11), saddle_z + u(-0.06, 0.06))
        return _Geometry(radius, rear, front, crank, saddle, head, bar, bar[0], u(0.24, 0.32))
    bar = (head[0] - 0.02, saddle_z + u(0.04, 0.2))
    return _Geometry(
        radius, rear, front, crank, saddle, head, bar, bar[0] - u(0.05, 0.18), u(0.27, 0.33)
    )


def _add_bicycle(
    builder: MeshBuilder, rng: np.random.Generator, kind: str, geometry: _Geometry
) -> None:
    """Add a bicycle of a kind of BICYCLE_KINDS, with random luggage and mudguards."""
    g = geometry

    def tube(start: Point, end: Point, radius: float, material: int, sides: int = 5) -> None:
        """Add a tube of constant radius."""
        builder.tube(start, end, radius, radius, sides, TWO_WHEELER, material)

    def at(place: tuple[float, float], y: float = 0.0) -> np.ndarray:
        """Return the point (3,) at `place` (x, z) and y."""
        return np.array([place[0], y, place[1]])

    front_radius = g.radius * (0.78 if kind == "cargo_bicycle" else 1.0)
    add_wheel(builder, g.rear, g.radius, 0.022, spokes=7)
    add_wheel(builder, g.front, front_radius, 0.022, spokes=7)
    rear, crank, saddle, head = at((g.rear, g.radius)), at(g.crank), at(g.saddle), at(g.head)
    seat_tube = crank + 0.72 * (saddle - crank)
    if kind in ("low_step_bicycle", "cargo_bicycle"):
        top_start = crank + 0.25 * (saddle - crank)
    else:
        top_start = seat_tube
    lower_head = head + np.array([0.03, 0, -0.12])
    thin = 0.016 if kind == "sports_bicycle" else 0.02
    for start, end in ((crank, saddle), (crank, lower_head), (top_start, head)):
        tube(start, end, thin, FRAME)
    for y in (-0.05, 0.05):
        tube(rear + np.array([0, y, 0]), crank, 0.011, FRAME, 4)
        tube(rear + np.array([0, y, 0]), seat_tube, 0.011, FRAME, 4)
    fork_top = lower_head
    if kind == "cargo_bicycle":
        fork_top = _add_cargo_box(builder, rng, g, front_radius)
    for y in (-0.045, 0.045):
        tube(at((g.front, front_radius), y), fork_top, 0.013, FRAME, 4)
    bar = at(g.bar)
    tube(lower_head, bar, 0.016, METAL)
    for y in (-g.bar_width, g.bar_width):
        tube(bar, [g.bar[0], 0.6 * y, g.bar[1] + 0.02], 0.013, METAL, 4)
        tube([g.bar[0], 0.6 * y, g.bar[1] + 0.02], [g.grip_x, y, g.bar[1]], 0.015, METAL, 4)
    builder.box(saddle - np.array([0.02, 0, 0.07]), (0.26, 0.15, 0.07), 0, TWO_WHEELER, METAL)
    tube(crank - np.array([0, 0.03, 0]), crank + np.array([0, 0.03, 0]), 0.09, METAL, 8)
    if rng.random() < 0.6 and kind != "sports_bicycle":
        _add_fender(builder, g.rear, g.radius)
        _add_fender(builder, g.front, front_radius)
    _add_luggage(builder, rng, kind, g)
    lamp = (g.head[0] + 0.07, 0, g.head[1] - 0.06)
    builder.box(lamp, (0.06, 0.06, 0.06), 0, TWO_WHEELER, LAMP)
    rear_lamp = (g.saddle[0] - 0.09, 0, g.saddle[1] - 0.18)
    builder.box(rear_lamp, (0.03, 0.06, 0.06), 0, TWO_WHEELER, REAR_LAMP)


def _add_fender(builder: MeshBuilder, x: float, radius: float) -> None:
    """Add a mudguard over a wheel."""
    angle = np.radians(np.linspace(20, 190, 7))
    outer = radius + 0.02
    arc = np.stack([x + outer * np.cos(angle), 0 * angle, radius + outer * np.sin(angle)], -1)
    points = np.stack([arc + np.array([0, 0.03, 0]), arc - np.array([0, 0.03, 0])], 1)
    builder.grid(points, TWO_WHEELER, METAL)


def _add_luggage(
    builder: MeshBuilder, rng: np.random.Generator, kind: str, geometry: _Geometry
) -> None:
    """Add random luggage: a carrier, bags, a child seat or a front basket, or nothing."""
    g, draw = geometry, rng.random()
    if kind == "sports_bicycle" and draw > 0.1:
        return
    carrier_z = 2 * g.radius + 0.06
    if draw < 0.6:
        builder.box((g.rear, 0, carrier_z), (0.36, 0.13, 0.02), 0, TWO_WHEELER, METAL)
    if draw < 0.15:
        builder.box((g.rear, 0, carrier_z), (0.35, 0.28, 0.22), 0, TWO_WHEELER, BAG)
    elif draw < 0.32:
        for y in (-0.14, 0.14):
            size = (0.3, 0.13, 0.3)
            builder.box((g.rear - 0.03, y, carrier_z - 0.31), size, 0, TWO_WHEELER, BAG)
    elif draw < 0.42:  # a child seat, some with a child
        x = g.rear + 0.05
        builder.box((x, 0, carrier_z), (0.28, 0.3, 0.14), 0, TWO_WHEELER, FABRIC)
        builder.box((x - 0.15, 0, carrier_z), (0.05, 0.3, 0.55), 0, TWO_WHEELER, FABRIC)
        if rng.random() < 0.4:
            builder.box((x - 0.02, 0, carrier_z + 0.14), (0.17, 0.24, 0.34), 0, TWO_WHEELER, BAG)
            neck, brow, crown = (np.array([x, 0, carrier_z + z]) for z in (0.52, 0.64, 0.74))
            builder.tube(neck, brow, 0.07, 0.08, 7, TWO_WHEELER, SKIN)
            builder.tube(brow, crown, 0.12, 0.03, 7, TWO_WHEELER, FABRIC)
    if kind != "cargo_bicycle" and rng.random() < 0.22:
        basket = (g.front - 0.04, 0, g.head[1] - 0.06)
        builder.box(basket, (0.28, 0.36, 0.22), 0, TWO_WHEELER, BAG)


def _add_cargo_box(
    builder: MeshBuilder, rng: np.random.Generator, geometry: _Geometry, front_radius: float
) -> np.ndarray:
    """Add the box between the rider and the front wheel; return the top of the fork (3,)."""
    g, u = geometry, rng.uniform
    back, front = g.head[0] + 0.12, g.front - front_radius - 0.02
    fork_top = np.array([g.front - 0.1, 0, 2 * front_radius + 0.12])
    width, height = u(0.45, 0.65), u(0.3, 0.5)
    middle = ((back + front) / 2, 0, 0.3)
    builder.box(middle, (front - back, width, height), 0, TWO_WHEELER, FABRIC)
    if rng.random() < 0.35:  # a tent for children
        roof = (middle[0], 0, 0.3 + height)
        builder.box(roof, (0.7 * (front - back), 0.9 * width, 0.35), 0, TWO_WHEELER, BAG)
    low = np.array([g.crank[0], 0, g.crank[1]])
    for start, end in pairwise((low, np.array([front, 0, 0.27]), fork_top)):
        builder.tube(start, end, 0.025, 0.025, 5, TWO_WHEELER, FRAME)
    return fork_top

"""Motorcycles, motor scooters and electric kick scooters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.people_materials import BAG, FRAME, LAMP, METAL, REAR_LAMP, TYRE
from bev_semseg_ros.sim.assets.wheels import RidingPosition, add_loft, add_wheel
from bev_semseg_ros.sim.classes import TWO_WHEELER


def add_motorcycle(builder: MeshBuilder, rng: np.random.Generator) -> RidingPosition:
    """Add a motorcycle: naked, with a fairing, or with a fairing and cases."""
    u = rng.uniform
    radius, half_base, width = u(0.3, 0.33), u(0.68, 0.76), u(0.32, 0.4)
    is_tourer, has_fairing = rng.random() < 0.3, rng.random() < 0.4
    for x in (-half_base, half_base):
        add_wheel(builder, x, radius, 0.06, spokes=5)
    bar_x, bar_z = half_base - u(0.32, 0.42), u(0.92, 1.12)
    for y in (-0.08, 0.08):
        builder.tube((half_base, y, radius), (bar_x, y, 0.88), 0.028, 0.028, 5, TWO_WHEELER, METAL)
    grip_x = bar_x - u(0.05, 0.16)
    for y in (-width, width):
        bar = (bar_x, y / 2, bar_z)
        builder.tube((bar_x, 0, 0.86), bar, 0.018, 0.018, 4, TWO_WHEELER, METAL)
        builder.tube(bar, (grip_x, y, bar_z), 0.018, 0.018, 4, TWO_WHEELER, METAL)
        mirror = (bar_x, 0.8 * y, bar_z + 0.14)
        builder.tube(bar, mirror, 0.006, 0.006, 3, TWO_WHEELER, METAL)
        builder.box(mirror, (0.03, 0.13, 0.08), 0, TWO_WHEELER, TYRE)
    add_loft(
        builder,
        [(-0.25, 0.42, 0.14, 0.12), (0, 0.42, 0.2, 0.17), (0.3, 0.45, 0.18, 0.15)],
        TWO_WHEELER,
        METAL,
    )
    add_loft(
        builder,
        [(-0.18, 0.72, 0.07, 0.1), (0.05, 0.8, 0.13, 0.16), (0.3, 0.8, 0.12, 0.15)],
        TWO_WHEELER,
        FRAME,
    )
    add_loft(
        builder,
        [
            (-half_base - 0.15, 0.82, 0.04, 0.08),
            (-0.55, 0.76, 0.06, 0.13),
            (-0.15, 0.72, 0.07, 0.11),
        ],
        TWO_WHEELER,
        BAG,
    )
    builder.tube((-half_base, 0.07, radius), (-0.1, 0.08, 0.42), 0.04, 0.05, 5, TWO_WHEELER, METAL)
    builder.tube((-0.1, -0.17, 0.32), (-0.85, -0.2, 0.42), 0.045, 0.065, 6, TWO_WHEELER, METAL)
    lamp_x = bar_x + 0.1
    if has_fairing or is_tourer:
        rear, middle = (0.25, 0.6, 0.22, 0.2), (0.5, 0.75, 0.24, 0.22)
        add_loft(builder, [rear, middle, (lamp_x + 0.08, 0.85, 0.1, 0.12)], TWO_WHEELER, FRAME)
        lamp_x += 0.12
    builder.box((lamp_x, 0, 0.78), (0.16, 0.2, 0.18), 0, TWO_WHEELER, LAMP)
    builder.box((-half_base - 0.16, 0, 0.72), (0.05, 0.16, 0.08), 0, TWO_WHEELER, REAR_LAMP)
    if is_tourer:
        for y in (-0.3, 0.3):
            builder.box((-0.62, y, 0.45), (0.45, 0.2, 0.36), 0, TWO_WHEELER, FRAME)
    if is_tourer or rng.random() < 0.2:
        builder.box((-half_base - 0.1, 0, 0.86), (0.38, 0.42, 0.32), 0, TWO_WHEELER, FRAME)
    return RidingPosition((-0.3, 0.8), (grip_x, width - 0.05, bar_z), (-0.1, 0.36, 0.2))


def add_scooter(builder: MeshBuilder, rng: np.random.Generator) -> RidingPosition:
    """Add a motor scooter with a low floor and a leg shield."""
    u = rng.uniform
    radius, half_base, bar_z = u(0.2, 0.25), u(0.6, 0.67), u(0.95, 1.05)
    for x in (-half_base, half_base):
        add_wheel(builder, x, radius, 0.055, spokes=0)
    bar_x = half_base - u(0.22, 0.28)
    builder.tube((half_base, 0, radius), (bar_x, 0, bar_z), 0.035, 0.035, 5, TWO_WHEELER, METAL)
    for y in (-0.32, 0.32):
        builder.tube(
            (bar_x, 0, bar_z), (bar_x - 0.08, y, bar_z), 0.018, 0.018, 4, TWO_WHEELER, METAL
        )
        mirror = (bar_x, 0.85 * y, bar_z + 0.16)
        builder.tube((bar_x, 0.5 * y, bar_z), mirror, 0.006, 0.006, 3, TWO_WHEELER, METAL)
        builder.box(mirror, (0.03, 0.12, 0.08), 0, TWO_WHEELER, TYRE)
    rear = -half_base - 0.2
    add_loft(
        builder,
        [(rear, 0.62, 0.08, 0.1), (-0.5, 0.5, 0.2, 0.19), (-0.12, 0.48, 0.22, 0.17)],
        TWO_WHEELER,
        FRAME,
    )
    add_loft(
        builder,
        [(rear + 0.05, 0.74, 0.04, 0.11), (-0.4, 0.75, 0.06, 0.16), (-0.1, 0.72, 0.05, 0.12)],
        TWO_WHEELER,
        BAG,
    )
    builder.box((0.08, 0, 0.24), (0.6, 0.36, 0.08), 0, TWO_WHEELER, FRAME)
    shield_x = bar_x - 0.02
    lower, upper = (shield_x + 0.05, 0.3), (shield_x - 0.02, 0.86)
    points = []
    for x, z in (lower, upper):
        points.append([[x - 0.05, -0.22, z], [x + 0.05, 0, z], [x - 0.05, 0.22, z]])
    builder.grid(np.array(points), TWO_WHEELER, FRAME, smooth=False)
    add_loft(
        builder,
        [
            (half_base - radius, 0.42, 0.04, 0.06),
            (half_base, 0.5, 0.04, 0.08),
            (half_base + 0.2, 0.4, 0.03, 0.06),
        ],
        TWO_WHEELER,
        FRAME,
    )
    builder.box((bar_x + 0.06, 0, bar_z - 0.1), (0.12, 0.22, 0.14), 0, TWO_WHEELER, LAMP)
    builder.box((rear - 0.01, 0, 0.6), (0.04, 0.16, 0.08), 0, TWO_WHEELER, REAR_LAMP)
    case = rng.random()
    if case < 0.3:
        builder.box((rear - 0.02, 0, 0.8), (0.34, 0.4, 0.3), 0, TWO_WHEELER, FRAME)
    elif case < 0.42:  # a courier's box
        builder.box((rear + 0.05, 0, 0.82), (0.45, 0.48, 0.5), 0, TWO_WHEELER, BAG)
    if rng.random() < 0.25:  # a windscreen
        screen = (bar_x + 0.05, 0, bar_z + 0.02)
        builder.box(screen, (0.02, 0.4, u(0.2, 0.4)), 0, TWO_WHEELER, METAL)
    return RidingPosition((-0.38, 0.8), (bar_x - 0.08, 0.27, bar_z), (0.16, 0.33, 0.12))


def add_kick_scooter(builder: MeshBuilder, rng: np.random.Generator) -> RidingPosition:
    """Add an electric kick scooter, whose rider stands."""
    u = rng.uniform
    radius, half_base, bar_z = u(0.1, 0.13), u(0.42, 0.47), u(1.0, 1.12)
    for x in (-half_base, half_base):
        add_wheel(builder, x, radius, 0.03, spokes=0, sides=10)
    deck = radius + 0.02
    builder.box((-0.06, 0, deck - 0.04), (0.66, 0.17, 0.06), 0, TWO_WHEELER, METAL)
    stem = (half_base - 0.1, 0, deck + 0.1)
    bar = (half_base - 0.2, 0, bar_z)
    builder.tube((half_base, 0, radius), stem, 0.025, 0.025, 5, TWO_WHEELER, METAL)
    builder.tube((0.25, 0, deck), stem, 0.03, 0.03, 5, TWO_WHEELER, FRAME)
    builder.tube(stem, bar, 0.027, 0.024, 6, TWO_WHEELER, FRAME)
    builder.tube((bar[0], -0.25, bar_z), (bar[0], 0.25, bar_z), 0.016, 0.016, 4, TWO_WHEELER, METAL)
    builder.box((bar[0] + 0.03, 0, bar_z - 0.05), (0.04, 0.05, 0.05), 0, TWO_WHEELER, LAMP)
    builder.box((-half_base - 0.1, 0, 0.2), (0.03, 0.05, 0.03), 0, TWO_WHEELER, REAR_LAMP)
    return RidingPosition(None, (bar[0], 0.21, bar_z), (-0.02, deck + 0.02, 0.05))


MOTOR_BUILDERS: dict[str, Callable[[MeshBuilder, np.random.Generator], RidingPosition]] = {
    "motorcycle": add_motorcycle,
    "scooter": add_scooter,
    "kick_scooter": add_kick_scooter,
}

"""Rigid and articulated buses."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.vehicles.cabs import WHEEL_RADIUS, cabin, crew
from bev_semseg_ros.sim.assets.vehicles.parts import (
    GLASS,
    INTERIOR,
    LAMP,
    PAINT,
    PLASTIC,
    PLATE,
    REAR_LAMP,
    occupant,
    upright,
    wheels,
)
from bev_semseg_ros.sim.classes import TRUCK


def add_bus(builder: MeshBuilder, rng: np.random.Generator) -> tuple[float, float, float]:
    """Add a rigid bus; return its width, and x and z of its mirrors."""
    uniform = rng.uniform
    length = uniform(6.5, 8.5) if rng.random() < 0.25 else uniform(10, 12.5)
    width, height = (2.3 if length < 9 else 2.5) + uniform(0, 0.05), uniform(2.8, 3.3)
    rear, front = -length / 2, length / 2
    head = _add_body(builder, rng, rear, front, width, height, has_rear_window=rng.random() < 0.7)
    _add_axles(builder, (front - 2.5, rear + 0.26 * length), width)
    _add_tail(builder, rear, width)
    return width, front - 0.25, head - 0.4


def add_articulated_bus(
    builder: MeshBuilder, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Add an articulated bus; return its width, and x and z of its mirrors."""
    uniform = rng.uniform
    length, width, height = uniform(17.2, 18.7), 2.5 + uniform(0, 0.05), uniform(2.9, 3.3)
    rear, front = -length / 2, length / 2
    joint = front - uniform(10.0, 10.8)
    head = _add_body(builder, rng, joint, front, width, height, has_rear_window=False)
    # The rear section is a body that faces backwards, so its windscreen is the rear window.
    section = MeshBuilder()
    _add_body(section, rng, rear, joint - 1.2, width, height, False, looks_back=True)
    middle = (rear + joint - 1.2) / 2
    turned = section.build().placed((-middle, 0, 0)).placed((middle, 0, 0), np.pi)
    builder.append(turned)
    bellows = (joint - 0.6, 0, 0.4)
    builder.box(bellows, (1.24, 0.94 * width, height - 0.5), 0, TRUCK, PLASTIC)
    _add_axles(builder, (front - 2.6, joint + 1.4, rear + 3.2), width)
    _add_tail(builder, rear, width)
    return width, front - 0.25, head - 0.4


def _add_body(
    builder: MeshBuilder,
    rng: np.random.Generator,
    rear: float,
    front: float,
    width: float,
    height: float,
    has_rear_window: bool,
    looks_back: bool = False,
) -> float:
    """Add a body with windows, doors on the right, seats and passengers.

    Args:
        builder: Receives the triangles.
        rng: Source of randomness.
        rear: x of its rear in metres.
        front: x of its front in metres.
        width: Width in metres.
        height: Height in metres.
        has_rear_window: Whether there is a window in its rear.
        looks_back: Whether the caller will turn it by 180 degrees. Its doors are then on the left,
            its lamps are rear lamps, and it has no driver.

    Returns:
        Height of the upper edge of the windows in metres.
    """
    uniform, length, middle = rng.uniform, front - rear, (front + rear) / 2
    floor, foot, head = 0.32, uniform(1.1, 1.35), height - uniform(0.35, 0.5)
    bays = max(2, round((length - 1.6) / uniform(1.3, 1.7)))
    edges = np.linspace(rear + 0.2, front - 1.5, bays + 1)
    windows = np.stack([edges[:-1] + 0.06, edges[1:] - 0.06], 1).reshape(-1)
    side_x = np.concatenate([[rear], windows, [front - 1.4, front - 0.35, front]])
    left = np.full((len(side_x) - 1, 3), PAINT)
    left[1 : 2 * bays : 2, 1] = GLASS
    left[-2, 1] = GLASS
    right = left.copy()
    for door in (len(right) - 2, 1 + 2 * (bays // 2)):  # doors are glass down to the step
        right[door, :2] = GLASS
    heights, slant = (floor, foot, head, height), uniform(0.05, 0.3)
    sides, lamp = ((left, right), REAR_LAMP) if looks_back else ((right, left), LAMP)
    cabin(builder, rear, front, width, heights, side_x, sides, slant, has_rear_window, lamp=lamp)
    if rng.random() < 0.3:  # luggage or batteries on the roof
        x = middle + uniform(-0.15, 0.15) * length
        size = (uniform(0.15, 0.25) * length, 0.7 * width, 0.25)
        builder.box((x, 0, height), size, 0, TRUCK, PAINT)
    upright(builder, front - 0.01, 1, (-0.8, 0.8), (head + 0.03, height - 0.06), TRUCK, PLASTIC)
    builder.box((middle, 0, floor), (length - 0.2, width - 0.2, 0.05), 0, TRUCK, INTERIOR)
    if not looks_back:
        crew(builder, front - 1.5, width, foot, rng)
    for x in np.arange(rear + 0.8, front - 2.4, 0.85):
        for side in (-1, 1):
            y = side * 0.3 * width
            seat = (0.12, 0.85, foot + 0.1 - floor - 0.3)
            builder.box((x, y, floor + 0.3), seat, 0, TRUCK, INTERIOR)
            if rng.random() < 0.25:
                y += rng.choice([-0.2, 0.2])
                trunk = (0.25, 0.42, 0.6)
                occupant(builder, (x + 0.2, y), foot - 0.5, trunk, foot + 0.1, TRUCK)
    return head


def _add_axles(builder: MeshBuilder, axles: tuple[float, ...], width: float) -> None:
    """Add a wheel at each end of each axle."""
    wheels(builder, axles, width / 2 + 0.005, WHEEL_RADIUS, 0.3, TRUCK)


def _add_tail(builder: MeshBuilder, rear: float, width: float) -> None:
    """Add the rear lamps and the number plate."""
    for side in (-1, 1):
        y = side * 0.42 * width
        upright(builder, rear - 0.01, -1, (y - 0.1, y + 0.1), (0.75, 1.1), TRUCK, REAR_LAMP)
    upright(builder, rear - 0.01, -1, (-0.26, 0.26), (0.6, 0.71), TRUCK, PLATE)

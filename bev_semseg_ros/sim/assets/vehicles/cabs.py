"""Cabs of lorries and bodies of buses: flat panels with windows, and the crew inside."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
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
)
from bev_semseg_ros.sim.classes import TRUCK

# Radius of the wheels of lorries and buses in metres.
WHEEL_RADIUS = 0.48


def cabin(
    builder: MeshBuilder,
    rear: float,
    front: float,
    width: float,
    heights: tuple[float, float, float, float],
    side_x: np.ndarray,
    sides: tuple[np.ndarray, np.ndarray],
    slant: float,
    rear_window: bool,
    nose: float = 0.0,
    lamp: int = LAMP,
) -> None:
    """Add a closed body with a windscreen.

    Args:
        builder: Receives the triangles.
        rear: x of its rear in metres.
        front: x of its front in metres.
        width: Width in metres.
        heights: Heights of the floor, the lower and upper edge of the windows, and the roof, in
            metres.
        side_x: (C + 1,) x of the borders of the columns of the sides in metres, from rear to front.
        sides: (C, 3) materials of the right and of the left side, from bottom to top.
        slant: Metres by which the windscreen leans back.
        rear_window: Whether there is a rear window.
        nose: Metres by which the bonnet extends in front of the foot of the windscreen.
        lamp: Material of the lamps at its front.
    """
    floor, foot, head, roof = heights
    line = np.array(
        [
            (front, floor),
            (front, floor + 0.28),
            (front, floor + 0.5),
            (front - nose, foot),
            (front - nose - 0.7 * slant, head),
            (front - nose - slant, roof),
            (rear, roof),
            (rear, head),
            (rear, foot),
            (rear, floor),
        ]
    )
    columns = np.array([-1, -0.9, -0.62, -0.2, 0.2, 0.62, 0.9, 1]) * width / 2
    materials = np.full((7, 9), PAINT)
    materials[:, 0] = PLASTIC
    materials[[1, 5], 1] = lamp
    materials[3, 0] = PLATE
    materials[2:5, 1:3] = PLASTIC
    if nose:
        materials[:, 2] = PAINT
    materials[1:6, 3] = GLASS
    if rear_window:
        materials[1:6, 7] = GLASS
    points = np.empty((8, 10, 3))
    points[..., 0], points[..., 1], points[..., 2] = line[:, 0], columns[:, None], line[:, 1]
    builder.grid(
        points, TRUCK, materials, np.stack([points[..., 1], points[..., 2]], -1), smooth=False
    )
    # The row below the windows is divided where the bonnet begins.
    z = np.array([floor, floor + 0.5, foot, head, roof])
    lean = np.interp(z, line[2:6, 1], front - line[2:6, 0])
    for side, rows in zip((-1, 1), sides, strict=True):
        cells = rows[:, [0, 0, 1, 2]]
        points = np.empty((len(side_x), 5, 3))
        points[..., 0] = np.minimum(
            side_x[:, None], front - lean - 0.12 * (side_x < front)[:, None]
        )
        points[..., 1], points[..., 2] = side * width / 2, z
        if side > 0:
            points, cells = points[::-1], cells[::-1]
        builder.grid(points, TRUCK, cells, points[..., [0, 2]], smooth=False)


def crew(
    builder: MeshBuilder, x: float, width: float, foot: float, rng: np.random.Generator
) -> None:
    """Add seats and a driver, visible through the windows.

    Args:
        builder: Receives the triangles.
        x: x of the seats in metres.
        width: Width of the vehicle in metres.
        foot: Height of the lower edge of the windows in metres.
        rng: Source of randomness.
    """
    for side in (-1, 1):
        builder.box((x, side * 0.28 * width, foot - 0.5), (0.16, 0.5, 0.85), 0, TRUCK, INTERIOR)
    builder.box((x + 0.9, 0, foot - 0.3), (0.3, 0.9 * width, 0.25), 0, TRUCK, INTERIOR)
    if rng.random() < 0.7:
        place, trunk = (x + 0.22, 0.28 * width), (0.25, 0.46, 0.75)
        occupant(builder, place, foot - 0.4, trunk, foot + 0.37, TRUCK)


def tail(builder: MeshBuilder, rear: float, width: float) -> None:
    """Add the underrun bar with the rear lamps and the number plate."""
    builder.box((rear + 0.06, 0, 0.5), (0.1, 0.94 * width, 0.22), 0, TRUCK, PLASTIC)
    for side in (-1, 1):
        y = side * 0.38 * width
        upright(builder, rear, -1, (y - 0.16, y + 0.16), (0.54, 0.68), TRUCK, REAR_LAMP)
    upright(builder, rear, -1, (-0.26, 0.26), (0.56, 0.67), TRUCK, PLATE)

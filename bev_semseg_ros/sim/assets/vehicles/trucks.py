"""Lorries and buses: cabs and coach bodies of flat panels with windows, and several loads."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.shape import Shape, centered
from bev_semseg_ros.sim.assets.vehicles.parts import (
    CARGO,
    CHROME,
    FABRIC,
    GLASS,
    INTERIOR,
    LAMP,
    PAINT,
    PLASTIC,
    PLATE,
    REAR_LAMP,
    SKIN,
    panel,
    upright,
    wheel,
)
from bev_semseg_ros.sim.classes import BOX_LABEL, MASK_LABEL

TRUCK = MASK_LABEL["truck"]
TRUCK_KINDS = ("box", "platform", "tank", "semitrailer", "bus")
# Metres.
WHEEL_RADIUS = 0.48
LOADING_HEIGHT = 1.0


def truck(rng: np.random.Generator, kind: str) -> Shape:
    """Make a lorry or a bus.

    Args:
        rng: Source of randomness.
        kind: One of TRUCK_KINDS.

    Returns:
        A shape of mask and box class "truck" with the slots `parts.CAR_SLOTS`.

    Raises:
        ValueError: If the kind is unknown.
    """
    if kind not in TRUCK_KINDS:
        raise ValueError(f"unknown truck {kind!r}, expected one of {', '.join(TRUCK_KINDS)}")
    builder, mirrors = MeshBuilder(), MeshBuilder()
    width, mirror_z = _bus(builder, rng) if kind == "bus" else _lorry(builder, rng, kind)
    built = builder.build()
    front = float(built.triangles[..., 0].max())
    for side in (-1, 1):
        base = (front - 0.25, side * (width / 2 + 0.12), mirror_z)
        mirrors.box(base, (0.1, 0.2, 0.4), 0, TRUCK, PLASTIC)
    return centered(built, BOX_LABEL["truck"], kind, outside=mirrors.build())


def _cabin(
    builder: MeshBuilder,
    rear: float,
    front: float,
    width: float,
    heights: tuple[float, float, float, float],
    side_x: np.ndarray,
    sides: tuple[np.ndarray, np.ndarray],
    slant: float,
    rear_window: bool,
) -> None:
    """Add a closed body with a windscreen.

    Args:
        builder: Receives the triangles.
        rear: x of its rear in metres.
        front: x of its front in metres.
        width: Metres.
        heights: Floor, lower and upper edge of the windows, roof in metres.
        side_x: (C + 1,) borders of the columns of the sides in metres, from rear to front.
        sides: Materials (C, 3) of the right and of the left side, from below.
        slant: Metres by which the windscreen leans back.
        rear_window: Whether there is a rear window.
    """
    floor, foot, head, roof = heights
    line = np.array(
        [
            (front, floor),
            (front, floor + 0.28),
            (front, floor + 0.5),
            (front, foot),
            (front - 0.7 * slant, head),
            (front - slant, roof),
            (rear, roof),
            (rear, head),
            (rear, foot),
            (rear, floor),
        ]
    )
    columns = np.array([-1, -0.9, -0.62, -0.2, 0.2, 0.62, 0.9, 1]) * width / 2
    materials = np.full((7, 9), PAINT)
    materials[:, 0] = PLASTIC
    materials[[1, 5], 1] = LAMP
    materials[3, 0] = PLATE
    materials[2:5, 1:3] = PLASTIC
    materials[1:6, 3] = GLASS
    if rear_window:
        materials[1:6, 7] = GLASS
    points = np.empty((8, 10, 3))
    points[..., 0], points[..., 1], points[..., 2] = line[:, 0], columns[:, None], line[:, 1]
    builder.grid(
        points, TRUCK, materials, np.stack([points[..., 1], points[..., 2]], -1), smooth=False
    )
    z = np.array([floor, foot, head, roof])
    lean = np.interp(z, line[2:6, 1], front - line[2:6, 0])
    for side, cells in zip((-1, 1), sides, strict=True):
        points = np.empty((len(side_x), 4, 3))
        points[..., 0] = np.minimum(
            side_x[:, None], front - lean - 0.12 * (side_x < front)[:, None]
        )
        points[..., 1], points[..., 2] = side * width / 2, z
        if side > 0:
            points, cells = points[::-1], cells[::-1]
        builder.grid(points, TRUCK, cells, points[..., [0, 2]], smooth=False)


def _crew(
    builder: MeshBuilder, x: float, width: float, foot: float, rng: np.random.Generator
) -> None:
    """Add seats and a driver, visible through the windows.

    Args:
        builder: Receives the triangles.
        x: Position of the seats in metres.
        width: Width of the vehicle in metres.
        foot: Height of the lower edge of the windows in metres.
        rng: Source of randomness.
    """
    for side in (-1, 1):
        builder.box((x, side * 0.28 * width, foot - 0.5), (0.16, 0.5, 0.85), 0, TRUCK, INTERIOR)
    builder.box((x + 0.9, 0, foot - 0.3), (0.3, 0.9 * width, 0.25), 0, TRUCK, INTERIOR)
    if rng.random() < 0.7:
        builder.box((x + 0.22, 0.28 * width, foot - 0.4), (0.25, 0.46, 0.75), 0, TRUCK, FABRIC)
        builder.box((x + 0.22, 0.28 * width, foot + 0.37), (0.2, 0.17, 0.25), 0, TRUCK, SKIN)


def _lorry(builder: MeshBuilder, rng: np.random.Generator, kind: str) -> tuple[float, float]:
    """Add a lorry of a kind of TRUCK_KINDS; return its width and the height of its mirrors."""
    uniform = rng.uniform
    is_articulated = kind == "semitrailer"
    if is_articulated:
        length = uniform(13.5, 16.5)
    else:
        length = float(np.clip(rng.normal(7.8, 1.8), 5.2, 11.5))
    # Long lorries are also wide and high.
    size = np.clip((length - 5.2) / 5, 0, 1)
    width = 2.1 + 0.4 * size + uniform(0, 0.08)
    height = 3.9 if is_articulated else min(2.5 + 0.9 * size + uniform(0, 0.5), 3.9)
    cab_length = uniform(1.6, 2.0) + (0.3 if is_articulated else 0.0)
    roof = 2.3 + 0.7 * size
    if kind != "platform":
        roof = min(height, roof + uniform(0, 0.3))
    front, rear = length / 2, -length / 2
    cab_rear = front - cab_length
    foot, head = 0.55 * roof, 0.87 * roof
    cells = np.full((3, 3), PAINT)
    cells[1, 1] = GLASS
    _cabin(
        builder,
        cab_rear,
        front,
        width * 0.96,
        (0.4, foot, head, roof),
        np.array([cab_rear, cab_rear + 0.3 * cab_length, front - 0.12, front]),
        (cells, cells),
        uniform(0.1, 0.35),
        rear_window=False,
    )
    _crew(builder, cab_rear + 0.45, width, foot, rng)
    load_front = cab_rear - (0.9 if is_articulated else 0.1)
    builder.box(
        ((cab_rear + rear) / 2, 0, 0.55),
        (cab_rear - rear - 0.06, 0.75 * width, LOADING_HEIGHT - 0.55),
        0,
        TRUCK,
        PLASTIC,
    )
    _load(builder, rng, "box" if is_articulated else kind, (rear + 0.02, load_front), width, height)
    axles = [front - 0.3 - WHEEL_RADIUS - uniform(0.1, 0.5)]
    if is_articulated:
        axles += [front - 4.6, rear + 4.4, rear + 3.1, rear + 1.8]
    else:
        rear_axle = rear + 0.22 * length
        axles.append(rear_axle)
        if length > 8:
            axles.append(rear_axle + 1.15)
    for x in axles:
        for side in (-1, 1):
            wheel(
                builder, x, side * (width / 2 - 0.02), WHEEL_RADIUS, 0.35, TRUCK, has_spokes=False
            )
    has_side_guards = rng.random() < 0.5
    if has_side_guards:
        start = axles[-1] + WHEEL_RADIUS + 0.1
        end = axles[1 if is_articulated else 0] - WHEEL_RADIUS - 0.3
        for side in (-1, 1):
            panel(builder, side * (width / 2 - 0.05), (start, end), (0.5, 0.95), TRUCK, PLASTIC)
    _tail(builder, rear, width)
    return width, foot + 0.1


def _load(
    builder: MeshBuilder,
    rng: np.random.Generator,
    kind: str,
    x: tuple[float, float],
    width: float,
    height: float,
) -> None:
    """Add what stands on the frame of a lorry.

    Args:
        builder: Receives the triangles.
        rng: Source of randomness.
        kind: "box", "tank" or "platform".
        x: Rear and front end in metres.
        width: Width of the lorry in metres.
        height: Height of the lorry in metres.
    """
    middle, length = (x[0] + x[1]) / 2, x[1] - x[0]
    if kind == "box":
        material = PAINT if rng.random() < 0.25 else CARGO
        builder.box(
            (middle, 0, LOADING_HEIGHT),
            (length, width, height - LOADING_HEIGHT),
            0,
            TRUCK,
            material,
        )
        for y in (-0.96 * width / 2, 0, 0.96 * width / 2):  # the gaps of the rear doors
            upright(
                builder,
                x[0] - 0.01,
                -1,
                (y - 0.025, y + 0.025),
                (LOADING_HEIGHT + 0.05, height - 0.08),
                TRUCK,
                PLASTIC,
            )
        return
    builder.box((middle, 0, LOADING_HEIGHT), (length, width, 0.12), 0, TRUCK, PLASTIC)
    deck = LOADING_HEIGHT + 0.12
    if kind == "tank":
        radius = min(0.46 * width, (height - deck) / 2)
        axis = deck + radius
        ends = np.array([x[0] + 0.05, x[0] + 0.3, x[1] - 0.3, x[1] - 0.05])
        material = CHROME if rng.random() < 0.5 else CARGO
        for start, end, first, last in zip(
            ends[:-1], ends[1:], (0.05, 1, 1), (1, 1, 0.05), strict=True
        ):
            builder.tube(
                (start, 0, axis), (end, 0, axis), first * radius, last * radius, 16, TRUCK, material
            )
        return
    wall = rng.uniform(0.4, 0.8)
    for side in (-1, 1):
        builder.box(
            (middle, side * (width / 2 - 0.03), deck), (length, 0.06, wall), 0, TRUCK, CARGO
        )
    for end in (x[0] + 0.03, x[1] - 0.03):
        builder.box((end, 0, deck), (0.06, width - 0.12, wall), 0, TRUCK, CARGO)
    for _ in range(rng.integers(0, 6)):
        size = (
            rng.uniform(0.5, min(2.5, length - 0.4)),
            rng.uniform(0.5, 0.7 * width),
            rng.uniform(0.3, 1.4),
        )
        place = (
            rng.uniform(x[0] + size[0] / 2 + 0.1, x[1] - size[0] / 2 - 0.1),
            rng.uniform(-1, 1) * (width - size[1] - 0.2) / 2,
            deck,
        )
        builder.box(place, size, 0, TRUCK, int(rng.choice([CARGO, INTERIOR, FABRIC, CHROME])))


def _tail(builder: MeshBuilder, rear: float, width: float) -> None:
    """Add the under-run bar with lamps and the plate."""
    builder.box((rear + 0.06, 0, 0.5), (0.1, 0.94 * width, 0.22), 0, TRUCK, PLASTIC)
    for side in (-1, 1):
        y = side * 0.38 * width
        upright(builder, rear, -1, (y - 0.16, y + 0.16), (0.54, 0.68), TRUCK, REAR_LAMP)
    upright(builder, rear, -1, (-0.26, 0.26), (0.56, 0.67), TRUCK, PLATE)


def _bus(builder: MeshBuilder, rng: np.random.Generator) -> tuple[float, float]:
    """Add a bus; return its width and the height of its mirrors."""
    uniform = rng.uniform
    length = uniform(6.5, 8.5) if rng.random() < 0.25 else uniform(10, 12.5)
    width, height = (2.3 if length < 9 else 2.5) + uniform(0, 0.05), uniform(2.8, 3.3)
    rear, front = -length / 2, length / 2
    floor, foot, head = 0.32, uniform(1.1, 1.35), height - uniform(0.35, 0.5)
    bays = round((length - 1.6) / uniform(1.3, 1.7))
    edges = np.linspace(rear + 0.2, front - 1.5, bays + 1)
    side_x = np.concatenate(
        [
            [rear],
            np.stack([edges[:-1] + 0.06, edges[1:] - 0.06], 1).reshape(-1),
            [front - 1.4, front - 0.35, front],
        ]
    )
    left = np.full((len(side_x) - 1, 3), PAINT)
    left[1 : 2 * bays : 2, 1] = GLASS
    left[-2, 1] = GLASS
    right = left.copy()
    for door in (len(right) - 2, 1 + 2 * (bays // 2)):  # doors are glass down to the step
        right[door, :2] = GLASS
    _cabin(
        builder,
        rear,
        front,
        width,
        (floor, foot, head, height),
        side_x,
        (right, left),
        uniform(0.05, 0.3),
        rear_window=rng.random() < 0.7,
    )
    if rng.random() < 0.3:  # luggage or batteries on the roof
        builder.box(
            (uniform(-2, 2), 0, height), (uniform(1.5, 3), 0.7 * width, 0.25), 0, TRUCK, PAINT
        )
    upright(builder, front - 0.01, 1, (-0.8, 0.8), (head + 0.03, height - 0.06), TRUCK, PLASTIC)
    builder.box((0, 0, floor), (length - 0.2, width - 0.2, 0.05), 0, TRUCK, INTERIOR)
    _crew(builder, front - 1.5, width, foot, rng)
    for x in np.arange(rear + 0.8, front - 2.4, 0.85):
        for side in (-1, 1):
            y = side * 0.3 * width
            builder.box(
                (x, y, floor + 0.3), (0.12, 0.85, foot + 0.1 - floor - 0.3), 0, TRUCK, INTERIOR
            )
            if rng.random() < 0.25:
                y += rng.choice([-0.2, 0.2])
                builder.box((x + 0.2, y, foot - 0.5), (0.25, 0.42, 0.6), 0, TRUCK, FABRIC)
                builder.box((x + 0.2, y, foot + 0.1), (0.2, 0.17, 0.25), 0, TRUCK, SKIN)
    for x in (front - 2.5, rear + 0.26 * length):
        for side in (-1, 1):
            wheel(
                builder, x, side * (width / 2 + 0.005), WHEEL_RADIUS, 0.3, TRUCK, has_spokes=False
            )
    for side in (-1, 1):
        y = side * 0.42 * width
        upright(builder, rear - 0.01, -1, (y - 0.1, y + 0.1), (0.75, 1.1), TRUCK, REAR_LAMP)
    upright(builder, rear - 0.01, -1, (-0.26, 0.26), (0.6, 0.71), TRUCK, PLATE)
    return width, head - 0.4

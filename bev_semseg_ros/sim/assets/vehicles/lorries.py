"""Lorries: a cab, a frame with wheels, and a load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.vehicles import loads
from bev_semseg_ros.sim.assets.vehicles.cabs import WHEEL_RADIUS, cabin, crew, tail
from bev_semseg_ros.sim.assets.vehicles.loads import LOADING_HEIGHT, Bay
from bev_semseg_ros.sim.assets.vehicles.parts import (
    CARGO,
    GLASS,
    LAMP,
    PAINT,
    PLASTIC,
    panel,
    wheels,
)
from bev_semseg_ros.sim.classes import TRUCK

# Radius of the wheels of a van in metres.
VAN_WHEEL_RADIUS = 0.35


@dataclass(frozen=True)
class LorryKind:
    """Properties of a kind of lorry.

    Attributes:
        length: Mean and standard deviation of the length in metres.
        shortest: Least length in metres.
        longest: Greatest length in metres.
        load: Function that adds the load.
        is_high: Whether the load reaches the full height of the lorry; the cab may then be higher.
    """

    length: tuple[float, float]
    shortest: float
    longest: float
    load: Callable[[MeshBuilder, np.random.Generator, Bay], None]
    is_high: bool = True


# Rigid lorries.
LORRIES = {
    "box": LorryKind((7.8, 1.8), 5.2, 11.5, loads.add_box),
    "platform": LorryKind((7.8, 1.8), 5.2, 11.5, loads.add_platform, is_high=False),
    "tank": LorryKind((7.8, 1.8), 5.2, 11.5, loads.add_tank),
    "tipper": LorryKind((7.2, 0.9), 5.6, 9.0, loads.add_tipper, is_high=False),
    "mixer": LorryKind((8.6, 0.6), 7.6, 9.6, loads.add_drum),
    "refuse": LorryKind((9.0, 0.7), 7.5, 10.5, loads.add_refuse_body),
}
# Lorries with a trailer or a semitrailer.
ARTICULATED = ("semitrailer", "trailer_lorry")
# Lorries on the chassis of a van.
VAN_LORRIES = ("box_van", "ambulance")


def add_lorry(
    builder: MeshBuilder, rng: np.random.Generator, kind: str
) -> tuple[float, float, float]:
    """Add a lorry of a kind of LORRIES; return its width, and x and z of its mirrors."""
    uniform, lorry = rng.uniform, LORRIES[kind]
    length = float(np.clip(rng.normal(*lorry.length), lorry.shortest, lorry.longest))
    # Long lorries are also wide and high.
    size = np.clip((length - 5.2) / 5, 0, 1)
    width = 2.1 + 0.4 * size + uniform(0, 0.08)
    height = min(2.5 + 0.9 * size + uniform(0, 0.5), 3.9)
    roof = 2.3 + 0.7 * size
    if lorry.is_high:
        roof = min(height, roof + uniform(0, 0.3))
    front, rear = length / 2, -length / 2
    cab_rear, foot = _add_cab(builder, rng, front, width, uniform(1.6, 2.0), roof)
    _add_frame(builder, rear, cab_rear, width)
    lorry.load(builder, rng, Bay(rear + 0.02, cab_rear - 0.1, width, height))
    axles = [front - 0.3 - WHEEL_RADIUS - uniform(0.1, 0.5), rear + 0.22 * length]
    if length > 8:
        axles.append(axles[1] + 1.15)
    _add_wheels(builder, axles, width)
    if rng.random() < 0.5:
        _add_side_guards(builder, axles[-1], axles[0], width)
    tail(builder, rear, width)
    return width, front - 0.25, foot + 0.1


def add_articulated(
    builder: MeshBuilder, rng: np.random.Generator, kind: str
) -> tuple[float, float, float]:
    """Add a lorry of a kind of ARTICULATED; return its width, and x and z of its mirrors."""
    uniform = rng.uniform
    has_trailer = kind == "trailer_lorry"
    length = uniform(15.5, 18.7) if has_trailer else uniform(13.5, 16.5)
    width, height = 2.5 + uniform(0, 0.08), uniform(3.5, 3.95)
    roof = min(height, uniform(3.0, 3.6))
    front, rear = length / 2, -length / 2
    cab_rear, foot = _add_cab(builder, rng, front, width, uniform(1.9, 2.3), roof)
    may_carry = [loads.add_box, loads.add_box, loads.add_box, loads.add_tank, loads.add_platform]
    load = may_carry[rng.integers(len(may_carry))]
    if has_trailer:
        joint = cab_rear - uniform(0.45, 0.52) * (cab_rear - rear)
        _add_frame(builder, joint + 0.6, cab_rear, width)
        _add_frame(builder, rear, joint - 0.6, width)
        drawbar = (joint, 0, 0.6)
        builder.box(drawbar, (1.3, 0.2, 0.15), 0, TRUCK, PLASTIC)
        load(builder, rng, Bay(joint + 0.6, cab_rear - 0.1, width, height))
        load(builder, rng, Bay(rear + 0.02, joint - 0.6, width, height))
        axles = [front - 1.3, joint + 2.0, joint - 1.4, rear + 1.3]
        guards = [(joint + 2.0, front - 1.3), (rear + 1.3, joint - 1.4)]
    else:
        _add_frame(builder, rear, cab_rear, width)
        load(builder, rng, Bay(rear + 0.02, cab_rear - 0.9, width, height))
        axles = [front - 1.3, front - 4.6, rear + 4.4, rear + 3.1, rear + 1.8]
        guards = [(rear + 4.4, front - 4.6)]
    _add_wheels(builder, axles, width)
    if rng.random() < 0.7:
        for guard in guards:
            _add_side_guards(builder, *guard, width)
    tail(builder, rear, width)
    return width, front - 0.25, foot + 0.1


def add_van_lorry(
    builder: MeshBuilder, rng: np.random.Generator, kind: str
) -> tuple[float, float, float]:
    """Add a vehicle of a kind of VAN_LORRIES; return its width, and x and z of its mirrors."""
    uniform = rng.uniform
    is_ambulance = kind == "ambulance"
    length, width = uniform(5.7, 7.0), uniform(2.0, 2.25)
    height = uniform(2.55, 2.9) if is_ambulance else uniform(2.8, 3.4)
    front, rear = length / 2, -length / 2
    nose, slant = uniform(0.5, 0.8), uniform(0.45, 0.7)
    cab_rear = front - nose - slant - uniform(0.9, 1.2)
    roof = uniform(2.2, 2.4)
    foot, head = 1.3 + uniform(0, 0.1), roof - 0.25
    cells = np.full((3, 3), PAINT)
    cells[1, 1] = GLASS
    columns = np.array([cab_rear, cab_rear + 0.25, front - nose - 0.35, front])
    heights = (0.3, foot, head, roof)
    cabin(
        builder, cab_rear, front, 0.93 * width, heights, columns, (cells, cells), slant, False, nose
    )
    crew(builder, cab_rear + 0.45, width, foot, rng)
    bay_height = 0.55 if is_ambulance else uniform(0.6, 0.9)
    material = PAINT if is_ambulance or rng.random() < 0.3 else CARGO
    middle, size = (rear + cab_rear) / 2, cab_rear - rear
    builder.box((middle, 0, 0.4), (size, 0.7 * width, bay_height - 0.4), 0, TRUCK, PLASTIC)
    base = (middle, 0, bay_height)
    builder.box(base, (size, width, height - bay_height), 0, TRUCK, material)
    if is_ambulance:
        for y in (-0.6, 0.6):
            builder.box((cab_rear + 0.3, y, roof), (0.2, 0.3, 0.14), 0, TRUCK, LAMP)
        stripe = (bay_height + 0.35, bay_height + 0.7)
        for side in (-1, 1):
            y = side * (width / 2 + 0.006)
            panel(builder, y, (rear + 0.05, cab_rear - 0.05), stripe, TRUCK, CARGO)
    axles = (front - nose - 0.35, rear + 0.28 * length)
    wheels(builder, axles, width / 2 - 0.03, VAN_WHEEL_RADIUS, 0.25, TRUCK)
    tail(builder, rear, width)
    return width, front - nose - 0.35, foot + 0.05


def _add_cab(
    builder: MeshBuilder,
    rng: np.random.Generator,
    front: float,
    width: float,
    length: float,
    roof: float,
) -> tuple[float, float]:
    """Add a cab with its crew, some with a wind deflector or a beacon on the roof.

    Args:
        builder: Receives the triangles.
        rng: Source of randomness.
        front: x of its front in metres.
        width: Width of the lorry in metres.
        length: Length of the cab in metres.
        roof: Height of its roof in metres.

    Returns:
        x of its rear, and the height of the lower edge of its windows, in metres.
    """
    rear, foot, head = front - length, 0.55 * roof, 0.87 * roof
    cells = np.full((3, 3), PAINT)
    cells[1, 1] = GLASS
    columns = np.array([rear, rear + 0.3 * length, front - 0.12, front])
    heights, slant = (0.4, foot, head, roof), rng.uniform(0.1, 0.35)
    cabin(builder, rear, front, 0.96 * width, heights, columns, (cells, cells), slant, False)
    crew(builder, rear + 0.45, width, foot, rng)
    if roof < 3.1 and rng.random() < 0.4:
        base = (rear + 0.35, 0, roof)
        builder.box(base, (0.5, 0.8 * width, rng.uniform(0.2, 0.6)), 0, TRUCK, PAINT)
    elif rng.random() < 0.25:
        builder.box((rear + 0.8, 0, roof), (0.15, 1.2, 0.13), 0, TRUCK, LAMP)
    return rear, foot


def _add_frame(builder: MeshBuilder, rear: float, front: float, width: float) -> None:
    """Add the frame under the load, from x = `rear` to x = `front` in metres."""
    base = ((front + rear) / 2, 0, 0.55)
    size = (front - rear - 0.06, 0.75 * width, LOADING_HEIGHT - 0.55)
    builder.box(base, size, 0, TRUCK, PLASTIC)


def _add_wheels(builder: MeshBuilder, axles: list[float], width: float) -> None:
    """Add a wheel at each end of each axle."""
    wheels(builder, axles, width / 2 - 0.02, WHEEL_RADIUS, 0.35, TRUCK)


def _add_side_guards(builder: MeshBuilder, rear: float, front: float, width: float) -> None:
    """Add side guards between the axles at x = `rear` and x = `front` in metres."""
    ends = (rear + WHEEL_RADIUS + 0.1, front - WHEEL_RADIUS - 0.3)
    for side in (-1, 1):
        panel(builder, side * (width / 2 - 0.05), ends, (0.5, 0.95), TRUCK, PLASTIC)

"""Bodies on the frame of a lorry: boxes, tanks, platforms, tippers, drums, refuse bodies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.vehicles.parts import (
    CARGO,
    CHROME,
    FABRIC,
    INTERIOR,
    PAINT,
    PLASTIC,
    upright,
)
from bev_semseg_ros.sim.classes import TRUCK

# Height of the loading floor in metres.
LOADING_HEIGHT = 1.0


@dataclass(frozen=True)
class Bay:
    """The space for a load.

    Attributes:
        rear: x of the rear end in metres.
        front: x of the front end in metres.
        width: Width in metres.
        height: Height of its top above the ground in metres.
    """

    rear: float
    front: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """x of the centre in metres."""
        return (self.rear + self.front) / 2

    @property
    def length(self) -> float:
        """Length in metres."""
        return self.front - self.rear


def add_box(builder: MeshBuilder, rng: np.random.Generator, bay: Bay) -> None:
    """Add a closed box with rear doors, in some cases with a cooling unit."""
    material = PAINT if rng.random() < 0.25 else CARGO
    size = (bay.length, bay.width, bay.height - LOADING_HEIGHT)
    builder.box((bay.middle, 0, LOADING_HEIGHT), size, 0, TRUCK, material)
    low, high = LOADING_HEIGHT + 0.05, bay.height - 0.08
    for y in (-0.96 * bay.width / 2, 0, 0.96 * bay.width / 2):  # the gaps of the rear doors
        upright(builder, bay.rear - 0.01, -1, (y - 0.025, y + 0.025), (low, high), TRUCK, PLASTIC)
    is_cooled = rng.random() < 0.2
    if is_cooled:
        base = (bay.front + 0.15, 0, bay.height - 0.9)
        builder.box(base, (0.4, 0.7 * bay.width, 0.7), 0, TRUCK, PAINT)


def add_tank(builder: MeshBuilder, rng: np.random.Generator, bay: Bay) -> None:
    """Add a tank on a floor."""
    deck = _add_floor(builder, bay)
    radius = min(0.46 * bay.width, (bay.height - deck) / 2)
    axis = deck + radius
    ends = np.array([bay.rear + 0.05, bay.rear + 0.3, bay.front - 0.3, bay.front - 0.05])
    material = CHROME if rng.random() < 0.5 else CARGO
    shares = (0.05, 1.0, 1.0, 0.05)
    for index in range(3):
        start, end = (ends[index], 0, axis), (ends[index + 1], 0, axis)
        first, last = shares[index] * radius, shares[index + 1] * radius
        builder.tube(start, end, first, last, 16, TRUCK, material)


def add_platform(builder: MeshBuilder, rng: np.random.Generator, bay: Bay) -> None:
    """Add a floor with low walls and random goods."""
    deck = _add_floor(builder, bay)
    wall = rng.uniform(0.4, 0.8)
    _add_walls(builder, bay, deck, wall, 0.0)
    for _ in range(rng.integers(0, 6)):
        size = (
            rng.uniform(0.5, min(2.5, bay.length - 0.4)),
            rng.uniform(0.5, 0.7 * bay.width),
            rng.uniform(0.3, 1.4),
        )
        play = (bay.length - size[0]) / 2 - 0.1
        place = (
            bay.middle + rng.uniform(-1, 1) * max(play, 0.0),
            rng.uniform(-1, 1) * (bay.width - size[1] - 0.2) / 2,
            deck,
        )
        material = int(rng.choice([CARGO, INTERIOR, FABRIC, CHROME]))
        builder.box(place, size, 0, TRUCK, material)


def add_tipper(builder: MeshBuilder, rng: np.random.Generator, bay: Bay) -> None:
    """Add a tipping body with sloping walls, often full of gravel, and a shield over the cab."""
    deck = _add_floor(builder, bay)
    wall = min(rng.uniform(0.8, 1.5), bay.height - deck)
    _add_walls(builder, bay, deck, wall, rng.uniform(0.05, 0.2))
    shield = (bay.front + 0.25, 0, deck + wall)
    builder.box(shield, (0.7, 0.9 * bay.width, 0.06), 0, TRUCK, CARGO)
    if rng.random() < 0.7:
        heap = rng.uniform(0.1, 0.7)
        x = bay.middle + np.array([-0.47, -0.2, 0.2, 0.47]) * bay.length
        y = np.array([-0.46, -0.2, 0.2, 0.46]) * bay.width
        z = np.full((4, 4), deck + 0.7 * wall)
        z[1:3, 1:3] += heap * rng.uniform(0.6, 1.0, (2, 2))
        points = np.stack([*np.meshgrid(x, y, indexing="ij"), z], -1)
        builder.grid(points, TRUCK, FABRIC, smooth=False)


def add_drum(builder: MeshBuilder, rng: np.random.Generator, bay: Bay) -> None:
    """Add the drum of a concrete mixer with its hopper and chute."""
    deck = _add_floor(builder, bay)
    radius = min(0.45 * bay.width, (bay.height - deck) / 2)
    foot = np.array([bay.front - 0.3, 0, deck + radius + 0.05])
    mouth = np.array([bay.rear + 0.5, 0, bay.height - 0.42])
    stations = (0.0, 0.12, 0.42, 0.65, 1.0)
    radii = np.array([0.35, 0.8, 1.0, 0.97, 0.4]) * radius
    axis = [foot + share * (mouth - foot) for share in stations]
    for index in range(len(stations) - 1):
        start, end = axis[index], axis[index + 1]
        builder.tube(start, end, radii[index], radii[index + 1], 14, TRUCK, CARGO)
    builder.box((bay.front - 0.15, 0, deck), (0.3, 0.6 * bay.width, 1.2), 0, TRUCK, PLASTIC)
    builder.box((bay.rear + 0.45, 0, bay.height - 0.5), (0.7, 0.8, 0.5), 0, TRUCK, PLASTIC)
    for y in (-0.35, 0.35):
        builder.box((bay.rear + 0.6, y, deck), (0.15, 0.1, 1.6), 0, TRUCK, PLASTIC)
    chute = (bay.rear + 0.35, rng.uniform(-0.3, 0.3), deck + 0.1)
    builder.box(chute, (0.6, 0.45, 0.6), rng.uniform(-0.5, 0.5), TRUCK, CHROME)


def add_refuse_body(builder: MeshBuilder, rng: np.random.Generator, bay: Bay) -> None:
    """Add the body of a refuse lorry and the hopper behind it."""
    hopper = rng.uniform(1.3, 1.9)
    body = bay.length - hopper
    material = CARGO if rng.random() < 0.6 else PAINT
    half, low, high = bay.width / 2, LOADING_HEIGHT - 0.1, bay.height
    profile = [(-half, low), (-half, high - 0.35), (-0.75 * half, high)]
    profile += [(-y, z) for y, z in profile[::-1]]
    x = np.array([bay.front - body, bay.front])
    y, z = np.array(profile).T
    points = np.empty((2, len(profile), 3))
    points[..., 0], points[..., 1], points[..., 2] = x[:, None], y, z
    builder.grid(points, TRUCK, material, points[..., [0, 2]], smooth=False)
    for end, order in ((0, slice(None, None, -1)), (1, slice(None))):
        rim = points[end, order]
        fan = [np.stack([rim[0], rim[k], rim[k + 1]]) for k in range(1, len(rim) - 1)]
        builder.add(np.stack(fan), TRUCK, material)
    back = bay.rear + hopper / 2
    builder.box((back, 0, 0.6), (hopper, 0.96 * bay.width, 1.0), 0, TRUCK, material)
    top = bay.height - 1.6 - rng.uniform(0.0, 0.3)
    builder.box((back + 0.2, 0, 1.6), (hopper - 0.4, 0.9 * bay.width, top), 0, TRUCK, PLASTIC)
    for side in (-1, 1):  # footboards
        builder.box(
            (bay.rear + 0.2, side * 0.4 * bay.width, 0.4), (0.4, 0.4, 0.05), 0, TRUCK, CHROME
        )


def _add_floor(builder: MeshBuilder, bay: Bay) -> float:
    """Add the loading floor; return its height in metres."""
    base = (bay.middle, 0, LOADING_HEIGHT)
    builder.box(base, (bay.length, bay.width, 0.12), 0, TRUCK, PLASTIC)
    return LOADING_HEIGHT + 0.12


def _add_walls(builder: MeshBuilder, bay: Bay, deck: float, height: float, flare: float) -> None:
    """Add four walls around a floor.

    Args:
        builder: Receives the triangles.
        bay: Space for the load.
        deck: Height of the floor in metres.
        height: Height of the walls in metres.
        flare: Metres by which the foot of each wall is inset.
    """
    upper = np.array([(bay.rear, -1), (bay.front, -1), (bay.front, 1), (bay.rear, 1)])
    upper = np.column_stack([upper[:, 0], upper[:, 1] * bay.width / 2])
    middle = np.array([bay.middle, 0.0])
    lower = upper - flare * np.sign(upper - middle)
    for inset in (0.0, 0.06):  # the outer and the inner faces
        top = np.column_stack([upper - inset * np.sign(upper - middle), np.full(4, deck + height)])
        foot = np.column_stack([lower - inset * np.sign(lower - middle), np.full(4, deck)])
        for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)):
            if inset:
                a, b = b, a
            builder.quad(foot[a], foot[b], top[b], top[a], TRUCK, CARGO)

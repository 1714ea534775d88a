"""Bicycles and motorcycles, with which riders are combined in `people`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.people_materials import BAG, FRAME, LAMP, METAL, REAR_LAMP, TYRE
from bev_semseg_ros.sim.assets.shape import Shape, centered
from bev_semseg_ros.sim.classes import MASK_LABEL

PARKED_KINDS = ("bicycle", "motorcycle")

TWO_WHEELER = MASK_LABEL["two_wheeler"]


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
    (add_motorcycle if kind == "motorcycle" else add_bicycle)(builder, rng)
    return centered(builder.build(), None, kind)


def _wheel(builder: MeshBuilder, x: float, radius: float, thickness: float, spokes: int) -> None:
    """Add a wheel: a tyre as a ring of short tubes, with a hub and spokes."""
    angle = np.linspace(0, 2 * np.pi, 15)
    inner = radius - thickness
    ring = np.stack([x + inner * np.cos(angle), 0 * angle, radius + inner * np.sin(angle)], -1)
    for start, end in pairwise(ring):
        builder.tube(start, end, thickness, thickness, 4, TWO_WHEELER, TYRE)
    hub = np.array([x, 0, radius])
    for spoke in ring[: -1 : max(1, 14 // spokes)]:
        builder.tube(hub, spoke, 0.006, 0.006, 3, TWO_WHEELER, METAL)


def add_bicycle(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """Add a bicycle, some with a bag on the carrier or a basket."""
    radius, half_base = rng.uniform(0.32, 0.35), rng.uniform(0.5, 0.56)
    for x in (-half_base, half_base):
        _wheel(builder, x, radius, 0.022, spokes=7)
    crank, saddle = (-0.05, 0, 0.3), (-0.22, 0, 0.92)
    head, seat_post = (half_base - 0.14, 0, 0.85), (-0.18, 0, 0.75)
    rear, front = (-half_base, 0, radius), (half_base, 0, radius)
    has_low_step = rng.random() < 0.4
    top_tube = (-0.1, 0, 0.5) if has_low_step else (-0.17, 0, 0.8)
    tubes = [
        (crank, saddle),
        (crank, head),
        (top_tube, head),
        (rear, crank),
        (rear, seat_post),
        (front, head),
        (head, (half_base - 0.17, 0, 1.03)),
    ]
    for start, end in tubes:
        builder.tube(start, end, 0.022, 0.022, 5, TWO_WHEELER, FRAME)
    bar = half_base - 0.17
    builder.tube((bar, -0.28, 1.04), (bar, 0.28, 1.04), 0.016, 0.016, 4, TWO_WHEELER, METAL)
    builder.box((-0.22, 0, 0.9), (0.26, 0.15, 0.06), 0, TWO_WHEELER, METAL)
    if rng.random() < 0.4:
        builder.box((-0.5, 0, 0.72), (0.35, 0.28, 0.22), 0, TWO_WHEELER, BAG)  # on the carrier
    if rng.random() < 0.25:
        builder.box((half_base + 0.05, 0, 0.82), (0.28, 0.36, 0.22), 0, TWO_WHEELER, BAG)  # basket
    builder.box((half_base - 0.08, 0, 0.86), (0.04, 0.06, 0.06), 0, TWO_WHEELER, LAMP)
    builder.box((-half_base - 0.05, 0, 0.7), (0.03, 0.06, 0.06), 0, TWO_WHEELER, REAR_LAMP)


def add_motorcycle(builder: MeshBuilder, rng: np.random.Generator) -> None:
    """Add a motorcycle, or in four of ten cases a scooter."""
    is_scooter = rng.random() < 0.4
    radius, half_base = (0.23, 0.62) if is_scooter else (0.31, 0.7)
    for x in (-half_base, half_base):
        _wheel(builder, x, radius, 0.055, spokes=5)
    bar = (half_base - 0.3, 0, 1.0)
    for y in (-0.07, 0.07):
        builder.tube((half_base, y, radius), (bar[0], y, 0.9), 0.025, 0.025, 5, TWO_WHEELER, METAL)
    builder.tube((bar[0], -0.34, 1.0), (bar[0], 0.34, 1.0), 0.02, 0.02, 5, TWO_WHEELER, METAL)
    if is_scooter:
        builder.box((-0.3, 0, 0.3), (0.8, 0.32, 0.42), 0, TWO_WHEELER, FRAME)
        builder.box((0.1, 0, 0.22), (0.6, 0.34, 0.08), 0, TWO_WHEELER, FRAME)
        builder.box((half_base - 0.27, 0, 0.25), (0.08, 0.38, 0.65), 0, TWO_WHEELER, FRAME)
    else:
        builder.box((0.02, 0, 0.22), (0.5, 0.3, 0.4), 0, TWO_WHEELER, METAL)  # engine
        builder.box((0.1, 0, 0.6), (0.5, 0.3, 0.25), 0, TWO_WHEELER, FRAME)  # tank
        builder.box((-0.55, 0, 0.6), (0.5, 0.22, 0.14), 0, TWO_WHEELER, FRAME)
        builder.tube((-0.1, -0.17, 0.3), (-0.8, -0.2, 0.4), 0.05, 0.06, 6, TWO_WHEELER, METAL)
    builder.box((-0.3, 0, 0.74), (0.7, 0.28, 0.08), 0, TWO_WHEELER, BAG)  # seat
    builder.box((bar[0] + 0.1, 0, 0.8), (0.12, 0.2, 0.18), 0, TWO_WHEELER, LAMP)
    builder.box((-half_base - 0.12, 0, 0.62), (0.05, 0.16, 0.08), 0, TWO_WHEELER, REAR_LAMP)
    if rng.random() < 0.35:
        builder.box((-0.72, 0, 0.8), (0.36, 0.4, 0.32), 0, TWO_WHEELER, FRAME)  # top case

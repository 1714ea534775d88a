"""Lorries, buses and tractors: everything whose box has the class "truck"."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.shape import Shape, centered
from bev_semseg_ros.sim.assets.vehicles.buses import add_articulated_bus, add_bus
from bev_semseg_ros.sim.assets.vehicles.lorries import (
    ARTICULATED,
    LORRIES,
    VAN_LORRIES,
    add_articulated,
    add_lorry,
    add_van_lorry,
)
from bev_semseg_ros.sim.assets.vehicles.parts import PLASTIC
from bev_semseg_ros.sim.assets.vehicles.tractors import add_tractor
from bev_semseg_ros.sim.classes import BOX_LABEL, TRUCK

_OTHERS = {
    "bus": add_bus,
    "articulated_bus": add_articulated_bus,
    "tractor": add_tractor,
}
TRUCK_KINDS = (*LORRIES, *ARTICULATED, *VAN_LORRIES, *_OTHERS)


def truck(rng: np.random.Generator, kind: str) -> Shape:
    """Make a lorry, a bus or a tractor.

    Args:
        rng: Source of randomness.
        kind: One of TRUCK_KINDS.

    Returns:
        A shape of mask and box class "truck" with the slots `parts.CAR_SLOTS`.

    Raises:
        ValueError: If the kind is unknown.
    """
    builder, mirrors = MeshBuilder(), MeshBuilder()
    width, mirror_x, mirror_z = _add(builder, rng, kind)
    for side in (-1, 1):
        base = (mirror_x, side * (width / 2 + 0.12), mirror_z)
        mirrors.box(base, (0.1, 0.2, 0.4), 0, TRUCK, PLASTIC)
    return centered(builder.build(), BOX_LABEL["truck"], kind, outside=mirrors.build())


def _add(builder: MeshBuilder, rng: np.random.Generator, kind: str) -> tuple[float, float, float]:
    """Add the body of a truck of a kind; return its width, and x and z of its mirrors."""
    if kind in LORRIES:
        return add_lorry(builder, rng, kind)
    if kind in ARTICULATED:
        return add_articulated(builder, rng, kind)
    if kind in VAN_LORRIES:
        return add_van_lorry(builder, rng, kind)
    if kind not in _OTHERS:
        raise ValueError(f"unknown truck {kind!r}, expected one of {', '.join(TRUCK_KINDS)}")
    return _OTHERS[kind](builder, rng)

"""Where people are along a street."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.scene.road.cross_section import Side, Strip


def draw_station(rng: np.random.Generator) -> float:
    """Return a station in metres: mostly ahead of the vehicle and near, some behind it."""
    if rng.random() < 0.1:
        return float(rng.uniform(-14, 3))
    return float(3 + 47 * rng.random() ** 1.25)


def pavement(side: Side) -> Strip:
    """Return the strip of a side that people walk on."""
    return side.first("pavement") or side.first("verge") or side.strips[0]


def draw_offset(rng: np.random.Generator, side: Side, ground: Strip) -> float:
    """Return an offset in metres on a strip, 0.3 m away from its edges."""
    end = max(ground.start + 0.4, ground.end - 0.3)
    return float(side.sign * rng.uniform(ground.start + 0.3, end))

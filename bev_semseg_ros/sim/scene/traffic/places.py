"""Positions of people along a street."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.scene.road.cross_section import Side, Strip


def draw_station(rng: np.random.Generator) -> float:
    """Draw a station in metres: usually near and ahead of the ego vehicle, sometimes behind it."""
    if rng.random() < 0.1:
        return float(rng.uniform(-14, 3))
    return float(3 + 47 * rng.random() ** 1.25)


def pavement(side: Side) -> Strip:
    """Return the strip of a side that people walk on."""
    return side.first("pavement") or side.first("verge") or side.strips[0]


def draw_offset(rng: np.random.Generator, side: Side, ground: Strip) -> float:
    """Draw an offset in metres on a strip, at least 0.3 m from its edges if it is wide enough."""
    end = max(ground.start + 0.4, ground.end - 0.3)
    return float(side.sign * rng.uniform(ground.start + 0.3, end))

"""Positions of people along a street."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.scene.road.cross_section import Side


def draw_station(rng: np.random.Generator) -> float:
    """Draw a station in metres: usually near and ahead of the ego vehicle, sometimes behind it."""
    if rng.random() < 0.1:
        return float(rng.uniform(-14, 3))
    return float(3 + 47 * rng.random() ** 1.25)


def draw_offset(rng: np.random.Generator, side: Side) -> float:
    """Draw an offset on the walkway in metres, 0.3 m inside its edges if it is wide enough."""
    ground = side.walkway
    end = max(ground.start + 0.4, ground.end - 0.3)
    return float(side.sign * rng.uniform(ground.start + 0.3, end))

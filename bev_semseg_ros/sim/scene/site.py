"""What everyone who builds on one street shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.primitives import Primitives
from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.scene.occupancy import Occupancy
from bev_semseg_ros.sim.scene.road.street import Street


@dataclass(frozen=True, eq=False)
class Site:
    """One street, its materials, the shapes to furnish it with, the room that is left, and where the parts go."""

    rng: np.random.Generator
    street: Street
    season: str
    table: MaterialTable
    surfaces: Surfaces
    library: Library
    occupancy: Occupancy
    out: Primitives

    def pose(self, s: float, t: float, turn: float = 0.0) -> np.ndarray:
        """(3,) world x, y, yaw of what stands at a station and an offset, turned off the road's direction."""
        x, y, _ = self.street.alignment.points(s, t)
        return np.array([x, y, self.street.alignment.heading(s) + turn])

    def claim(
        self,
        s: float,
        t: float,
        length: float,
        width: float | None = None,
        turn: float = 0.0,
        margin: float = 0.1,
    ) -> bool:
        """Takes the room of something that stands (a square without a width) if it is free and off any side road."""
        half = max(length, width or length) / 2
        if abs(t) > self.street.half_width and self.street.is_crossed(
            s - half, s + half, 1 if t > 0 else -1
        ):
            return False
        if abs(t) > self.street.alignment.offset_limit(1 if t > 0 else -1):
            return False
        return self.occupancy.claim(self.pose(s, t, turn), length, width or length, margin)

"""Random materials of carriageways: asphalt, cobbles, kerbs and markings.

Each `..._material` function adds a material to a table and returns its row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey, log_uniform
from bev_semseg_ros.sim.assets.materials import MaterialTable


class RoadMaterials:
    """Adds the road surfaces of one drive, which are variants of one asphalt.

    Attributes:
        value: Albedo of the asphalt.
        cobbled: Columns of a cobbled surface.
        cobbles: The same if the main road is cobbled, otherwise empty.
        decal: Columns of a surface that lies on another one.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        table: MaterialTable,
        wet: float,
        urban: bool,
        paved: bool,
    ) -> None:
        """Draw the asphalt and the cobbles; arguments as in `Surfaces.draw`."""
        u = rng.uniform
        self._rng, self._table = rng, table
        self.value = log_uniform(rng, 0.05, 0.28) * (0.6 if wet else 1.0)
        self._asphalt: dict[str, Any] = {
            "noise_frequency": u(0.5, 4),
            "noise_contrast": 0.5,
            "fine_contrast": 0.18,
            "fine_frequency": u(15, 60),
            "stain_contrast": 0.18,
            "crack": u(0, 0.5) if rng.random() < 0.4 else 0.0,
        }
        # `render/wet_ground.py` adds the reflections in wet ground.
        self._shine: dict[str, Any] = {"specular": 0.15 * wet, "fresnel": 0.06} if wet else {}
        if rng.random() < 0.4:
            self._asphalt["anisotropy"] = u(0.05, 0.4)
        self.cobbled: dict[str, Any] = {
            "pattern": "bricks" if rng.random() < 0.6 else "slabs",
            "pattern_u": u(0.1, 0.25),
            "pattern_v": u(0.1, 0.2),
            "pattern_line": u(0.01, 0.03),
            "pattern_contrast": u(0.2, 0.8),
        }
        cobbled_share = 0.55 if paved else 0.15 if urban else 0.03
        self.cobbles = self.cobbled if rng.random() < cobbled_share else {}
        self.decal: dict[str, Any] = {"depth_bias": 0.0012, **self._shine}

    def add(self, factor: float, **columns: Any) -> int:
        """Add asphalt of a relative brightness; `columns` override its own. Return its row."""
        u = self._rng.uniform
        colors = [
            grey(self._rng, self.value * share) for share in (factor, u(0.6, 1.5), u(0.4, 1.3))
        ]
        return self._table.add("road", *colors, **{**self._asphalt, **self._shine, **columns})


def yellow_marking_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of yellow markings."""
    return table.add(
        "marking",
        np.array([0.75, 0.5, 0.08]) * rng.uniform(0.6, 1.1),
        noise_contrast=0.3,
        depth_bias=0.002,
    )


def marking_material(rng: np.random.Generator, table: MaterialTable, road_value: float) -> int:
    """Add the material of white markings, some of them worn down to the road."""
    u = rng.uniform
    return table.add(
        "marking",
        grey(rng, u(0.45, 0.95)),
        grey(rng, road_value * 1.5),
        noise_frequency=u(2, 8),
        noise_contrast=u(0.2, 0.9),
        fine_contrast=0.15,
        depth_bias=0.002,
    )


def cover_material(rng: np.random.Generator, table: MaterialTable) -> int:
    """Add the material of manhole covers."""
    return table.add(
        "metal",
        grey(rng, rng.uniform(0.02, 0.12)),
        fine_contrast=0.3,
        fine_frequency=30,
        depth_bias=0.0016,
    )


def kerb_material(rng: np.random.Generator, table: MaterialTable, value: float) -> int:
    """Add the material of kerbs with the albedo `value`."""
    u = rng.uniform
    return table.add(
        "pavement",
        grey(rng, value),
        None,
        grey(rng, 0.1),
        pattern="slabs",
        pattern_u=u(0.6, 1.2),
        pattern_v=5.0,
        pattern_line=0.01,
        pattern_contrast=0.15,
    )

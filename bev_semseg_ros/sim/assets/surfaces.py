"""The materials of one street: ground, paint, walls, metal. Colours are linear RGB (3,)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey, hsv, log_uniform
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.street_materials import (
    facade_material,
    grass_material,
    pavement_material,
    roof_material,
    soil_material,
)

SEASONS = ("summer", "autumn", "winter", "spring")
SEASON_PROBABILITIES = (0.45, 0.2, 0.2, 0.15)


@dataclass(frozen=True)
class Surfaces:
    """Rows of the scene's MaterialTable for the surfaces of a street.

    `facades` holds pairs: a wall with windows and the same wall without them. `verges` holds what
    verges may be made of.
    """

    road: int
    side_road: int
    parking: int
    patches: list[int]
    tracks: int
    coloured_lane: int
    cover: int
    pavements: list[int]
    kerb: int
    marking: int
    second_marking: int
    grass: int
    verges: list[int]
    soil: int
    gravel: int
    litter: int
    facades: list[tuple[int, int]]
    roofs: list[int]
    window: int
    metal: int
    dark: int
    wood: int
    concrete: int
    brick: int
    hazard: int
    reflector: int
    far_trees: int

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        table: MaterialTable,
        season: str,
        wet: float,
        urban: bool,
        paved: bool = False,
    ) -> Surfaces:
        """Draw the materials of one drive.

        Args:
            rng: Source of randomness.
            table: Receives the materials.
            season: One of SEASONS.
            wet: Wetness of the ground, 0 to 1.
            urban: Whether shops and cobbles are frequent.
            paved: Whether most roads are cobbled, as on squares and in narrow streets.
        """
        u = rng.uniform
        value = log_uniform(rng, 0.05, 0.28) * (0.6 if wet else 1.0)
        asphalt: dict[str, Any] = {
            "noise_frequency": u(0.5, 4),
            "noise_contrast": 0.5,
            "fine_contrast": 0.18,
            "fine_frequency": u(15, 60),
            "stain_contrast": 0.18,
            "crack": u(0, 0.5) if rng.random() < 0.4 else 0.0,
        }
        # What wet ground mirrors is added in `render/wet_ground.py`.
        shine: dict[str, Any] = {"specular": 0.15 * wet, "fresnel": 0.06} if wet else {}
        if rng.random() < 0.4:
            asphalt["anisotropy"] = u(0.05, 0.4)
        cobbled: dict[str, Any] = {
            "pattern": "bricks" if rng.random() < 0.6 else "slabs",
            "pattern_u": u(0.1, 0.25),
            "pattern_v": u(0.1, 0.2),
            "pattern_line": u(0.01, 0.03),
            "pattern_contrast": u(0.2, 0.8),
        }
        cobbled_share = 0.55 if paved else 0.15 if urban else 0.03
        cobbles = cobbled if rng.random() < cobbled_share else {}
        decal: dict[str, Any] = {"depth_bias": 0.0012, **shine}

        def ground(lidar: str, factor: float, **columns: Any) -> int:
            """Add asphalt of a relative brightness, with `columns` instead of asphalt's own."""
            colors = [grey(rng, value * share) for share in (factor, u(0.6, 1.5), u(0.4, 1.3))]
            return table.add(lidar, *colors, **{**asphalt, **shine, **columns})

        grass = grass_material(rng, table, season)
        soil = soil_material(rng, table)
        gravel = table.add("pavement", grey(rng, u(0.2, 0.5)), fine_contrast=0.4, fine_frequency=12)
        litter = table.add(
            "grass",
            hsv(u(0.02, 0.13), u(0.3, 0.85), u(0.12, 0.5)),
            hsv(u(0.03, 0.18), u(0.2, 0.7), u(0.06, 0.35)),
            noise_frequency=u(2, 8),
            noise_contrast=1.2,
            fine_contrast=u(0.4, 1.0),
            fine_frequency=u(6, 25),
            stain_contrast=0.5,
        )
        second = table.add(
            "marking",
            np.array([0.75, 0.5, 0.08]) * u(0.6, 1.1),
            noise_contrast=0.3,
            depth_bias=0.002,
        )
        marking = table.add(
            "marking",
            grey(rng, u(0.45, 0.95)),
            grey(rng, value * 1.5),
            noise_frequency=u(2, 8),
            noise_contrast=u(0.2, 0.9),
            fine_contrast=0.15,
            depth_bias=0.002,
        )
        if rng.random() < 0.7:
            lane_color = np.array([0.30, 0.10, 0.08]) * u(0.5, 1.3)
        else:
            lane_color = np.array([0.1, 0.25, 0.12])
        verges = [grass, grass, soil, gravel, litter, grass_material(rng, table, season)]
        if season in ("autumn", "winter"):
            verges += [litter, litter]
        # Worn kerbs look like the road.
        kerb_value = value * u(0.8, 1.8) if rng.random() < 0.25 else u(0.15, 0.6)
        foliage_hue = u(0.02, 0.3) if season == "autumn" else u(0.15, 0.38)
        return cls(
            road=ground("road", 1.0, **cobbles),
            side_road=ground("road", u(0.7, 1.3)),
            parking=ground("road", u(0.6, 1.6), **(cobbled if rng.random() < 0.3 else {})),
            patches=[ground("road", u(0.5, 1.6), fine_contrast=0.2, **decal) for _ in range(3)],
            tracks=ground("road", u(0.75, 1.25), depth_bias=0.0006),
            coloured_lane=table.add("road", lane_color, fine_contrast=0.2, **decal),
            cover=table.add(
                "metal",
                grey(rng, u(0.02, 0.12)),
                fine_contrast=0.3,
                fine_frequency=30,
                depth_bias=0.0016,
            ),
            pavements=[pavement_material(rng, table, value) for _ in range(2)],
            kerb=table.add(
                "pavement",
                grey(rng, kerb_value),
                None,
                grey(rng, 0.1),
                pattern="slabs",
                pattern_u=u(0.6, 1.2),
                pattern_v=5.0,
                pattern_line=0.01,
                pattern_contrast=0.15,
            ),
            marking=marking,
            second_marking=second if rng.random() < 0.25 else marking,
            grass=grass,
            verges=verges,
            soil=soil,
            gravel=gravel,
            litter=litter,
            facades=[facade_material(rng, table, urban) for _ in range(6)],
            roofs=[roof_material(rng, table) for _ in range(3)],
            window=table.add(
                "window", grey(rng, u(0.01, 0.06)), noise_contrast=0.3, specular=1.0, fresnel=0.08
            ),
            metal=table.add(
                "metal",
                grey(rng, u(0.15, 0.6)),
                fine_contrast=0.05,
                stain_contrast=0.2,
                specular=0.3,
                fresnel=0.3,
            ),
            dark=table.add("plastic", grey(rng, u(0.015, 0.08)), fine_contrast=0.1),
            wood=table.add(
                "wall",
                hsv(u(0.05, 0.1), u(0.2, 0.6), u(0.1, 0.4)),
                None,
                grey(rng, 0.04),
                pattern="panels",
                pattern_u=u(0.08, 0.2),
                pattern_line=0.012,
                fine_contrast=0.2,
                noise_frequency=5,
            ),
            concrete=table.add(
                "wall",
                grey(rng, u(0.2, 0.55)),
                noise_frequency=1.5,
                noise_contrast=0.7,
                fine_contrast=0.15,
                stain_contrast=0.3,
            ),
            brick=table.add(
                "wall",
                hsv(u(0, 0.06), u(0.3, 0.65), u(0.12, 0.4)),
                None,
                grey(rng, 0.4),
                pattern="bricks",
                pattern_u=0.24,
                pattern_v=0.08,
                pattern_line=0.012,
                pattern_contrast=0.6,
            ),
            hazard=table.add(
                "retro",
                [0.75, 0.05, 0.04],
                None,
                grey(rng, 0.85),
                pattern="panels",
                pattern_u=0.3,
                pattern_line=0.15,
                fine_contrast=0.05,
            ),
            reflector=table.add("retro", grey(rng, 0.8), noise_contrast=0.2),
            far_trees=table.add(
                "leaves",
                hsv(foliage_hue, u(0.15, 0.6), u(0.05, 0.25)),
                noise_frequency=u(0.1, 0.4),
                noise_contrast=0.9,
                fine_contrast=0.4,
                fine_frequency=0.8,
                stain_contrast=0.3,
            ),
        )

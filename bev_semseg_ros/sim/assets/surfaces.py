"""The materials of one street: ground, paint, walls, metal. Colours are linear RGB (3,)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.colors import grey
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.road_materials import (
    RoadMaterials,
    cover_material,
    kerb_material,
    marking_material,
    yellow_marking_material,
)
from bev_semseg_ros.sim.assets.street_materials import (
    brick_material,
    concrete_material,
    facade_material,
    far_trees_material,
    grass_material,
    hazard_material,
    litter_material,
    metal_material,
    pavement_material,
    roof_material,
    soil_material,
    wood_material,
)

SEASONS = ("summer", "autumn", "winter", "spring")
SEASON_PROBABILITIES = (0.45, 0.2, 0.2, 0.15)


@dataclass(frozen=True)
class Surfaces:
    """Rows of the scene's MaterialTable for the surfaces of a street.

    `facades` holds pairs: a wall with windows and the same wall without them. `verges` holds the
    possible materials of verges.
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
            paved: Whether the road is probably cobbled, as on squares and in narrow streets.
        """
        u = rng.uniform
        roads = RoadMaterials(rng, table, wet, urban, paved)
        grass = grass_material(rng, table, season)
        soil = soil_material(rng, table)
        gravel = table.add("pavement", grey(rng, u(0.2, 0.5)), fine_contrast=0.4, fine_frequency=12)
        litter = litter_material(rng, table)
        yellow = yellow_marking_material(rng, table)
        marking = marking_material(rng, table, roads.value)
        if rng.random() < 0.7:
            lane_color = np.array([0.30, 0.10, 0.08]) * u(0.5, 1.3)
        else:
            lane_color = np.array([0.1, 0.25, 0.12])
        verges = [grass, grass, soil, gravel, litter, grass_material(rng, table, season)]
        if season in ("autumn", "winter"):
            verges += [litter, litter]
        # Worn kerbs look like the road.
        kerb_value = roads.value * u(0.8, 1.8) if rng.random() < 0.25 else u(0.15, 0.6)
        foliage_hue = u(0.02, 0.3) if season == "autumn" else u(0.15, 0.38)
        return cls(
            road=roads.add(1.0, **roads.cobbles),
            side_road=roads.add(u(0.7, 1.3)),
            parking=roads.add(u(0.6, 1.6), **(roads.cobbled if rng.random() < 0.3 else {})),
            patches=[roads.add(u(0.5, 1.6), fine_contrast=0.2, **roads.decal) for _ in range(3)],
            tracks=roads.add(u(0.75, 1.25), depth_bias=0.0006),
            coloured_lane=table.add("road", lane_color, fine_contrast=0.2, **roads.decal),
            cover=cover_material(rng, table),
            pavements=[pavement_material(rng, table, roads.value) for _ in range(2)],
            kerb=kerb_material(rng, table, kerb_value),
            marking=marking,
            second_marking=yellow if rng.random() < 0.25 else marking,
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
            metal=metal_material(rng, table),
            dark=table.add("plastic", grey(rng, u(0.015, 0.08)), fine_contrast=0.1),
            wood=wood_material(rng, table),
            concrete=concrete_material(rng, table),
            brick=brick_material(rng, table),
            hazard=hazard_material(rng, table),
            reflector=table.add("retro", grey(rng, 0.8), noise_contrast=0.2),
            far_trees=far_trees_material(rng, table, foliage_hue),
        )

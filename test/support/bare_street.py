"""A straight, empty street, for tests of what the simulator puts on streets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.primitives import Primitives
from bev_semseg_ros.sim.assets.randomization import RandomizedMaterials
from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.scene.occupancy import Occupancy
from bev_semseg_ros.sim.scene.road.street import Street
from bev_semseg_ros.sim.scene.site import Site


def bare_street(
    library: Library, seed: int, kind: str = "city", place: str | None = None, moments: int = 1
) -> Site:
    """Return a straight street before anything is built on it.

    Args:
        library: Shapes to draw from.
        seed: Seed of the street.
        kind: Kind of street.
        place: Key of `places.PLACES`; None for an ordinary street.
        moments: Number of moments at which objects are kept apart.
    """
    rng = np.random.default_rng(seed)
    table = RandomizedMaterials(rng)
    surfaces = Surfaces.draw(rng, table, "summer", 0.0, True)
    street = Street.draw(rng, kind, surfaces, 60, place)
    street = replace(street, alignment=replace(street.alignment, curvature=1e-6))
    occupancy = Occupancy(moments)
    return Site(rng, street, "summer", table, surfaces, library, occupancy, Primitives())

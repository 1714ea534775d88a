"""Shared state of everything that is built along one street."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.primitives import Primitives
from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.scene.occupancy import Occupancy
from bev_semseg_ros.sim.scene.road.street import Street


@dataclass(frozen=True)
class Amenity:
    """A place where people gather.

    Attributes:
        use: "seat", "stop" (of a bus) or "zebra" (a crossing over the whole road).
        s: Station in metres.
        t: Offset in metres; 0 for a zebra crossing.
        turn: Heading of the people there, relative to the direction of the road in radians.
    """

    use: str
    s: float
    t: float
    turn: float


@dataclass(frozen=True, eq=False)
class Site:
    """A street under construction.

    Attributes:
        rng: Source of randomness; the order of draws decides the scene.
        street: The street.
        season: One of `surfaces.SEASONS`.
        table: Materials of the scene.
        surfaces: Row indices in the table for the surfaces of a street.
        library: Shapes of vehicles, people and plants.
        occupancy: Ground that is occupied.
        out: Collects the triangles of everything that does not move.
        lamps: World points (3,) of the heads of street lamps, which are lit at night.
        amenities: Places where people gather that have been built so far.
    """

    rng: np.random.Generator
    street: Street
    season: str
    table: MaterialTable
    surfaces: Surfaces
    library: Library
    occupancy: Occupancy
    out: Primitives
    lamps: list[np.ndarray] = field(default_factory=list)
    amenities: list[Amenity] = field(default_factory=list)

    def pose(self, s: float, t: float, turn: float = 0.0) -> np.ndarray:
        """Return the world x, y, yaw (3,) of an object at a station and an offset.

        Args:
            s: Station in metres.
            t: Offset in metres.
            turn: Heading relative to the direction of the road in radians.
        """
        x, y, _ = self.street.alignment.points(s, t)
        return np.array([x, y, self.street.alignment.heading(s) + turn])

    def amenities_for(self, use: str) -> list[Amenity]:
        """Return the amenities with a given use; see `Amenity`."""
        return [amenity for amenity in self.amenities if amenity.use == use]

    def claim(
        self,
        s: float,
        t: float,
        length: float,
        width: float | None = None,
        turn: float = 0.0,
        margin: float = 0.1,
    ) -> bool:
        """Occupy the ground of a static object, if it is free and not on a side road.

        Args:
            s: Station in metres.
            t: Offset in metres.
            length: Metres along its heading.
            width: Metres across its heading; None for a square.
            turn: Heading relative to the direction of the road in radians.
            margin: Distance in metres to keep from other objects.

        Returns:
            Whether the ground was free and is now occupied.
        """
        width = width or length
        half = max(length, width) / 2
        sign = 1 if t > 0 else -1
        street = self.street
        if abs(t) > street.half_width:
            is_beyond = abs(t) > street.side(t).boundary
            if street.is_crossed(s - half, s + half, sign, is_beyond):
                return False
            if street.is_on_side_road(s, t):
                return False
        elif street.is_in_junction(s):
            return False
        if abs(t) > self.street.alignment.offset_limit(sign):
            return False
        return self.occupancy.claim(self.pose(s, t, turn), length, width, margin)

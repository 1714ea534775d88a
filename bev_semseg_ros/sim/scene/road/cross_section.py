"""The cross-section of a street: lanes, parking places, and strips from the kerb to the land."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.classes import MASK_LABEL

ROAD = MASK_LABEL["road"]
SIDEWALK = MASK_LABEL["sidewalk"]
VEGETATION = MASK_LABEL["vegetation"]

# Chance that a side has parking places along the carriageway, by kind of street.
PARKING_PROBABILITIES = {"residential": 0.7, "city": 0.6, "avenue": 0.5, "rural": 0.08}

# What may follow the kerb, from the road outwards: p pavement, v verge, s shoulder. One entry of
# the street's kind is drawn.
STRIP_ORDERS = {
    "city": ("p", "p", "p", "vp"),
    "residential": ("p", "p", "p", "vp", "vp"),
    "lot": ("p", "v"),
    "avenue": ("vp", "vp", "p", "pv"),
    "rural": ("v", "sv"),
    "motorway": ("v",),
}

# Width in metres of the land behind the houses.
LAND_WIDTH = 140.0


@dataclass(frozen=True)
class Lane:
    """A lane of the road.

    Attributes:
        offset: Offset of its middle in metres, positive to the left.
        width: Metres.
        direction: 1 if traffic moves along increasing stations, else -1.
    """

    offset: float
    width: float
    direction: int


@dataclass(frozen=True)
class ParkingRow:
    """Parking places along the road.

    Attributes:
        offset: Offset of their middle in metres, positive to the left.
        angle: Heading of a parked vehicle relative to the road in radians.
        pitch: Metres of road per place; 0 if every vehicle takes what it needs.
    """

    offset: float
    angle: float
    pitch: float


@dataclass(frozen=True)
class Strip:
    """A band along the road.

    Attributes:
        use: "parking", "kerb", "pavement", "verge", "road", "yard" (in front of the houses) or
            "land" (behind them).
        start: Distance of the inner edge from the middle of the road in metres.
        end: Distance of the outer edge.
        low: Height of the inner edge over the middle of the road in metres.
        high: Height of the outer edge.
        label: Class of the surface.
        material: Row of the scene's MaterialTable.
        roughness: Standard deviation of the height in metres.
    """

    use: str
    start: float
    end: float
    low: float
    high: float
    label: int
    material: int
    roughness: float = 0.0


@dataclass(frozen=True)
class Side:
    """One side of the road.

    Attributes:
        sign: 1 for the left side, -1 for the right side.
        strips: Bands from the carriageway outwards.
        rows: Parking places.
        boundary: Distance in metres from the middle of the road at which public ground ends.
        kerb: Height of the kerb in metres, 0 without one.
    """

    sign: int
    strips: list[Strip]
    rows: list[ParkingRow]
    boundary: float
    kerb: float

    def height(self, distance: np.ndarray | float) -> np.ndarray:
        """Return the height over the middle of the road at distances from it, in metres."""
        return np.interp(distance, *self._knots)

    @cached_property
    def _knots(self) -> np.ndarray:
        """Distances and heights (2, K) of the edges of all strips."""
        knots = [(0.0, 0.0)]
        for strip in self.strips:
            knots += [(strip.start, strip.low), (strip.end, strip.high)]
        return np.array(knots).T

    def first(self, use: str) -> Strip | None:
        """Return the innermost strip of a use, or None if the side has none."""
        return next((strip for strip in self.strips if strip.use == use), None)


@dataclass(frozen=True)
class Crossing:
    """A side road at right angles.

    Attributes:
        station: Station of its middle in metres.
        half_width: Half its width in metres.
        signs: Signs of the sides that it leaves the road on.
    """

    station: float
    half_width: float
    signs: tuple[int, ...]

    @property
    def start(self) -> float:
        """Station at which the side road begins."""
        return self.station - self.half_width

    @property
    def end(self) -> float:
        """Station at which the side road ends."""
        return self.station + self.half_width

    def covers(self, start: float, end: float, sign: int) -> bool:
        """Return whether the side road meets stations `start` to `end` of a side."""
        return sign in self.signs and start < self.end and end > self.start


def draw_side(
    rng: np.random.Generator,
    kind: str,
    sign: int,
    half_width: float,
    surfaces: Surfaces,
    limit: float,
) -> tuple[Side, list[Lane]]:
    """Draw the strips of one side, from the carriageway outwards.

    Args:
        rng: Source of randomness.
        kind: Kind of street.
        sign: 1 for the left side, -1 for the right side.
        half_width: Half the width of the carriageway in metres.
        surfaces: Materials.
        limit: Distance in metres beyond which strips are only as thin as possible.

    Returns:
        The side, and the oncoming lanes on it: those of a motorway's other carriageway.
    """
    return _SideBuilder(rng, kind, sign, half_width, surfaces, limit).build()


class _SideBuilder:
    """Draws one side of a street; arguments as in `draw_side`."""

    def __init__(
        self,
        rng: np.random.Generator,
        kind: str,
        sign: int,
        half_width: float,
        surfaces: Surfaces,
        limit: float,
    ) -> None:
        self._rng = rng
        self._kind = kind
        self._sign = sign
        self._half_width = half_width
        self._surfaces = surfaces
        self._limit = limit
        self._strips: list[Strip] = []
        self._rows: list[ParkingRow] = []
        self._lanes: list[Lane] = []
        # Distance and height of the outer edge of the latest strip.
        self._at = half_width
        self._z = 0.0

    def build(self) -> tuple[Side, list[Lane]]:
        """Draw all strips; see `draw_side`."""
        rng, kind, surfaces = self._rng, self._kind, self._surfaces
        bay = surfaces.road if rng.random() < 0.6 else surfaces.parking
        if kind == "lot":
            self._add_parking_lot(bay)
        elif kind == "motorway":
            self._add_motorway()
        elif rng.random() < PARKING_PROBABILITIES[kind]:
            self._add_roadside_parking(bay)
        pavement = surfaces.pavements[rng.integers(len(surfaces.pavements))]
        kerb = self._add_kerb() if self._has_kerb() else 0.0
        orders = STRIP_ORDERS[kind]
        for letter in orders[rng.integers(len(orders))]:
            self._add_by_letter(letter, pavement)
        boundary = self._at
        self._add_yard(pavement)
        self._add_land()
        return Side(self._sign, self._strips, self._rows, boundary, kerb), self._lanes

    def _add(
        self,
        use: str,
        width: float,
        label: int,
        material: int,
        rise: float = 0.0,
        roughness: float = 0.0,
    ) -> None:
        """Add a strip whose outer edge is `rise` metres higher than its inner edge."""
        width = min(width, max(self._limit - self._at, 0.01))
        end, high = self._at + width, self._z + rise
        self._strips.append(Strip(use, self._at, end, self._z, high, label, material, roughness))
        self._at, self._z = end, high

    def _add_verge(self, width: float) -> None:
        """Add a verge of grass, soil or gravel."""
        material = self._draw_verge_material()
        roughness = 0.0
        if self._rng.random() < 0.6:
            roughness = abs(self._rng.normal(0, self._rng.uniform(0.02, 0.1)))
        self._add("verge", width, VEGETATION, material, 0.0, roughness)

    def _draw_verge_material(self) -> int:
        """Return a random material of verges."""
        verges = self._surfaces.verges
        return verges[self._rng.integers(len(verges))]

    def _add_parking_lot(self, bay: int) -> None:
        """Add the rows of a car park and the lanes between them."""
        u = self._rng.uniform
        for index in range(self._rng.integers(1, 4)):
            pitch = u(2.4, 2.9)
            self._add_bays(pitch, bay)
            if index % 2 == 0:
                self._add_bays(pitch, bay)
            if self._rng.random() < 0.7:
                self._add("road", u(5.0, 6.5), ROAD, self._surfaces.road)

    def _add_bays(self, pitch: float, bay: int) -> None:
        """Add a row of parking places at right angles to the road."""
        self._rows.append(ParkingRow(self._sign * (self._at + 2.5), np.pi / 2, pitch))
        self._add("parking", 5.0, ROAD, bay)

    def _add_motorway(self) -> None:
        """Add a hard shoulder; on the left side also the median and the other carriageway."""
        u = self._rng.uniform
        if self._sign > 0:
            self._add_verge(u(1.0, 5.0))
            width = u(7.0, 11.0)
            count = round(width / 3.6)
            for index in range(count):
                offset = self._at + (index + 0.5) * width / count
                self._lanes.append(Lane(offset, width / count, -1))
            self._add("road", width, ROAD, self._surfaces.road)
        self._add("road", u(0.5, 3.0), ROAD, self._surfaces.road)

    def _add_roadside_parking(self, bay: int) -> None:
        """Add parking places along, across or at an angle to the carriageway."""
        rng, u, sign = self._rng, self._rng.uniform, self._sign
        style = rng.random()
        if style < 0.74:
            angle, width = 0.0, 2.1
        elif style < 0.88:
            angle, width = np.pi / 2, 5.0
        else:
            angle, width = u(0.7, 1.1), 4.9
        if angle == 0.0 and self._half_width > 3.6 and rng.random() < 0.25:
            # Vehicles stand with two wheels on the pavement.
            self._rows.append(ParkingRow(sign * (self._half_width + 0.3), angle, 0.0))
            return
        pitch = u(2.4, 3.0) / np.sin(angle) if angle else 0.0
        self._rows.append(ParkingRow(sign * (self._at + width / 2), angle * sign, pitch))
        self._add("parking", width, ROAD, bay)

    def _has_kerb(self) -> bool:
        """Draw whether there is a kerb."""
        if self._kind == "rural":
            return self._rng.random() < 0.2
        if self._kind == "lot":
            return self._rng.random() < 0.5
        return self._kind != "motorway"

    def _add_kerb(self) -> float:
        """Add a kerb; return its height in metres."""
        rng, u = self._rng, self._rng.uniform
        height = u(0.06, 0.16) if rng.random() < 0.85 else u(0.005, 0.04)
        self._add("kerb", 0.02, SIDEWALK, self._surfaces.kerb, height)
        self._add("kerb", 0.14, SIDEWALK, self._surfaces.kerb)
        return height

    def _add_by_letter(self, letter: str, pavement: int) -> None:
        """Add the strip that a letter of STRIP_ORDERS stands for."""
        rng, u, kind, surfaces = self._rng, self._rng.uniform, self._kind, self._surfaces
        if letter == "p":
            widths = {"city": u(1.5, 5), "residential": u(1.0, 2.4), "other": u(1.5, 4)}
            self._add("pavement", widths.get(kind, widths["other"]), SIDEWALK, pavement)
        elif letter == "s":
            if rng.random() < 0.5:
                self._add("verge", u(0.5, 1.5), ROAD, surfaces.road)
            else:
                self._add("verge", u(0.5, 1.5), VEGETATION, surfaces.gravel)
        else:
            self._add_verge(u(0.8, 2.2) if kind == "residential" else u(1.0, 5.0))

    def _add_yard(self, pavement: int) -> None:
        """Add the ground in front of the houses, sloping in some streets."""
        rng, kind = self._rng, self._kind
        is_sloping = kind in ("rural", "motorway")
        is_sloping = is_sloping or (kind == "residential" and rng.random() < 0.4)
        slope = rng.normal(0, 0.2) if is_sloping else 0.0
        width = rng.uniform(6, 14)
        if kind in ("rural", "residential", "motorway") or rng.random() < 0.4:
            material = self._draw_verge_material()
            roughness = abs(rng.normal(0, 0.05)) if rng.random() < 0.5 else 0.0
            self._add("yard", width, VEGETATION, material, slope * width, roughness)
        else:
            self._add("yard", width, SIDEWALK, pavement, slope * width)

    def _add_land(self) -> None:
        """Add the land behind the houses, on a hill or in a valley in the country."""
        rng, surfaces = self._rng, self._surfaces
        material = surfaces.grass if rng.random() < 0.6 else surfaces.soil
        rise = rng.normal(0, 4) if self._kind == "rural" else 0.0
        self._add("land", LAND_WIDTH, VEGETATION, material, rise)

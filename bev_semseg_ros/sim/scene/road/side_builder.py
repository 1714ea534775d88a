"""Draws one side of a street: the strips beside the carriageway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.classes import BUILDING, ROAD, SIDEWALK, VEGETATION
from bev_semseg_ros.sim.scene.road.cross_section import Lane, ParkingRow, Side, Strip

# Chance that a side has parking places along the carriageway, by kind of street.
PARKING_PROBABILITIES = {"residential": 0.7, "city": 0.6, "avenue": 0.5, "rural": 0.08}

# Orders of the strips behind the kerb, from the road outwards: p pavement, v verge, s shoulder,
# d ditch, b bank, t terrace. One of the orders for the kind of street is drawn.
STRIP_ORDERS = {
    "city": ("p",) * 8 + ("vp", "vp", "pt"),
    "residential": ("p",) * 8 + ("vp",) * 5 + ("pt", "vpt"),
    "lot": ("p", "v"),
    "avenue": ("vp",) * 5 + ("p", "p", "pv", "pv", "vpt"),
    "rural": ("v", "v", "sv", "sv", "vdv", "sd", "db", "vb", "sdb", "vdb"),
    "motorway": ("v", "v", "vb"),
}
# The same for a side with a side road, where all public ground has the same height.
CROSSED_ORDERS = {
    "city": ("p", "p", "p", "vp"),
    "residential": ("p", "p", "p", "vp", "vp"),
    "avenue": ("vp", "vp", "p", "pv"),
    "rural": ("v", "sv"),
}

# Width in metres of the land behind the houses, and of the part that is next to them.
LAND_WIDTH = 140.0
NEAR_LAND_WIDTH = 32.0


@dataclass(frozen=True)
class SideSetting:
    """What is known of one side of a street before its strips are drawn.

    Attributes:
        kind: Kind of street, one of `places.STREET_KINDS`.
        place: Key of `places.PLACES`.
        sign: 1 for the left side, -1 for the right side.
        half_width: Half the width of the carriageway in metres.
        limit: Distance in metres from the centre line beyond which strips have their least width.
        is_crossed: Whether a side road leaves on this side.
    """

    kind: str
    place: str
    sign: int
    half_width: float
    limit: float
    is_crossed: bool


def draw_side(
    rng: np.random.Generator, setting: SideSetting, surfaces: Surfaces
) -> tuple[Side, list[Lane]]:
    """Draw the strips of one side, from the carriageway outwards.

    Args:
        rng: Source of randomness.
        setting: The side.
        surfaces: Materials.

    Returns:
        The side, and the oncoming lanes on it: those of a motorway's other carriageway.
    """
    return _SideBuilder(rng, setting, surfaces).build()


class _SideBuilder:
    """Draws one side of a street; arguments as in `draw_side`."""

    def __init__(self, rng: np.random.Generator, setting: SideSetting, surfaces: Surfaces) -> None:
        self._rng = rng
        self._setting = setting
        self._kind = setting.kind
        self._sign = setting.sign
        self._surfaces = surfaces
        # Materials of parking places and of the pavement.
        self._bay = surfaces.road if rng.random() < 0.6 else surfaces.parking
        self._pavement = surfaces.pavements[rng.integers(len(surfaces.pavements))]
        self._strips: list[Strip] = []
        self._rows: list[ParkingRow] = []
        self._lanes: list[Lane] = []
        # Distance and height of the outer edge of the last strip.
        self._at = setting.half_width
        self._z = 0.0

    def build(self) -> tuple[Side, list[Lane]]:
        """Draw all strips; see `draw_side`."""
        rng, kind, place = self._rng, self._kind, self._setting.place
        kerb = 0.0
        if place == "narrow":
            kerb = self._add_narrow()
        elif place == "square" and rng.random() < 0.75:
            kerb = self._add_square()
        else:
            if kind == "lot":
                self._add_parking_lot()
            elif kind == "motorway":
                self._add_motorway()
            elif rng.random() < PARKING_PROBABILITIES[kind]:
                self._add_roadside_parking()
            kerb = self._add_kerb() if self._has_kerb() else 0.0
            orders = CROSSED_ORDERS if self._setting.is_crossed else STRIP_ORDERS
            order = orders[kind][rng.integers(len(orders[kind]))]
            for letter in order:
                self._add_by_letter(letter)
        boundary = self._at
        self._add_yard()
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
        if self._at + width > self._setting.limit:
            # A strip that is cut short is level; its rise would make it a cliff.
            width, rise = max(self._setting.limit - self._at, 0.01), 0.0
        end, high = self._at + width, self._z + rise
        self._strips.append(Strip(use, self._at, end, self._z, high, label, material, roughness))
        self._at, self._z = end, high

    def _add_verge(self, width: float) -> None:
        """Add a verge of grass, soil, gravel or leaves."""
        material = self._draw_verge_material()
        roughness = 0.0
        if self._rng.random() < 0.6:
            roughness = abs(self._rng.normal(0, self._rng.uniform(0.02, 0.1)))
        self._add("verge", width, VEGETATION, material, 0.0, roughness)

    def _draw_verge_material(self) -> int:
        """Return a random material of verges."""
        verges = self._surfaces.verges
        return verges[self._rng.integers(len(verges))]

    def _add_narrow(self) -> float:
        """Add the strips from a narrow carriageway to the walls; return the height of the kerb."""
        rng, u = self._rng, self._rng.uniform
        kerb = 0.0
        if rng.random() < 0.6:
            kerb = self._add_kerb(u(0.015, 0.09))
        width = u(0.15, 1.2)
        self._add("pavement", width, SIDEWALK, self._pavement)
        if rng.random() < 0.5:
            # Vehicles are parked half on the pavement, close to the wall.
            self._rows.append(ParkingRow(self._sign * (self._at - 1.05), 0.0, 0.0))
        return kerb

    def _add_square(self) -> float:
        """Add the paving of a square; return the height of the kerb in metres."""
        rng, u = self._rng, self._rng.uniform
        if rng.random() < 0.3:
            self._add_bays(u(2.4, 2.8))
        kerb = self._add_kerb(u(0.01, 0.05) if rng.random() < 0.6 else u(0.05, 0.15))
        self._add("pavement", u(7, 30), SIDEWALK, self._pavement)
        if rng.random() < 0.3:
            self._add_bays(u(2.4, 2.8))
            self._add("road", u(3.5, 6.0), ROAD, self._surfaces.road)
            self._add("pavement", u(1.5, 4.0), SIDEWALK, self._pavement)
        return kerb

    def _add_parking_lot(self) -> None:
        """Add the rows of a car park and the lanes between them."""
        u = self._rng.uniform
        is_large = self._setting.place == "car_park"
        for index in range(self._rng.integers(1, 4)):
            if is_large and self._rng.random() < 0.4:
                self._add_rows_across()
                continue
            pitch = u(2.4, 2.9)
            self._add_bays(pitch)
            if index % 2 == 0:
                self._add_bays(pitch)
            if is_large or self._rng.random() < 0.7:
                self._add("road", u(5.0, 6.5), ROAD, self._surfaces.road)

    def _add_bays(self, pitch: float) -> None:
        """Add a row of parking places at right angles to the road."""
        self._rows.append(ParkingRow(self._sign * (self._at + 2.5), np.pi / 2, pitch))
        self._add("parking", 5.0, ROAD, self._bay)

    def _add_rows_across(self) -> None:
        """Add double rows of parking places that run away from the road, with lanes between."""
        u = self._rng.uniform
        depth, lane, width = 5.0, u(5.5, 7.0), u(2.4, 2.8)
        start = -14 - u(0, 8)
        for _ in range(self._rng.integers(2, 5)):
            offset = self._sign * (self._at + width / 2)
            for shift in (0.0, depth):
                # A parking place is at the centre of its stretch of road.
                first = start + shift + depth / 2 - (2 * depth + lane) / 2
                self._rows.append(ParkingRow(offset, 0.0, 2 * depth + lane, first))
            self._add("parking", width, ROAD, self._bay)
        self._add("road", u(5.0, 6.5), ROAD, self._surfaces.road)

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

    def _add_roadside_parking(self) -> None:
        """Add parking places along, across or at an angle to the carriageway."""
        rng, u, sign = self._rng, self._rng.uniform, self._sign
        style = rng.random()
        if style < 0.74:
            angle, width = 0.0, 2.1
        elif style < 0.88:
            angle, width = np.pi / 2, 5.0
        else:
            angle, width = u(0.7, 1.1), 4.9
        half_width = self._setting.half_width
        if angle == 0.0 and half_width > 3.6 and rng.random() < 0.25:
            # Vehicles are parked with two wheels on the pavement.
            self._rows.append(ParkingRow(sign * (half_width + 0.3), angle, 0.0))
            return
        pitch = u(2.4, 3.0) / np.sin(angle) if angle else 0.0
        self._rows.append(ParkingRow(sign * (self._at + width / 2), angle * sign, pitch))
        self._add("parking", width, ROAD, self._bay)

    def _has_kerb(self) -> bool:
        """Draw whether the side has a kerb."""
        if self._kind == "rural":
            return self._rng.random() < 0.2
        if self._kind == "lot":
            return self._rng.random() < 0.5
        return self._kind != "motorway"

    def _add_kerb(self, height: float | None = None) -> float:
        """Add a kerb of a random height, or of the given one; return the height in metres."""
        rng, u = self._rng, self._rng.uniform
        if height is None:
            height = u(0.06, 0.16) if rng.random() < 0.85 else u(0.005, 0.04)
        self._add("kerb", 0.02, SIDEWALK, self._surfaces.kerb, height)
        self._add("kerb", 0.14, SIDEWALK, self._surfaces.kerb)
        return height

    def _add_by_letter(self, letter: str) -> None:
        """Add the strip that a letter of STRIP_ORDERS denotes."""
        rng, u, kind, surfaces = self._rng, self._rng.uniform, self._kind, self._surfaces
        if letter == "p":
            widths = {"city": u(1.5, 5), "residential": u(1.0, 2.4), "other": u(1.5, 4)}
            width = widths.get(kind, widths["other"])
            self._add("pavement", width, SIDEWALK, self._pavement)
        elif letter == "s":
            if rng.random() < 0.5:
                self._add("verge", u(0.5, 1.5), ROAD, surfaces.road)
            else:
                self._add("verge", u(0.5, 1.5), VEGETATION, surfaces.gravel)
        elif letter == "d":
            self._add_ditch()
        elif letter == "b":
            self._add_bank()
        elif letter == "t":
            self._add_terrace()
        else:
            self._add_verge(u(0.8, 2.2) if kind == "residential" else u(1.0, 5.0))

    def _add_ditch(self) -> None:
        """Add a ditch: two slopes and its bottom."""
        rng, u = self._rng, self._rng.uniform
        depth, slope = u(0.25, 0.9), u(0.4, 1.2)
        material = self._draw_verge_material()
        bottom = self._surfaces.soil if rng.random() < 0.5 else material
        self._add("bank", depth / slope, VEGETATION, material, -depth)
        self._add("bank", u(0.2, 0.8), VEGETATION, bottom, 0.0, u(0, 0.04))
        self._add("bank", depth / slope * u(0.7, 1.5), VEGETATION, material, depth * u(0.7, 1.3))

    def _add_bank(self) -> None:
        """Add a bank or an embankment, with a level top."""
        rng, u = self._rng, self._rng.uniform
        rise = u(0.4, 3.0) * (1 if rng.random() < 0.65 else -1)
        width = abs(rise) / u(0.35, 1.1)
        material = self._draw_verge_material()
        roughness = abs(rng.normal(0, 0.06)) if rng.random() < 0.7 else 0.0
        self._add("bank", width, VEGETATION, material, rise, roughness)
        self._add_verge(u(0.6, 3.0))

    def _add_terrace(self) -> None:
        """Add a parallel street at a higher or lower level, with parked vehicles."""
        rng, u, surfaces = self._rng, self._rng.uniform, self._surfaces
        rise = u(0.4, 1.5) * (1 if rng.random() < 0.75 else -1)
        if rng.random() < 0.45:
            wall = surfaces.concrete if rng.random() < 0.5 else surfaces.brick
            self._add("bank", 0.06, BUILDING, wall, rise)
            self._add("pavement", u(0.3, 1.0), SIDEWALK, self._pavement)
        else:
            self._add("bank", u(1.2, 4.0), VEGETATION, self._draw_verge_material(), rise)
            self._add_verge(u(0.4, 1.5))
        width = u(3.2, 5.5)
        self._rows.append(ParkingRow(self._sign * (self._at + width - 1.1), 0.0, 0.0))
        self._add("road", width, ROAD, surfaces.road)
        self._add_kerb()
        self._add("pavement", u(1.0, 2.2), SIDEWALK, self._pavement)

    def _add_yard(self) -> None:
        """Add the ground in front of the houses, sloping in some streets."""
        rng, kind, place = self._rng, self._kind, self._setting.place
        is_sloping = kind in ("rural", "motorway") or place == "hills"
        is_sloping = is_sloping or (kind == "residential" and rng.random() < 0.4)
        slope = rng.normal(0, 0.2) if is_sloping else 0.0
        if self._setting.is_crossed:
            # A side road can follow this slope.
            slope = float(np.clip(slope, -0.09, 0.09))
        width = rng.uniform(6, 14)
        is_green = kind in ("rural", "motorway") or rng.random() < 0.4
        is_green = is_green or (kind == "residential" and rng.random() < 0.65)
        if place == "narrow":
            slope, is_green = 0.0, False
        if is_green:
            material = self._draw_verge_material()
            roughness = abs(rng.normal(0, 0.05)) if rng.random() < 0.5 else 0.0
            self._add("yard", width, VEGETATION, material, slope * width, roughness)
        else:
            self._add("yard", width, SIDEWALK, self._pavement, slope * width)

    def _add_land(self) -> None:
        """Add the land behind the houses, sometimes higher or lower than the street."""
        rng, surfaces = self._rng, self._surfaces
        material = surfaces.grass if rng.random() < 0.6 else surfaces.soil
        rise = rng.normal(0, 4) if self._kind == "rural" else 0.0
        near = 0.0
        if self._setting.place == "hills":
            near = rng.normal(0, 3.0)
        elif self._kind != "motorway" and rng.random() < 0.4:
            near = rng.normal(0, 1.1)
        self._add("land", NEAR_LAND_WIDTH, VEGETATION, material, near)
        self._add("land", LAND_WIDTH - NEAR_LAND_WIDTH, VEGETATION, material, rise)

"""A street: its course, its cross-section, and where a station and an offset lie in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.scene.road.alignment import Alignment
from bev_semseg_ros.sim.scene.road.cross_section import Lane, Side
from bev_semseg_ros.sim.scene.road.crossing import Crossing
from bev_semseg_ros.sim.scene.road.side_builder import SideSetting, draw_side

# Height in metres of the raised island (median) along the centre line of a road.
MEDIAN_KERB = 0.12
# Distance of the axles from the centre of a vehicle as a fraction of its length; steepest grade in
# metres per metre that a vehicle follows; and largest height in metres by which it lifts one end.
# Upright boxes would not fit vehicles that lean more.
AXLE = 0.3
MAX_LEAN = 0.08
MAX_LIFT = 0.4


@dataclass(frozen=True, eq=False)
class Street:
    """A street, on which everything else is built.

    Stations s run along the road, offsets t to its left, both in metres.

    Attributes:
        kind: One of `places.STREET_KINDS`.
        place: Key of `places.PLACES`.
        alignment: Course of the centre line.
        half_width: Half the width in metres of the ego vehicle's carriageway.
        median: Half the width in metres of the raised island along its centre; 0 without one.
        lanes: Lanes of all carriageways.
        ego_lane: Lane of the ego vehicle.
        sides: Left and right side.
        crossing: Side road; None without one.
    """

    kind: str
    place: str
    alignment: Alignment
    half_width: float
    median: float
    lanes: list[Lane]
    ego_lane: Lane
    sides: tuple[Side, Side]
    crossing: Crossing | None

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        kind: str,
        surfaces: Surfaces,
        near: float,
        place: str | None = None,
    ) -> Street:
        """Draw a random street.

        Args:
            rng: Source of randomness.
            kind: One of `places.STREET_KINDS`.
            surfaces: Materials.
            near: Station in metres up to which the ground is a fine mesh.
            place: Key of `places.PLACES`; None for an ordinary street.
        """
        place = kind if place is None else place
        is_hilly = place == "hills" or (kind != "motorway" and rng.random() < 0.06)
        alignment = Alignment.draw(rng, kind == "motorway", near, is_hilly)
        half_width, median, lanes = _draw_carriageway(rng, kind, place)
        own_lanes = [lane for lane in lanes if lane.direction > 0]
        ego_lane = own_lanes[0]
        if rng.random() >= 0.6:
            ego_lane = own_lanes[rng.integers(len(own_lanes))]
        crossing = None
        may_cross = kind in ("residential", "city", "avenue") and place not in ("narrow", "hills")
        if place == "junction" or (may_cross and rng.random() < 0.35):
            crossing = Crossing.draw(rng, kind, place == "junction")
        sides, oncoming = [], []
        for sign in (1, -1):
            is_crossed = crossing is not None and sign in crossing.signs
            limit = alignment.offset_limit(sign)
            setting = SideSetting(kind, place, sign, half_width, limit, is_crossed)
            side, more = draw_side(rng, setting, surfaces)
            sides.append(side)
            oncoming += more
        lanes += oncoming
        left, right = sides
        if place == "narrow":
            ego_lane = _beside_parked(half_width, left, right)
            lanes = [ego_lane]
        return cls(
            kind,
            place,
            alignment,
            half_width,
            median,
            lanes,
            ego_lane,
            (left, right),
            crossing,
        )

    def side(self, t: float) -> Side:
        """Return the side of an offset."""
        return self.sides[0] if t >= 0 else self.sides[1]

    def height(self, s: float, t: float) -> float:
        """Return the height of the ground above the centre line at a station and an offset."""
        if abs(t) < self.median and not self.is_in_junction(s):
            return MEDIAN_KERB
        side = self.side(t)
        if self.is_on_side_road(s, t):
            return float(side.road_height(abs(t)))
        return float(side.height(abs(t)))

    def point(self, s: float, t: float, z: float = 0.0) -> np.ndarray:
        """Return the world point (3,) at a station and an offset, z metres above the ground."""
        return self.alignment.points(s, t, self.height(s, t) + z)

    def grade(self, s: float, t: float, turn: float, length: float) -> float:
        """Return the grade, in metres per metre, at which a vehicle stands on the ground.

        Args:
            s: Station in metres.
            t: Offset in metres.
            turn: Heading of the vehicle relative to the direction of the road in radians.
            length: Length of the vehicle in metres.
        """
        axle, limit = AXLE * length, min(MAX_LEAN, 2 * MAX_LIFT / length)
        ahead, aside = axle * np.cos(turn), axle * np.sin(turn)
        front, rear = self.point(s + ahead, t + aside)[2], self.point(s - ahead, t - aside)[2]
        return float(np.clip((front - rear) / (2 * axle), -limit, limit))

    def is_in_junction(self, s: float) -> bool:
        """Return whether a station is on a side road or within 1 m of it."""
        crossing = self.crossing
        return crossing is not None and crossing.start - 1.0 <= s <= crossing.end + 1.0

    def is_on_side_road(self, s: float, t: float) -> bool:
        """Return whether a station and an offset are on a side road or in its mouth."""
        if self.crossing is None or abs(t) <= self.half_width:
            return False
        return self.crossing.is_on_road(s, abs(t), self.side(t))

    def is_crossed(self, start: float, end: float, sign: int, beyond: bool = False) -> bool:
        """Return whether a side road overlaps stations of a side; see `Crossing.covers`."""
        return self.crossing is not None and self.crossing.covers(start, end, sign, beyond)

    def uncrossed(self, side: Side, start: float, end: float) -> list[tuple[float, float]]:
        """Return the stretches between two stations that keep clear of a side road.

        Args:
            side: Side of the street.
            start: First station in metres.
            end: Last station in metres.

        Returns:
            First and last station of each stretch, clipped to the ends of the road.
        """
        margin = 0.0
        if self.crossing is not None:
            margin = max(self.crossing.corner_radius(side), self.crossing.pavement)
        stretches = []
        for run in self.runs(side.sign, margin):
            first, last = max(start, float(run[0])), min(end, float(run[-1]))
            if first < last:
                stretches.append((first, last))
        return stretches

    def is_driven_on(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return which stations and offsets are on a carriageway, parking place or side road."""
        left, right = self.sides
        edge = np.where(t >= 0, left.kerb_start, right.kerb_start)
        driven_on = (np.abs(t) > self.median) & (np.abs(t) < edge)
        if self.crossing is not None:
            beside = (s > self.crossing.start) & (s < self.crossing.end)
            driven_on |= beside & np.isin(np.sign(t), self.crossing.signs)
        return driven_on

    def runs(self, sign: int, margin: float = 0.0) -> list[np.ndarray]:
        """Return the stations of a side in the stretches before and after a side road.

        Args:
            sign: 1 for the left side, -1 for the right side.
            margin: Metres that the stretches keep from the side road.
        """
        stations = self.alignment.stations
        if self.crossing is None or sign not in self.crossing.signs:
            return [stations]
        start, end = self.crossing.start - margin, self.crossing.end + margin
        runs = [
            np.append(stations[stations < start], start),
            np.append(end, stations[stations > end]),
        ]
        return [run for run in runs if len(run) > 1]


def _draw_carriageway(
    rng: np.random.Generator, kind: str, place: str
) -> tuple[float, float, list[Lane]]:
    """Draw a carriageway; return half its width, half the width of its median, and its lanes.

    Args:
        rng: Source of randomness.
        kind: One of `places.STREET_KINDS`.
        place: Key of `places.PLACES`.
    """
    u = rng.uniform
    half_width = _draw_half_width(rng, kind)
    if place == "narrow":
        half_width = u(1.5, 2.6)
    least = 1 if kind == "motorway" or place == "narrow" else 2
    count = max(least, round(2 * half_width / u(2.9, 3.7)))
    if place == "narrow":
        count = 1
    lane_width = 2 * half_width / count
    is_one_way = kind == "motorway" or place == "narrow" or rng.random() < 0.08
    median = 0.0
    may_be_divided = kind in ("city", "avenue") and count % 2 == 0 and not is_one_way
    if may_be_divided and rng.random() < 0.25:
        median = u(0.4, 2.4)
    lanes = []
    for index in range(count):
        direction = 1 if is_one_way or index < count / 2 else -1
        offset = (index - (count - 1) / 2) * lane_width - direction * median
        lanes.append(Lane(offset, lane_width, direction))
    return half_width + median, median, lanes


def _draw_half_width(rng: np.random.Generator, kind: str) -> float:
    """Draw half the width of a carriageway in metres."""
    u = rng.uniform
    is_wide = rng.random() < 0.1 and kind in ("city", "avenue")
    if is_wide:
        return u(7, 11)
    half_widths = {
        "residential": u(2.8, 4.2),
        "city": u(3.0, 7.5),
        "avenue": u(3.2, 8.0),
        "rural": u(2.8, 4.2),
        "lot": u(2.8, 3.6),
        "motorway": u(3.6, 7.5),
    }
    return half_widths[kind]


def _beside_parked(half_width: float, left: Side, right: Side) -> Lane:
    """Return the lane of a narrow street, shifted away from the vehicles parked on one side.

    If both sides have parking places, those on the right stay empty for lack of room.
    """
    offset = 0.0
    for side in (left, right):
        if side.rows:
            # Half the width of the ego vehicle, and some margin.
            offset = -side.sign * max(half_width - 1.2, 0.0)
            break
    width = 2 * max(min(half_width - abs(offset), 1.5), 1.15)
    return Lane(offset, width, 1)

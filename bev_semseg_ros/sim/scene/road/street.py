"""A street: its course, its cross-section, and where a station and an offset lie in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.scene.road.alignment import Alignment
from bev_semseg_ros.sim.scene.road.cross_section import Crossing, Lane, Side, draw_side

STREET_KINDS = ("residential", "city", "avenue", "rural", "lot", "motorway")
STREET_KIND_PROBABILITIES = (0.28, 0.26, 0.14, 0.15, 0.08, 0.09)
# Height in metres of the raised island in the middle of a road.
MEDIAN_KERB = 0.12


@dataclass(frozen=True, eq=False)
class Street:
    """A street that everything else is built on.

    Stations s run along the road, offsets t to its left, both in metres.

    Attributes:
        kind: One of STREET_KINDS.
        alignment: Course of the centre line.
        half_width: Half the width in metres of the carriageway that the vehicle drives on.
        median: Half the width in metres of a raised island in its middle, 0 without one.
        lanes: Lanes of all carriageways.
        ego_lane: The vehicle's lane.
        sides: Left and right side.
        crossing: Side road, None without one.
    """

    kind: str
    alignment: Alignment
    half_width: float
    median: float
    lanes: list[Lane]
    ego_lane: Lane
    sides: tuple[Side, Side]
    crossing: Crossing | None

    @classmethod
    def draw(cls, rng: np.random.Generator, kind: str, surfaces: Surfaces, near: float) -> Street:
        """Draw a random street.

        Args:
            rng: Source of randomness.
            kind: One of STREET_KINDS.
            surfaces: Materials.
            near: Station in metres up to which the ground is finely divided.
        """
        u = rng.uniform
        alignment = Alignment.draw(rng, kind == "motorway", near)
        half_width = _draw_half_width(rng, kind)
        least = 1 if kind == "motorway" else 2
        count = max(least, round(2 * half_width / u(2.9, 3.7)))
        lane_width = 2 * half_width / count
        is_one_way = kind == "motorway" or rng.random() < 0.08
        median = 0.0
        may_be_divided = kind in ("city", "avenue") and count % 2 == 0 and not is_one_way
        if may_be_divided and rng.random() < 0.25:
            median = u(0.4, 2.4)
        half_width += median
        lanes = []
        for index in range(count):
            direction = 1 if is_one_way or index < count / 2 else -1
            offset = (index - (count - 1) / 2) * lane_width - direction * median
            lanes.append(Lane(offset, lane_width, direction))
        own_lanes = [lane for lane in lanes if lane.direction > 0]
        ego_lane = own_lanes[0]
        if rng.random() >= 0.6:
            ego_lane = own_lanes[rng.integers(len(own_lanes))]
        crossing = None
        if kind in ("residential", "city", "avenue") and rng.random() < 0.35:
            signs = [(1, -1), (1,), (-1,)][rng.integers(3)]
            crossing = Crossing(u(12, 60), u(3, 6), signs)
        left, oncoming = draw_side(rng, kind, 1, half_width, surfaces, alignment.offset_limit(1))
        right, _ = draw_side(rng, kind, -1, half_width, surfaces, alignment.offset_limit(-1))
        lanes += oncoming
        return cls(kind, alignment, half_width, median, lanes, ego_lane, (left, right), crossing)

    def side(self, t: float) -> Side:
        """Return the side that an offset lies on."""
        return self.sides[0] if t >= 0 else self.sides[1]

    def height(self, s: float, t: float) -> float:
        """Return the height of the ground over the centre line at a station and an offset."""
        if abs(t) < self.median:
            return MEDIAN_KERB
        side = self.side(t)
        height = float(side.height(abs(t)))
        if abs(t) > self.half_width and self.is_crossed(s, s, side.sign):
            height -= side.kerb
        return height

    def point(self, s: float, t: float, z: float = 0.0) -> np.ndarray:
        """Return the world point (3,) at a station and an offset, z metres above the ground."""
        return self.alignment.points(s, t, self.height(s, t) + z)

    def is_crossed(self, start: float, end: float, sign: int) -> bool:
        """Return whether a side road meets stations `start` to `end` of a side."""
        return self.crossing is not None and self.crossing.covers(start, end, sign)

    def runs(self, sign: int) -> list[np.ndarray]:
        """Return the stations of a side in the stretches before and after a side road."""
        stations = self.alignment.stations
        if self.crossing is None or sign not in self.crossing.signs:
            return [stations]
        start, end = self.crossing.start, self.crossing.end
        runs = [
            np.append(stations[stations < start], start),
            np.append(end, stations[stations > end]),
        ]
        return [run for run in runs if len(run) > 1]


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

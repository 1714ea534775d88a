"""A side road: where it meets a street, its lanes, and the corners of the pavement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.scene.road.cross_section import Lane, Side


@dataclass(frozen=True)
class Crossing:
    """A side road at right angles.

    Attributes:
        station: Station of its centre in metres.
        half_width: Half of its width in metres.
        signs: Signs of the sides of the street on which it leaves.
        pavement: Width in metres of the pavements along it; 0 without pavements.
        radius: Largest radius in metres of the corners of the pavement.
        lanes: Its lanes. The offset of a lane is its station minus that of the side road. A lane
            with direction 1 leads to the left.
        has_signals: Whether traffic lights stand at its corners.
    """

    station: float
    half_width: float
    signs: tuple[int, ...]
    pavement: float = 0.0
    radius: float = 0.0
    lanes: tuple[Lane, ...] = ()
    has_signals: bool = False

    @classmethod
    def draw(cls, rng: np.random.Generator, kind: str, is_junction: bool) -> Crossing:
        """Draw a side road.

        Args:
            rng: Source of randomness.
            kind: Kind of the street that it meets.
            is_junction: Whether the place is a junction. The side road is then near the ego
                vehicle, usually on both sides, and often has signals.
        """
        u = rng.uniform
        if not is_junction:
            signs = [(1, -1), (1,), (-1,)][rng.integers(3)]
            station, half_width = u(12, 60), u(3, 6)
        else:
            signs = (1, -1) if rng.random() < 0.75 else [(1,), (-1,)][rng.integers(2)]
            # The ego vehicle starts before it or in it.
            station = u(9, 45) if rng.random() < 0.75 else u(-4, 9)
            half_width = u(3, 4) if kind in ("residential", "rural") else u(3.2, 8)
        is_rural = kind == "rural"
        pavement = 0.0 if is_rural or rng.random() < 0.15 else u(1.2, 3.5)
        radius = u(1.0, 6.0) if rng.random() < 0.85 else 0.0
        count = max(1, round(half_width / 3.5))
        width = half_width / count
        lanes = []
        for index in range(count):
            offset = (index + 0.5) * width
            # A vehicle that drives to the left has the increasing stations on its right.
            lanes += [Lane(offset, width, 1), Lane(-offset, width, -1)]
        has_signals = kind != "rural" and rng.random() < (0.65 if is_junction else 0.4)
        return cls(station, half_width, signs, pavement, radius, tuple(lanes), has_signals)

    @property
    def start(self) -> float:
        """Station at which the side road begins."""
        return self.station - self.half_width

    @property
    def end(self) -> float:
        """Station at which the side road ends."""
        return self.station + self.half_width

    def covers(self, start: float, end: float, sign: int, beyond: bool) -> bool:
        """Return whether the side road overlaps the stations from `start` to `end` on a side.

        Args:
            start: First station in metres.
            end: Last station in metres.
            sign: 1 for the left side, -1 for the right side.
            beyond: Whether to include its pavements, which exist only beyond the public ground.
        """
        more = self.pavement if beyond else 0.0
        return sign in self.signs and start < self.end + more and end > self.start - more

    def corner_radius(self, side: Side) -> float:
        """Return the radius in metres of its corners on a side."""
        return min(self.radius, max(side.boundary - side.kerb_start - 0.4, 0.0))

    def signal_station(self, side: Side, gap: float) -> float:
        """Return the station of the signal on a side, `gap` metres before the corner.

        Traffic keeps to the right, so the signal on the left side is for traffic towards decreasing
        stations.
        """
        gap += self.corner_radius(side) if side.sign in self.signs else 0.0
        return self.start - gap if side.sign < 0 else self.end + gap

    def corner_distance(self, s: np.ndarray | float, side: Side) -> np.ndarray:
        """Return the distance of the kerb at its corners from the centre line in metres.

        Args:
            s: Stations in metres, outside the side road.
            side: Side of the street.
        """
        radius = self.corner_radius(side)
        gap = np.maximum(np.abs(np.asarray(s) - self.station) - self.half_width, 0.0)
        inside = np.clip(radius - gap, 0.0, radius)
        # radius**2 - inside**2 may be negative by rounding.
        return side.kerb_start + radius - np.sqrt((radius - inside) * (radius + inside))

    def is_on_road(self, s: float, distance: float, side: Side) -> bool:
        """Return whether a point beside the carriageway is on the side road or in its mouth.

        Args:
            s: Station in metres.
            distance: Distance from the centre line in metres.
            side: Side of the street.
        """
        if side.sign not in self.signs:
            return False
        if self.start <= s <= self.end:
            return True
        gap = abs(s - self.station) - self.half_width
        if gap >= self.corner_radius(side):
            return False
        return side.kerb_start < distance < float(self.corner_distance(s, side))

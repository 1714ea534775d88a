"""The cross-section of a street: lanes, parking places, and the strips beside the carriageway."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Lane:
    """A lane of the road.

    Attributes:
        offset: Offset of its centre in metres, positive to the left.
        width: Metres.
        direction: 1 if traffic moves towards increasing stations, otherwise -1.
    """

    offset: float
    width: float
    direction: int


@dataclass(frozen=True)
class ParkingRow:
    """Parking places along the road.

    Attributes:
        offset: Offset of their centre in metres, positive to the left.
        angle: Heading of a parked vehicle relative to the road in radians.
        pitch: Metres of road per place; 0 if each vehicle takes the length that it needs.
        start: Station in metres at which the first place begins; unused if `pitch` is 0.
    """

    offset: float
    angle: float
    pitch: float
    start: float = -14.0


@dataclass(frozen=True)
class Strip:
    """A band along the road.

    Attributes:
        use: "parking", "kerb", "pavement", "verge", "road", "bank" (a slope or a wall between
            levels), "yard" (in front of the houses) or "land" (behind them).
        start: Distance of the inner edge from the centre line in metres.
        end: Distance of the outer edge from the centre line in metres.
        low: Height of the inner edge above the centre line in metres.
        high: Height of the outer edge above the centre line in metres.
        label: Class of the surface.
        material: Row index in the scene's MaterialTable.
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
        boundary: Distance in metres from the centre line at which public ground ends.
        kerb: Height of the kerb in metres; 0 without one.
    """

    sign: int
    strips: list[Strip]
    rows: list[ParkingRow]
    boundary: float
    kerb: float

    def road_height(self, distance: np.ndarray | float) -> np.ndarray:
        """Return heights of a side road above the centre line at distances from it, in metres."""
        beyond = np.asarray(distance) > self.boundary
        return np.where(beyond, self.height(distance) - self.height(self.boundary), 0.0)

    @property
    def kerb_start(self) -> float:
        """Distance in metres from the centre line at which the drivable strips end."""
        for strip in self.strips:
            if strip.use not in ("parking", "road"):
                return strip.start
        return self.strips[-1].start

    @property
    def walkway(self) -> Strip:
        """Strip that people walk on: the pavement, otherwise a verge, otherwise the innermost."""
        return self.first("pavement") or self.first("verge") or self.strips[0]

    def height(self, distance: np.ndarray | float) -> np.ndarray:
        """Return the height above the centre line at distances from it, in metres."""
        return np.interp(distance, *self._knots)

    @cached_property
    def _knots(self) -> np.ndarray:
        """Distances and heights (2, K) of the edges of all strips."""
        knots = [(0.0, 0.0)]
        for strip in self.strips:
            knots += [(strip.start, strip.low), (strip.end, strip.high)]
        return np.array(knots).T

    def first(self, use: str) -> Strip | None:
        """Return the innermost strip with a given use, or None if the side has none."""
        return next((strip for strip in self.strips if strip.use == use), None)

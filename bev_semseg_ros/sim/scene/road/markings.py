"""Markings, repairs, manhole covers and leaves on the road."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.classes import LANE_MARKING, ROAD, VEGETATION
from bev_semseg_ros.sim.scene.road.cross_section import Lane, ParkingRow
from bev_semseg_ros.sim.scene.road.junction_markings import PAINT_HEIGHT, JunctionMarkings
from bev_semseg_ros.sim.scene.site import Amenity, Site

# Lines end at this station in metres.
LINE_END = 250.0


class Markings:
    """Adds the markings of one street, and repairs of its surface."""

    def __init__(self, site: Site) -> None:
        self._site, self._rng, self._street = site, site.rng, site.street

    def draw(self, ego_offset: float) -> None:
        """Add all markings and repairs.

        Args:
            ego_offset: Offset of the ego vehicle's path in metres; arrows and glyphs are near it.
        """
        rng, surfaces = self._rng, self._site.surfaces
        self._repairs()
        has_lines = self._street.place != "narrow"
        if has_lines and rng.random() < (0.97 if self._street.kind == "motorway" else 0.88):
            self._lines()
        crossing = self._street.crossing
        if crossing is not None:
            JunctionMarkings(self._site, crossing).draw()
        elif self._street.kind != "motorway" and self._street.place != "narrow":
            if rng.random() < 0.25:
                self._zebra(rng.uniform(8, 35))
            if rng.random() < 0.25:
                s = rng.uniform(6, 30)
                self._rectangle(
                    s,
                    s + 0.4,
                    -self._street.half_width + 0.1,
                    -self._street.median,
                    LANE_MARKING,
                    surfaces.marking,
                )
        if rng.random() < 0.35:
            self._arrow(rng.uniform(5, 25), ego_offset + rng.uniform(-0.3, 0.3))
        for _ in range(rng.poisson(0.5)):
            self._glyph(rng.uniform(5, 25), ego_offset + rng.normal(0, 1.5))
        self._bays()

    def _ribbons(
        self,
        starts: np.ndarray,
        ends: np.ndarray,
        t0: float | np.ndarray,
        t1: float | np.ndarray,
        label: int,
        material: int,
        height: float = PAINT_HEIGHT,
    ) -> None:
        """Add N rectangles along the road that follow its profile.

        Args:
            starts: (N,) stations in metres.
            ends: (N,) stations in metres.
            t0: Offsets of the right edges in metres, one or (N,).
            t1: Offsets of the left edges in metres, one or (N,).
            label: Class of the surface.
            material: Row index in the MaterialTable.
            height: Metres above the centre line.
        """
        stations = self._street.alignment.stations
        starts, ends = np.maximum(starts, stations[0]), np.minimum(ends, stations[-1])
        starts, ends, t0, t1 = np.broadcast_arrays(starts, ends, t0, t1)
        # Cut every rectangle at the stations, where the profile bends.
        breaks = np.unique(np.concatenate([starts, ends, stations]))
        first, last = np.searchsorted(breaks, starts), np.searchsorted(breaks, ends)
        counts = np.maximum(last - first, 0)
        owner = np.repeat(np.arange(len(starts)), counts)
        index = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        a, b = breaks[index], breaks[index + 1]
        t0, t1 = t0[owner], t1[owner]
        s = np.stack([a, b, b, a], -1)
        corners = self._street.alignment.points(s, np.stack([t0, t0, t1, t1], -1), height)
        self._site.out.quads(corners, label, material)

    def _rectangle(
        self,
        start: float,
        end: float,
        t0: float,
        t1: float,
        label: int,
        material: int,
        height: float = PAINT_HEIGHT,
    ) -> None:
        """Add one rectangle; arguments as in `_ribbons`."""
        self._ribbons(np.array([start]), np.array([end]), t0, t1, label, material, height)

    def _line(
        self, t: float, width: float, material: int, period: float = 0.0, length: float = 0.0
    ) -> None:
        """Add a line along the road.

        Args:
            t: Offset of its centre in metres.
            width: Metres.
            material: Row index in the MaterialTable.
            period: Distance in metres between the starts of two dashes; 0 for a solid line.
            length: Length of a dash in metres.
        """
        end = min(self._street.alignment.stations[-1], LINE_END)
        if period:
            starts = np.arange(-14 + self._rng.uniform(0, period), end, period)
            ends = starts + length
        else:
            starts, ends = np.array([-20.0]), np.array([end])
        starts, ends = self._outside_junction(starts, ends, t)
        self._ribbons(starts, ends, t - width / 2, t + width / 2, LANE_MARKING, material)

    def _outside_junction(
        self, starts: np.ndarray, ends: np.ndarray, t: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Clip N lines at an offset to the parts outside the mouth of a side road."""
        crossing, street = self._street.crossing, self._street
        if crossing is None:
            return starts, ends
        is_at_edge = abs(t) > 0.8 * street.half_width
        if is_at_edge and street.side(t).sign not in crossing.signs:
            return starts, ends
        if not is_at_edge and len(crossing.signs) == 1 and street.kind == "rural":
            return starts, ends
        radius = max(crossing.corner_radius(street.side(sign)) for sign in crossing.signs)
        low, high = crossing.start - radius, crossing.end + radius
        starts = np.concatenate([starts, np.maximum(starts, high)])
        ends = np.concatenate([np.minimum(ends, low), ends])
        kept = ends > starts + 0.05
        return starts[kept], ends[kept]

    def _lines(self) -> None:
        """Add the lines between lanes and at the edges of the carriageway."""
        rng, u, street, surfaces = self._rng, self._rng.uniform, self._street, self._site.surfaces
        width = u(0.1, 0.2)
        period = u(3, 12) if street.kind != "motorway" else 18.0
        length = period * u(0.3, 0.6)
        own = [lane for lane in street.lanes if abs(lane.offset) < street.half_width]
        for right, left in pairwise(own):
            self._line_between(right, left, width, period, length, len(own))
        if rng.random() < (0.95 if street.kind == "motorway" else 0.55):
            inset = u(0.1, 0.4)
            material = surfaces.marking if rng.random() < 0.8 else surfaces.second_marking
            for sign in (-1, 1):
                self._line(sign * (street.half_width - inset), width, material)
            if rng.random() < 0.15:
                self._line(-street.half_width + inset + 0.3, 0.1, surfaces.second_marking)
        for lane in street.lanes:
            if abs(lane.offset) > street.half_width:  # the other carriageway
                self._line(lane.offset - lane.width / 2, width, surfaces.marking, period, length)

    def _line_between(
        self, right: Lane, left: Lane, width: float, period: float, length: float, lane_count: int
    ) -> None:
        """Add the line between two lanes, or none."""
        rng, street, surfaces = self._rng, self._street, self._site.surfaces
        t = (right.offset + right.width / 2 + left.offset - left.width / 2) / 2
        is_middle = right.direction != left.direction
        if street.median and is_middle:
            return
        if rng.random() > (0.85 if lane_count > 1 else 0.0):
            return
        if is_middle and rng.random() < 0.25:
            offsets = (-0.13, 0.13) if rng.random() < 0.4 else (0.0,)
            for offset in offsets:
                self._line(t + offset, width, surfaces.second_marking)
        else:
            self._line(t, width, surfaces.marking, period, length)

    def _zebra(self, s: float) -> None:
        """Add a zebra crossing at a station."""
        u, half = self._rng.uniform, self._street.half_width
        width = u(0.3, 0.5)
        t = np.arange(-half + 0.3, half - width, 2 * width)
        t = t[np.abs(t + width / 2) > self._street.median + width]
        if len(t):
            self._site.amenities.append(Amenity("zebra", s + 1.5, 0.0, 0.0))
            starts = np.full(len(t), s)
            self._ribbons(
                starts, starts + u(2.5, 4), t, t + width, LANE_MARKING, self._site.surfaces.marking
            )

    def _flat(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return world points at the height of paint, at stations and offsets."""
        return self._street.alignment.points(s, t, PAINT_HEIGHT)

    def _arrow(self, s: float, t: float) -> None:
        """Add an arrow at a station and an offset."""
        out, material = self._site.out, self._site.surfaces.marking
        shaft, turn = self._rng.uniform(2.0, 3.5), self._rng.choice([-0.8, 0.0, 0.0, 0.8])
        tip = np.array([s + shaft, s + shaft + 1.5, s + shaft]), t + np.array([-0.4, turn, 0.4])
        self._rectangle(s, s + shaft, t - 0.08, t + 0.08, LANE_MARKING, material)
        out.polygon(self._flat(*tip), LANE_MARKING, material)

    def _glyph(self, s: float, t: float) -> None:
        """Add a few strokes at a station and an offset, like a painted bicycle, number or word."""
        u = self._rng.uniform
        half = self._street.half_width
        if abs(t) > half - 1.2:
            return
        count = self._rng.integers(3, 9)
        size = np.array([u(1.2, 4), u(0.4, 1.0)])
        start = np.array([s, t]) + size * u([0, -1], [1, 1], (count, 2))
        end = np.array([s, t]) + size * u([0, -1], [1, 1], (count, 2))
        across = (end - start)[:, ::-1] * [-1, 1]
        across *= (u(0.04, 0.1) / (np.linalg.norm(across, axis=-1) + 0.05))[:, None]
        corners = np.stack([start - across, end - across, end + across, start + across], 1)
        self._site.out.quads(
            self._flat(corners[..., 0], corners[..., 1]), LANE_MARKING, self._site.surfaces.marking
        )

    def _bays(self) -> None:
        """Add lines between parking places, except those of rows of parallel parking."""
        for side in self._street.sides:
            for row in side.rows:
                # On squares, parking places are on raised paving.
                height = float(side.height(abs(row.offset))) + PAINT_HEIGHT
                if row.angle == 0.0 and row.pitch:
                    self._bay_across(row, height)
                if row.angle == 0.0 or self._rng.random() < 0.35:
                    continue
                s = np.arange(-14, 90, row.pitch)
                keep = [not self._street.is_crossed(at - 2, at + 2, side.sign) for at in s]
                s = s[keep]
                lean = 2.3 / np.tan(row.angle)
                corners_s = np.stack([s - lean, s - lean + 0.12, s + lean + 0.12, s + lean], -1)
                t = row.offset + np.array([-2.3, -2.3, 2.3, 2.3])
                corners = self._street.alignment.points(corners_s, t, height)
                self._site.out.quads(corners, LANE_MARKING, self._site.surfaces.marking)

    def _bay_across(self, row: ParkingRow, height: float) -> None:
        """Add the line on the right of each place of a row that runs away from the road.

        Args:
            row: The row.
            height: Height of the paint above the centre line in metres.
        """
        s = np.arange(row.start, 90, row.pitch) + row.pitch / 2
        t = np.full(len(s), row.offset - 1.3)
        material = self._site.surfaces.marking
        self._ribbons(s - 2.4, s + 2.4, t - 0.06, t + 0.06, LANE_MARKING, material, height)

    def _repairs(self) -> None:
        """Add wheel tracks, a coloured lane, patches, manhole covers and fallen leaves."""
        rng, u, street, surfaces = self._rng, self._rng.uniform, self._street, self._site.surfaces
        half = street.half_width
        if rng.random() < 0.35:
            for lane in street.lanes:
                if abs(lane.offset) < half:
                    self._tracks(lane)
        if street.kind != "motorway" and rng.random() < 0.08:
            sign = rng.choice([-1, 1])
            right, left = sorted((sign * (half - 1.5), sign * half))
            self._rectangle(-14, 150, right, left, ROAD, surfaces.coloured_lane, 0.0015)
        for _ in range(rng.poisson(2.0)):
            s, t = u(2, 40), u(-half, half - 1)
            patch = surfaces.patches[rng.integers(len(surfaces.patches))]
            self._rectangle(s, s + u(0.8, 15), t, min(t + u(0.3, 2.5), half), ROAD, patch, 0.002)
        for _ in range(rng.poisson(1.2)):
            s, t = u(3, 30), u(-half, half - 0.7)
            self._rectangle(s, s + 0.65, t, t + 0.6, ROAD, surfaces.cover, 0.003)
        is_leafy_autumn = self._site.season == "autumn" and rng.random() < 0.6
        if is_leafy_autumn or rng.random() < 0.05:
            self._leaves(half)

    def _tracks(self, lane: Lane) -> None:
        """Add the tracks of wheels in a lane."""
        for offset in (-0.75, 0.75):
            middle = lane.offset + offset
            tracks = self._site.surfaces.tracks
            self._rectangle(-14, 150, middle - 0.28, middle + 0.28, ROAD, tracks, 0.001)

    def _leaves(self, half: float) -> None:
        """Add fallen leaves, most of them at the edges of the carriageway."""
        rng, count = self._rng, 250
        s = 2 + 45 * rng.random(count) ** 1.5
        t = np.clip(
            half * (rng.choice([-1, 1], count) * 0.8 + rng.normal(0, 0.5, count)),
            -1.4 * half,
            1.4 * half,
        )
        keep = np.abs(t) > self._street.median + 0.2
        s, t = s[keep], t[keep]
        height = [self._street.height(a, b) for a, b in zip(s, t, strict=True)]
        center = self._street.alignment.points(s, t, np.array(height) + 0.006)
        spread = rng.normal(0, 0.07, (len(s), 2, 3)) * [1, 1, 0.1]
        leaves = np.concatenate([center[:, None], center[:, None] + spread], 1)
        labels = np.where(np.abs(t) > half, VEGETATION, ROAD)
        self._site.out.builder.add(leaves, labels, self._site.surfaces.litter)

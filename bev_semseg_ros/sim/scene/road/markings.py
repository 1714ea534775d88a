"""What is painted, patched and let into the road."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.site import Site

PAINT, ROAD = MASK_LABEL["lane_marking"], MASK_LABEL["road"]
PAINT_HEIGHT = 0.004  # m over the road; patches lie below the paint


class Markings:
    """Paints one street."""

    def __init__(self, site: Site) -> None:
        self._site, self._rng, self._street = site, site.rng, site.street

    def draw(self, ego_offset: float) -> None:
        """Everything on the road; some of it on the vehicle's own lane, whose middle is at `ego_offset`."""
        rng, surfaces = self._rng, self._site.surfaces
        self._repairs(ego_offset)
        if rng.random() < (0.97 if self._street.kind == "motorway" else 0.88):
            self._lines()
        if self._street.kind != "motorway":
            if rng.random() < 0.25:
                self._zebra(rng.uniform(8, 35))
            if rng.random() < 0.25:
                s = rng.uniform(6, 30)
                self._rectangle(
                    s,
                    s + 0.4,
                    -self._street.half_width + 0.1,
                    -self._street.median,
                    PAINT,
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
        """Rectangles between stations (N,) and offsets, cut where the road's profile bends so that they lie on it."""
        stations = self._street.alignment.stations
        starts, ends = np.maximum(starts, stations[0]), np.minimum(ends, stations[-1])
        starts, ends, t0, t1 = np.broadcast_arrays(starts, ends, t0, t1)
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
        self._ribbons(np.array([start]), np.array([end]), t0, t1, label, material, height)

    def _line(
        self, t: float, width: float, material: int, period: float = 0.0, length: float = 0.0
    ) -> None:
        """A line along the road at offset t, dashed if it has a period."""
        end = min(self._street.alignment.stations[-1], 250.0)
        starts = (
            np.arange(-14 + self._rng.uniform(0, period), end, period)
            if period
            else np.array([-20.0])
        )
        ends = starts + length if period else np.array([end])
        self._ribbons(starts, ends, t - width / 2, t + width / 2, PAINT, material)

    def _lines(self) -> None:
        rng, u, street, surfaces = self._rng, self._rng.uniform, self._street, self._site.surfaces
        width = u(0.1, 0.2)
        period = u(3, 12) if street.kind != "motorway" else 18.0
        length = period * u(0.3, 0.6)
        own = [lane for lane in street.lanes if abs(lane.offset) < street.half_width]
        for right, left in pairwise(own):
            t = (right.offset + right.width / 2 + left.offset - left.width / 2) / 2
            middle = right.direction != left.direction
            if (street.median and middle) or rng.random() > (0.85 if len(own) > 1 else 0.0):
                continue
            if middle and rng.random() < 0.25:
                for offset in (-0.13, 0.13) if rng.random() < 0.4 else (0.0,):
                    self._line(t + offset, width, surfaces.second_marking)
            else:
                self._line(t, width, surfaces.marking, period, length)
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

    def _zebra(self, s: float) -> None:
        u, half = self._rng.uniform, self._street.half_width
        width = u(0.3, 0.5)
        t = np.arange(-half + 0.3, half - width, 2 * width)
        t = t[np.abs(t + width / 2) > self._street.median + width]
        if len(t):
            starts = np.full(len(t), s)
            self._ribbons(
                starts, starts + u(2.5, 4), t, t + width, PAINT, self._site.surfaces.marking
            )

    def _flat(self, s: np.ndarray, t: np.ndarray) -> np.ndarray:
        return self._street.alignment.points(s, t, PAINT_HEIGHT)

    def _arrow(self, s: float, t: float) -> None:
        out, material = self._site.out, self._site.surfaces.marking
        shaft, turn = self._rng.uniform(2.0, 3.5), self._rng.choice([-0.8, 0.0, 0.0, 0.8])
        tip = np.array([s + shaft, s + shaft + 1.5, s + shaft]), t + np.array([-0.4, turn, 0.4])
        self._rectangle(s, s + shaft, t - 0.08, t + 0.08, PAINT, material)
        out.polygon(self._flat(*tip), PAINT, material)

    def _glyph(self, s: float, t: float) -> None:
        """A few strokes, as of a painted bicycle, number or word."""
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
            self._flat(corners[..., 0], corners[..., 1]), PAINT, self._site.surfaces.marking
        )

    def _bays(self) -> None:
        """Lines between parking places at an angle."""
        for side in self._street.sides:
            for row in side.rows:
                if row.angle == 0.0 or self._rng.random() < 0.35:
                    continue
                s = np.arange(-14, 90, row.pitch)
                keep = [not self._street.is_crossed(at - 2, at + 2, side.sign) for at in s]
                s = s[keep]
                lean = 2.3 / np.tan(row.angle)
                corners_s = np.stack([s - lean, s - lean + 0.12, s + lean + 0.12, s + lean], -1)
                t = row.offset + np.array([-2.3, -2.3, 2.3, 2.3])
                self._site.out.quads(
                    self._flat(corners_s, t + 0 * corners_s), PAINT, self._site.surfaces.marking
                )

    def _repairs(self, ego_offset: float) -> None:
        """Patches, wheel tracks, covers, coloured lanes, fallen leaves."""
        rng, u, street, surfaces = self._rng, self._rng.uniform, self._street, self._site.surfaces
        half = street.half_width
        if rng.random() < 0.35:
            for lane in street.lanes:
                if abs(lane.offset) < half:
                    for offset in (-0.75, 0.75):
                        self._rectangle(
                            -14,
                            150,
                            lane.offset + offset - 0.28,
                            lane.offset + offset + 0.28,
                            ROAD,
                            surfaces.tracks,
                            0.001,
                        )
        if street.kind != "motorway" and rng.random() < 0.08:
            sign = rng.choice([-1, 1])
            edges = sorted((sign * (half - 1.5), sign * half))
            self._rectangle(-14, 150, *edges, ROAD, surfaces.coloured_lane, 0.0015)
        for _ in range(rng.poisson(2.0)):
            s, t = u(2, 40), u(-half, half - 1)
            patch = surfaces.patches[rng.integers(len(surfaces.patches))]
            self._rectangle(s, s + u(0.8, 15), t, min(t + u(0.3, 2.5), half), ROAD, patch, 0.002)
        for _ in range(rng.poisson(1.2)):
            s, t = u(3, 30), u(-half, half - 0.7)
            self._rectangle(s, s + 0.65, t, t + 0.6, ROAD, surfaces.cover, 0.003)
        if (self._site.season == "autumn" and rng.random() < 0.6) or rng.random() < 0.05:
            self._leaves(half)

    def _leaves(self, half: float) -> None:
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
        labels = np.where(np.abs(t) > half, MASK_LABEL["vegetation"], ROAD)
        self._site.out.builder.add(leaves, labels, self._site.surfaces.litter)

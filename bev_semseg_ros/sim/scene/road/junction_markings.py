"""Markings where a side road meets a street: stop lines, zebra crossings and centre lines."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.classes import LANE_MARKING
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.road.crossing import Crossing
from bev_semseg_ros.sim.scene.site import Amenity, Site

# Height of paint above the road in metres. Repairs are lower.
PAINT_HEIGHT = 0.004
# Lines of a side road end at this distance from the street's centre line in metres.
LINE_END = 70.0


class JunctionMarkings:
    """Paints one side road, and the street before and after it."""

    def __init__(self, site: Site, crossing: Crossing) -> None:
        self._site = site
        self._rng = site.rng
        self._street = site.street
        self._crossing = crossing
        self._material = site.surfaces.marking

    def draw(self) -> None:
        """Add all markings."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        crossing = self._crossing
        radius = max(crossing.corner_radius(street.side(sign)) for sign in crossing.signs)
        has_zebras = street.kind != "rural" and rng.random() < 0.6
        has_stop_lines = rng.random() < 0.75
        for edge, away in ((crossing.start, -1), (crossing.end, 1)):
            at = edge + away * (radius + u(0.3, 1.2))
            if has_zebras and rng.random() < 0.8:
                depth = u(2.5, 4)
                self._zebra_over_street(at, at + away * depth)
                at += away * (depth + u(0.6, 1.5))
            if has_stop_lines:
                sign = away  # traffic on the street keeps to the right
                t = sign * np.array([street.median + 0.05, street.half_width - 0.1])
                self._patch(at, at + away * u(0.3, 0.5), t.min(), t.max())
        for sign in crossing.signs:
            self._paint_side(street.side(sign), has_zebras)

    def _zebra_over_street(self, start: float, end: float) -> None:
        """Add a zebra crossing over the street between two stations."""
        street, width = self._street, self._rng.uniform(0.35, 0.5)
        for t in np.arange(-street.half_width + 0.3, street.half_width - width, 2 * width):
            if abs(t + width / 2) > street.median + width:
                self._patch(min(start, end), max(start, end), t, t + width)
        self._site.amenities.append(Amenity("zebra", (start + end) / 2, 0.0, 0.0))

    def _paint_side(self, side: Side, has_zebra: bool) -> None:
        """Add the lines of the side road on one side, and a zebra crossing over it."""
        rng, u, crossing = self._rng, self._rng.uniform, self._crossing
        at = side.kerb_start + crossing.corner_radius(side) + u(0.2, 0.8)
        if has_zebra and rng.random() < 0.8:
            width, depth = u(0.35, 0.5), u(2.5, 3.5)
            for s in np.arange(crossing.start + 0.3, crossing.end - width, 2 * width):
                self._patch_beside(side, s, s + width, at, at + depth)
            at += depth + u(0.5, 1.2)
        if rng.random() < 0.7:
            # Traffic on the side road keeps to the right.
            lane = np.array([0.1, crossing.half_width - 0.1]) * -side.sign
            s = crossing.station + lane
            self._patch_beside(side, s.min(), s.max(), at, at + u(0.3, 0.5))
        if rng.random() < 0.75:
            period = u(3, 9) if rng.random() < 0.6 else 0.0
            starts = np.arange(at + 0.5, LINE_END, period or 4.0)
            for start in starts:
                length = 0.45 * period or 4.0
                s = crossing.station
                self._patch_beside(side, s - 0.07, s + 0.07, start, start + length)

    def _patch(self, s0: float, s1: float, t0: float, t1: float) -> None:
        """Add a rectangle on the street between two stations and two offsets, in metres."""
        stations = self._street.alignment.stations
        low, high = min(s0, s1), max(s0, s1)
        edges = np.unique([low, *stations[(stations > low) & (stations < high)], high])
        s = np.stack([edges[:-1], edges[1:], edges[1:], edges[:-1]], -1)
        corners = self._street.alignment.points(s, np.array([t0, t0, t1, t1]), PAINT_HEIGHT)
        self._site.out.quads(corners, LANE_MARKING, self._material)

    def _patch_beside(self, side: Side, s0: float, s1: float, near: float, far: float) -> None:
        """Add a rectangle on the side road between two stations and two distances, in metres."""
        ends = np.array([strip.end for strip in side.strips])
        edges = np.unique([near, *ends[(ends > near) & (ends < far)], far])
        inner, outer = edges[:-1], edges[1:]
        distance = np.stack([inner, outer, outer, inner], -1)
        s = np.array([s0, s0, s1, s1] if side.sign < 0 else [s1, s1, s0, s0])
        z = side.road_height(distance) + PAINT_HEIGHT
        corners = self._street.alignment.points(s, side.sign * distance, z)
        self._site.out.quads(corners, LANE_MARKING, self._material)

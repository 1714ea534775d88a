"""Boundaries along a street: walls, fences, hedges, guard rails, noise barriers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.assets.primitives import UP
from bev_semseg_ros.sim.assets.street_materials import fence_material
from bev_semseg_ros.sim.classes import BARRIER, BUILDING
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.greenery import Greenery
from bev_semseg_ros.sim.scene.site import Site

# Boundaries are built in pieces of this length in metres. Pieces on occupied ground are left out.
PIECE = 3.0
# Beyond this station in metres, guard rails occupy no ground and have no posts.
DETAIL_END = 110
# Half the length and half the width in metres of the largest cars that park.
PARKED_HALVES = (3.3, 1.1)
# Profiles: distance towards the road and height in metres, from the lower edge up.
W_BEAM = np.array(
    [
        (0.00, 0.44),
        (0.07, 0.50),
        (0.07, 0.54),
        (0.00, 0.60),
        (0.07, 0.66),
        (0.07, 0.70),
        (0.00, 0.76),
    ]
)
CONCRETE_BARRIER = np.array(
    [
        (0.30, 0.0),
        (0.30, 0.08),
        (0.14, 0.33),
        (0.08, 0.85),
        (-0.08, 0.85),
        (-0.14, 0.33),
        (-0.30, 0.08),
        (-0.30, 0.0),
    ]
)


def reserve_walls(site: Site) -> None:
    """Occupy the ground of walls between levels, which are strips of the cross-section."""
    stations = site.street.alignment.stations
    near = stations[stations < DETAIL_END]
    for side in site.street.sides:
        for strip in side.strips:
            if strip.label != BUILDING:
                continue
            t = side.sign * (strip.start + strip.end) / 2
            for a, b in pairwise(near):
                site.occupancy.take(site.pose((a + b) / 2, t), b - a, 0.3)


class Boundaries:
    """Adds walls, fences and guard rails along one street."""

    def __init__(self, site: Site, greenery: Greenery) -> None:
        self._site = site
        self._rng = site.rng
        self._street = site.street
        self._greenery = greenery

    def populate(self, side: Side, style: str) -> None:
        """Add the boundaries of plots, guard rails, railings and noise barriers of one side.

        Args:
            side: Side of the street.
            style: What stands behind the pavement; see `Buildings.populate`.
        """
        rng, u, kind = self._rng, self._rng.uniform, self._street.kind
        count = 2 if rng.random() < 0.4 else 1
        for _ in range(count):
            if kind != "motorway" and rng.random() < (0.25 if style == "city" else 0.55):
                start = u(-12, 40)
                self._plot(side, side.boundary + u(0.2, 0.7), start, start + u(8, 70))
        if kind == "motorway":
            self._motorway(side)
        elif rng.random() < (0.4 if kind == "rural" else 0.06):
            start = u(-12, 20)
            verge = side.first("verge") or side.strips[-1]
            distance, end = verge.start + u(0.3, 0.7), start + u(20, 120)
            if not _is_parked_on(side, distance):
                self._guard_rail(side, distance, start, end, 1)
        if kind in ("city", "avenue") and rng.random() < 0.1:
            self._pavement_railing(side)

    def _pavement_railing(self, side: Side) -> None:
        """Add a railing between pavement and road, if there is a pavement."""
        u = self._rng.uniform
        start = u(-5, 30)
        pavement = side.first("pavement")
        if pavement is not None:
            end, height = start + u(6, 30), u(0.8, 1.1)
            self._fence(side, pavement.start + 0.25, start, end, height, "bars")

    def _pieces(
        self, side: Side, distance: float, start: float, end: float, width: float
    ) -> list[tuple[float, float]]:
        """Occupy the ground of a boundary, piece by piece.

        Args:
            side: Side of the street.
            distance: Distance from the centre line in metres.
            start: First station in metres.
            end: Last station in metres.
            width: Metres.

        Returns:
            First and last station of each piece for which there was room.
        """
        count = max(1, round((end - start) / PIECE))
        edges = np.linspace(start, min(end, self._street.alignment.stations[-1]), count + 1)
        t = side.sign * distance
        pieces = []
        for a, b in pairwise(edges):
            if self._site.claim((a + b) / 2, t, b - a, width, margin=-0.02):
                pieces.append((a, b))
        return pieces

    def _plot(self, side: Side, distance: float, start: float, end: float) -> None:
        """Add the boundary of a plot: a hedge, a wall, a wall with a railing, or a fence.

        Args:
            side: Side of the street.
            distance: Distance from the centre line in metres.
            start: First station in metres.
            end: Last station in metres.
        """
        rng, u = self._rng, self._rng.uniform
        kind, height = rng.random(), u(0.6, 2.1)
        if kind < 0.33:
            middle = distance + 0.45
            pieces = self._pieces(side, middle, start, end, 0.9)
            self._greenery.add_hedge(side, pieces, middle, height)
        elif kind < 0.5:
            self._wall(side, distance, start, end, height)
        elif kind < 0.58:
            self._wall(side, distance, start, end, u(0.3, 0.6))
            self._fence(side, distance + 0.3, start, end, height, "bars")
        else:
            cutout = str(rng.choice(["bars", "mesh", "slats", "none"]))
            self._fence(side, distance, start, end, height, cutout)

    def _wall(self, side: Side, distance: float, start: float, end: float, height: float) -> None:
        """Add a wall; arguments as in `_plot`, and the height in metres."""
        surfaces = self._site.surfaces
        materials = [surfaces.concrete, surfaces.brick, surfaces.facades[0][1], surfaces.wood]
        material = materials[self._rng.integers(4)]
        for a, b in self._pieces(side, distance, start, end, 0.3):
            middle = (a + b) / 2
            foot = self._street.point(middle, side.sign * distance, -0.2)
            size = ((b - a) * 1.01, 0.25, height + 0.2)
            yaw = float(self._street.alignment.heading(middle))
            self._site.out.box(foot, size, yaw, BUILDING, material)

    def _fence(
        self, side: Side, distance: float, start: float, end: float, height: float, cutout: str
    ) -> None:
        """Add panels on posts, with a rail on top.

        Args:
            side: Side of the street.
            distance: Distance from the centre line in metres.
            start: First station in metres.
            end: Last station in metres.
            height: Metres.
            cutout: Holes in the panels, one of `materials.CUTOUTS`.
        """
        rng, out, table, t = self._rng, self._site.out, self._site.table, side.sign * distance
        if rng.random() < 0.5:
            closed = self._site.surfaces.wood
        else:
            closed = fence_material(rng, table, "none")
        panel = closed if cutout == "none" else fence_material(rng, table, cutout)
        metal = self._site.surfaces.metal
        for a, b in self._pieces(side, distance, start, end, 0.15):
            foot, next_foot = self._street.point(a, t), self._street.point(b, t)
            for low, high, material in ((0.08, height, panel), (height - 0.05, height, closed)):
                out.quad(
                    foot + UP * low,
                    next_foot + UP * low,
                    next_foot + UP * high,
                    foot + UP * high,
                    BARRIER,
                    material,
                )
            for post in (foot, (foot + next_foot) / 2):
                bottom, top = post - UP * 0.1, post + UP * (height + 0.03)
                out.tube(bottom, top, 0.035, 0.035, 5, BARRIER, metal)

    def _profile(
        self,
        side: Side,
        distance: float,
        start: float,
        end: float,
        profile: np.ndarray,
        towards: int,
        material: int,
    ) -> None:
        """Extrude a profile along the road, and occupy its ground.

        Args:
            side: Side of the street.
            distance: Distance from the centre line in metres.
            start: First station in metres.
            end: Last station in metres.
            profile: (P, 2) distance towards the road and height in metres.
            towards: 1 if the profile faces the centre line, -1 if it faces away from it.
            material: Row index in the MaterialTable.
        """
        stations = self._street.alignment.stations
        between = stations[(stations > start) & (stations < end)]
        s = np.concatenate([between, [start, end]])
        s = np.unique(np.clip(s, stations[0], stations[-1]))
        if len(s) < 2:
            return
        at = distance - towards * profile[:, 0]
        z = profile[:, 1] + float(side.height(distance))
        points = self._street.alignment.points(s[:, None], side.sign * at, z)
        along = np.cumsum(np.concatenate([[0], np.linalg.norm(np.diff(profile, axis=0), axis=-1)]))
        uvs = np.stack(np.broadcast_arrays(s[:, None], along), -1)
        self._site.out.builder.grid(points, BARRIER, material, uvs, smooth=False)
        for a, b in pairwise(s[s < DETAIL_END]):
            pose = self._site.pose((a + b) / 2, side.sign * distance)
            self._site.occupancy.take(pose, b - a, 0.4)

    def _guard_rail(
        self, side: Side, distance: float, start: float, end: float, towards: int
    ) -> None:
        """Add a steel beam on posts, with a gap at a side road; arguments as in `_profile`."""
        out, metal = self._site.out, self._site.surfaces.metal
        gap = self._rng.choice([2.0, 4.0])
        t = side.sign * (distance + towards * 0.06)
        for first, last in self._street.uncrossed(side, start, end):
            self._profile(side, distance, first, last, W_BEAM, towards, metal)
            for s in np.arange(first, min(last, DETAIL_END), gap):
                yaw = float(self._street.alignment.heading(s))
                out.box(self._street.point(s, t, -0.05), (0.12, 0.06, 0.75), yaw, BARRIER, metal)

    def _motorway(self, side: Side) -> None:
        """Add guard rails or a concrete barrier in the median, outer rails, and noise barriers."""
        rng, u = self._rng, self._rng.uniform
        verges = [strip for strip in side.strips if strip.use == "verge"]
        if side.sign > 0:
            median = verges[0]
            middle = (median.start + median.end) / 2
            if rng.random() < 0.4:
                concrete = self._site.surfaces.concrete
                self._profile(side, middle, -30, 250, CONCRETE_BARRIER, 1, concrete)
            else:
                gap = min(0.5, (median.end - median.start) / 2 - 0.15)
                self._guard_rail(side, middle - gap, -30, 250, 1)
                self._guard_rail(side, middle + gap, -30, 250, -1)
        if rng.random() < 0.8:
            start = -30 if rng.random() < 0.7 else u(5, 60)
            self._guard_rail(side, verges[-1].start + u(0.3, 0.6), start, start + u(80, 300), 1)
        if rng.random() < 0.35:
            start = u(-30, 60)
            distance, end = side.boundary + u(0.5, 4), start + u(60, 250)
            self._noise_wall(side, distance, start, end, u(2.2, 5.5))

    def _noise_wall(
        self, side: Side, distance: float, start: float, end: float, height: float
    ) -> None:
        """Add panels between posts, 4 m apart; arguments as in `_wall`."""
        out, surfaces = self._site.out, self._site.surfaces
        materials = (
            surfaces.concrete,
            surfaces.wood,
            surfaces.facades[0][1],
            surfaces.facades[1][1],
        )
        material = materials[self._rng.integers(4)]
        edges = np.arange(start, min(end, self._street.alignment.stations[-1]), 4.0)
        for a, b in pairwise(edges):
            foot = self._street.point(a, side.sign * distance, -0.3)
            next_foot = self._street.point(b, side.sign * distance, -0.3)
            up = UP * (height + 0.3)
            if side.sign > 0:
                out.quad(next_foot, foot, foot + up, next_foot + up, BUILDING, material)
            else:
                out.quad(foot, next_foot, next_foot + up, foot + up, BUILDING, material)
            yaw = float(self._street.alignment.heading(a))
            out.box(foot, (0.2, 0.25, height + 0.35), yaw, BUILDING, surfaces.metal)


def _is_parked_on(side: Side, distance: float) -> bool:
    """Return whether parked cars may extend across a line at a distance from the centre line."""
    half_length, half_width = PARKED_HALVES
    for row in side.rows:
        reach = half_length * abs(np.sin(row.angle)) + half_width * abs(np.cos(row.angle))
        if abs(abs(row.offset) - distance) < reach:
            return True
    return False

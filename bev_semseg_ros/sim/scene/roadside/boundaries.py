"""What runs along a street: walls, fences, hedges, guard rails, noise walls."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.assets.surfaces import fence_material
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.road.street import Side
from bev_semseg_ros.sim.scene.roadside.greenery import Greenery
from bev_semseg_ros.sim.scene.site import Site

BARRIER, BUILDING = MASK_LABEL["barrier"], MASK_LABEL["building"]
UP = np.array([0.0, 0, 1])
PIECE = 3.0  # m; a piece is left out where something else stands
# (distance towards the road, height) of the profiles, from the lower edge up.
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


class Boundaries:
    """Puts up walls and fences along one street."""

    def __init__(self, site: Site, greenery: Greenery) -> None:
        self._site, self._rng, self._street, self._greenery = site, site.rng, site.street, greenery

    def line(self, side: Side, style: str) -> None:
        """What divides the public ground of a side from the land behind, and what keeps vehicles on the road."""
        rng, u, kind = self._rng, self._rng.uniform, self._street.kind
        for _ in range(1 + (rng.random() < 0.4)):
            if kind != "motorway" and rng.random() < (0.25 if style == "city" else 0.55):
                start = u(-12, 40)
                self._plot(side, side.boundary + u(0.2, 0.7), start, start + u(8, 70))
        if kind == "motorway":
            self._motorway(side)
        elif rng.random() < (0.4 if kind == "rural" else 0.06):
            start = u(-12, 20)
            verge = side.first("verge") or side.strips[-1]
            self._guard_rail(side, verge.start + u(0.3, 0.7), start, start + u(20, 120), 1)
        if kind in ("city", "avenue") and rng.random() < 0.1:  # a railing between pavement and road
            start = u(-5, 30)
            pavement = side.first("pavement")
            if pavement is not None:
                self._fence(
                    side, pavement.start + 0.25, start, start + u(6, 30), u(0.8, 1.1), "bars"
                )

    def _pieces(
        self, side: Side, distance: float, start: float, end: float, width: float
    ) -> list[tuple[float, float]]:
        """The pieces of a line for which there is room, from station to station."""
        count = max(1, round((end - start) / PIECE))
        edges = np.linspace(start, min(end, self._street.alignment.stations[-1]), count + 1)
        return [
            (a, b)
            for a, b in pairwise(edges)
            if self._site.claim((a + b) / 2, side.sign * distance, b - a, width, margin=-0.02)
        ]

    def _plot(self, side: Side, distance: float, start: float, end: float) -> None:
        rng, u, kind, height = (
            self._rng,
            self._rng.uniform,
            self._rng.random(),
            self._rng.uniform(0.6, 2.1),
        )
        if kind < 0.33:
            self._greenery.hedge(
                side, self._pieces(side, distance + 0.45, start, end, 0.9), distance + 0.45, height
            )
        elif kind < 0.5:
            self._wall(side, distance, start, end, height)
        elif kind < 0.58:  # a low wall with a railing on it
            self._wall(side, distance, start, end, u(0.3, 0.6))
            self._fence(side, distance + 0.3, start, end, height, "bars")
        else:
            self._fence(
                side,
                distance,
                start,
                end,
                height,
                str(rng.choice(["bars", "mesh", "slats", "none"])),
            )

    def _wall(self, side: Side, distance: float, start: float, end: float, height: float) -> None:
        surfaces = self._site.surfaces
        material = [surfaces.concrete, surfaces.brick, surfaces.facades[0][1], surfaces.wood][
            self._rng.integers(4)
        ]
        for a, b in self._pieces(side, distance, start, end, 0.3):
            middle = (a + b) / 2
            size = ((b - a) * 1.01, 0.25, height + 0.2)
            self._site.out.box(
                self._street.point(middle, side.sign * distance, -0.2),
                size,
                float(self._street.alignment.heading(middle)),
                BUILDING,
                material,
            )

    def _fence(
        self, side: Side, distance: float, start: float, end: float, height: float, cutout: str
    ) -> None:
        """Panels one can see through, on posts, with a rail on top."""
        out, t = self._site.out, side.sign * distance
        closed = (
            self._site.surfaces.wood
            if self._rng.random() < 0.5
            else fence_material(self._rng, self._site.table, "none")
        )
        material = (
            closed if cutout == "none" else fence_material(self._rng, self._site.table, cutout)
        )
        metal = self._site.surfaces.metal
        for a, b in self._pieces(side, distance, start, end, 0.15):
            foot, next_foot = self._street.point(a, t), self._street.point(b, t)
            for low, high, what in ((0.08, height, material), (height - 0.05, height, closed)):
                corners = ((foot, low), (next_foot, low), (next_foot, high), (foot, high))
                out.quad(*(corner + UP * z for corner, z in corners), BARRIER, what)
            for post in (foot, (foot + next_foot) / 2):
                out.tube(
                    post - UP * 0.1, post + UP * (height + 0.03), 0.035, 0.035, 5, BARRIER, metal
                )

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
        """A profile drawn along the road; towards: +1 if it faces the road's middle."""
        stations = self._street.alignment.stations
        s = np.unique(
            np.clip(
                np.concatenate([stations[(stations > start) & (stations < end)], [start, end]]),
                stations[0],
                stations[-1],
            )
        )
        if len(s) < 2:
            return
        at = distance - towards * profile[:, 0]
        z = profile[:, 1] + float(side.height(distance))
        points = self._street.alignment.points(s[:, None], side.sign * at, z)
        along = np.cumsum(np.concatenate([[0], np.linalg.norm(np.diff(profile, axis=0), axis=-1)]))
        uvs = np.stack(np.broadcast_arrays(s[:, None], along), -1)
        self._site.out.builder.grid(points, BARRIER, material, uvs, smooth=False)
        for a, b in pairwise(s[s < 110]):
            self._site.occupancy.take(
                self._site.pose((a + b) / 2, side.sign * distance), b - a, 0.4
            )

    def _guard_rail(
        self, side: Side, distance: float, start: float, end: float, towards: int
    ) -> None:
        """A beam on posts every 2 or 4 m."""
        out, metal = self._site.out, self._site.surfaces.metal
        self._profile(side, distance, start, end, W_BEAM, towards, metal)
        for s in np.arange(start, min(end, 110), self._rng.choice([2.0, 4.0])):
            out.box(
                self._street.point(s, side.sign * (distance + towards * 0.06), -0.05),
                (0.12, 0.06, 0.75),
                float(self._street.alignment.heading(s)),
                BARRIER,
                metal,
            )

    def _motorway(self, side: Side) -> None:
        """Rails or concrete in the middle and outside, noise walls."""
        rng, u = self._rng, self._rng.uniform
        verges = [strip for strip in side.strips if strip.use == "verge"]
        if side.sign > 0:
            middle = (verges[0].start + verges[0].end) / 2
            if rng.random() < 0.4:
                self._profile(
                    side, middle, -30, 250, CONCRETE_BARRIER, 1, self._site.surfaces.concrete
                )
            else:
                gap = min(0.5, (verges[0].end - verges[0].start) / 2 - 0.15)
                self._guard_rail(side, middle - gap, -30, 250, 1)
                self._guard_rail(side, middle + gap, -30, 250, -1)
        if rng.random() < 0.8:
            start = -30 if rng.random() < 0.7 else u(5, 60)
            self._guard_rail(side, verges[-1].start + u(0.3, 0.6), start, start + u(80, 300), 1)
        if rng.random() < 0.35:
            start = u(-30, 60)
            self._noise_wall(
                side, side.boundary + u(0.5, 4), start, start + u(60, 250), u(2.2, 5.5)
            )

    def _noise_wall(
        self, side: Side, distance: float, start: float, end: float, height: float
    ) -> None:
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
            foot, next_foot = (self._street.point(s, side.sign * distance, -0.3) for s in (a, b))
            up = UP * (height + 0.3)
            corners = (
                (next_foot, foot, foot + up, next_foot + up)
                if side.sign > 0
                else (foot, next_foot, next_foot + up, foot + up)
            )
            out.quad(*corners, BUILDING, material)
            yaw = float(self._street.alignment.heading(a))
            out.box(foot, (0.2, 0.25, height + 0.35), yaw, BUILDING, surfaces.metal)

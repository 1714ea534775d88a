"""Street furniture: lamps, posts, bollards, bins, boards, benches, bus stops, tables."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.assets.people_materials import people_materials
from bev_semseg_ros.sim.assets.primitives import axes
from bev_semseg_ros.sim.assets.street_materials import random_print
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.signs import Signs
from bev_semseg_ros.sim.scene.site import Site, Spot

BARRIER, BUILDING = MASK_LABEL["barrier"], MASK_LABEL["building"]
POLE, SIGN = MASK_LABEL["pole"], MASK_LABEL["sign"]
UP = np.array([0.0, 0, 1])
# Kinds of streets with furniture like that of a town centre.
TOWN_KINDS = ("city", "avenue", "lot")
# Chance of street lamps on a side, by kind of street.
LAMP_PROBABILITIES = {"rural": 0.2, "motorway": 0.3}
# Mean number of road signs on a side.
SIGN_COUNTS = {"rural": 0.8, "motorway": 0.8}


class Furniture:
    """Adds street furniture along one street.

    Methods that add one thing take its station s and its offset t in metres. They add nothing if
    there is no room.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._rng = site.rng
        self._street = site.street
        self._out = site.out
        self._signs = Signs(site)

    def populate(self, side: Side, style: str) -> None:
        """Add everything along one side.

        Args:
            side: Side of the street.
            style: What stands behind the pavement; see `Buildings.populate`.
        """
        rng, u, street = self._rng, self._rng.uniform, self._street
        kerb = side.first("pavement") or side.first("verge") or side.strips[0]
        has_guard_rail = street.kind in ("rural", "motorway")
        inner = kerb.start + (0.7 if has_guard_rail else 0.0)
        outer = max(side.boundary, inner + 0.6)
        if rng.random() < LAMP_PROBABILITIES.get(street.kind, 0.75):
            self._lamps(side, inner + u(0.25, 0.8))
        if street.kind in ("rural", "motorway") and rng.random() < 0.7:
            self._reflector_posts(side, inner + u(0.2, 0.6))
        if street.kind in ("rural", "residential") and rng.random() < 0.2:
            self._utility_poles(side, outer + u(0.2, 1.5))
        for _ in range(rng.poisson(SIGN_COUNTS.get(street.kind, 1.8))):
            distance = min(inner + u(0.25, 0.9), outer)
            self._signs.add_sign(self._draw_station(), side.sign * distance)
        if street.kind == "motorway":
            if side.sign < 0 and rng.random() < 0.4:
                self._signs.add_gantry(side, u(25, 110))
            return
        self._traffic_light(side, inner)
        is_town = street.kind in TOWN_KINDS
        is_town = is_town or (street.kind == "residential" and rng.random() < 0.6)
        self._clutter(side, inner, outer, 1.0 if is_town else 0.25)
        if is_town and rng.random() < 0.12:
            self._shelter(side, u(8, 45), side.sign * (outer - 0.9))
        if style == "city" and rng.random() < 0.4 and outer - inner > 1.6:
            for _ in range(rng.integers(2, 9)):
                self._table(side, u(5, 45), side.sign * u(inner + 0.8, outer - 0.3))

    def _draw_station(self) -> float:
        """Draw a station, more often near the vehicle."""
        return 4 + 60 * self._rng.random() ** 1.3

    def _traffic_light(self, side: Side, inner: float) -> None:
        """Add a traffic light at some places, most often before a side road."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        is_wanted = rng.random() < (0.75 if street.crossing else 0.1)
        if not is_wanted or street.kind == "rural":
            return
        s = street.crossing.start - u(0.5, 2) if street.crossing else u(10, 50)
        self._signs.add_traffic_light(s, side.sign * (inner + u(0.3, 0.8)))

    def _clutter(self, side: Side, inner: float, outer: float, factor: float) -> None:
        """Add small things on public ground.

        Args:
            side: Side of the street.
            inner: Least distance from the middle of the road in metres.
            outer: Largest distance from the middle of the road in metres.
            factor: Factor on the mean numbers.
        """
        rng = self._rng
        mean_counts = (
            (0.35, self._bollards),
            (0.9, self._cabinet),
            (0.7, self._bin),
            (0.5, self._post_with_box),
            (0.35, self._board),
            (0.25, self._bench),
            (0.25, self._column),
            (0.35, self._two_wheelers),
        )
        for mean, add in mean_counts:
            for _ in range(rng.poisson(mean * factor)):
                distance = rng.uniform(inner + 0.25, outer)
                add(side, self._draw_station(), side.sign * distance)

    def _yaw(self, s: float) -> float:
        """Return the heading of the road at a station in radians."""
        return float(self._street.alignment.heading(s))

    def _any(self, *materials: int) -> int:
        """Return a random one of the given materials."""
        return materials[self._rng.integers(len(materials))]

    def _lamps(self, side: Side, distance: float) -> None:
        """Add a row of street lamps, with or without arms over the road."""
        u, surfaces = self._rng.uniform, self._site.surfaces
        gap, height = u(18, 40), u(4, 10)
        arm = u(0.5, 2.5) if self._rng.random() < 0.6 else 0.0
        material = self._any(surfaces.metal, surfaces.dark)
        head = self._any(surfaces.metal, surfaces.dark)
        t = side.sign * distance
        for s in np.arange(u(-12, gap - 12), 150, gap):
            if self._site.claim(s, t, 0.25):
                self._lamp(s, t, height, -side.sign * arm, material, head)

    def _lamp(
        self, s: float, t: float, height: float, arm: float, material: int, head: int
    ) -> None:
        """Add a street lamp.

        Args:
            s: Station in metres.
            t: Offset in metres.
            height: Height of the pole in metres.
            arm: Length of the arm in metres, positive to the left; 0 for no arm.
            material: Material of the pole.
            head: Material of the luminaire.
        """
        out, yaw = self._out, self._yaw(s)
        foot = self._street.point(s, t)
        top = foot + UP * height
        if self._rng.random() < 0.3:
            out.tube(foot, foot + UP * 0.9, 0.11, 0.11, 6, POLE, material)
        out.tube(foot - UP * 0.2, top, 0.08, 0.05, 6, POLE, material)
        if arm:
            _, left = axes(yaw)
            end = top + left * arm + UP * 0.2
            out.tube(top, end, 0.04, 0.04, 5, POLE, material)
            out.box(end - UP * 0.05, (0.25, 0.6, 0.12), yaw, POLE, head)
            self._site.lamps.append(end)
        else:
            out.box(top - UP * 0.05, (0.4, 0.4, 0.25), yaw, POLE, head)
            self._site.lamps.append(top)

    def _reflector_posts(self, side: Side, distance: float) -> None:
        """Add a row of posts with reflectors."""
        surfaces = self._site.surfaces
        for s in np.arange(self._rng.uniform(-10, 20), 150, self._rng.choice([25.0, 50.0, 12.5])):
            t = side.sign * distance
            if self._site.claim(s, t, 0.2):
                foot = self._street.point(s, t, -0.05)
                self._out.box(foot, (0.1, 0.12, 1.05), self._yaw(s), POLE, surfaces.reflector)
                self._out.box(
                    foot + UP * 0.75, (0.11, 0.13, 0.2), self._yaw(s), POLE, surfaces.dark
                )

    def _utility_poles(self, side: Side, distance: float) -> None:
        """Add a row of wooden poles with a wire that sags between them."""
        surfaces, height = self._site.surfaces, self._rng.uniform(7, 10)
        gap = self._rng.uniform(30, 45)
        t = side.sign * distance
        ends = []
        for s in np.arange(self._rng.uniform(-10, 20), 160, gap):
            if self._site.claim(s, t, 0.4):
                foot = self._street.point(s, t, -0.2)
                self._out.tube(foot, foot + UP * height, 0.14, 0.1, 6, POLE, surfaces.wood)
                ends.append(foot + UP * (height - 0.2))
        for a, b in pairwise(ends):
            f = np.linspace(0, 1, 5)[:, None]
            points = a * (1 - f) + b * f - UP * 4 * 0.5 * f * (1 - f)
            for p, q in pairwise(points):
                self._out.tube(p, q, 0.012, 0.012, 3, POLE, surfaces.dark)

    def _bollards(self, side: Side, s: float, t: float) -> None:
        """Add a row of bollards."""
        surfaces, u, out = self._site.surfaces, self._rng.uniform, self._out
        material = self._any(surfaces.dark, surfaces.metal, surfaces.hazard, surfaces.concrete)
        height, radius = u(0.75, 1.1), u(0.05, 0.1)
        for index in range(self._rng.integers(2, 9)):
            at = s + 1.5 * index
            if self._site.claim(at, t, 0.2):
                foot = self._street.point(at, t)
                top = foot + UP * height
                out.tube(foot - UP * 0.1, top, radius, radius, 7, POLE, material)
                out.tube(top, foot + UP * (height + 0.03), radius, 0.01, 7, POLE, material)

    def _standing_box(
        self,
        s: float,
        t: float,
        size: tuple[float, float, float],
        label: int,
        material: int,
        turn: float = 0.0,
    ) -> None:
        """Add a box that stands on the ground if there is room.

        Args:
            s: Station in metres.
            t: Offset in metres.
            size: Length, width, height in metres.
            label: Class of the surface.
            material: Row of the MaterialTable.
            turn: Heading relative to the direction of the road in radians.
        """
        if self._site.claim(s, t, size[0], size[1], turn):
            self._out.box(self._street.point(s, t), size, self._yaw(s) + turn, label, material)

    def _cabinet(self, side: Side, s: float, t: float) -> None:
        """Add a cabinet of the electricity or telephone company."""
        u, surfaces = self._rng.uniform, self._site.surfaces
        size = (u(0.4, 1.3), u(0.3, 0.5), u(0.8, 1.6))
        material = self._any(surfaces.dark, surfaces.metal, surfaces.concrete)
        self._standing_box(s, t, size, BARRIER, material, self._rng.normal(0, 0.05))

    def _bin(self, side: Side, s: float, t: float) -> None:
        """Add a litter bin, up to three wheelie bins, or a container."""
        rng, u, kind = self._rng, self._rng.uniform, self._rng.random()
        material = self._site.table.add(
            "plastic", rng.random(3) * u(0.05, 0.5), noise_contrast=0.2, fine_contrast=0.1
        )
        if kind < 0.35:
            self._standing_box(s, t, (u(0.35, 0.5), u(0.35, 0.5), u(0.8, 1.1)), BARRIER, material)
        elif kind < 0.85:
            for index in range(rng.integers(1, 4)):
                at, size = s + 0.75 * index, (0.58, 0.7, u(1.0, 1.15))
                self._standing_box(at, t, size, BARRIER, material, rng.normal(0, 0.15))
        else:
            size = (u(1.3, 3.5), u(1.0, 1.7), u(1.2, 1.7))
            self._standing_box(s, t, size, BARRIER, material, rng.normal(0, 0.05))

    def _post_with_box(self, side: Side, s: float, t: float) -> None:
        """Add a parking meter, a letter box or a litter bin on a post, as tall as a person."""
        rng, u, out = self._rng, self._rng.uniform, self._out
        if not self._site.claim(s, t, 0.5):
            return
        foot, height = self._street.point(s, t), u(0.7, 1.2)
        top = foot + UP * height
        out.tube(foot - UP * 0.1, top, 0.05, 0.05, 6, POLE, self._site.surfaces.metal)
        size = (u(0.2, 0.45), u(0.25, 0.5), u(0.35, 0.7))
        material = self._site.table.add("plastic", rng.random(3) * u(0.1, 0.8), fine_contrast=0.1)
        out.box(top, size, self._yaw(s), BARRIER, material)

    def _board(self, side: Side, s: float, t: float) -> None:
        """Add an A-board, or a poster stand as tall as a person or taller."""
        rng, u = self._rng, self._rng.uniform
        is_large = rng.random() < 0.4
        if is_large:
            size = (0.2, u(1.2, 3.0), u(1.6, 2.6))
        else:
            size = (0.1, u(0.5, 0.9), u(0.9, 1.3))
        material = random_print(rng, self._site.table)
        self._standing_box(s, t, size, SIGN, material, rng.normal(0, 0.4))

    def _bench(self, side: Side, s: float, t: float) -> None:
        """Add a bench with its back to the houses if there is room."""
        surfaces, yaw, out = self._site.surfaces, self._yaw(s), self._out
        if not self._site.claim(s, t, 1.8, 0.6):
            return
        foot = self._street.point(s, t)
        for offset in (-0.45, 0.45):
            facing = -side.sign * np.pi / 2
            self._site.spots.append(Spot("seat", s + offset, t - side.sign * 0.1, facing))
        _, left = axes(yaw)
        out.box(foot + UP * 0.42, (1.7, 0.45, 0.06), yaw, BARRIER, surfaces.wood)
        back = foot + left * side.sign * 0.25 + UP * 0.5
        out.box(back, (1.7, 0.05, 0.4), yaw, BARRIER, surfaces.wood)
        for offset in (-0.7, 0.7):
            leg = self._street.point(s + offset, t)
            out.box(leg, (0.08, 0.4, 0.42), yaw, BARRIER, surfaces.metal)

    def _column(self, side: Side, s: float, t: float) -> None:
        """Add an advertising column if there is room."""
        radius = self._rng.uniform(0.25, 0.65)
        if not self._site.claim(s, t, 2 * radius):
            return
        foot, height = self._street.point(s, t), self._rng.uniform(1.5, 3.2)
        poster = random_print(self._rng, self._site.table)
        top, peak = foot + UP * height, foot + UP * (height + 0.3)
        self._out.tube(foot, top, radius, radius, 12, BARRIER, poster)
        roof = self._site.surfaces.dark
        self._out.tube(top, peak, radius * 1.1, 0.05, 12, BARRIER, roof)

    def _two_wheelers(self, side: Side, s: float, t: float) -> None:
        """Add parked bicycles and motorcycles, which have no boxes."""
        rng = self._rng
        materials = people_materials(rng, self._site.table)
        is_across = rng.random() < 0.6
        turn = np.pi / 2 + rng.normal(0, 0.1) if is_across else rng.normal(0, 0.1)
        for index in range(rng.integers(1, 7)):
            shape = self._site.library.draw_parked_two_wheeler(rng)
            at = s + index * (0.75 if abs(turn) > 1 else 2.2)
            if self._site.claim(at, t, shape.size[0], shape.size[1], turn, margin=0.02):
                x, y, z = self._street.point(at, t)
                yaw = self._yaw(at) + turn + np.pi * rng.integers(2)
                self._out.append(shape.mesh.placed((x, y, z), yaw, materials))

    def _shelter(self, side: Side, s: float, t: float) -> None:
        """Add a bus stop with glass walls under a roof if there is room."""
        surfaces, yaw, out = self._site.surfaces, self._yaw(s), self._out
        if not self._site.claim(s, t, 4.2, 1.6):
            return
        self._site.spots.append(Spot("stop", s, t, -side.sign * np.pi / 2))
        foot = self._street.point(s, t)
        forward, left = axes(yaw)
        back = foot + left * side.sign * 0.7
        for offset in (-2.0, 0.0, 2.0):
            post = back + forward * offset
            out.tube(post, post + UP * 2.4, 0.04, 0.04, 5, POLE, surfaces.metal)
        out.box(foot + UP * 2.4, (4.2, 1.6, 0.12), yaw, BUILDING, surfaces.dark)
        out.box(back + UP * 0.15, (4.0, 0.02, 2.0), yaw, BUILDING, surfaces.window)
        poster = random_print(self._rng, self._site.table)
        out.box(foot + forward * 2.0 + UP * 0.2, (0.06, 1.2, 1.9), yaw, SIGN, poster)

    def _table(self, side: Side, s: float, t: float) -> None:
        """Add a table with chairs, some under a parasol, if there is room."""
        rng, u, out, surfaces = self._rng, self._rng.uniform, self._out, self._site.surfaces
        if not self._site.claim(s, t, 1.5):
            return
        foot = self._street.point(s, t)
        material = self._any(surfaces.dark, surfaces.wood, surfaces.metal)
        out.tube(foot, foot + UP * 0.72, 0.04, 0.04, 5, BARRIER, material)
        out.box(foot + UP * 0.72, (0.7, 0.7, 0.04), self._yaw(s), BARRIER, material)
        for _ in range(rng.integers(1, 5)):
            turn = u(-np.pi, np.pi)
            self._chair(foot, self._yaw(s) + turn, material)
            at_s, at_t = s + 0.6 * np.cos(turn), t + 0.6 * np.sin(turn)
            self._site.spots.append(Spot("seat", at_s, at_t, turn + np.pi))
        if rng.random() < 0.4:
            cloth, radius = random_print(rng, self._site.table), u(0.9, 1.6)
            out.tube(foot + UP * 0.7, foot + UP * 2.5, 0.03, 0.03, 5, POLE, surfaces.metal)
            out.tube(foot + UP * 2.2, foot + UP * 2.55, radius, 0.05, 8, BARRIER, cloth)

    def _chair(self, table: np.ndarray, yaw: float, material: int) -> None:
        """Add a chair at the side of a table that `yaw` points to, facing the table."""
        forward, left = axes(yaw)
        seat = table + forward * 0.6
        self._out.box(seat + UP * 0.42, (0.42, 0.42, 0.05), yaw, BARRIER, material)
        back = seat + forward * 0.2 + UP * 0.45
        self._out.box(back, (0.04, 0.42, 0.42), yaw, BARRIER, material)
        for i, j in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            leg = seat + forward * i * 0.18 + left * j * 0.18
            self._out.tube(leg, leg + UP * 0.42, 0.02, 0.02, 3, BARRIER, material)

"""What stands on pavements and verges: lamps, signs, lights, bollards, bins, boards, tables."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.assets.people import people_materials
from bev_semseg_ros.sim.assets.primitives import axes, disc
from bev_semseg_ros.sim.assets.surfaces import grey, random_print
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.road.street import Side
from bev_semseg_ros.sim.scene.site import Site

BARRIER, POLE, SIGN = MASK_LABEL["barrier"], MASK_LABEL["pole"], MASK_LABEL["sign"]
UP = np.array([0.0, 0, 1])
SIGN_COLORS = (
    (0.70, 0.03, 0.03),
    (0.85, 0.85, 0.85),
    (0.05, 0.15, 0.60),
    (0.85, 0.65, 0.05),
    (0.03, 0.25, 0.10),
)
PLATES, PLATE_SHARES = (
    ("round", "triangle", "diamond", "octagon", "rectangle"),
    (0.35, 0.25, 0.1, 0.05, 0.25),
)
LIGHT_COLORS = (
    (0.02, 0.5, 0.15),
    (0.7, 0.4, 0.02),
    (0.8, 0.03, 0.03),
)  # from below: green, amber, red


class Furniture:
    """Furnishes one street."""

    def __init__(self, site: Site) -> None:
        self._site, self._rng, self._street, self._out = site, site.rng, site.street, site.out

    def line(self, side: Side, style: str) -> None:
        """Everything along one side."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        kerb = side.first("pavement") or side.first("verge") or side.strips[0]
        inner = kerb.start + (
            0.7 if street.kind in ("rural", "motorway") else 0.0
        )  # behind the guard rail
        outer = max(side.boundary, inner + 0.6)

        def spot(deep: bool = False) -> tuple[float, float]:
            """A station near the vehicle and an offset close to the road, or anywhere on public ground."""
            distance = u(inner + 0.25, outer) if deep else min(inner + u(0.25, 0.9), outer)
            return 4 + 60 * rng.random() ** 1.3, side.sign * distance

        if rng.random() < {"rural": 0.2, "motorway": 0.3}.get(street.kind, 0.75):
            self._lamps(side, inner + u(0.25, 0.8))
        if street.kind in ("rural", "motorway") and rng.random() < 0.7:
            self._reflector_posts(side, inner + u(0.2, 0.6))
        if street.kind in ("rural", "residential") and rng.random() < 0.2:
            self._utility_poles(side, outer + u(0.2, 1.5))
        for _ in range(rng.poisson({"rural": 0.8, "motorway": 0.8}.get(street.kind, 1.8))):
            self._sign(side, *spot())
        if street.kind == "motorway":
            if side.sign < 0 and rng.random() < 0.4:
                self._gantry(side, u(25, 110))
            return
        if rng.random() < (0.75 if street.crossing else 0.1) and street.kind != "rural":
            at = (
                street.crossing.station - street.crossing.half_width - u(0.5, 2)
                if street.crossing
                else u(10, 50)
            )
            self._traffic_light(side, at, side.sign * (inner + u(0.3, 0.8)))
        town = street.kind in ("city", "avenue", "lot") or (
            street.kind == "residential" and rng.random() < 0.6
        )
        clutter = (
            (0.35, self._bollards),
            (0.9, self._cabinet),
            (0.7, self._bin),
            (0.5, self._post_with_box),
            (0.35, self._board),
            (0.25, self._bench),
            (0.25, self._column),
            (0.35, self._two_wheelers),
        )
        for mean, place in clutter:
            for _ in range(rng.poisson(mean * (1.0 if town else 0.25))):
                place(side, *spot(deep=True))
        if town and rng.random() < 0.12:
            self._shelter(side, u(8, 45), side.sign * (outer - 0.9))
        if style == "city" and rng.random() < 0.4 and outer - inner > 1.6:
            for _ in range(rng.integers(2, 9)):
                self._table(side, u(5, 45), side.sign * u(inner + 0.8, outer - 0.3))

    def _yaw(self, s: float) -> float:
        return float(self._street.alignment.heading(s))

    def _any(self, *materials: int) -> int:
        return materials[self._rng.integers(len(materials))]

    def _lamps(self, side: Side, distance: float) -> None:
        u, out, surfaces = self._rng.uniform, self._out, self._site.surfaces
        gap, height = u(18, 40), u(4, 10)
        arm = u(0.5, 2.5) if self._rng.random() < 0.6 else 0.0
        material, head = (
            self._any(surfaces.metal, surfaces.dark),
            self._any(surfaces.metal, surfaces.dark),
        )
        for s in np.arange(u(-12, gap - 12), 150, gap):
            t = side.sign * distance
            if not self._site.claim(s, t, 0.25):
                continue
            foot = self._street.point(s, t)
            top = foot + UP * height
            if self._rng.random() < 0.3:
                out.tube(foot, foot + UP * 0.9, 0.11, 0.11, 6, POLE, material)
            out.tube(foot - UP * 0.2, top, 0.08, 0.05, 6, POLE, material)
            _, left = axes(self._yaw(s))
            end = top - left * side.sign * arm + UP * 0.2 * bool(arm)
            if arm:
                out.tube(top, end, 0.04, 0.04, 5, POLE, material)
            out.box(
                end - UP * 0.05,
                (0.25, 0.6, 0.12) if arm else (0.4, 0.4, 0.25),
                self._yaw(s),
                POLE,
                head,
            )

    def _reflector_posts(self, side: Side, distance: float) -> None:
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
        surfaces, height = self._site.surfaces, self._rng.uniform(7, 10)
        gap, ends = self._rng.uniform(30, 45), []
        for s in np.arange(self._rng.uniform(-10, 20), 160, gap):
            t = side.sign * distance
            if self._site.claim(s, t, 0.4):
                foot = self._street.point(s, t, -0.2)
                self._out.tube(foot, foot + UP * height, 0.14, 0.1, 6, POLE, surfaces.wood)
                ends.append(foot + UP * (height - 0.2))
        for a, b in pairwise(ends):  # a wire that sags
            f = np.linspace(0, 1, 5)[:, None]
            points = a * (1 - f) + b * f - UP * 4 * 0.5 * f * (1 - f)
            for p, q in pairwise(points):
                self._out.tube(p, q, 0.012, 0.012, 3, POLE, surfaces.dark)

    def _face(
        self, center: np.ndarray, yaw: float, width: float, height: float, material: int
    ) -> None:
        """A plate that looks against `yaw`, at approaching drivers."""
        _, left = axes(yaw)
        across, up = left * width / 2, UP * height / 2
        self._out.quad(
            center + across - up,
            center - across - up,
            center - across + up,
            center + across + up,
            SIGN,
            material,
        )

    def _sign(self, side: Side, s: float, t: float) -> None:
        """One or two plates on a post: round, triangular, octagonal, rectangular, seen from before or behind."""
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        if not self._site.claim(s, t, 0.3):
            return
        height = u(2.0, 3.3)
        foot = self._street.point(s, t)
        self._out.tube(foot - UP * 0.1, foot + UP * height, 0.035, 0.035, 5, POLE, surfaces.metal)
        yaw = self._yaw(s) + rng.normal(0, 0.12)
        front = rng.random() < 0.7
        if not front:
            yaw += np.pi
        forward, left = axes(yaw)
        rim = self._site.table.add(
            "retro", SIGN_COLORS[rng.integers(len(SIGN_COLORS))], noise_contrast=0.2
        )
        face = self._site.table.add(
            "retro",
            SIGN_COLORS[rng.integers(len(SIGN_COLORS))],
            None,
            grey(rng, 0.05),
            pattern="blocks",
            pattern_u=u(0.08, 0.3),
            pattern_v=u(0.08, 0.2),
            pattern_line=0.3,
        )
        for index in range(rng.integers(1, 3)):
            radius = u(0.28, 0.45)
            center = foot + UP * (height - 0.35 - 0.75 * index) - forward * 0.05
            back = center + forward * 0.025
            shape = str(rng.choice(PLATES, p=PLATE_SHARES))
            if shape == "rectangle":
                size = (radius * u(1.2, 3.2), radius * u(1.0, 1.8))
                self._face(center, yaw, *size, face)
                self._face(back, yaw + np.pi, *size, surfaces.metal)
                continue
            sides, turn = {
                "round": (20, 0.0),
                "triangle": (3, np.pi / 2 if rng.random() < 0.8 else -np.pi / 2),
                "diamond": (4, 0.0),
                "octagon": (8, np.pi / 8),
            }[shape]
            self._out.polygon(disc(center, -left, UP, radius, sides, turn), SIGN, rim)
            self._out.polygon(
                disc(center - forward * 0.012, -left, UP, radius * 0.75, sides, turn), SIGN, face
            )
            self._out.polygon(disc(back, left, UP, radius, sides, turn), SIGN, surfaces.metal)

    def _gantry(self, side: Side, s: float) -> None:
        """Boards over a motorway on a portal or on an arm."""
        surfaces, u = self._site.surfaces, self._rng.uniform
        t, height = side.sign * (self._street.half_width + 3.2), u(5.6, 6.5)
        if not self._site.claim(s, t, 0.8):
            return
        foot = self._street.point(s, t, -0.2)
        _, left = axes(self._yaw(s))
        reach = -side.sign * left * (u(5, 2 * self._street.half_width) + 3)
        self._out.tube(foot, foot + UP * height, 0.2, 0.18, 8, POLE, surfaces.metal)
        self._out.tube(
            foot + UP * height, foot + reach + UP * height, 0.15, 0.12, 6, POLE, surfaces.metal
        )
        color = SIGN_COLORS[self._rng.integers(len(SIGN_COLORS))]
        board = self._site.table.add(
            "retro",
            color,
            None,
            grey(self._rng, 0.85),
            pattern="blocks",
            pattern_u=u(0.3, 0.9),
            pattern_v=u(0.3, 0.6),
            pattern_line=0.3,
        )
        for share in (0.45, 0.9)[: self._rng.integers(1, 3)]:
            center = foot + reach * share + UP * height
            forward, _ = axes(self._yaw(s))
            self._face(center - forward * 0.25, self._yaw(s), u(2.5, 4), u(1.8, 3), board)
            self._face(center - forward * 0.2, self._yaw(s) + np.pi, 3.0, 2.2, surfaces.metal)

    def _traffic_light(self, side: Side, s: float, t: float) -> None:
        rng, out, surfaces = self._rng, self._out, self._site.surfaces
        if not self._site.claim(s, t, 0.3):
            return
        yaw = self._yaw(s) + (0.0 if t < 0 else np.pi)  # it looks at those who approach on its side
        forward, left = axes(yaw)
        foot = self._street.point(s, t)
        material = self._any(surfaces.metal, surfaces.dark)
        out.tube(foot - UP * 0.1, foot + UP * 3.4, 0.07, 0.06, 6, POLE, material)
        heads = [foot - forward * 0.15 + UP * 2.3]
        if rng.random() < 0.4:  # a second one on an arm over the road
            out.tube(foot + UP * 3.3, foot + UP * 5.6, 0.07, 0.06, 6, POLE, material)
            end = foot + left * rng.uniform(2, 5) + UP * 5.6
            out.tube(foot + UP * 5.6, end, 0.05, 0.05, 5, POLE, material)
            heads.append(end - UP * 0.6)
        lit = rng.integers(3)
        lamps = [
            self._site.table.add(
                "plastic",
                np.array(color) * (1.0 if index == lit else 0.1),
                noise_contrast=0.0,
                emission=1.5 if index == lit else 0.0,
            )
            for index, color in enumerate(LIGHT_COLORS)
        ]
        for head in heads:
            out.box(head, (0.25, 0.3, 0.95), yaw, SIGN, surfaces.dark)
            for index, lamp in enumerate(lamps):
                center = head - forward * 0.135 + UP * (0.19 + 0.29 * index)
                out.polygon(disc(center, -left, UP, 0.105, 10), SIGN, lamp)

    def _bollards(self, side: Side, s: float, t: float) -> None:
        surfaces, u = self._site.surfaces, self._rng.uniform
        material = self._any(surfaces.dark, surfaces.metal, surfaces.hazard, surfaces.concrete)
        height, radius = u(0.75, 1.1), u(0.05, 0.1)
        for index in range(self._rng.integers(2, 9)):
            if self._site.claim(s + 1.5 * index, t, 0.2):
                foot = self._street.point(s + 1.5 * index, t)
                self._out.tube(
                    foot - UP * 0.1, foot + UP * height, radius, radius, 7, POLE, material
                )
                self._out.tube(
                    foot + UP * height, foot + UP * (height + 0.03), radius, 0.01, 7, POLE, material
                )

    def _standing_box(
        self,
        s: float,
        t: float,
        size: tuple[float, float, float],
        label: int,
        material: int,
        turn: float = 0.0,
    ) -> None:
        if self._site.claim(s, t, size[0], size[1], turn):
            self._out.box(self._street.point(s, t), size, self._yaw(s) + turn, label, material)

    def _cabinet(self, side: Side, s: float, t: float) -> None:
        u, surfaces = self._rng.uniform, self._site.surfaces
        self._standing_box(
            s,
            t,
            (u(0.4, 1.3), u(0.3, 0.5), u(0.8, 1.6)),
            BARRIER,
            self._any(surfaces.dark, surfaces.metal, surfaces.concrete),
            self._rng.normal(0, 0.05),
        )

    def _bin(self, side: Side, s: float, t: float) -> None:
        """Litter bins, wheelie bins in twos and threes, containers."""
        rng, u, kind = self._rng, self._rng.uniform, self._rng.random()
        material = self._site.table.add(
            "plastic", rng.random(3) * u(0.05, 0.5), noise_contrast=0.2, fine_contrast=0.1
        )
        if kind < 0.35:
            self._standing_box(s, t, (u(0.35, 0.5), u(0.35, 0.5), u(0.8, 1.1)), BARRIER, material)
        elif kind < 0.85:
            for index in range(rng.integers(1, 4)):
                size = (0.58, 0.7, u(1.0, 1.15))
                self._standing_box(
                    s + 0.75 * index, t, size, BARRIER, material, rng.normal(0, 0.15)
                )
        else:
            self._standing_box(
                s,
                t,
                (u(1.3, 3.5), u(1.0, 1.7), u(1.2, 1.7)),
                BARRIER,
                material,
                rng.normal(0, 0.05),
            )

    def _post_with_box(self, side: Side, s: float, t: float) -> None:
        """Parking meters, letter boxes, litter bins on posts: as tall as people."""
        u, surfaces = self._rng.uniform, self._site.surfaces
        if self._site.claim(s, t, 0.5):
            foot, height = self._street.point(s, t), u(0.7, 1.2)
            self._out.tube(foot - UP * 0.1, foot + UP * height, 0.05, 0.05, 6, POLE, surfaces.metal)
            self._out.box(
                foot + UP * height,
                (u(0.2, 0.45), u(0.25, 0.5), u(0.35, 0.7)),
                self._yaw(s),
                BARRIER,
                self._site.table.add(
                    "plastic", self._rng.random(3) * u(0.1, 0.8), fine_contrast=0.1
                ),
            )

    def _board(self, side: Side, s: float, t: float) -> None:
        """An A-board, or a poster stand as tall as a person or larger."""
        rng, u = self._rng, self._rng.uniform
        large = rng.random() < 0.4
        size = (0.2, u(1.2, 3.0), u(1.6, 2.6)) if large else (0.1, u(0.5, 0.9), u(0.9, 1.3))
        self._standing_box(
            s, t, size, SIGN, random_print(rng, self._site.table), rng.normal(0, 0.4)
        )

    def _bench(self, side: Side, s: float, t: float) -> None:
        surfaces, yaw = self._site.surfaces, self._yaw(s)
        if self._site.claim(s, t, 1.8, 0.6):
            foot = self._street.point(s, t)
            _, left = axes(yaw)
            self._out.box(foot + UP * 0.42, (1.7, 0.45, 0.06), yaw, BARRIER, surfaces.wood)
            self._out.box(
                foot + left * side.sign * 0.25 + UP * 0.5,
                (1.7, 0.05, 0.4),
                yaw,
                BARRIER,
                surfaces.wood,
            )
            for offset in (-0.7, 0.7):
                self._out.box(
                    self._street.point(s + offset, t),
                    (0.08, 0.4, 0.42),
                    yaw,
                    BARRIER,
                    surfaces.metal,
                )

    def _column(self, side: Side, s: float, t: float) -> None:
        """An advertising pillar."""
        radius = self._rng.uniform(0.25, 0.65)
        if self._site.claim(s, t, 2 * radius):
            foot, height = self._street.point(s, t), self._rng.uniform(1.5, 3.2)
            print_ = random_print(self._rng, self._site.table)
            self._out.tube(foot, foot + UP * height, radius, radius, 12, BARRIER, print_)
            self._out.tube(
                foot + UP * height,
                foot + UP * (height + 0.3),
                radius * 1.1,
                0.05,
                12,
                BARRIER,
                self._site.surfaces.dark,
            )

    def _two_wheelers(self, side: Side, s: float, t: float) -> None:
        """Parked bicycles and motor cycles: no objects."""
        rng = self._rng
        materials = people_materials(rng, self._site.table)
        turn = np.pi / 2 + rng.normal(0, 0.1) if rng.random() < 0.6 else rng.normal(0, 0.1)
        for index in range(rng.integers(1, 7)):
            shape = self._site.library.draw_parked_two_wheeler(rng)
            at = s + index * (0.75 if abs(turn) > 1 else 2.2)
            if self._site.claim(at, t, shape.size[0], shape.size[1], turn, margin=0.02):
                self._out.append(
                    shape.mesh.placed(
                        tuple(self._street.point(at, t)),
                        self._yaw(at) + turn + np.pi * rng.integers(2),
                        materials,
                    )
                )

    def _shelter(self, side: Side, s: float, t: float) -> None:
        """A bus stop: glass walls under a roof."""
        surfaces, yaw = self._site.surfaces, self._yaw(s)
        if self._site.claim(s, t, 4.2, 1.6):
            foot = self._street.point(s, t)
            forward, left = axes(yaw)
            back = foot + left * side.sign * 0.7
            for offset in (-2.0, 0.0, 2.0):
                post = back + forward * offset
                self._out.tube(post, post + UP * 2.4, 0.04, 0.04, 5, POLE, surfaces.metal)
            self._out.box(
                foot + UP * 2.4, (4.2, 1.6, 0.12), yaw, MASK_LABEL["building"], surfaces.dark
            )
            self._out.box(
                back + UP * 0.15, (4.0, 0.02, 2.0), yaw, MASK_LABEL["building"], surfaces.window
            )
            self._out.box(
                foot + forward * 2.0 + UP * 0.2,
                (0.06, 1.2, 1.9),
                yaw,
                SIGN,
                random_print(self._rng, self._site.table),
            )

    def _table(self, side: Side, s: float, t: float) -> None:
        """A table with chairs, some under a parasol."""
        rng, u, out, surfaces = self._rng, self._rng.uniform, self._out, self._site.surfaces
        if not self._site.claim(s, t, 1.5):
            return
        foot = self._street.point(s, t)
        material = self._any(surfaces.dark, surfaces.wood, surfaces.metal)
        out.tube(foot, foot + UP * 0.72, 0.04, 0.04, 5, BARRIER, material)
        out.box(foot + UP * 0.72, (0.7, 0.7, 0.04), self._yaw(s), BARRIER, material)
        for _ in range(rng.integers(1, 5)):
            yaw = u(-np.pi, np.pi)
            forward, _ = axes(yaw)
            seat = foot + forward * 0.6
            out.box(seat + UP * 0.42, (0.42, 0.42, 0.05), yaw, BARRIER, material)
            out.box(seat + forward * 0.2 + UP * 0.45, (0.04, 0.42, 0.42), yaw, BARRIER, material)
            for i, j in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                leg = seat + axes(yaw)[0] * i * 0.18 + axes(yaw)[1] * j * 0.18
                out.tube(leg, leg + UP * 0.42, 0.02, 0.02, 3, BARRIER, material)
        if rng.random() < 0.4:
            cloth, radius = random_print(rng, self._site.table), u(0.9, 1.6)
            out.tube(foot + UP * 0.7, foot + UP * 2.5, 0.03, 0.03, 5, POLE, surfaces.metal)
            out.tube(foot + UP * 2.2, foot + UP * 2.55, radius, 0.05, 8, BARRIER, cloth)

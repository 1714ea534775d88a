"""Rows of bollards, some with chains; hydrants, gate posts and turnstiles."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bev_semseg_ros.sim.classes import BARRIER, BUILDING, POLE
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind, Placer, Spot

BOLLARD_KINDS = ("steel", "iron", "stone", "square", "ball", "flexible", "striped", "marker")
BOLLARD_PROBABILITIES = (0.25, 0.12, 0.1, 0.1, 0.06, 0.12, 0.15, 0.1)


class Bollards(Placer):
    """Adds bollards and other short posts."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (
            Kind(self.add_row, 0.9, "kerb", 0.06),
            Kind(self.add_hydrant, 0.2, "kerb"),
            Kind(self.add_gate_posts, 0.35, "wall", 0.12),
            Kind(self.add_turnstile, 0.08, "middle"),
        )

    def add_row(self, side: Side, s: float, t: float) -> None:
        """Add bollards of one kind along the road, sometimes a single one or a row across."""
        rng, u = self._rng, self._rng.uniform
        kind = str(rng.choice(BOLLARD_KINDS, p=BOLLARD_PROBABILITIES))
        count = int(rng.integers(2, 9)) if rng.random() < 0.75 else 1
        gap, height, radius = u(1.1, 2.6), u(0.7, 1.15), u(0.04, 0.11)
        is_across = rng.random() < 0.12
        material = self._row_material(kind)
        has_chain = kind in ("steel", "iron", "stone") and rng.random() < 0.3
        spots: list[Spot] = []
        for index in range(count):
            step = index * gap
            at = (s, t + side.sign * step) if is_across else (s + step, t)
            spot = self._place(*at, max(2 * radius, 0.25), turn=rng.normal(0, 0.05))
            if spot is not None:
                self._bollard(spot, kind, height, radius, material)
                spots.append(spot)
        if has_chain:
            for first, last in pairwise(spots):
                self._chain(first, last, height * 0.85)

    def _row_material(self, kind: str) -> int:
        """Draw the material of a row of bollards; `kind` is one of BOLLARD_KINDS."""
        surfaces, materials = self._site.surfaces, self._materials
        choices = {
            "steel": (surfaces.metal, surfaces.dark, *materials.paints),
            "iron": (surfaces.dark, *materials.paints),
            "stone": materials.stones,
            "square": (surfaces.wood, surfaces.dark, *materials.stones),
            "ball": materials.stones,
            "flexible": (materials.orange, materials.red, *materials.plastics),
            "striped": materials.striped,
            "marker": (materials.white, *materials.plastics),
        }
        return self._pick(choices[kind])

    def _bollard(self, spot: Spot, kind: str, height: float, radius: float, material: int) -> None:
        """Add one bollard.

        Args:
            spot: Where it stands.
            kind: One of BOLLARD_KINDS.
            height: Metres.
            radius: Metres.
            material: Row index in the MaterialTable.
        """
        h, r, white = height, radius, self._materials.white
        if kind == "steel":
            rings = [(-0.1, r), (h - 0.12, r), (h - 0.08, r), (h, r), (h + 0.03, r * 0.6)]
            rows = [material, white, material, material]
            self._lathe(spot, rings, POLE, rows if radius < 0.07 else material, 7)
        elif kind == "iron":
            rings = [(-0.1, 1.6), (0.12, 1.6), (0.16, 1.0), (0.7 * h, 0.8), (0.75 * h, 1.25)]
            rings += [(0.8 * h, 0.7), (0.88 * h, 1.3), (h, 0.8)]
            self._lathe(spot, [(z, r * f) for z, f in rings], POLE, material)
        elif kind == "stone":
            r = max(1.6 * r, 0.1)
            rings = [(-0.1, r * 1.15), (0.8 * h, r), (0.93 * h, r * 0.85), (h, r * 0.4)]
            self._lathe(spot, rings, POLE, material)
        elif kind == "square":
            width = max(1.6 * r, 0.09)
            self._box(spot, (width, width, h + 0.1), POLE, material, up=-0.1)
        elif kind == "ball":
            r = 0.2 + r
            angles = np.linspace(-1.2, 1.45, 5)
            rings = [(r + r * np.sin(a), r * np.cos(a)) for a in angles]
            self._lathe(spot, [(float(z), float(w)) for z, w in rings], BARRIER, material)
        elif kind == "flexible":
            r = max(0.8 * r, 0.04)
            rings = [(0.0, 2.2 * r), (0.05, 2.0 * r), (0.06, r), (0.55 * h, r), (0.66 * h, r)]
            rings += [(0.74 * h, r), (0.85 * h, r), (h, r)]
            rows = [self._materials.rubber, material, material, white, material, white, material]
            self._lathe(spot, rings, POLE, rows, 7)
        elif kind == "striped":
            r = max(0.7 * r, 0.035)
            rings = [(z * h / 6, r) for z in range(7)]
            self._lathe(spot, rings, POLE, [self._materials.red, white], 7)
        else:
            self._box(spot, (0.09, 0.12, h), POLE, white)
            self._box(spot, (0.1, 0.13, 0.18), POLE, material, up=0.7 * h)

    def _chain(self, first: Spot, last: Spot, height: float) -> None:
        """Hang a chain between two bollards, `height` metres above the ground."""
        a, b = np.array(first.at(0, 0, height)), np.array(last.at(0, 0, height))
        if np.linalg.norm(b - a) > 3.5:
            return
        share = np.linspace(0, 1, 5)[:, None]
        points = a * (1 - share) + b * share - [0, 0, 0.6] * share * (1 - share)
        for p, q in pairwise(points):
            self._out.tube(p, q, 0.015, 0.015, 3, BARRIER, self._site.surfaces.dark)

    def add_hydrant(self, side: Side, s: float, t: float) -> None:
        """Add a hydrant."""
        u = self._rng.uniform
        spot = self._place(s, t, 0.4, turn=u(-np.pi, np.pi))
        if spot is None:
            return
        h, r = u(0.6, 1.05), u(0.08, 0.14)
        material = self._pick((self._materials.red, *self._materials.paints))
        rings = [(-0.1, 1.3), (0.1, 1.3), (0.11, 1.0), (0.72 * h, 1.0), (0.74 * h, 1.3)]
        rings += [(0.9 * h, 1.0), (h, 0.4)]
        self._lathe(spot, [(z, r * f) for z, f in rings], POLE, material)
        for across in (-1, 1):
            end = (0.0, across * (r + 0.1), 0.6 * h)
            self._rod(spot, (0, 0, 0.6 * h), end, 0.05, POLE, material)

    def add_gate_posts(self, side: Side, s: float, t: float) -> None:
        """Add two gate posts at the edge of a plot, some with a ball, a gate or a letter box."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        opening = u(1.0, 3.5)
        material = self._pick((self._site.surfaces.brick, *materials.stones))
        width, height = u(0.22, 0.5), u(0.9, 1.9)
        cap, has_gate = rng.random(), rng.random() < 0.5
        t = side.sign * (side.boundary + 0.45)
        for station in (s, s + opening + width):
            spot = self._place(station, t, width)
            if spot is None:
                return
            self._box(spot, (width, width, height + 0.2), BUILDING, material, up=-0.2)
            if cap < 0.6:
                size = (width * 1.25, width * 1.25, 0.07)
                self._box(spot, size, BUILDING, self._pick(materials.stones), up=height)
            if cap < 0.25:
                r = width * 0.42
                rings = [(height + 0.05, 0.3 * r), (height + r, r), (height + 2 * r, 0.4 * r)]
                self._lathe(spot, rings, BUILDING, materials.stones[0])
            if station == s and rng.random() < 0.4:  # a letter box on the side that faces the road
                size = (0.38, 0.14, 0.3)
                across = -side.sign * (width / 2 + 0.07)
                self._box(spot, size, BARRIER, self._pick(materials.paints), 0, across, u(0.9, 1.1))
            if station == s and has_gate:
                middle = spot.moved((opening + width) / 2, turn=np.pi / 2)
                self._plate(middle, opening, u(0.8, height), 0.08, BARRIER, *[materials.bars] * 2)

    def add_turnstile(self, side: Side, s: float, t: float) -> None:
        """Add a turnstile or a bar across a path."""
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        spot = self._place(s, t, 1.2, turn=self._to_road(side))
        if spot is None:
            return
        metal, height = self._pick((surfaces.metal, self._materials.paints[0])), u(0.95, 1.1)
        self._lathe(spot, [(-0.1, 0.06), (height, 0.06)], BARRIER, metal, 7)
        if rng.random() < 0.5:
            turn = u(0, np.pi)
            for angle in turn + np.arange(4) * np.pi / 2:
                end = (0.5 * float(np.cos(angle)), 0.5 * float(np.sin(angle)), height - 0.1)
                self._rod(spot, (0, 0, height - 0.1), end, 0.02, BARRIER, metal)
        else:
            material = self._pick((metal, self._materials.red))
            for up in (0.5, height - 0.05):
                self._rod(spot, (0, -0.55, up), (0, 0.55, up), 0.025, BARRIER, material)
            for across in (-0.55, 0.55):
                foot, top = (0.0, across, -0.05), (0.0, across, height)
                self._rod(spot, foot, top, 0.03, BARRIER, metal)

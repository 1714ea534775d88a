"""Trees, hedges, shrubs, rough grass, mounds, and the woods on the horizon."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.plants import plant_materials
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.road.street import Side
from bev_semseg_ros.sim.scene.site import Site

VEGETATION = MASK_LABEL["vegetation"]
UP = np.array([0.0, 0, 1])


class Greenery:
    """Plants one street."""

    def __init__(self, site: Site) -> None:
        rng = site.rng
        self._site, self._rng, self._street = site, rng, site.street
        self._materials = [plant_materials(rng, site.table, site.season) for _ in range(3)]
        self._common = "poplar" if rng.random() < 0.2 else "leafy"
        self._bare = {"winter": 0.75, "autumn": 0.15}.get(site.season, 0.06)

    def _place(
        self, kind: str, s: float, t: float, scale: tuple[float, float, float], sink: float = 0.0
    ) -> None:
        shape = self._site.library.draw_plant(kind, self._rng)
        materials = self._materials[self._rng.integers(len(self._materials))]
        self._site.out.append(
            shape.mesh.placed(
                tuple(self._street.point(s, t, -sink)),
                self._rng.uniform(-np.pi, np.pi),
                materials,
                scale,
            )
        )

    def tree(self, s: float, t: float, scale: float = 1.0, room: float = 0.8) -> None:
        """A tree of the street's kind, or now and then another, if `room` metres round its trunk are free."""
        if not self._site.claim(s, t, room):
            return
        rng = self._rng
        kind = (
            "bare"
            if rng.random() < self._bare
            else "conifer"
            if rng.random() < 0.1
            else self._common
        )
        scale *= rng.uniform(0.7, 1.25)
        self._place(kind, s, t, (scale, scale, scale * rng.uniform(0.9, 1.15)))

    def bush(self, s: float, t: float, room: float = 1.0) -> None:
        """A bush of any shape, also as large as a car or as tall and thin as a person."""
        if not self._site.claim(s, t, room):
            return
        u, kind = self._rng.uniform, self._rng.random()
        if kind < 0.6:
            scale = (u(0.5, 1.4),) * 3
        elif kind < 0.8:
            scale = (u(1.5, 2.4), u(0.7, 1.2), u(0.7, 1.2))
        else:
            scale = (u(0.25, 0.45), u(0.25, 0.45), u(0.8, 1.5))
        self._place("bush", s, t, scale, 0.05)

    def line(self, side: Side, style: str) -> None:
        """The trees and shrubs of one side."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        for strip in side.strips:
            width, middle = strip.end - strip.start, (strip.start + strip.end) / 2
            if (
                strip.use == "verge"
                and width > 0.7
                and rng.random() < 0.5
                and street.kind != "motorway"
            ) or (strip.use == "pavement" and width > 1.8 and rng.random() < 0.18):
                self._row(side.sign * (middle if strip.use == "verge" else strip.start + 0.7))
            if strip.use == "verge":
                for _ in range(rng.poisson(1.2)):
                    self.bush(
                        u(4, 45), side.sign * u(min(strip.start + 0.3, strip.end), strip.end), 0.8
                    )
                self._tufts(side, strip.start + 0.15, strip.end)
        if side.sign > 0 and street.median > 1.0 and rng.random() < 0.5:
            self._row(0.0)
        yard = side.first("yard")
        if style == "scattered":
            for _ in range(rng.integers(5, 26)):
                s, t = (
                    -8 + 150 * rng.random() ** 1.4,
                    side.sign * u(side.boundary + 0.6, side.boundary + u(4, 25)),
                )
                if rng.random() < 0.6:
                    self.tree(s, t)
                else:
                    self.bush(s, t)
            if rng.random() < 0.35:
                self._forest_edge(side, side.boundary + u(1.5, 12))
            if yard.label == VEGETATION:
                self._tufts(side, yard.start, min(yard.start + 4, yard.end))
        elif style == "houses":
            for _ in range(rng.poisson(12)):
                s, t = u(-8, 90), side.sign * u(side.boundary + 0.6, side.boundary + 7)
                if rng.random() < 0.4:
                    self.tree(s, t, 0.8)
                else:
                    self.bush(s, t)
        if (
            rng.random() < 0.3 and street.kind != "motorway"
        ):  # old trees whose crowns hang over the road
            for _ in range(rng.integers(1, 5)):
                self.tree(u(6, 60), side.sign * (side.boundary + u(0.3, 4)), u(1.2, 1.8))
        for _ in range(rng.poisson(0.5)):
            self._mound(u(8, 50), side.sign * (side.boundary + u(0.5, 6)))
        for _ in range(rng.poisson(0.4)):
            self._stump(u(6, 45), side.sign * (side.boundary + u(0.3, 4)))

    def _row(self, t: float) -> None:
        alley = self._common == "poplar" and self._rng.random() < 0.6
        gap = self._rng.uniform(3, 6) if alley else self._rng.uniform(5, 14)
        for s in np.arange(self._rng.uniform(-10, -10 + gap), 125, gap):
            if self._rng.random() < 0.85:
                self.tree(s + self._rng.normal(0, 0.2), t, room=0.5)

    def hedge(
        self, side: Side, pieces: list[tuple[float, float]], distance: float, height: float
    ) -> None:
        """A clipped hedge along pieces of road, from station to station."""
        materials = self._materials[self._rng.integers(len(self._materials))]
        for start, end in pieces:
            shape = self._site.library.draw_plant("hedge", self._rng)
            length, width, tall = shape.size
            middle = (start + end) / 2
            self._site.out.append(
                shape.mesh.placed(
                    tuple(self._street.point(middle, side.sign * distance, -0.05)),
                    float(self._street.alignment.heading(middle)) + np.pi * self._rng.integers(2),
                    materials,
                    ((end - start) * 1.04 / length, 0.9 / width, height / tall),
                )
            )

    def _forest_edge(self, side: Side, distance: float) -> None:
        """Trees and undergrowth before a dark wall of leaves."""
        rng, u = self._rng, self._rng.uniform
        for s in np.arange(-8, 100, u(3, 6)):
            self.tree(s + u(-1, 1), side.sign * (distance + u(0, 3)), room=0.5)
            if rng.random() < 0.4:
                self.bush(s, side.sign * (distance - u(0, 1.5)))
        s = np.arange(-20, 180, 6.0)
        s = s[s < self._street.alignment.stations[-1]]
        if distance + 4 > self._street.alignment.offset_limit(side.sign):
            return
        top = u(5, 10) + rng.normal(0, 0.8, len(s))
        z = float(side.height(distance + 4)) + np.stack([np.full(len(s), -1.0), top], 1)
        points = self._street.alignment.points(s[:, None], side.sign * (distance + 4), z)
        self._site.out.builder.grid(
            points,
            VEGETATION,
            self._site.surfaces.far_trees,
            np.stack(np.broadcast_arrays(s[:, None], z), -1),
            smooth=False,
        )

    def _tufts(self, side: Side, start: float, end: float) -> None:
        """Blades of rough grass."""
        rng = self._rng
        if end - start < 0.3 or rng.random() < 0.5:
            return
        count = rng.integers(60, 350)
        s, distance = 1 + 35 * rng.random(count) ** 1.3, rng.uniform(start, end, count)
        free = np.array([not self._street.is_crossed(at, at, side.sign) for at in s])
        s, distance = s[free], distance[free]
        foot = self._street.alignment.points(s, side.sign * distance, side.height(distance) - 0.02)
        lean = rng.normal(0, 0.06, (len(s), 3)) + [0, 0, 1] * rng.uniform(
            0.06, rng.uniform(0.1, 0.4), (len(s), 1)
        )
        across = rng.normal(0, 0.05, (len(s), 3)) * [1, 1, 0.1]
        blades = np.stack([foot - across, foot + across, foot + lean], 1)
        self._site.out.builder.add(
            blades,
            VEGETATION,
            self._site.surfaces.grass,
            normals=np.broadcast_to([0.0, 0, 1], blades.shape),
        )

    def _mound(self, s: float, t: float) -> None:
        """A heap of soil, gravel or leaves."""
        u, surfaces = self._rng.uniform, self._site.surfaces
        size = np.array([u(0.8, 3), u(0.8, 2.2), u(0.4, 1.5)])
        if not self._site.claim(s, t, size[:2].max() * 2):
            return
        angle, rise = np.linspace(0, 2 * np.pi, 13), np.linspace(0, np.pi / 2, 5)
        unit = np.stack(
            [
                np.cos(angle)[:, None] * np.cos(rise),
                np.sin(angle)[:, None] * np.cos(rise),
                np.broadcast_to(np.sin(rise), (13, 5)),
            ],
            -1,
        )
        bumps = 1 + self._rng.normal(0, 0.08, (13, 5, 1))
        bumps[-1] = bumps[0]
        points = unit * size * bumps + self._street.point(s, t, -0.1)
        self._site.out.builder.grid(
            points,
            VEGETATION,
            [surfaces.soil, surfaces.gravel, surfaces.litter][self._rng.integers(3)],
            points[..., :2],
        )

    def _stump(self, s: float, t: float) -> None:
        """A stump or a bare trunk, as wide as a person."""
        if not self._site.claim(s, t, 0.6):
            return
        radius, height = self._rng.uniform(0.1, 0.3), self._rng.uniform(0.4, 2.2)
        foot = self._street.point(s, t, -0.1)
        top = foot + UP * height
        self._site.out.tube(
            foot, top, radius * 1.2, radius, 8, VEGETATION, self._site.surfaces.wood
        )
        self._site.out.tube(
            top, top + UP * 0.02, radius, 0.01, 8, VEGETATION, self._site.surfaces.wood
        )

    def horizon(self) -> None:
        """Silhouettes of woods and houses at 170 to 380 m, all round."""
        rng, u = self._rng, self._rng.uniform
        far = float(self._street.alignment.elevation(150.0))
        base = max(0.0, *(float(side.height(side.boundary + 100)) for side in self._street.sides))
        for radius in (u(170, 230), u(300, 380)):
            count = 97
            wooded = rng.random() < 0.65
            if wooded:
                walk = np.cumsum(rng.normal(0, 1, count))
                walk -= np.linspace(0, walk[-1], count)
                height = u(-3, 8) + u(0.3, 1.8) * walk + rng.normal(0, 0.7, count)
            else:
                height = np.repeat(rng.uniform(0, 22, count // 4 + 1) * u(0.3, 1), 4)[:count]
            top = np.maximum(height, -2) + max(far, 0.0) + base * 0.3
            angle = np.linspace(-np.pi, np.pi, count)
            x, y = radius * np.cos(angle), radius * np.sin(angle)
            points = np.stack(
                [np.stack([x, y, np.full(count, -40.0)], -1), np.stack([x, y, top], -1)], 1
            )
            uvs = np.stack(
                [
                    np.stack([angle * radius, 0 * angle], -1),
                    np.stack([angle * radius, 40 + top], -1),
                ],
                1,
            )
            label, material = (
                (VEGETATION, self._site.surfaces.far_trees)
                if wooded
                else (MASK_LABEL["building"], self._site.surfaces.facades[rng.integers(6)][0])
            )
            self._site.out.builder.grid(points, label, material, uvs, smooth=False)

"""Litter bins, wheelie bins, containers for glass and clothes, and rubbish bags."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.classes import BARRIER, POLE
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind, Placer


class Bins(Placer):
    """Adds bins, containers and bags for rubbish."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (
            Kind(self.add_litter_bin, 0.7, "kerb", 0.05),
            Kind(self.add_wheelie_bins, 0.6, "wall", 0.12),
            Kind(self.add_containers, 0.2, "middle", 0.04),
            Kind(self.add_bags, 0.2, "kerb", 0.02),
        )

    def add_litter_bin(self, side: Side, s: float, t: float) -> None:
        """Add a litter bin, on a post or on the ground, round or angular."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        spot = self._place(s, t, 0.45, turn=self._to_road(side) + rng.normal(0, 0.1))
        if spot is None:
            return
        body = self._pick((*materials.plastics, *materials.paints, self._site.surfaces.metal))
        width, height = u(0.28, 0.5), u(0.4, 0.75)
        low = u(0.4, 0.75)
        is_round = rng.random() < 0.55
        if rng.random() < 0.5:
            post = self._pick((self._site.surfaces.metal, *materials.paints))
            end = (-width / 2, 0.0, low + height + u(-0.1, 0.4))
            self._rod(spot, (-width / 2, 0, -0.1), end, 0.035, POLE, post)
        else:
            height, low = u(0.75, 1.25), 0.0
        r = width / 2
        if not is_round:
            top, narrowing = (width * u(0.7, 1), width), u(0.7, 1.0)
            foot = (top[0] * narrowing, top[1] * narrowing)
            self._taper(spot, foot, top, height, BARRIER, body, up=low)
            if rng.random() < 0.4:
                lid = (width * 1.05, width * 1.05, 0.05)
                self._box(spot, lid, BARRIER, materials.rubber, up=low + height)
            return
        rings = [(low, r * 0.85), (low + height, r)]
        if rng.random() < 0.5:  # a hood over the opening
            rings += [(low + height + 0.03, r * 1.05), (low + height + 0.2, r * 0.5)]
        self._lathe(spot, rings, BARRIER, [body, self._pick((body, materials.rubber))])

    def add_wheelie_bins(self, side: Side, s: float, t: float) -> None:
        """Add one to seven wheelie bins in a row, some of them out of line."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        body, spread = self._pick(materials.plastics), u(0.02, 0.3)
        for index in range(rng.integers(1, 8)):
            is_large = rng.random() < 0.12
            width, height = (1.25, u(1.2, 1.4)) if is_large else (u(0.5, 0.6), u(0.95, 1.15))
            depth = u(0.85, 1.1) if is_large else u(0.5, 0.75)
            turn = self._to_road(side) + rng.normal(0, spread)
            at = s + index * u(0.64, 0.85)
            spot = self._place(at, t + rng.normal(0, 0.3 * spread), depth, width, turn, margin=0.0)
            if spot is None:
                continue
            foot = (0.78 * depth, 0.86 * width)
            self._taper(spot, foot, (depth, width), 0.92 * height, BARRIER, body, up=0.04)
            lid = self._pick((body, self._pick(materials.plastics)))
            size = (depth * 1.06, width * 1.04, 0.07)
            self._box(spot, size, BARRIER, lid, 0, 0, 0.95 * height)
            if rng.random() < 0.15:  # left open
                back = -depth / 2
                ends = (back, 0.0, height), (back - 0.25, 0.0, height + 0.5)
                self._rod(spot, *ends, 0.03, BARRIER, lid)
                self._plate(spot.moved(back - 0.1), width, 0.5, height, BARRIER, lid, lid)

    def add_containers(self, side: Side, s: float, t: float) -> None:
        """Add one to four containers for glass, paper or clothes."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        kind = rng.random()
        body = self._pick((*materials.plastics, *materials.prints))
        for index in range(rng.integers(1, 5)):
            size = (u(0.9, 1.2), u(1.0, 1.5), u(1.4, 2.0))
            spot = self._place(s + 1.7 * index, t, *size[:2], self._to_road(side))
            if spot is None:
                continue
            if rng.random() < 0.6:
                body = self._pick(materials.plastics)
            if kind < 0.4:  # a dome
                r, h = size[0] / 2, size[2]
                rings = [(0, 0.85 * r), (0.1, r), (0.55 * h, r), (0.8 * h, 0.8 * r)]
                rings += [(0.95 * h, 0.45 * r), (h, 0.1)]
                self._lathe(spot, rings, BARRIER, body, 10)
            elif kind < 0.7:  # for clothes
                self._box(spot, (size[0], size[1], size[2]), BARRIER, body)
                flap = (0.06, 0.7 * size[1], 0.3)
                self._box(spot, flap, BARRIER, materials.screen, size[0] / 2, 0, 0.6 * size[2])
            else:
                self._box(spot, (size[0], size[1], 0.85 * size[2]), BARRIER, body)
                roof = (1.05 * size[0], 1.05 * size[1], 0.12)
                self._box(spot, roof, BARRIER, self._pick(materials.plastics), up=0.85 * size[2])

    def add_bags(self, side: Side, s: float, t: float) -> None:
        """Add a heap of rubbish bags, sacks or cardboard boxes."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        is_cardboard = rng.random() < 0.35
        color = self._pick((*materials.plastics, materials.cloths[0]))
        for _ in range(rng.integers(2, 8)):
            at = s + u(-0.8, 0.8), t + u(-0.25, 0.25)
            r, h = u(0.16, 0.32), u(0.3, 0.75)
            spot = self._place(*at, 1.4 * r, turn=u(-np.pi, np.pi), margin=-0.05)
            if spot is None:
                continue
            if is_cardboard:
                size = (2 * r, u(0.25, 0.6), h)
                self._box(spot, size, BARRIER, self._site.surfaces.wood)
            else:
                rings = [(0, 0.6 * r), (0.3 * h, r), (0.65 * h, 0.8 * r), (0.9 * h, 0.25 * r)]
                self._lathe(spot, [*rings, (h, 0.35 * r)], BARRIER, color, 7)

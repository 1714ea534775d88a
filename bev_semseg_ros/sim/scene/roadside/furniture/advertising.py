"""Advertising: A-boards, stands, columns, flags, banners, and flat figures of people."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.classes import BARRIER, POLE, SIGN
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind, Placer


class Advertising(Placer):
    """Adds advertising."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (
            Kind(self.add_a_board, 0.7, "middle", 0.02),
            Kind(self.add_stand, 0.35, "wall", 0.04),
            Kind(self.add_column, 0.25, "middle"),
            Kind(self.add_flag, 0.3, "wall", 0.06),
            Kind(self.add_flat_figure, 0.25, "wall", 0.03),
        )

    def add_a_board(self, side: Side, s: float, t: float) -> None:
        """Add an A-board, two boards that lean against each other, along or across the pavement."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        width, height, spread = u(0.4, 0.85), u(0.7, 1.35), u(0.35, 0.7)
        turn = float(self._pick((0.0, 0.0, np.pi / 2))) + rng.normal(0, 0.3)
        spot = self._place(s, t, spread, width, turn)
        if spot is None:
            return
        front, back = self._pick(materials.prints), self._pick(materials.prints)
        half = width / 2
        for direction, row in ((-1, front), (1, back)):
            right = -direction * half
            low, high = direction * spread / 2, direction * 0.03
            corners = [
                spot.at(low, right, 0.02),
                spot.at(low, -right, 0.02),
                spot.at(high, -right, height),
                spot.at(high, right, height),
            ]
            self._out.quads(np.array([corners]), SIGN, row)
        if rng.random() < 0.4:  # a frame
            for across in (-half, half):
                for along in (-spread / 2, spread / 2):
                    ends = (along, across, 0.0), (0.0, across, height + 0.03)
                    self._rod(spot, *ends, 0.018, SIGN, self._site.surfaces.metal)

    def add_stand(self, side: Side, s: float, t: float) -> None:
        """Add a poster stand as tall as a person or taller, on the ground or on two legs."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        width = u(0.45, 1.4) if rng.random() < 0.7 else u(1.4, 3.0)
        height, low = u(1.3, 2.2), u(0.0, 0.7)
        turn = float(self._pick((0.0, 0.0, np.pi / 2))) + rng.normal(0, 0.25)
        spot = self._place(s, t, 0.3, width, turn)
        if spot is None:
            return
        poster = self._pick(materials.prints)
        frame = self._pick((self._site.surfaces.metal, self._site.surfaces.dark))
        if low > 0.15:
            for across in (-0.42 * width, 0.42 * width):
                self._rod(spot, (0, across, -0.1), (0, across, low), 0.035, POLE, frame)
        else:
            low = 0.0
        depth = u(0.06, 0.2)
        self._box(spot, (depth, width, height), SIGN, frame, up=low)
        for along, heading in ((-1, 0.0), (1, np.pi)):
            face = spot.moved(along * (depth / 2 + 0.015), turn=heading)
            self._plate(face, 0.9 * width, 0.9 * height, low + 0.05 * height, SIGN, poster, poster)

    def add_column(self, side: Side, s: float, t: float) -> None:
        """Add an advertising column, thin or wide, with a roof or a dome."""
        u, materials = self._rng.uniform, self._materials
        r, h = u(0.25, 0.75), u(1.5, 3.4)
        spot = self._place(s, t, 2 * r, turn=u(-np.pi, np.pi))
        if spot is None:
            return
        poster = self._pick(materials.prints)
        foot, roof = self._pick(materials.stones), self._pick((*materials.paints, poster))
        rings = [(-0.1, 1.05 * r), (0.25, 1.05 * r), (0.26, r), (h, r), (h + 0.03, 1.12 * r)]
        rings += [(h + u(0.1, 0.5), 0.2 * r)]
        self._lathe(spot, rings, BARRIER, [foot, foot, poster, roof, roof], 12)

    def add_flag(self, side: Side, s: float, t: float) -> None:
        """Add one to three narrow flags on poles, one or two times as tall as a person."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        height, width = u(1.6, 4.0), u(0.4, 0.8)
        for index in range(rng.integers(1, 4)):
            turn = u(-np.pi, np.pi)
            spot = self._place(s + index * u(1.5, 3.5), t, 0.5, turn=turn)
            if spot is None:
                continue
            cloth = self._pick((*materials.cloths, *materials.prints))
            self._box(spot, (0.4, 0.4, 0.06), POLE, materials.rubber)
            self._rod(spot, (0, 0, 0), (0, 0, height), 0.018, POLE, self._site.surfaces.metal)
            sag = u(0.0, 0.3)
            outline = [
                (0.0, 0.35),
                (width - sag, 0.45),
                (width, 0.7 * height),
                (0.5 * width, 0.95 * height),
            ]
            outline.append((0.0, height))
            for direction in (-1, 1):
                points = [spot.at(direction * 0.01, -across, up) for across, up in outline]
                if direction > 0:
                    points.reverse()
                self._out.polygon(np.array(points), SIGN, cloth)

    def add_flat_figure(self, side: Side, s: float, t: float) -> None:
        """Add a flat cardboard or plywood figure of a person, as large as an adult or a child."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        turn = self._to_road(side) + rng.normal(0, 0.6)
        if rng.random() < 0.4:
            turn = float(self._pick((0.0, np.pi))) + rng.normal(0, 0.3)
        spot = self._place(s, t, 0.3, 0.7, turn)
        if spot is None:
            return
        shape = self._site.library.draw_person(self._pick(("standing", "walking")), rng)
        size = u(0.5, 1.1)
        thin = (u(0.03, 0.1), size, size)
        rows = [materials.prints[0], *materials.cloths, *materials.plastics]
        if rng.random() < 0.4:
            rows = [self._pick((*materials.plastics, *materials.prints))]
        rng.shuffle(rows)
        self._figure(spot, shape, SIGN, rows, thin, up=u(0.0, 0.15))
        self._box(spot, (0.35, 0.4, 0.04), SIGN, materials.rubber)

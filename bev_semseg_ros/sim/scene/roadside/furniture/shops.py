"""Objects in front of shops and in their windows: mannequins, clothes, stalls, goods, parasols."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.people_materials import HAIR, PEOPLE_SLOTS, SKIN
from bev_semseg_ros.sim.classes import BARRIER, BUILDING, POLE
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind, Placer, Spot


class Shops(Placer):
    """Adds goods and their displays."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (
            Kind(self.add_clothes_stand, 0.25, "wall"),
            Kind(self.add_dummy, 0.25, "wall"),
            Kind(self.add_goods, 0.25, "wall", 0.03),
            Kind(self.add_closed_parasol, 0.4, "wall"),
            Kind(self.add_card_rack, 0.2, "wall"),
            Kind(self.add_stall, 0.1, "middle", 0.02),
        )

    def add_show_window(self, side: Side, s: float, distance: float) -> None:
        """Add a display bay with mannequins in front of a shop.

        Args:
            side: Side of the street.
            s: Station of its centre in metres.
            distance: Distance of the front from the centre line in metres.
        """
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        width, depth = u(1.8, 5.0), u(0.6, 1.0)
        turn = self._to_road(side)
        middle = side.sign * (distance - 0.08 - depth / 2)
        spot = self._place(s, middle, depth, width, turn, margin=0.02)
        if spot is None:
            return
        wall = self._pick(self._site.surfaces.facades)[1]
        floor, ceiling = u(0.15, 0.6), u(2.3, 2.9)
        frame = self._pick((*materials.paints, self._site.surfaces.dark))
        self._box(spot, (depth, width, floor + 0.3), BUILDING, wall, up=-0.3)
        self._box(spot, (depth, width, 0.35), BUILDING, frame, up=ceiling)
        back = spot.moved(-depth / 2 + 0.05, turn=np.pi)
        board = self._pick((wall, *materials.prints, *materials.cloths))
        self._plate(back, width, ceiling - floor, floor, BUILDING, board, board)
        for across in (-width / 2 + 0.04, width / 2 - 0.04):
            size = (0.08, 0.08, ceiling - floor)
            self._box(spot, size, BUILDING, frame, depth / 2 - 0.04, across, floor)
        for across in np.arange(-width / 2 + 0.5, width / 2 - 0.3, u(0.7, 1.1)):
            if rng.random() < 0.8:
                self._dummy(spot.moved(u(-0.08, 0.1), float(across)), BUILDING, floor)

    def _dummy(self, spot: Spot, label: int, up: float) -> None:
        """Add a mannequin in clothes, with skin of a random colour, `up` metres above a spot."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        kind = self._pick(("standing", "standing", "walking", "standing_child"))
        shape = self._site.library.draw_person(kind, rng)
        rows = [self._pick(materials.cloths) for _ in PEOPLE_SLOTS]
        rows[SKIN] = rows[HAIR] = self._pick(
            (materials.white, materials.rubber, *materials.plastics)
        )
        size = u(0.88, 1.02)
        self._figure(spot.moved(0, 0, 0, rng.normal(0, 0.5)), shape, label, rows, (size,) * 3, up)

    def add_dummy(self, side: Side, s: float, t: float) -> None:
        """Add a mannequin in front of a shop: a whole one, or a torso on a rod."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        spot = self._place(s, t, 0.5, turn=self._to_road(side) + rng.normal(0, 0.4))
        if spot is None:
            return
        base = (0.4, 0.4, 0.04)
        self._box(spot, base, BARRIER, self._pick((materials.rubber, materials.paints[0])))
        if rng.random() < 0.4:
            self._dummy(spot, BARRIER, 0.04)
            return
        cloth, low, h = self._pick(materials.cloths), u(0.6, 0.95), u(0.55, 0.8)
        self._rod(spot, (0, 0, 0), (0, 0, low), 0.02, POLE, self._site.surfaces.metal)
        rings = [(0.0, 0.14), (0.1, 0.15), (0.4, 0.12), (0.75, 0.19), (0.9, 0.17), (1.0, 0.05)]
        self._lathe(spot, [(low + z * h, r) for z, r in rings], BARRIER, cloth, 8)

    def add_clothes_stand(self, side: Side, s: float, t: float) -> None:
        """Add a rail with clothes on hangers, straight or round."""
        rng, u = self._rng, self._rng.uniform
        is_round, height = rng.random() < 0.3, u(1.2, 1.75)
        length = 0.9 if is_round else u(0.8, 1.8)
        turn = float(self._pick((0.0, np.pi / 2))) + rng.normal(0, 0.15)
        spot = self._place(s, t, length, 0.9 if is_round else 0.6, turn)
        if spot is None:
            return
        metal = self._site.surfaces.metal
        if is_round:
            self._rod(spot, (0, 0, 0), (0, 0, height), 0.025, BARRIER, metal)
            hangers = [(0.22, float(a)) for a in np.arange(0, 2 * np.pi, 0.55)]
        else:
            for along in (-length / 2, length / 2):
                self._rod(spot, (along, 0, 0), (along, 0, height), 0.02, BARRIER, metal)
                self._rod(spot, (along, -0.25, 0.03), (along, 0.25, 0.03), 0.02, BARRIER, metal)
            ends = (-length / 2, 0.0, height), (length / 2, 0.0, height)
            self._rod(spot, *ends, 0.02, BARRIER, metal)
            hangers = []
            for along in np.arange(-length / 2 + 0.1, length / 2 - 0.05, u(0.09, 0.2)):
                self._garment(spot.moved(float(along), turn=rng.normal(0, 0.1)), height)
        for radius, angle in hangers:
            arm = spot.moved(0, 0, 0, angle).moved(radius, turn=np.pi / 2)
            self._garment(arm, height)

    def _garment(self, spot: Spot, rail: float) -> None:
        """Add a garment, in most cases, that hangs across a spot's heading from `rail` metres."""
        if self._rng.random() < 0.2:
            return
        u, cloth = self._rng.uniform, self._pick(self._materials.cloths)
        length, width = u(0.55, min(1.15, rail - 0.1)), u(0.38, 0.5)
        top = rail - 0.06
        self._box(spot, (0.06, width, 0.75 * length), BARRIER, cloth, up=top - 0.85 * length)
        self._box(spot, (0.05, 0.6 * width, 0.1 * length), BARRIER, cloth, up=top - 0.1 * length)

    def add_goods(self, side: Side, s: float, t: float) -> None:
        """Add a table with boxes of goods."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        length, depth, height = u(0.6, 2.2), u(0.4, 0.8), u(0.4, 0.9)
        spot = self._place(s, t, length, depth)
        if spot is None:
            return
        rows = (self._site.surfaces.wood, *materials.plastics, *materials.prints)
        self._box(spot, (length, depth, height), BARRIER, self._pick(rows))
        for along in np.arange(-length / 2 + 0.2, length / 2 - 0.1, 0.4):
            if rng.random() < 0.75:
                size = (u(0.25, 0.4), u(0.25, 0.5), u(0.08, 0.5))
                self._box(spot, size, BARRIER, self._pick(rows), float(along), 0, height)

    def add_closed_parasol(self, side: Side, s: float, t: float) -> None:
        """Add one to four closed parasols."""
        u, materials = self._rng.uniform, self._materials
        cloth, height = self._pick((*materials.cloths, *materials.prints)), u(1.9, 2.9)
        low, r, is_tied = u(0.7, 1.2), u(0.1, 0.2), self._rng.random() < 0.5
        for index in range(self._rng.integers(1, 5)):
            spot = self._place(s + index * u(2.2, 3.2), t, 0.5, turn=u(-0.2, 0.2))
            if spot is None:
                continue
            self._box(spot, (0.5, 0.5, 0.09), BARRIER, self._pick(materials.stones))
            self._rod(spot, (0, 0, 0), (0, 0, height), 0.025, POLE, self._site.surfaces.metal)
            waist = 0.6 * r if is_tied else r
            h = height - low
            rings = [(low, r), (low + 0.3 * h, 1.1 * r), (low + 0.5 * h, waist)]
            rings += [(low + 0.75 * h, 0.7 * r), (height, 0.2 * r)]
            self._lathe(spot, rings, BARRIER, cloth, 7)

    def add_card_rack(self, side: Side, s: float, t: float) -> None:
        """Add a rotating rack of cards or brochures, sometimes with a hat on top."""
        u, materials = self._rng.uniform, self._materials
        h, r = u(1.3, 1.8), u(0.15, 0.32)
        spot = self._place(s, t, 2 * r, turn=u(-np.pi, np.pi))
        if spot is None:
            return
        print_ = self._pick(materials.prints)
        self._lathe(spot, [(0.0, 0.25), (0.04, 0.03), (0.4, 0.03)], BARRIER, materials.rubber, 6)
        self._lathe(spot, [(0.35, r), (h, r)], BARRIER, print_, 6)
        if self._rng.random() < 0.3:
            self._lathe(spot, [(h, 0.1), (h + 0.12, 0.14), (h + 0.22, 0.08)], BARRIER, print_, 7)

    def add_stall(self, side: Side, s: float, t: float) -> None:
        """Add a market stall: a table with goods under a cloth roof on four poles."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        length, depth, height = u(1.8, 3.2), u(1.2, 2.0), u(2.0, 2.4)
        spot = self._place(s, t, length, depth)
        if spot is None:
            return
        cloth = self._pick((*materials.cloths, *materials.prints))
        for along in (-length / 2, length / 2):
            for across in (-depth / 2, depth / 2):
                ends = (along, across, -0.05), (along, across, height)
                self._rod(spot, *ends, 0.025, POLE, self._site.surfaces.metal)
        half = depth / 2 + 0.2
        reach = length / 2 + 0.1
        ridge = height + u(0.2, 0.5)
        for direction in (-1, 1):
            corners = [
                spot.at(direction * reach, -direction * half, height),
                spot.at(direction * reach, 0, ridge),
                spot.at(-direction * reach, 0, ridge),
                spot.at(-direction * reach, -direction * half, height),
            ]
            self._out.quads(np.array([corners]), BARRIER, cloth)
        rows = (*materials.prints, *materials.plastics, *materials.cloths)
        counter = (0.9 * length, 0.6 * depth, 0.8)
        self._box(spot, counter, BARRIER, self._pick((*materials.cloths, self._site.surfaces.wood)))
        for along in np.arange(-0.4 * length, 0.4 * length, 0.45):
            size = (0.4, u(0.3, 0.7), u(0.05, 0.35))
            self._box(spot, size, BARRIER, self._pick(rows), float(along), u(-0.1, 0.1), 0.8)
        if rng.random() < 0.4:
            for along in np.arange(-0.4 * length, 0.4 * length, 0.3):
                self._garment(spot.moved(float(along), side.sign * 0.4 * depth), height - 0.1)

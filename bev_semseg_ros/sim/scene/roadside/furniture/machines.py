"""Boxes and machines: meters, cabinets, chargers, letter boxes, newspaper boxes, phones."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.classes import BARRIER, BUILDING, POLE, SIGN
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind, Placer, Spot


class Machines(Placer):
    """Adds cabinets, machines and boxes."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (
            Kind(self.add_cabinets, 0.6, "wall", 0.12),
            Kind(self.add_meter, 0.4, "kerb"),
            Kind(self.add_ticket_machine, 0.25, "kerb"),
            Kind(self.add_charging_column, 0.2, "kerb"),
            Kind(self.add_letter_box, 0.25, "wall", 0.1),
            Kind(self.add_newspaper_boxes, 0.35, "kerb"),
            Kind(self.add_phone_booth, 0.1, "middle"),
            Kind(self.add_information_column, 0.12, "middle"),
        )

    def _stand(
        self, side: Side, s: float, t: float, size: tuple[float, float, float]
    ) -> Spot | None:
        """Occupy ground for a box whose front faces the road or away from it.

        Args:
            side: Side of the street.
            s: Station in metres.
            t: Offset in metres.
            size: Length, width and height in metres; the front is across the length.

        Returns:
            The spot, or None if there is no room.
        """
        turn = self._to_road(side) + float(self._pick((0.0, 0.0, np.pi)))
        turn += self._rng.normal(0, 0.05)
        return self._place(s, t, size[0], size[1], turn)

    def add_cabinets(self, side: Side, s: float, t: float) -> None:
        """Add one to three cabinets of the electricity or telephone company."""
        u, surfaces, materials = self._rng.uniform, self._site.surfaces, self._materials
        rows = (surfaces.dark, surfaces.metal, surfaces.concrete, *materials.plastics)
        material = self._pick((*rows, *materials.prints[:2]))
        height = u(0.7, 1.6)
        for _ in range(self._rng.integers(1, 4)):
            size = (u(0.25, 0.45), u(0.35, 1.3), height * u(0.9, 1.1))
            spot = self._stand(side, s + size[1] / 2, t, size)
            s += size[1] + 0.08
            if spot is None:
                continue
            self._box(spot, size, BARRIER, material)
            if self._rng.random() < 0.6:
                top = (size[0] + 0.06, size[1] + 0.06, 0.05)
                self._box(spot, top, BARRIER, material, up=size[2])
            if self._rng.random() < 0.3:  # a poster
                face = spot.moved(size[0] / 2 + 0.015, turn=np.pi)
                poster = self._pick(materials.prints)
                width, high = 0.6 * size[1], 0.5 * size[2]
                self._plate(face, width, high, 0.35 * size[2], BARRIER, poster, poster)

    def add_meter(self, side: Side, s: float, t: float) -> None:
        """Add a parking meter, sometimes with two heads, or a box on a post."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        spot = self._place(s, t, 0.35, turn=self._to_road(side))
        if spot is None:
            return
        body = self._pick((*materials.paints, *materials.plastics))
        top, post = u(0.9, 1.25), self._site.surfaces.metal
        self._rod(spot, (0, 0, -0.1), (0, 0, top), u(0.025, 0.045), POLE, post, 6)
        kind = rng.random()
        if kind < 0.55:
            r = u(0.08, 0.13)
            rings = [(top, 0.7 * r), (top + 0.08, r), (top + 0.25, r), (top + 0.33, 0.6 * r)]
            heads = (-1.1 * r, 1.1 * r) if rng.random() < 0.3 else (0.0,)
            for across in heads:
                self._lathe(spot, rings, POLE, body, 8, across=across)
        else:
            size = (u(0.15, 0.4), u(0.2, 0.45), u(0.3, 0.65))
            self._box(spot, size, BARRIER, body, up=top - 0.1)

    def add_ticket_machine(self, side: Side, s: float, t: float) -> None:
        """Add a ticket machine, usually with a blue sign on top."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        size = (u(0.2, 0.4), u(0.25, 0.5), u(1.3, 1.8))
        spot = self._stand(side, s, t, size)
        if spot is None:
            return
        body = self._pick((self._site.surfaces.dark, *materials.paints, *materials.plastics))
        if rng.random() < 0.4:
            low = 0.55 * size[2]
            self._lathe(spot, [(-0.1, 0.09), (low, 0.09)], BARRIER, body, 7)
            self._box(spot, (size[0], size[1], size[2] - low), BARRIER, body, up=low)
        else:
            self._box(spot, size, BARRIER, body)
        face = spot.moved(size[0] / 2 + 0.02, turn=np.pi)
        width, up = 0.6 * size[1], 0.68 * size[2]
        self._plate(face, width, 0.25, up, BARRIER, materials.screen, materials.screen)
        if rng.random() < 0.7:
            side_on = spot.moved(0, turn=float(self._pick((0.0, np.pi / 2))))
            back = materials.blue if rng.random() < 0.6 else materials.white
            post = size[2] + u(0.1, 0.5)
            self._rod(spot, (0, 0, size[2]), (0, 0, post), 0.02, POLE, body)
            self._plate(side_on, 0.3, u(0.3, 0.5), post, SIGN, materials.blue, back)

    def add_charging_column(self, side: Side, s: float, t: float) -> None:
        """Add one or two charging columns, some with cables."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        body = self._pick((materials.white, *materials.plastics, *materials.paints))
        size = (u(0.15, 0.4), u(0.2, 0.45), u(1.2, 1.9))
        for index in range(rng.integers(1, 3)):
            spot = self._stand(side, s + 2.6 * index, t, size)
            if spot is None:
                continue
            self._box(spot, size, BARRIER, body)
            face = spot.moved(size[0] / 2 + 0.02, turn=np.pi)
            stripe = self._pick((materials.screen, materials.blue, *materials.plastics))
            width, high = 0.7 * size[1], u(0.1, 0.5)
            self._plate(face, width, high, 0.6 * size[2], BARRIER, stripe, stripe)
            if rng.random() < 0.4:
                half = size[1] / 2 + 0.03
                hang = (0.1, half, 0.75 * size[2]), (0.25, half + 0.05, 0.2)
                self._rod(spot, *hang, 0.025, BARRIER, materials.rubber)
                self._rod(spot, hang[1], (0.6, half, 0.03), 0.025, BARRIER, materials.rubber)

    def add_letter_box(self, side: Side, s: float, t: float) -> None:
        """Add a letter box: a pillar, or a box on legs."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        kind = rng.random()
        size = (u(0.3, 0.5), u(0.35, 0.7), u(1.1, 1.6))
        spot = self._stand(side, s, t, size)
        if spot is None:
            return
        body = self._pick((materials.red, materials.yellow_black, *materials.plastics))
        if body == materials.yellow_black:
            body = materials.plastics[1]
        if kind < 0.3:
            r, h = size[1] / 2, size[2]
            rings = [(0, 1.1 * r), (0.12, 1.1 * r), (0.13, r), (h, r), (h + 0.01, 1.15 * r)]
            self._lathe(spot, [*rings, (h + 0.12, 0.5 * r)], BARRIER, body, 10)
        else:
            low = u(0.5, 0.9)
            for across in (-0.35 * size[1], 0.35 * size[1]):
                ends = (0.0, across, -0.1), (0.0, across, low)
                self._rod(spot, *ends, 0.03, POLE, self._site.surfaces.metal)
            self._box(spot, (size[0], size[1], u(0.4, 0.9)), BARRIER, body, up=low)

    def add_newspaper_boxes(self, side: Side, s: float, t: float) -> None:
        """Add one to six newspaper boxes side by side, in random colours."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        is_on_leg = rng.random() < 0.5
        for index in range(rng.integers(1, 7)):
            size = (u(0.35, 0.45), u(0.38, 0.52), u(0.95, 1.35))
            turn = self._to_road(side) + float(rng.normal(0, 0.06))
            spot = self._place(s + 0.56 * index, t, size[0], size[1], turn, margin=0.0)
            if spot is None:
                continue
            body = self._pick((*materials.plastics, *materials.prints))
            low = 0.0
            if is_on_leg:
                low = u(0.25, 0.5)
                self._lathe(spot, [(0, 0.18), (0.03, 0.04), (low, 0.04)], BARRIER, body, 6)
            self._box(spot, (size[0], size[1], 0.75 * size[2] - low), BARRIER, body, up=low)
            back = (0.7 * size[0], size[1], 0.25 * size[2])
            self._box(spot, back, BARRIER, body, -0.15 * size[0], 0, 0.75 * size[2])
            face = spot.moved(size[0] / 2 + 0.015, turn=np.pi)
            cover = self._pick((materials.white, materials.screen, *materials.prints))
            width, high = 0.8 * size[1], 0.3 * size[2]
            self._plate(face, width, high, 0.42 * size[2], BARRIER, cover, cover)

    def add_phone_booth(self, side: Side, s: float, t: float) -> None:
        """Add a phone booth with windows, or a phone under a hood."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        frame = self._pick((materials.red, *materials.paints, *materials.plastics))
        if rng.random() < 0.5:
            spot = self._stand(side, s, t, (0.95, 0.95, 2.3))
            if spot is None:
                return
            window = self._site.surfaces.window
            self._box(spot, (0.86, 0.86, 2.1), BUILDING, window)
            self._box(spot, (0.95, 0.95, 0.25), BUILDING, frame, up=2.1)
            self._box(spot, (0.92, 0.92, 0.3), BUILDING, frame)
            for along in (-0.44, 0.44):
                for across in (-0.44, 0.44):
                    self._box(spot, (0.08, 0.08, 2.1), BUILDING, frame, along, across)
            return
        spot = self._stand(side, s, t, (0.5, 0.8, 2.0))
        if spot is None:
            return
        self._rod(spot, (-0.2, 0, 0), (-0.2, 0, 2.0), 0.06, BARRIER, frame, 6)
        self._box(spot, (0.25, 0.3, 0.6), BARRIER, materials.paints[0], -0.05, 0, 1.0)
        for across in (-0.36, 0.36):
            self._box(spot, (0.5, 0.03, u(0.7, 1.3)), BARRIER, frame, 0, across, 0.8)
        self._box(spot, (0.55, 0.78, 0.1), BARRIER, frame, up=2.0)

    def add_information_column(self, side: Side, s: float, t: float) -> None:
        """Add a slab with a map, a defibrillator or a display, about as large as a person."""
        u, materials = self._rng.uniform, self._materials
        size = (u(0.1, 0.25), u(0.35, 0.9), u(1.5, 2.3))
        spot = self._stand(side, s, t, size)
        if spot is None:
            return
        body = self._pick((self._site.surfaces.dark, *materials.paints, *materials.plastics))
        self._box(spot, size, SIGN, body)
        cover = self._pick((materials.screen, materials.white, *materials.prints))
        for along, turn in ((-1, 0.0), (1, np.pi)):
            face = spot.moved(along * (size[0] / 2 + 0.015), turn=turn)
            self._plate(face, 0.85 * size[1], 0.55 * size[2], 0.4 * size[2], SIGN, cover, cover)

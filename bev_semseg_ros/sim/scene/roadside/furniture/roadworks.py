"""Road works: beacons, cones, barriers with lamps, fences; and scaffolds on houses."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.classes import BARRIER, POLE
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind, Placer, Spot
from bev_semseg_ros.sim.scene.roadside.furniture.signs import Signs

# Probability that a side of a street has road works, by kind of street, and for the other kinds.
SITE_PROBABILITIES = {"motorway": 0.25, "rural": 0.12, "lot": 0.08}
SITE_PROBABILITY = 0.22


class RoadWorks(Placer):
    """Adds sites of road works, and single beacons, cones and barriers."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (
            Kind(self.add_beacon, 0.3, "kerb", 0.05),
            Kind(self.add_cones, 0.25, "kerb", 0.04),
            Kind(self.add_barrier, 0.2, "kerb", 0.04),
            Kind(self.add_crowd_barriers, 0.12, "kerb"),
        )

    def add_site(self, side: Side, signs: Signs) -> None:
        """Close the edge of the carriageway, or of the pavement, along a stretch."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        start, length = u(3, 45), u(5, 30)
        if rng.random() < 0.7:
            edge = street.half_width - u(-0.2, min(1.6, 0.4 * street.half_width))
        else:
            pavement = side.first("pavement")
            edge = (pavement.start if pavement else street.half_width) + u(0.3, 1.0)
        gap = u(1.2, 5) if street.kind != "motorway" else u(5, 10)
        marks = rng.random()
        taper = u(0, 1.5)
        for index, s in enumerate(np.arange(start, start + length, gap)):
            distance = edge + (taper if index == 0 else 0.0) + rng.normal(0, 0.05)
            at = (float(s), side.sign * distance)
            if marks < 0.55:
                self.add_beacon(side, *at)
            elif marks < 0.75:
                self._cone(*at)
            elif marks < 0.9:
                self.add_barrier(side, *at)
            else:
                self._temporary_fence(side, float(s), side.sign * (edge + 0.3))
        for s in (start - 1.5, start + length + 0.5):
            if rng.random() < 0.6:
                self._barrier(s, side.sign * (edge + 0.7), 0.0)
        inner = edge + u(0.6, 1.4)
        for _ in range(rng.integers(0, 4)):
            self._pile(start + u(0, length), side.sign * inner)
        signs.add_temporary_sign(start - u(2, 8), side.sign * (street.half_width + 0.3))

    def add_beacon(self, side: Side, s: float, t: float) -> None:
        """Add a beacon: a striped board or tube of about 1 m on a foot, sometimes with a lamp."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        turn = rng.normal(0, 0.25)
        spot = self._place(s, t, 0.3, 0.3, turn)
        if spot is None:
            return
        self._box(spot, (u(0.35, 0.8), 0.35, u(0.06, 0.12)), POLE, materials.rubber)
        width, height = u(0.13, 0.26), u(0.7, 1.05)
        material = self._pick(materials.striped)
        if rng.random() < 0.8:
            self._slanted_stripes(spot, width, height, 0.15, POLE, material)
            self._rod(spot, (0, 0, 0), (0, 0, height), 0.02, POLE, self._site.surfaces.metal)
        else:
            r = width / 2.2
            rings = [(0.1 + height * k / 5, r) for k in range(6)]
            self._lathe(spot, rings, POLE, [materials.red, materials.white], 7)
        if rng.random() < 0.35:
            self._lamp(spot, height + 0.15)

    def _lamp(self, spot: Spot, up: float) -> None:
        """Add a warning lamp, a box with round lenses, `up` metres above a spot."""
        yellow = self._pick((self._materials.amber, self._materials.red))
        self._box(spot, (0.1, 0.16, 0.1), POLE, self._materials.plastics[0], up=up)
        for along, turn in ((-0.06, 0.0), (0.06, np.pi)):
            lens = spot.moved(along, turn=turn)
            self._disc(lens, 0.1, up + 0.2, POLE, yellow)

    def add_cones(self, side: Side, s: float, t: float) -> None:
        """Add one to five cones."""
        for index in range(self._rng.integers(1, 6)):
            self._cone(s + index * self._rng.uniform(0.8, 2.5), t + self._rng.normal(0, 0.1))

    def _cone(self, s: float, t: float) -> None:
        """Add a traffic cone, sometimes knocked over."""
        u, materials = self._rng.uniform, self._materials
        h = u(0.3, 1.0)
        r = 0.08 + 0.14 * h
        spot = self._place(s, t, 2.4 * r)
        if spot is None:
            return
        self._box(spot, (2.4 * r, 2.4 * r, 0.04), POLE, materials.rubber)
        if self._rng.random() < 0.06:
            start, end = spot.at(-h / 2, 0, r), spot.at(h / 2, 0, 0.05)
            self._out.tube(start, end, r, 0.03, 8, POLE, materials.orange)
            return
        rings = [(z * h, r * (1 - 0.85 * z)) for z in (0.0, 0.3, 0.5, 0.65, 0.85, 1.0)]
        orange, white = materials.orange, materials.white
        self._lathe(spot, rings, POLE, [orange, white, orange, white, orange])

    def add_barrier(self, side: Side, s: float, t: float) -> None:
        """Add a barrier along the road: one or two striped boards on feet, some with lamps."""
        self._barrier(s, t, np.pi / 2)

    def _barrier(self, s: float, t: float, turn: float) -> None:
        """Add a barrier of boards, feet and lamps, across a heading relative to the road."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        width, top = u(1.0, 2.2), u(0.85, 1.1)
        spot = self._place(s, t, 0.6, width, turn + rng.normal(0, 0.08))
        if spot is None:
            return
        material = self._pick(materials.striped)
        for across in (-0.45 * width, 0.45 * width):
            self._rod(spot, (0, across, 0), (0, across, top), 0.025, BARRIER, materials.paints[0])
            self._box(spot, (u(0.5, 0.8), 0.3, 0.1), BARRIER, materials.rubber, across=across)
        board = u(0.15, 0.28)
        if rng.random() < 0.5:
            self._plate(spot, width, board, top - board, BARRIER, material, material)
        else:
            self._slanted_stripes(spot, width, board, top - board, BARRIER, material)
        if rng.random() < 0.6:  # low board for blind pedestrians
            low = self._pick((material, materials.red, materials.white))
            self._plate(spot, width, 0.15, 0.2, BARRIER, low, low)
        elif rng.random() < 0.4:
            self._plate(spot, width, top - board - 0.1, 0.1, BARRIER, *[materials.bars] * 2)
        for across in (-0.4 * width, 0.4 * width):
            if rng.random() < 0.4:
                self._lamp(spot.moved(0, across), top)

    def add_crowd_barriers(self, side: Side, s: float, t: float) -> None:
        """Add one to four steel barriers with bars."""
        materials, metal = self._materials, self._site.surfaces.metal
        for index in range(self._rng.integers(1, 5)):
            turn = np.pi / 2 + self._rng.normal(0, 0.08)
            spot = self._place(s + 2.35 * index, t, 0.4, 2.2, turn)
            if spot is None:
                continue
            self._plate(spot, 2.1, 0.9, 0.15, BARRIER, materials.bars, materials.bars)
            for up in (0.15, 1.08):
                self._rod(spot, (0, -1.05, up), (0, 1.05, up), 0.02, BARRIER, metal)
            for across in (-1.05, 1.05):
                self._rod(spot, (0, across, 0), (0, across, 1.08), 0.02, BARRIER, metal)
                feet = (-0.25, across, 0.02), (0.25, across, 0.02)
                self._rod(spot, *feet, 0.02, BARRIER, metal)

    def _temporary_fence(self, side: Side, s: float, t: float) -> None:
        """Add a panel of a temporary fence, or of a hoarding, along the road."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        length, height = u(2.0, 3.4), u(1.1, 2.1)
        spot = self._place(s + length / 2, t, length, 0.3, margin=-0.02)
        if spot is None:
            return
        across = spot.moved(0, turn=np.pi / 2)
        if rng.random() < 0.35:
            board = self._pick((self._site.surfaces.wood, *materials.prints, *materials.plastics))
            self._plate(across, length, height, 0.02, BARRIER, board, board)
            return
        self._plate(across, length, height - 0.1, 0.1, BARRIER, materials.mesh, materials.mesh)
        metal = self._site.surfaces.metal
        for along in (-length / 2, length / 2):
            self._rod(spot, (along, 0, 0), (along, 0, height), 0.02, BARRIER, metal)
            self._box(spot, (0.24, 0.7, 0.14), BARRIER, materials.stones[0], along)

    def _pile(self, s: float, t: float) -> None:
        """Add a few pipes, or a cuboid such as a stack of stones or a tool box."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        size = (u(0.5, 1.6), u(0.4, 0.9), u(0.3, 1.3))
        spot = self._place(s, t, size[0], size[1], rng.normal(0, 0.4))
        if spot is None:
            return
        if rng.random() < 0.35:
            for index in range(rng.integers(1, 5)):
                r, across = u(0.08, 0.2), (index - 1.5) * 0.2
                ends = (-size[0] / 2, across, r), (size[0] / 2, across, r)
                self._rod(spot, *ends, r, BARRIER, self._pick(materials.plastics), 7)
        else:
            rows = (*materials.stones, *materials.plastics, self._site.surfaces.wood)
            self._box(spot, size, BARRIER, self._pick(rows))

    def add_scaffold(self, side: Side, s: float, distance: float) -> None:
        """Add a scaffold in front of a house.

        Args:
            side: Side of the street.
            s: First station in metres.
            distance: Distance of the house from the centre line in metres.
        """
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        bays, levels, depth = int(rng.integers(2, 6)), int(rng.integers(2, 5)), u(0.7, 1.0)
        t = side.sign * (distance - 0.35 - depth / 2)
        spot = self._place(s + bays * 1.25, t, bays * 2.5 + 0.2, depth, margin=0.02)
        if spot is None:
            return
        metal, top = surfaces.metal, 2.0 * levels + 0.9
        half = bays * 1.25
        has_net = rng.random() < 0.25
        for across in (-depth / 2, depth / 2):
            for bay in range(bays + 1):
                along = bay * 2.5 - half
                self._rod(spot, (along, across, 0), (along, across, top), 0.025, BARRIER, metal)
            # The side towards the road also has handrails, 1 m above each level.
            is_open_side = across * side.sign < 0
            for level in range(1, levels + 1):
                for rail in (0.0, 1.0) if is_open_side else (0.0,):
                    up = 2.0 * level + rail
                    ends = (-half, across, up), (half, across, up)
                    self._rod(spot, *ends, 0.025, BARRIER, metal)
        for level in range(1, levels + 1):
            size = (2 * half, depth, 0.06)
            self._box(spot, size, BARRIER, surfaces.wood, up=2.0 * level)
        if has_net:
            net = spot.moved(0, -side.sign * depth / 2, turn=np.pi / 2)
            self._plate(net, 2 * half, top - 2.2, 2.2, BARRIER, *[self._materials.mesh] * 2)

"""Benches, tables and bus stops; bicycle racks and parked two-wheelers."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.people_materials import people_materials
from bev_semseg_ros.sim.classes import BARRIER, BUILDING, POLE, SIGN
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.roadside.furniture.placing import Kind, Placer, Spot
from bev_semseg_ros.sim.scene.site import Amenity


class Seats(Placer):
    """Adds seats, bus stops, shelters and bicycle racks."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return (
            Kind(self.add_bench, 0.3, "wall", 0.06),
            Kind(self.add_two_wheelers, 0.35, "kerb", 0.05),
            Kind(self.add_racks, 0.3, "kerb"),
            Kind(self.add_bus_stop, 0.25, "kerb", 0.08),
            Kind(self.add_shelter, 0.12, "wall", 0.05),
        )

    def _offer(self, use: str, spot: Spot) -> None:
        """Register a seat or a stop as an amenity; people there have the heading of `spot`."""
        located = self._street.alignment.locate(np.array(spot.x), np.array(spot.y))
        s, t = (float(value) for value in located)
        turn = spot.yaw - float(self._street.alignment.heading(s))
        self._site.amenities.append(Amenity(use, s, t, turn))

    def add_bench(self, side: Side, s: float, t: float) -> None:
        """Add a bench with its back to the houses, or a block of stone."""
        surfaces, out = self._site.surfaces, self._out
        spot = self._place(s, t, 1.8, 0.6)
        if spot is None:
            return
        for along in (-0.45, 0.45):
            self._offer("seat", spot.moved(along, turn=self._to_road(side)))
        if self._rng.random() < 0.2:
            self._box(spot, (1.7, 0.5, 0.45), BARRIER, self._pick(self._materials.stones))
            return
        seat = self._pick((surfaces.wood, surfaces.wood, *self._materials.paints))
        self._box(spot, (1.7, 0.45, 0.06), BARRIER, seat, up=0.42)
        if self._rng.random() < 0.75:
            self._box(spot, (1.7, 0.05, 0.4), BARRIER, seat, 0, side.sign * 0.25, 0.5)
        for along in (-0.7, 0.7):
            out.box(spot.at(along), (0.08, 0.4, 0.42), spot.yaw, BARRIER, surfaces.metal)

    def add_two_wheelers(self, side: Side, s: float, t: float) -> None:
        """Add parked bicycles and motorcycles, which have no boxes."""
        rng = self._rng
        materials = people_materials(rng, self._site.table)
        is_across = rng.random() < 0.6
        turn = np.pi / 2 + rng.normal(0, 0.1) if is_across else rng.normal(0, 0.1)
        for index in range(rng.integers(1, 7)):
            at = s + index * (0.75 if abs(turn) > 1 else 2.2)
            self._two_wheeler(at, t, turn, materials)

    def _two_wheeler(self, s: float, t: float, turn: float, materials: np.ndarray) -> None:
        """Add one parked two-wheeler if there is room."""
        shape = self._site.library.draw_parked_two_wheeler(self._rng)
        spot = self._place(s, t, shape.size[0], shape.size[1], turn, margin=0.02)
        if spot is not None:
            yaw = spot.yaw + np.pi * self._rng.integers(2)
            self._out.append(shape.mesh.placed(spot.at(), yaw, materials))

    def add_racks(self, side: Side, s: float, t: float) -> None:
        """Add bicycle racks, hoops or wheel stands, some of them occupied."""
        rng, u = self._rng, self._rng.uniform
        materials = people_materials(rng, self._site.table)
        metal = self._pick((self._site.surfaces.metal, *self._materials.paints))
        gap, height, is_hoop = u(0.7, 1.2), u(0.7, 0.95), rng.random() < 0.7
        used, turn = u(0, 0.8), np.pi / 2 + rng.normal(0, 0.1)
        for index in range(rng.integers(2, 8)):
            at = s + index * gap
            if rng.random() < used:
                self._two_wheeler(at + 0.35, t, turn, materials)
            spot = self._place(at, t, 0.7, 0.08, turn, margin=-0.02)
            if spot is None:
                continue
            reach = 0.35 if is_hoop else 0.12
            for along in (-reach, reach):
                ends = (along, 0, -0.05), (along, 0, height)
                self._rod(spot, *ends, 0.025, BARRIER, metal)
            self._rod(spot, (-reach, 0, height), (reach, 0, height), 0.025, BARRIER, metal)

    def add_bus_stop(self, side: Side, s: float, t: float) -> None:
        """Add the pole of a bus stop with its sign and a timetable."""
        rng, u, materials = self._rng, self._rng.uniform, self._materials
        spot = self._place(s, t, 0.5, turn=rng.normal(0, 0.1))
        if spot is None:
            return
        self._offer("stop", spot.moved(0, turn=self._to_road(side)))
        height, post = u(2.2, 2.9), self._pick((self._site.surfaces.metal, *materials.paints))
        self._rod(spot, (0, 0, -0.1), (0, 0, height), u(0.03, 0.06), POLE, post)
        colors = (materials.white, materials.blue, *materials.plastics)
        front = self._pick(colors)
        face = spot.moved(-0.08)
        if rng.random() < 0.5:
            self._disc(face, 0.25, height - 0.2, SIGN, front)
            self._disc(face.moved(0.02, turn=np.pi), 0.25, height - 0.2, SIGN, front)
        else:
            self._plate(face, u(0.35, 0.6), u(0.35, 0.5), height - 0.5, SIGN, front, front)
        board = self._pick((materials.white, *materials.prints))
        table = spot.moved(-0.07, turn=float(self._pick((0.0, np.pi / 2, -np.pi / 2))))
        self._plate(table, u(0.3, 0.5), u(0.4, 0.9), u(0.9, 1.2), SIGN, board, board)

    def add_shelter(self, side: Side, s: float, t: float) -> None:
        """Add a glass shelter with a roof; each end has a poster, glass or nothing."""
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        length, depth, height = u(2.2, 5.0), u(1.1, 1.8), u(2.2, 2.6)
        t = t - side.sign * (depth / 2 - 0.2)
        spot = self._place(s, t, length + 0.2, depth)
        if spot is None:
            return
        self._offer("stop", spot.moved(0, turn=self._to_road(side)))
        frame = self._pick((surfaces.metal, surfaces.dark, *self._materials.paints))
        back = side.sign * 0.45 * depth
        half = length / 2
        for along in np.linspace(-half, half, 2 + round(length / 2.2)):
            ends = (float(along), back, -0.05), (float(along), back, height)
            self._rod(spot, *ends, 0.04, POLE, frame)
        self._box(spot, (length + 0.2, depth, 0.12), BUILDING, frame, up=height)
        self._box(spot, (length, 0.03, height - 0.35), BUILDING, surfaces.window, 0, back, 0.15)
        poster = self._pick(self._materials.prints)
        for along in (-half, half):
            kind = rng.random()
            size = (0.04, 0.75 * depth, height - 0.4)
            if kind < 0.35:
                self._box(spot, (0.08, *size[1:]), SIGN, poster, along, 0, 0.2)
            elif kind < 0.75:
                self._box(spot, size, BUILDING, surfaces.window, along, 0, 0.2)
                edge = (along, -0.38 * depth * side.sign)
                self._rod(spot, (*edge, -0.05), (*edge, height), 0.035, POLE, frame)
        if rng.random() < 0.7:
            self._bench_in(spot, side.sign * 0.25 * depth, 0.5 * length)

    def _bench_in(self, spot: Spot, across: float, length: float) -> None:
        """Add the bench of a shelter, `across` metres to the left of its spot."""
        wood = self._site.surfaces.wood
        self._box(spot, (length, 0.35, 0.06), BARRIER, wood, 0, across, 0.43)
        for along in (-0.4 * length, 0.4 * length):
            size = (0.08, 0.3, 0.43)
            self._box(spot, size, BARRIER, self._site.surfaces.metal, along, across)

    def add_table(self, side: Side, s: float, t: float) -> None:
        """Add a table with chairs, sometimes with an open or a closed parasol."""
        rng, u, surfaces = self._rng, self._rng.uniform, self._site.surfaces
        spot = self._place(s, t, 1.5, turn=rng.normal(0, 0.1))
        if spot is None:
            return
        material = self._pick((surfaces.dark, surfaces.wood, surfaces.metal))
        height = 0.72 if rng.random() < 0.8 else 1.1
        self._rod(spot, (0, 0, 0), (0, 0, height), 0.04, BARRIER, material)
        self._box(spot, (0.7, 0.7, 0.04), BARRIER, material, up=height)
        for _ in range(rng.integers(1, 5)):
            self._chair(spot.moved(0, turn=u(-np.pi, np.pi)), material)
        if rng.random() < 0.4:
            cloth, r = self._pick((*self._materials.cloths, *self._materials.prints)), u(0.9, 1.6)
            self._rod(spot, (0, 0, height), (0, 0, 2.5), 0.03, POLE, surfaces.metal)
            if rng.random() < 0.65:
                self._lathe(spot, [(2.2, r), (2.55, 0.05)], BARRIER, cloth)
            else:
                self._lathe(spot, [(1.2, 0.16), (1.7, 0.12), (2.5, 0.03)], BARRIER, cloth, 7)

    def _chair(self, table: Spot, material: int) -> None:
        """Add a chair ahead of the spot of a table, facing the table."""
        seat = table.moved(0.6)
        self._offer("seat", seat.moved(0, turn=np.pi))
        self._box(seat, (0.42, 0.42, 0.05), BARRIER, material, up=0.42)
        self._box(seat, (0.04, 0.42, 0.42), BARRIER, material, 0.2, 0, 0.45)
        for i, j in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            ends = (i * 0.18, j * 0.18, 0.0), (i * 0.18, j * 0.18, 0.42)
            self._rod(seat, *ends, 0.02, BARRIER, material, 3)

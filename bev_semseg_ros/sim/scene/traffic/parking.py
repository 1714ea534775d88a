"""Parked vehicles."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.scene.road.cross_section import ParkingRow, Side
from bev_semseg_ros.sim.scene.traffic.adder import Adder
from bev_semseg_ros.sim.scene.traffic.placement import Placement

# Bounds of the fraction of lorries among parked vehicles, and fraction of streets that have any.
PARKED_TRUCKS = (0.02, 0.3)
PARKED_TRUCK_STREETS = 0.4
# Kinds of lorries and buses that stand in parking places, and their largest length and width in
# metres.
PARKED_KINDS = ("box_van", "box", "platform", "tipper", "ambulance", "bus")
LONGEST, WIDEST = 9.0, 2.5


class Parking(Adder):
    """Parks vehicles along one street."""

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement)
        self._truck_share = 0.0
        if self._rng.random() < PARKED_TRUCK_STREETS:
            self._truck_share = self._rng.uniform(*PARKED_TRUCKS)

    def fill(self, side: Side) -> None:
        """Fill the rows of parking places of a side."""
        for row in side.rows:
            self._fill_row(side, row)

    def _fill_row(self, side: Side, row: ParkingRow) -> None:
        """Park vehicles in a row, with random gaps."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        occupied_share = u(0.25, 1.0)
        s = row.start if row.pitch else u(-14, -8)
        reversed_share = rng.random()
        end = u(15, 45) if street.kind == "lot" else u(20, 120)
        while s < end:
            shape = self._library.draw_car(rng)
            offset = row.offset + rng.normal(0, 0.08)
            if rng.random() < self._truck_share:
                truck = self._library.draw_truck(rng, str(rng.choice(PARKED_KINDS)))
                if truck.size[0] < LONGEST and truck.size[1] < WIDEST:
                    shape = truck
                    offset += np.sign(row.offset) * 0.15
            pitch = row.pitch or shape.size[0] + u(0.4, 1.8)
            back = np.pi if rng.random() < reversed_share else 0.0
            is_occupied = rng.random() < occupied_share
            if is_occupied and not street.is_crossed(s - 3, s + pitch + 3, side.sign):
                turn = row.angle + back + rng.normal(0, 0.03)
                self._place.add_vehicle(shape, s + pitch / 2, offset, turn, margin=0.12)
            s += pitch

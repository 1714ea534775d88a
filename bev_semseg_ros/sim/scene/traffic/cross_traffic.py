"""Vehicles on a side road: they wait at the street, cross it, or drive away from it."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.scene.actors import Actor
from bev_semseg_ros.sim.scene.road.cross_section import Lane
from bev_semseg_ros.sim.scene.road.crossing import Crossing
from bev_semseg_ros.sim.scene.traffic.adder import Adder
from bev_semseg_ros.sim.scene.traffic.busyness import Busyness
from bev_semseg_ros.sim.scene.traffic.placement import Placement

# Largest distance in metres of vehicles on the side road from the street's centre line.
REACH = 45.0


class CrossTraffic(Adder):
    """Adds the traffic of the side road of one street."""

    def __init__(self, placement: Placement, busyness: Busyness) -> None:
        super().__init__(placement)
        self._busyness = busyness

    def add(self) -> None:
        """Add the vehicles of all lanes of the side road, if there is one."""
        crossing = self._street.crossing
        if crossing is None:
            return
        drives_over = len(crossing.signs) == 2 and self._rng.random() < 0.6
        for lane in crossing.lanes:
            self._fill(crossing, lane, drives_over)

    def _fill(self, crossing: Crossing, lane: Lane, drives_over: bool) -> None:
        """Add the vehicles of one lane.

        Args:
            crossing: The side road.
            lane: The lane.
            drives_over: Whether its vehicles cross the street instead of waiting.
        """
        rng, u = self._rng, self._rng.uniform
        mouth = max(self._street.side(1.0).kerb_start, self._street.side(-1.0).kerb_start)
        mouth += u(0.5, 4.0)
        headway = float(rng.choice([4.0, 12.0, 30.0]))
        way = lane.direction
        if drives_over:
            self._column(crossing, lane, -REACH, REACH, way * u(3, 13), headway)
            return
        if -way in crossing.signs:
            self._column(crossing, lane, -REACH, -mouth, 0.0, headway)
        if way in crossing.signs and rng.random() < 0.6:
            self._column(crossing, lane, mouth + 2, REACH, way * u(3, 13), 2 * headway)

    def _column(
        self,
        crossing: Crossing,
        lane: Lane,
        start: float,
        end: float,
        drift: float,
        headway: float,
    ) -> None:
        """Add a column of vehicles, from its front end backwards.

        Args:
            crossing: The side road.
            lane: Its lane.
            start: Rear end of the column along the lane in metres; 0 on the street's centre line.
            end: Front end of the column along the lane in metres.
            drift: Rate of change of the offset in m/s, the same for all vehicles.
            headway: Mean gap in metres.
        """
        rng, library = self._rng, self._library
        at = end - (0.0 if drift == 0 else rng.exponential(headway))
        turn = lane.direction * np.pi / 2
        while True:
            is_truck = rng.random() < self._busyness.truck_share
            shape = library.draw_truck(rng) if is_truck else library.draw_car(rng)
            at -= shape.size[0] / 2
            if at < start:
                return
            paint = self._place.draw_paint()
            s = crossing.station + lane.offset + rng.normal(0, 0.1)
            t = lane.direction * at
            heading = turn + rng.normal(0, 0.02)
            actor = Actor(shape, paint, s, t, heading, 0.0, 1.0, drift, is_in_traffic=True)
            self._place.add(actor, 0.3)
            at -= shape.size[0] / 2 + 1.2 + rng.exponential(headway)

"""Vehicles on the carriageway: in the lanes, in side roads, at bus stops, double-parked."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.scene.road.cross_section import Lane, Side
from bev_semseg_ros.sim.scene.traffic.adder import Adder
from bev_semseg_ros.sim.scene.traffic.busyness import Busyness
from bev_semseg_ros.sim.scene.traffic.drive import EGO_CLEAR_AHEAD, EGO_LENGTH
from bev_semseg_ros.sim.scene.traffic.placement import Placement

# Mean number of vehicles placed anywhere and at any angle, by kind of street.
SCATTERED_VEHICLES = {
    "residential": 3,
    "city": 2.5,
    "lot": 7,
    "avenue": 2,
    "rural": 1.2,
    "motorway": 0.1,
}
# Fraction of lorries and buses among these.
SCATTERED_TRUCKS = 0.3
# Fraction of motorcycles among the vehicles in the lanes, except in streets without people.
MOTORCYCLE_SHARE = 0.05
# Mean numbers of vehicles that stand at the edge of the carriageway, by kind of street: buses at
# stops, and double-parked vehicles, such as those that make deliveries or collect refuse.
BUSES_AT_STOPS = {"city": 0.6, "residential": 0.3, "avenue": 0.6, "rural": 0.2}
SECOND_ROW = {
    "city": 1.1,
    "residential": 1.1,
    "avenue": 0.9,
    "rural": 0.7,
    "lot": 0.5,
    "motorway": 0.4,
}
BUSES = ("bus", "articulated_bus")
DELIVERY = ("box_van", "box", "refuse", "tipper", "platform", "ambulance", "mixer", "tank")
# Kinds of vehicles that do not occur in a kind of street.
UNSEEN = {"motorway": ("tractor", "refuse"), "city": ("tractor",), "avenue": ("tractor",)}
# Gap in metres between a bus or a delivery vehicle and the edge of the carriageway.
EDGE_GAP = 0.3
# Stations in metres: bounds of the start of the column behind the ego vehicle; end of all others.
FOLLOWERS_START = (-38.0, -25.0)
TRAFFIC_END = 150.0
# Least gap in metres between the ego vehicle and the vehicle behind it.
GAP_BEHIND = 1.5
MOTORCYCLE_LENGTH = 2.2


class Vehicles(Adder):
    """Adds vehicles on the carriageway of one street."""

    def __init__(self, placement: Placement, busyness: Busyness) -> None:
        super().__init__(placement)
        self._busyness = busyness
        self._unseen = UNSEEN.get(self._street.kind, ())
        self._motorcycle_share = 0.0 if busyness.level == "empty" else MOTORCYCLE_SHARE

    def add_moving(self) -> None:
        """Add moving traffic. Vehicles in a lane have the same speed, so they do not collide."""
        for lane in self._street.lanes:
            self._fill_lane(lane)

    def add_waiting(self) -> None:
        """Add buses at stops, and double-parked lorries and vans."""
        rng, kind = self._rng, self._street.kind
        for _ in range(rng.poisson(BUSES_AT_STOPS.get(kind, 0.0))):
            self._add_at_edge(self._library.draw_truck(rng, str(rng.choice(BUSES))))
        for _ in range(rng.poisson(SECOND_ROW.get(kind, 0.0))):
            if rng.random() < 0.35:
                shape = self._library.draw_car(rng, "high_roof_van")
            else:
                shape = self._library.draw_truck(rng, str(rng.choice(DELIVERY)))
            self._add_at_edge(shape)

    def add_scattered(self) -> None:
        """Add vehicles anywhere and at any angle, as if on driveways, in gateways or turning."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        for _ in range(rng.poisson(SCATTERED_VEHICLES[street.kind])):
            side = street.sides[rng.integers(2)]
            is_at_right_angles = rng.random() < 0.6
            if is_at_right_angles:
                turn = rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.1)
            else:
                turn = u(-np.pi, np.pi)
            t = side.sign * u(street.half_width * 0.3, side.boundary + 7)
            self._place.add_vehicle(self._draw_shape(SCATTERED_TRUCKS), u(4, 70), t, turn)
        self._add_in_side_road()

    def _draw_shape(self, truck_share: float) -> Shape:
        """Draw a lorry or a bus with probability `truck_share`, otherwise a car."""
        if self._rng.random() >= truck_share:
            return self._library.draw_car(self._rng)
        kinds = [kind for kind in self._library.trucks.kinds if kind not in self._unseen]
        return self._library.draw_truck(self._rng, str(self._rng.choice(kinds)))

    def _fill_lane(self, lane: Lane) -> None:
        """Add the vehicles of a lane."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        is_own = lane is street.ego_lane
        is_motorway = street.kind == "motorway"
        if is_own:
            speed = self._place.drive.speed
        else:
            speed = rng.choice([0.0, u(3, 14), u(8, 16)], p=[0.15, 0.45, 0.4])
        if is_motorway and not is_own and rng.random() < 0.8:
            speed = max(u(8, 25), speed)
        headway = 60.0 if street.kind == "lot" else rng.choice([7.0, 18.0, 45.0])
        if is_own:
            behind = -EGO_LENGTH / 2 - GAP_BEHIND
            self._add_column(lane, speed, headway, u(*FOLLOWERS_START), behind)
        start = EGO_LENGTH / 2 + EGO_CLEAR_AHEAD + u(0, 25) if is_own else u(-14, 15)
        self._add_column(lane, speed, headway, start, TRAFFIC_END)

    def _add_column(
        self, lane: Lane, speed: float, headway: float, start: float, end: float
    ) -> None:
        """Add a column of vehicles.

        Args:
            lane: Their lane.
            speed: Speed in m/s.
            headway: Mean gap in metres; from 60 m on, gaps are uniform from 30 to 200 m instead.
            start: Station in metres after which the column begins.
            end: Station in metres that no vehicle passes.
        """
        rng, u = self._rng, self._rng.uniform
        along = lane.direction * speed
        heading = 0.0 if lane.direction > 0 else np.pi
        s = start
        while True:
            s += (rng.exponential(headway) if headway < 60 else u(30, 200)) + 2.0
            if rng.random() < self._motorcycle_share:
                if s + MOTORCYCLE_LENGTH > end:
                    return
                t = lane.offset + rng.normal(0, 0.4)
                turn = heading + rng.normal(0, 0.03)
                middle = s + MOTORCYCLE_LENGTH / 2
                self._place.add_rider("motorcyclist", middle, t, turn, along, margin=0.3)
                s += MOTORCYCLE_LENGTH
                continue
            shape = self._draw_shape(self._busyness.truck_share)
            length = shape.footprint[0]
            if s + length > end:
                return
            t = lane.offset + rng.normal(0, 0.15)
            turn = heading + rng.normal(0, 0.02)
            self._place.add_vehicle(shape, s + length / 2, t, turn, along, 0.3, is_in_traffic=True)
            s += length

    def _add_at_edge(self, shape: Shape) -> None:
        """Add a vehicle that stands at the right or the left edge of the carriageway."""
        rng, street = self._rng, self._street
        side: Side = street.sides[rng.choice(2, p=[0.4, 0.6])]
        middle = street.half_width - EDGE_GAP - shape.size[1] / 2
        if rng.random() < 0.3:  # with two wheels on the kerb
            middle += rng.uniform(0.3, 1.0)
        stops = self._site.amenities_for("stop")
        s = rng.uniform(8, 55)
        if shape.kind in BUSES and stops:
            stop = stops[rng.integers(len(stops))]
            s, side = stop.s, street.side(stop.t)
        turn = (np.pi if side.sign > 0 else 0.0) + rng.normal(0, 0.02)
        self._place.add_vehicle(
            shape, s, side.sign * middle, turn, margin=0.2, is_in_traffic=shape.kind in BUSES
        )

    def _add_in_side_road(self) -> None:
        """Add vehicles that stand in the side road, if there is one."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        crossing = street.crossing
        if crossing is None:
            return
        for _ in range(rng.poisson(1.2)):
            sign = crossing.signs[rng.integers(len(crossing.signs))]
            is_approaching = rng.random() < 0.5
            lane_sign = 1 if is_approaching == (sign < 0) else -1
            s = crossing.station + crossing.half_width * u(0.3, 0.5) * lane_sign
            turn = sign * np.pi / 2 + (np.pi if is_approaching else 0.0) + rng.normal(0, 0.1)
            t = sign * (street.half_width + u(3, 25))
            shape = self._draw_shape(self._busyness.truck_share)
            self._place.add_vehicle(shape, s, t, turn, is_in_traffic=True)

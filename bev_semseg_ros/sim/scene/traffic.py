"""Parked and moving vehicles, pedestrians and cyclists, and the path of the vehicle itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.people_materials import people_materials
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.vehicles.parts import paint_materials
from bev_semseg_ros.sim.scene.actors import Actor
from bev_semseg_ros.sim.scene.road.cross_section import Lane, ParkingRow, Side
from bev_semseg_ros.sim.scene.site import Site

# The vehicle itself, in metres; the origin of the ego frame is in its middle.
EGO_LENGTH = 4.8
EGO_WIDTH = 2.0
# Metres ahead of the vehicle that stay free.
EGO_CLEAR_AHEAD = 4.0

# Mean numbers of actors, by kind of street.
SCATTERED_VEHICLES = {
    "residential": 3,
    "city": 2.5,
    "lot": 7,
    "avenue": 2,
    "rural": 1.2,
    "motorway": 0.1,
}
WALKING_GROUPS = {
    "city": 2.2,
    "residential": 1.0,
    "avenue": 1.3,
    "rural": 0.15,
    "lot": 1.2,
    "motorway": 0.02,
}
CYCLISTS = {
    "city": 2.2,
    "residential": 2.2,
    "avenue": 2.2,
    "rural": 0.5,
    "lot": 2.2,
    "motorway": 0.0,
}


@dataclass(frozen=True)
class Drive:
    """How the vehicle moves: from station 0 along the road at a constant speed.

    Attributes:
        t: Offset to the left of the road's centre line in metres.
        speed: Metres per second.
        yaw: Heading relative to the direction of the road in radians.
        duration: Seconds.
    """

    t: float
    speed: float
    yaw: float
    duration: float

    @classmethod
    def draw(cls, rng: np.random.Generator, lane: Lane, duration: float) -> Drive:
        """Draw a drive in a lane.

        The vehicle stands in a quarter of the drives, often at an angle to the lane. Otherwise it
        moves at 2 to 15 m/s.
        """
        is_standing = rng.random() < 0.25
        if is_standing and rng.random() < 0.6:
            yaw = rng.normal(0, 0.25)
        else:
            yaw = rng.normal(0, 0.025)
        play = max(lane.width / 2 - EGO_WIDTH / 2 - 0.1, 0.05)
        t = lane.offset + float(np.clip(rng.normal(0, 0.25), -play, play))
        speed = 0.0 if is_standing else rng.uniform(2, 15)
        return cls(t, speed, float(np.clip(yaw, -0.6, 0.6)), duration)

    @property
    def distance(self) -> float:
        """Metres driven."""
        return self.speed * self.duration


class Traffic:
    """Places actors on a street.

    No actor meets another one, or the vehicle, during the whole drive. An actor for which there is
    no room is left out.

    Attributes:
        actors: All actors placed so far.
    """

    def __init__(self, site: Site, drive: Drive, times: np.ndarray) -> None:
        """Draw the colours of vehicles and clothes.

        Args:
            site: The street and what is shared by everything built on it.
            drive: How the vehicle moves.
            times: (K,) moments in seconds at which objects must not overlap.
        """
        rng, table = site.rng, site.table
        self._site = site
        self._rng = rng
        self._street = site.street
        self._library = site.library
        self._drive = drive
        self._times = times
        self._paints = [paint_materials(rng, table) for _ in range(rng.integers(5, 9))]
        self._clothes = [people_materials(rng, table) for _ in range(5)]
        self.actors: list[Actor] = []

    def reserve_ego_path(self) -> None:
        """Keep the vehicle's own path free, with some room ahead."""
        s = self._drive.speed * self._times
        length = EGO_LENGTH + EGO_CLEAR_AHEAD
        middle = self._street.alignment.points(s, self._drive.t)[:, :2]
        yaw = self._street.alignment.heading(s) + self._drive.yaw
        forward = np.stack([np.cos(yaw), np.sin(yaw)], -1)
        middle = middle + EGO_CLEAR_AHEAD / 2 * forward
        self._site.occupancy.take(np.column_stack([middle, yaw]), length, EGO_WIDTH + 0.6)

    def add_parked_vehicles(self, side: Side) -> None:
        """Fill the rows of parking places of a side."""
        for row in side.rows:
            self._fill_parking_row(side, row)

    def add_moving_vehicles(self) -> None:
        """Add moving traffic; all vehicles of a lane have the same speed, so none hits another."""
        for lane in self._street.lanes:
            self._fill_lane(lane)

    def add_scattered_vehicles(self) -> None:
        """Add vehicles anywhere and at any angle: on drives, in gateways, turning."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        for _ in range(rng.poisson(SCATTERED_VEHICLES[street.kind])):
            side = street.sides[rng.integers(2)]
            is_at_right_angles = rng.random() < 0.6
            if is_at_right_angles:
                turn = rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.1)
            else:
                turn = u(-np.pi, np.pi)
            t = side.sign * u(street.half_width * 0.3, side.boundary + 7)
            self._add(self._library.draw_car(rng), self._draw_paint(), u(4, 70), t, turn)
        self._add_vehicles_in_side_road()

    def add_walking_people(self, side: Side) -> None:
        """Add people on a side's pavement or verge, a third of them in pairs."""
        rng, u = self._rng, self._rng.uniform
        ground = side.first("pavement") or side.first("verge") or side.strips[0]
        for _ in range(rng.poisson(WALKING_GROUPS[self._street.kind])):
            s = 4 + 50 * rng.random() ** 1.2
            t = side.sign * u(ground.start + 0.3, max(ground.start + 0.4, ground.end - 0.3))
            direction = rng.choice([-1, 1])
            speed = direction * u(0.7, 1.8) if rng.random() < 0.75 else 0.0
            count = 2 if rng.random() < 0.35 else 1
            for index in range(count):
                turn = 0.0 if direction > 0 else np.pi
                turn += rng.normal(0, 0.15) if speed else u(-np.pi, np.pi)
                beside = index * u(-0.3, 0.3)
                self._add_pedestrian(s + beside, t + index * rng.choice([-0.7, 0.7]), turn, speed)

    def add_people_on_carriageway(self) -> None:
        """Add people who stand on the carriageway, facing across it."""
        rng = self._rng
        mean = 0.03 if self._street.kind in ("rural", "motorway") else 0.35
        for _ in range(rng.poisson(mean)):
            s = rng.uniform(6, 40)
            t = rng.uniform(-1, 1) * self._street.half_width
            turn = rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.3)
            self._add_pedestrian(s, t, turn, 0.0)

    def add_cyclists(self) -> None:
        """Add cyclists at the edges of the carriageway, some on the pavement."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        for _ in range(rng.poisson(CYCLISTS[street.kind])):
            sign = rng.choice([-1, 1])
            if rng.random() < 0.8:
                edge = street.half_width - u(0.4, 1.2)
            else:
                edge = street.half_width + u(0.5, 2.0)
            speed = u(2.5, 7) if rng.random() < 0.85 else 0.0
            direction = -sign if rng.random() < 0.85 else sign
            turn = (0.0 if direction > 0 else np.pi) + rng.normal(0, 0.08)
            self._add(
                self._library.draw_cyclist(rng),
                self._draw_clothes(),
                u(3, 50),
                sign * edge,
                turn,
                direction * speed,
                u(0.95, 1.08),
                margin=0.1,
            )

    def _fill_parking_row(self, side: Side, row: ParkingRow) -> None:
        """Park vehicles in a row, with random gaps."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        occupied_share = u(0.25, 1.0)
        s = row.start if row.pitch else u(-14, -8)
        reversed_share = rng.random()
        end = u(15, 45) if street.kind == "lot" else u(20, 120)
        while s < end:
            shape = self._library.draw_car(rng)
            pitch = row.pitch or shape.size[0] + u(0.4, 1.8)
            back = np.pi if rng.random() < reversed_share else 0.0
            is_occupied = rng.random() < occupied_share
            if is_occupied and not street.is_crossed(s - 3, s + pitch + 3, side.sign):
                self._add(
                    shape,
                    self._draw_paint(),
                    s + pitch / 2,
                    row.offset + rng.normal(0, 0.08),
                    row.angle + back + rng.normal(0, 0.03),
                    margin=0.12,
                )
            s += pitch

    def _fill_lane(self, lane: Lane) -> None:
        """Add the vehicles of a lane."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        is_own = lane is street.ego_lane
        is_motorway = street.kind == "motorway"
        if is_own:
            speed = self._drive.speed
        else:
            speed = rng.choice([0.0, u(3, 14), u(8, 16)], p=[0.15, 0.45, 0.4])
        if is_motorway and not is_own and rng.random() < 0.8:
            speed = max(u(8, 25), speed)
        # Mean gap in metres; from 60 m on, gaps are distributed evenly.
        headway = 60.0 if street.kind == "lot" else rng.choice([8.0, 20.0, 50.0])
        s = EGO_LENGTH / 2 + EGO_CLEAR_AHEAD + u(0, 25) if is_own else u(-14, 15)
        while True:
            s += (rng.exponential(headway) if headway < 60 else u(30, 200)) + 2.0
            if s > 150:
                break
            is_truck = rng.random() < (0.2 if is_motorway else 0.08)
            shape = self._library.draw_truck(rng) if is_truck else self._library.draw_car(rng)
            s += shape.size[0] / 2
            turn = (0.0 if lane.direction > 0 else np.pi) + rng.normal(0, 0.02)
            self._add(
                shape,
                self._draw_paint(),
                s,
                lane.offset + rng.normal(0, 0.15),
                turn,
                lane.direction * speed,
                margin=0.3,
            )
            s += shape.size[0] / 2

    def _add_vehicles_in_side_road(self) -> None:
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
            shape, materials = self._library.draw_car(rng), self._draw_paint()
            self._add(shape, materials, s, sign * (street.half_width + u(3, 25)), turn)

    def _add_pedestrian(self, s: float, t: float, turn: float, speed: float) -> None:
        """Add a pedestrian, standing or sitting if the speed is 0."""
        self._add(
            self._library.draw_pedestrian(self._rng, still=speed == 0),
            self._draw_clothes(),
            s,
            t,
            turn,
            speed,
            self._rng.uniform(0.92, 1.08),
            margin=0.05,
        )

    def _add(
        self,
        shape: Shape,
        materials: np.ndarray,
        s: float,
        t: float,
        turn: float,
        speed: float = 0.0,
        scale: float = 1.0,
        margin: float = 0.15,
    ) -> None:
        """Add an actor if it keeps `margin` metres away from everything and stays on the road.

        Args:
            shape: Mesh, size and class.
            materials: (slots,) row of the MaterialTable for each slot of the shape.
            s: Station at time 0 in metres.
            t: Offset in metres.
            turn: Heading relative to the direction of the road in radians.
            speed: Change of the station in m/s.
            scale: Factor on the size.
            margin: Distance to keep in metres.
        """
        length, width, _ = (extent * scale for extent in shape.size)
        end = s + speed * self._times[-1]
        low, high = self._street.alignment.stations[[0, -1]]
        if min(s, end) <= low + length or max(s, end) >= high - length:
            return
        if self._site.occupancy.claim(self._poses(s, t, turn, speed), length, width, margin):
            self.actors.append(Actor(shape, materials, s, t, turn, speed, scale))

    def _poses(self, s: float, t: float, turn: float, speed: float) -> np.ndarray:
        """Return world x, y, yaw: (K, 3) at the moments of the drive, or (3,) without speed."""
        stations = s + speed * self._times if speed else np.array([s])
        alignment = self._street.alignment
        positions = alignment.points(stations, t)[:, :2]
        poses = np.column_stack([positions, alignment.heading(stations) + turn])
        return poses if speed else poses[0]

    def _draw_paint(self) -> np.ndarray:
        """Return the materials of a random vehicle."""
        return self._paints[self._rng.integers(len(self._paints))]

    def _draw_clothes(self) -> np.ndarray:
        """Return the materials of a random person."""
        return self._clothes[self._rng.integers(len(self._clothes))]

"""Who is on the street: parked and moving vehicles, people on foot and on two wheels, and the vehicle itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.assets.people import people_materials
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.vehicles.parts import paint_materials
from bev_semseg_ros.sim.scene.actors import Actor
from bev_semseg_ros.sim.scene.road.street import Lane, Side
from bev_semseg_ros.sim.scene.site import Site

EGO_LENGTH, EGO_WIDTH, EGO_CLEAR_AHEAD = (
    4.8,
    2.0,
    4.0,
)  # m; the ego frame's origin is in the vehicle's middle


@dataclass(frozen=True)
class Drive:
    """How the vehicle moves: from station 0 along offset t at `speed`, heading `yaw` off the road's direction."""

    t: float
    speed: float
    yaw: float
    duration: float

    @classmethod
    def draw(cls, rng: np.random.Generator, lane: Lane, duration: float) -> Drive:
        """Standing in a quarter of the drives, and then perhaps across; else up to 15 m/s."""
        standing = rng.random() < 0.25
        yaw = rng.normal(0, 0.25) if standing and rng.random() < 0.6 else rng.normal(0, 0.025)
        play = max(lane.width / 2 - EGO_WIDTH / 2 - 0.1, 0.05)
        t = lane.offset + float(np.clip(rng.normal(0, 0.25), -play, play))
        return cls(
            t, 0.0 if standing else rng.uniform(2, 15), float(np.clip(yaw, -0.6, 0.6)), duration
        )

    @property
    def distance(self) -> float:
        return self.speed * self.duration


class Traffic:
    """Places actors on one street so that none meets another, or the vehicle, as long as the drive lasts."""

    def __init__(self, site: Site, drive: Drive, times: np.ndarray) -> None:
        rng, table = site.rng, site.table
        self._site, self._rng, self._street, self._library = site, rng, site.street, site.library
        self._drive, self._times = drive, times
        self._paints = [paint_materials(rng, table) for _ in range(rng.integers(5, 9))]
        self._clothes = [people_materials(rng, table) for _ in range(5)]
        self.actors: list[Actor] = []

    def claim_ego(self) -> None:
        """Keeps the vehicle's own way free, with some room ahead."""
        s = self._drive.speed * self._times
        length = EGO_LENGTH + EGO_CLEAR_AHEAD
        middle = self._street.alignment.points(s, self._drive.t)[:, :2]
        yaw = self._street.alignment.heading(s) + self._drive.yaw
        middle = middle + EGO_CLEAR_AHEAD / 2 * np.stack([np.cos(yaw), np.sin(yaw)], -1)
        self._site.occupancy.take(np.column_stack([middle, yaw]), length, EGO_WIDTH + 0.6)

    def _poses(self, s: float, t: float, turn: float, speed: float) -> np.ndarray:
        """(K, 3) x, y, yaw at the drive's moments; (3,) of what stands."""
        at = s + speed * self._times if speed else np.array([s])
        alignment = self._street.alignment
        poses = np.column_stack([alignment.points(at, t)[:, :2], alignment.heading(at) + turn])
        return poses if speed else poses[0]

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
    ) -> bool:
        """Adds an actor if it stays free of everything."""
        length, width, _ = (extent * scale for extent in shape.size)
        end = s + speed * self._times[-1]
        low, high = self._street.alignment.stations[[0, -1]]
        if not low + length < min(s, end) <= max(s, end) < high - length:
            return False
        if not self._site.occupancy.claim(self._poses(s, t, turn, speed), length, width, margin):
            return False
        self.actors.append(Actor(shape, materials, s, t, turn, speed, scale))
        return True

    def _paint(self) -> np.ndarray:
        return self._paints[self._rng.integers(len(self._paints))]

    def _dress(self) -> np.ndarray:
        return self._clothes[self._rng.integers(len(self._clothes))]

    def park(self, side: Side) -> None:
        """Fills the rows of parking places of a side."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        for row in side.rows:
            occupancy, s = u(0.25, 1.0), -14.0 if row.pitch else u(-14, -8)
            flip = rng.random()
            end = u(20, 120) if street.kind != "lot" else u(15, 45)
            while s < end:
                shape = self._library.draw_car(rng)
                length = shape.size[0]
                pitch = row.pitch or length + u(0.4, 1.8)
                back = np.pi if rng.random() < flip else 0.0
                if rng.random() < occupancy and not street.is_crossed(
                    s - 3, s + pitch + 3, side.sign
                ):
                    self._add(
                        shape,
                        self._paint(),
                        s + pitch / 2,
                        row.offset + rng.normal(0, 0.08),
                        row.angle + back + rng.normal(0, 0.03),
                        margin=0.12,
                    )
                s += pitch

    def drive(self) -> None:
        """Moving traffic: every lane keeps one speed, so that nobody runs into whoever is ahead."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        fast = street.kind == "motorway"
        for lane in street.lanes:
            own = lane is street.ego_lane
            speed = (
                self._drive.speed
                if own
                else rng.choice([0.0, u(3, 14), u(8, 16)], p=[0.15, 0.45, 0.4])
            )
            if fast and not own:
                speed = max(u(8, 25), speed) if rng.random() < 0.8 else speed
            headway = rng.choice([8.0, 20.0, 50.0]) if street.kind != "lot" else 60.0
            s = u(-14, 15) if not own else EGO_LENGTH / 2 + EGO_CLEAR_AHEAD + u(0, 25)
            while True:
                s += (rng.exponential(headway) if headway < 60 else u(30, 200)) + 2.0
                if s > 150:
                    break
                is_truck = rng.random() < (0.2 if fast else 0.08)
                shape = self._library.draw_truck(rng) if is_truck else self._library.draw_car(rng)
                s += shape.size[0] / 2
                turn = (0.0 if lane.direction > 0 else np.pi) + rng.normal(0, 0.02)
                self._add(
                    shape,
                    self._paint(),
                    s,
                    lane.offset + rng.normal(0, 0.15),
                    turn,
                    lane.direction * speed,
                    margin=0.3,
                )
                s += shape.size[0] / 2

    def strew(self) -> None:
        """Vehicles anywhere, at any angle: on drives, in gateways, turning."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        mean = {
            "residential": 3,
            "city": 2.5,
            "lot": 7,
            "avenue": 2,
            "rural": 1.2,
            "motorway": 0.1,
        }[street.kind]
        for _ in range(rng.poisson(mean)):
            side = street.sides[rng.integers(2)]
            at_right_angles = rng.random() < 0.6
            turn = (
                rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.1)
                if at_right_angles
                else u(-np.pi, np.pi)
            )
            t = side.sign * u(street.half_width * 0.3, side.boundary + 7)
            self._add(self._library.draw_car(rng), self._paint(), u(4, 70), t, turn)
        crossing = street.crossing
        if crossing is not None:
            for _ in range(rng.poisson(1.2)):
                sign = crossing.signs[rng.integers(len(crossing.signs))]
                coming = rng.random() < 0.5
                s = crossing.station + crossing.half_width * u(0.3, 0.5) * (
                    1 if coming == (sign < 0) else -1
                )
                turn = sign * np.pi / 2 + (np.pi if coming else 0.0) + rng.normal(0, 0.1)
                self._add(
                    self._library.draw_car(rng),
                    self._paint(),
                    s,
                    sign * (street.half_width + u(3, 25)),
                    turn,
                )

    def walk(self, side: Side) -> None:
        """People on a side's pavement or verge, a third of them in twos."""
        rng, u = self._rng, self._rng.uniform
        mean = {
            "city": 2.2,
            "residential": 1.0,
            "avenue": 1.3,
            "rural": 0.15,
            "lot": 1.2,
            "motorway": 0.02,
        }
        ground = side.first("pavement") or side.first("verge") or side.strips[0]
        for _ in range(rng.poisson(mean[self._street.kind])):
            s = 4 + 50 * rng.random() ** 1.2
            t = side.sign * u(ground.start + 0.3, max(ground.start + 0.4, ground.end - 0.3))
            direction = rng.choice([-1, 1])
            speed = direction * u(0.7, 1.8) if rng.random() < 0.75 else 0.0
            for index in range(1 + (rng.random() < 0.35)):
                turn = (0.0 if direction > 0 else np.pi) + (
                    rng.normal(0, 0.15) if speed else u(-np.pi, np.pi)
                )
                self._person(
                    s + index * u(-0.3, 0.3), t + index * rng.choice([-0.7, 0.7]), turn, speed
                )

    def cross(self) -> None:
        """People on the carriageway."""
        for _ in range(
            self._rng.poisson(0.35 if self._street.kind not in ("rural", "motorway") else 0.03)
        ):
            self._person(
                self._rng.uniform(6, 40),
                self._rng.uniform(-1, 1) * self._street.half_width,
                self._rng.choice([-1, 1]) * np.pi / 2 + self._rng.normal(0, 0.3),
                0.0,
            )

    def _person(self, s: float, t: float, turn: float, speed: float) -> None:
        self._add(
            self._library.draw_pedestrian(self._rng, still=speed == 0),
            self._dress(),
            s,
            t,
            turn,
            speed,
            self._rng.uniform(0.92, 1.08),
            margin=0.05,
        )

    def cycle(self) -> None:
        """Cyclists at the edges of the carriageway, some on the pavement."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        for _ in range(rng.poisson({"rural": 0.5, "motorway": 0.0}.get(street.kind, 2.2))):
            sign = rng.choice([-1, 1])
            edge = (
                street.half_width - u(0.4, 1.2)
                if rng.random() < 0.8
                else street.half_width + u(0.5, 2.0)
            )
            speed = u(2.5, 7) if rng.random() < 0.85 else 0.0
            direction = -sign if rng.random() < 0.85 else sign
            turn = (0.0 if direction > 0 else np.pi) + rng.normal(0, 0.08)
            self._add(
                self._library.draw_cyclist(rng),
                self._dress(),
                u(3, 50),
                sign * edge,
                turn,
                direction * speed,
                u(0.95, 1.08),
                margin=0.1,
            )

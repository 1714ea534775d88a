"""Riders on two-wheelers, and parked two-wheelers."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.people_materials import people_materials
from bev_semseg_ros.sim.scene.traffic.adder import Adder
from bev_semseg_ros.sim.scene.traffic.busyness import Busyness
from bev_semseg_ros.sim.scene.traffic.placement import Placement, course

# Activities of riders, and their probabilities.
# About a third of all riders show their side to the ego vehicle, as in real traffic.
ACTIVITIES = {
    "road": 0.3,
    "pavement": 0.12,
    "group": 0.12,
    "waiting": 0.1,
    "crossing": 0.18,
    "side_road": 0.18,
}
# Largest distance in metres of riders on a side road from the street's centre line.
SIDE_ROAD_REACH = 30.0
# Mean number of rows of parked bicycles on a side per expected rider, and bounds of the number of
# bicycles in a row, the upper one exclusive.
RACKS_PER_RIDER = 0.07
RACK_SIZES = (2, 9)


class Riders(Adder):
    """Adds riders to one street."""

    def __init__(self, placement: Placement, busyness: Busyness) -> None:
        super().__init__(placement)
        self._busyness = busyness

    def add(self) -> None:
        """Add riders on the carriageway, on pavements and side roads, waiting and crossing."""
        rng = self._rng
        actions = {
            "road": self._on_road,
            "pavement": self._on_pavement,
            "group": self._group,
            "waiting": self._waiting,
            "crossing": self._crossing,
            "side_road": self._on_side_road,
        }
        wanted = rng.poisson(self._busyness.riders)
        # Tries without room count as well, so that the loop ends if the street is full.
        while wanted > 0:
            activity = str(rng.choice(list(ACTIVITIES), p=list(ACTIVITIES.values())))
            wanted -= actions[activity]()

    def add_parked(self) -> None:
        """Add rows of parked bicycles, which have no boxes, on pavements and at walls."""
        rng, u, site = self._rng, self._rng.uniform, self._site
        for side in self._street.sides:
            ground = side.first("pavement")
            if ground is None:
                continue
            for _ in range(rng.poisson(RACKS_PER_RIDER * self._busyness.riders)):
                materials = people_materials(rng, site.table)
                far_edge = max(ground.end + 0.3, ground.start + 0.9)
                s, t = u(4, 45), side.sign * u(ground.start + 0.9, far_edge)
                turn = np.pi / 2 + rng.normal(0, 0.15)
                for index in range(rng.integers(*RACK_SIZES)):
                    shape = self._library.draw_parked_two_wheeler(rng)
                    at = s + index * u(0.55, 0.75)
                    if site.claim(at, t, shape.size[0], shape.size[1], turn, margin=0.0):
                        yaw = site.pose(at, t, turn)[2] + np.pi * rng.integers(2)
                        x, y, z = self._street.point(at, t)
                        site.out.append(shape.mesh.placed((x, y, z), yaw, materials))

    def _draw_course(self) -> tuple[int, int, float]:
        """Draw the sign of a side, the direction along the road (1 or -1), and the heading."""
        rng = self._rng
        sign = int(rng.choice([-1, 1]))
        direction = -sign if rng.random() < 0.85 else sign
        turn = (0.0 if direction > 0 else np.pi) + rng.normal(0, 0.08)
        return sign, direction, float(turn)

    def _draw_station(self) -> float:
        """Draw a station in metres, usually ahead of the ego vehicle."""
        return float(self._rng.uniform(-12, 3) if self._rng.random() < 0.1 else self._near())

    def _near(self) -> float:
        """Draw a station in metres ahead of the ego vehicle."""
        return float(4 + 44 * self._rng.random() ** 1.1)

    def _on_road(self) -> int:
        """Add a rider at the edge of the carriageway; return the number of tries."""
        u = self._rng.uniform
        sign, direction, turn = self._draw_course()
        edge = self._street.half_width - u(0.4, 1.2)
        speed = u(2.5, 7) if self._rng.random() < 0.88 else 0.0
        role = "motorcyclist" if self._rng.random() < 0.12 else "cyclist"
        s = self._draw_station()
        self._place.add_rider(role, s, sign * edge, turn, direction * speed)
        return 1

    def _on_pavement(self) -> int:
        """Add a rider beside the carriageway; return the number of tries."""
        u = self._rng.uniform
        sign, direction, turn = self._draw_course()
        t = sign * (self._street.half_width + u(0.5, 2.5))
        speed = u(1.5, 5) if self._rng.random() < 0.85 else 0.0
        self._place.add_rider("cyclist", self._draw_station(), t, turn, direction * speed)
        return 1

    def _group(self) -> int:
        """Add riders in single file or two abreast, at one speed; return the number of tries."""
        rng, u = self._rng, self._rng.uniform
        sign, direction, turn = self._draw_course()
        s, speed, count = self._draw_station(), u(2.5, 8), int(rng.integers(2, 6))
        is_two_abreast = rng.random() < 0.5
        edge = self._street.half_width - u(0.5, 1.0)
        for index in range(count):
            row, column = (index // 2, index % 2) if is_two_abreast else (index, 0)
            at = s + direction * row * u(2.1, 3.2) + rng.normal(0, 0.2)
            t = sign * (edge - 0.95 * column + rng.normal(0, 0.08))
            heading = turn + rng.normal(0, 0.04)
            self._place.add_rider("cyclist", at, t, heading, direction * speed)
        return count

    def _waiting(self) -> int:
        """Add riders who wait in line, at the side road if any; return the number of tries."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        sign, direction, turn = self._draw_course()
        line = self._draw_station()
        if street.crossing is not None:
            line = street.crossing.start if direction > 0 else street.crossing.end
        t = sign * (street.half_width - u(0.4, 1.6))
        heading, count = turn + rng.normal(0, 0.08), int(rng.integers(1, 4))
        return self._file("waiting_cyclist", line - 1.5 * direction, t, heading, 0.0, count)

    def _crossing(self) -> int:
        """Add riders who cross the road, turn, or wait to do so; return the number of tries."""
        rng, u = self._rng, self._rng.uniform
        turn = rng.choice([-1, 1]) * (u(0.3, 0.5) * np.pi if rng.random() < 0.3 else np.pi / 2)
        turn += rng.normal(0, 0.15)
        count = int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1]))
        if rng.random() < 0.25:
            t = -np.sign(turn) * (self._street.half_width + u(0.5, 3.0))
            return self._file("waiting_cyclist", self._near(), t, turn, 0.0, count)
        t = u(-1, 1) * (self._street.half_width + 3.0)
        return self._file("cyclist", self._near(), t, turn, u(1.5, 5.0), count)

    def _on_side_road(self) -> int:
        """Add riders on the side road or its pavement; return the number of tries.

        Without a side road, they cross the street.
        """
        rng, u, crossing = self._rng, self._rng.uniform, self._street.crossing
        if crossing is None:
            return self._crossing()
        # They lead to the left or to the right, and keep to their own right.
        way = int(rng.choice([-1, 1]))
        is_on_pavement = rng.random() < 0.25
        aside = u(0.4, max(crossing.pavement, 0.8)) if is_on_pavement else -u(0.4, 1.2)
        s = crossing.station + way * (crossing.half_width + aside)
        turn = way * np.pi / 2 + rng.normal(0, 0.06)
        count = int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))
        if -way in crossing.signs and rng.random() < 0.35:
            t = -way * (self._street.side(-way).kerb_start + u(0.5, 3.0))
            return self._file("waiting_cyclist", s, t, turn, 0.0, count)
        sign = crossing.signs[rng.integers(len(crossing.signs))]
        t = sign * SIDE_ROAD_REACH * rng.random() ** 1.5
        return self._file("cyclist", s, t, turn, u(2.0, 6.5), count)

    def _file(self, role: str, s: float, t: float, turn: float, pace: float, count: int) -> int:
        """Add riders one behind the other; return the number of tries.

        Args:
            role: One of `roles.ROLES`.
            s: Station of the first one in metres.
            t: Offset of the first one in metres.
            turn: Heading relative to the direction of the road in radians.
            pace: Speed in m/s.
            count: Number of riders.
        """
        back_s, back_t = course(-1.0, turn)
        speed, drift = course(pace, turn)
        gap = 0.0
        for _ in range(count):
            self._place.add_rider(role, s + gap * back_s, t + gap * back_t, turn, speed, drift)
            gap += self._rng.uniform(2.0, 3.0)
        return count

"""Riders on two-wheelers, and parked two-wheelers."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets.people_materials import people_materials
from bev_semseg_ros.sim.scene.traffic.adder import Adder
from bev_semseg_ros.sim.scene.traffic.busyness import Busyness
from bev_semseg_ros.sim.scene.traffic.placement import Placement, course

# Activities of riders, and their probabilities.
ACTIVITIES = {"road": 0.42, "pavement": 0.16, "group": 0.17, "waiting": 0.13, "crossing": 0.12}
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
        """Add riders on the carriageway, on the pavement, in groups, waiting and crossing."""
        rng = self._rng
        actions = {
            "road": self._on_road,
            "pavement": self._on_pavement,
            "group": self._group,
            "waiting": self._waiting,
            "crossing": self._crossing,
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
        count = int(rng.integers(1, 4))
        for index in range(count):
            at = line - direction * (1.5 + 2.0 * index + u(0, 0.6))
            t = sign * (street.half_width - u(0.4, 1.6))
            heading = turn + rng.normal(0, 0.12)
            self._place.add_rider("waiting_cyclist", at, t, heading, 0.0)
        return count

    def _crossing(self) -> int:
        """Add a rider who turns or crosses the road; return the number of tries."""
        rng, street = self._rng, self._street
        turn = rng.choice([-1, 1]) * rng.uniform(0.3, 0.5) * np.pi
        t = rng.uniform(-1, 1) * (street.half_width + 1)
        pace = rng.uniform(1.5, 4.0)
        speed, drift = course(pace, turn)
        self._place.add_rider("cyclist", self._near(), t, turn, speed, drift)
        return 1

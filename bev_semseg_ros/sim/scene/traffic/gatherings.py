"""People who stand or sit: alone, in circles, queues and crowds, at walls and on seats."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.traffic.adder import Adder
from bev_semseg_ros.sim.scene.traffic.positions import draw_offset

# Largest distance in metres of a wall from the edge of the pavement that is nearer to the road.
WALL_REACH = 9.0
# Probability that a seat of a chosen group is taken.
SEAT_TAKEN = 0.6
# Seats within this distance in metres of a chosen one belong to its group, such as a café.
SEAT_GROUP = 3.0


class Gatherings(Adder):
    """Adds people who stand or sit beside one street.

    Every method takes a side and a station in metres, and returns the number of people for whom
    there was room.
    """

    def alone(self, side: Side, s: float) -> int:
        """Add a person who stands on the pavement, for instance with a phone."""
        t = draw_offset(self._rng, side)
        return self._stand(s, t, self._rng.uniform(-np.pi, np.pi))

    def circle(self, side: Side, s: float) -> int:
        """Add two to five people who stand in a circle and talk."""
        rng = self._rng
        count = int(rng.integers(2, 6))
        radius = 0.3 + 0.14 * count + rng.uniform(0, 0.2)
        middle = draw_offset(rng, side)
        first, added = rng.uniform(0, 2 * np.pi), 0
        for index in range(count):
            angle = first + 2 * np.pi * index / count + rng.normal(0, 0.15)
            at_s, at_t = s + radius * np.cos(angle), middle + radius * np.sin(angle)
            added += self._stand(at_s, at_t, angle + np.pi + rng.normal(0, 0.25))
        return added

    def queue(self, side: Side, s: float) -> int:
        """Add three to nine people who wait in line, usually at a bus stop if there is one."""
        rng = self._rng
        t = draw_offset(rng, side)
        stops = self._site.amenities_for("stop")
        if stops and rng.random() < 0.8:
            stop = stops[rng.integers(len(stops))]
            s, t = stop.s + rng.choice([-1, 1]) * rng.uniform(0.8, 3.0), stop.t
        direction = rng.choice([-1, 1])
        # The line runs along the pavement, slightly askew.
        lateral = rng.uniform(-0.06, 0.06)
        heading = np.pi if direction > 0 else 0.0
        added = 0
        for _ in range(rng.integers(3, 10)):
            added += self._stand(s, t + rng.normal(0, 0.1), heading + rng.normal(0, 0.35))
            step = rng.uniform(0.55, 1.1)
            s, t = s + direction * step, t + lateral * step
        return added

    def crowd(self, side: Side, s: float) -> int:
        """Add eight to twenty people close together, most standing, some walking through."""
        rng, u = self._rng, self._rng.uniform
        ground = side.walkway
        length, width = u(2.5, 7), max(ground.end - ground.start + 0.8, u(2, 4))
        middle = side.sign * (ground.start + ground.end) / 2
        facing, added = u(-np.pi, np.pi), 0
        for _ in range(rng.integers(8, 21)):
            at_s, at_t = s + u(-0.5, 0.5) * length, middle + u(-0.5, 0.5) * width
            if rng.random() < 0.2:
                turn = np.pi * rng.integers(2) + rng.normal(0, 0.2)
                added += self._place.add_person("walker", at_s, at_t, turn, u(0.4, 1.2))
            else:
                added += self._stand(at_s, at_t, facing + rng.normal(0, 0.7))
        return added

    def wall(self, side: Side, s: float) -> int:
        """Add a person close to a wall or a hedge: leaning, walking, sitting or looking in."""
        rng = self._rng
        inner = side.sign * (side.walkway.start + 0.3)
        t = self._place.farthest(s, inner, side.sign, WALL_REACH)
        if t is None:
            return 0
        turn = -side.sign * np.pi / 2 + rng.normal(0, 0.5)
        kind = rng.random()
        if kind < 0.2:
            return int(self._place.add_person("sitter", s, t - side.sign * 0.2, turn, margin=0.0))
        if kind < 0.4:  # walks along the wall
            turn = np.pi * rng.integers(2)
            return int(self._place.add_person("walker", s, t, turn, rng.uniform(0.6, 1.6), 0.0))
        if kind < 0.6:  # looks into a window
            turn += np.pi
        return self._stand(s, t, turn, margin=0.0)

    def seats(self, side: Side, s: float) -> int:
        """Add people who sit on a bench or at a table, or beside the road if there are no seats."""
        rng = self._rng
        seats = self._site.amenities_for("seat")
        if not seats:
            t = draw_offset(rng, side)
            turn = -side.sign * np.pi / 2 + rng.normal(0, 0.6)
            return int(self._place.add_person("sitter", s, t, turn))
        first = seats[rng.integers(len(seats))]
        added = 0
        for seat in seats:
            is_near = np.hypot(seat.s - first.s, seat.t - first.t) < SEAT_GROUP
            if is_near and rng.random() < SEAT_TAKEN:
                added += self._place.add_seated(seat.s, seat.t, seat.turn)
        return added

    def _stand(self, s: float, t: float, turn: float, margin: float = 0.02) -> int:
        """Add a standing person, sometimes a child; return 1 if there was room, otherwise 0."""
        role = "standing_child" if self._rng.random() < 0.1 else "stander"
        return int(self._place.add_person(role, s, t, turn, margin=margin))

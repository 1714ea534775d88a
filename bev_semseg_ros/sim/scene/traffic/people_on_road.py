"""People on and beside the carriageway: they cross it, wait at it, or get into their cars."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.classes import BOX_LABEL
from bev_semseg_ros.sim.scene.actors import Actor
from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.traffic.adder import Adder

# Half the width in metres of the part of a zebra crossing that people use.
ZEBRA_HALF = 1.3
# People are added only at cars between these stations in metres.
CAR_STATIONS = (-12.0, 50.0)


class PeopleOnRoad(Adder):
    """Adds people on and at the carriageway of one street.

    Every method takes a side and a station in metres, and returns the number of people for whom
    there was room.
    """

    def crossing(self, side: Side, s: float) -> int:
        """Add one to five people who cross the road, usually at a zebra crossing if any."""
        rng, u, street = self._rng, self._rng.uniform, self._street
        zebras = self._site.amenities_for("zebra")
        is_at_zebra = bool(zebras) and rng.random() < 0.7
        if is_at_zebra:
            s = zebras[rng.integers(len(zebras))].s
        # Anywhere from this pavement to the opposite one.
        reach = side.walkway.start + 0.5
        t = side.sign * reach * (2 * rng.random() ** 0.8 - 1)
        count = int(rng.choice([1, 2, 3, 5], p=[0.55, 0.25, 0.12, 0.08]))
        pace, slant = u(0.9, 2.0), 0.0 if is_at_zebra else rng.normal(0, 0.25)
        heading = rng.choice([-1, 1]) * np.pi / 2 + slant
        added = 0
        for _ in range(count):
            spread = ZEBRA_HALF if is_at_zebra else 0.45 * count
            at_s = s + u(-1, 1) * spread
            aside = rng.normal(0, 0.4)
            at_t = t + aside if count > 1 else t
            is_other_way = is_at_zebra and rng.random() < 0.4
            turn = heading + (np.pi if is_other_way else 0.0) + rng.normal(0, 0.06)
            role = "child" if rng.random() < 0.12 else "walker"
            if abs(at_t) < street.median:
                added += self._place.add_person("stander", at_s, at_t, turn)
            else:
                added += self._place.add_person(role, at_s, at_t, turn, pace)
        return added

    def kerb(self, side: Side, s: float) -> int:
        """Add one to four people who wait at the kerb and face the road."""
        rng = self._rng
        zebras = self._site.amenities_for("zebra")
        if zebras:
            s = zebras[rng.integers(len(zebras))].s
        elif self._street.crossing is not None:
            s = self._street.crossing.start - rng.uniform(0.5, 2.0)
        t = side.sign * (side.walkway.start + rng.uniform(0.2, 0.7))
        added = 0
        for _ in range(rng.integers(1, 5)):
            turn = -side.sign * np.pi / 2 + rng.normal(0, 0.3)
            added += self._place.add_person("stander", s, t + rng.normal(0, 0.15), turn)
            s += rng.choice([-1, 1]) * rng.uniform(0.5, 1.2)
        return added

    def car(self, side: Side, s: float) -> int:
        """Add one or two people who stand at a parked car, for instance to get in or out."""
        rng, u = self._rng, self._rng.uniform
        cars = self._parked_cars()
        if not cars:
            return 0
        car = cars[rng.integers(len(cars))]
        length, width, _ = car.shape.size
        added = 0
        for _ in range(2 if rng.random() < 0.3 else 1):
            is_behind = rng.random() < 0.25  # at the boot
            if is_behind:
                x, y, facing = -length / 2 - u(0.25, 0.5), u(-0.5, 0.5) * width, 0.0
            else:
                door = rng.choice([-1, 1])
                x, y = u(-0.25, 0.2) * length, door * (width / 2 + u(0.2, 0.45))
                facing = -door * np.pi / 2
            if rng.random() < 0.3:
                facing += u(-np.pi, np.pi)
            cos, sin = np.cos(car.turn), np.sin(car.turn)
            at_s, at_t = car.s + cos * x - sin * y, car.t + sin * x + cos * y
            added += self._place.add_person("stander", at_s, at_t, car.turn + facing, margin=0.0)
        return added

    def _parked_cars(self) -> list[Actor]:
        """Return the cars near the ego vehicle that neither drive nor wait in traffic."""
        return [
            actor
            for actor in self._place.actors
            if CAR_STATIONS[0] < actor.s < CAR_STATIONS[1]
            and not actor.is_moving
            and not actor.is_in_traffic
            and actor.shape.label == BOX_LABEL["car"]
        ]

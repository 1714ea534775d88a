"""People on foot: the choice of situations, and people who walk along the pavement."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.scene.road.cross_section import Side
from bev_semseg_ros.sim.scene.traffic.adder import Adder
from bev_semseg_ros.sim.scene.traffic.busyness import Busyness
from bev_semseg_ros.sim.scene.traffic.gatherings import Gatherings
from bev_semseg_ros.sim.scene.traffic.people_on_road import PeopleOnRoad
from bev_semseg_ros.sim.scene.traffic.placement import Placement
from bev_semseg_ros.sim.scene.traffic.positions import draw_offset, draw_station

# Probabilities of the situations, by kind of street. Situations are drawn until there are as many
# people as wanted.
SITUATIONS = (
    "single",
    "couple",
    "family",
    "jogger",
    "alone",
    "circle",
    "queue",
    "crowd",
    "wall",
    "seats",
    "crossing",
    "kerb",
    "car",
)
TOWN = (0.22, 0.1, 0.04, 0.02, 0.08, 0.06, 0.04, 0.03, 0.09, 0.06, 0.12, 0.07, 0.07)
FREQUENCIES = {
    "city": TOWN,
    "avenue": TOWN,
    "residential": (0.27, 0.11, 0.07, 0.05, 0.08, 0.05, 0.01, 0.01, 0.07, 0.03, 0.1, 0.04, 0.11),
    "lot": (0.16, 0.1, 0.06, 0.0, 0.06, 0.05, 0.01, 0.02, 0.05, 0.03, 0.18, 0.0, 0.28),
    "rural": (0.4, 0.15, 0.05, 0.18, 0.08, 0.04, 0.0, 0.0, 0.02, 0.0, 0.08, 0.0, 0.0),
    "motorway": (0.5, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
}
# Metres between an adult and the child that he or she leads by the hand.
HAND_GAP = 0.6
# Tries per wanted person after which a street counts as full.
TRIES = 3


class People(Adder):
    """Adds people on foot to one street.

    Methods that add a situation return the number of people for whom there was room.
    """

    def __init__(self, placement: Placement, busyness: Busyness) -> None:
        super().__init__(placement)
        self._busyness = busyness
        gatherings, on_road = Gatherings(placement), PeopleOnRoad(placement)
        self._actions = {
            "single": self._single,
            "couple": self._couple,
            "family": self._family,
            "jogger": self._jogger,
            "alone": gatherings.alone,
            "circle": gatherings.circle,
            "queue": gatherings.queue,
            "crowd": gatherings.crowd,
            "wall": gatherings.wall,
            "seats": gatherings.seats,
            "crossing": on_road.crossing,
            "kerb": on_road.kerb,
            "car": on_road.car,
        }

    def add(self) -> None:
        """Add about as many people as the busyness of the street requires."""
        wanted = self._rng.poisson(self._busyness.people)
        tries = TRIES * wanted
        while wanted > 0 and tries > 0:
            situation = self._rng.choice(SITUATIONS, p=FREQUENCIES[self._street.kind])
            side = self._street.sides[self._rng.integers(2)]
            wanted -= self._actions[str(situation)](side, draw_station(self._rng))
            tries -= 1

    def _single(self, side: Side, s: float) -> int:
        """Add a person who walks along the pavement."""
        return self._walkers(side, s, ["walker"])

    def _couple(self, side: Side, s: float) -> int:
        """Add two people who walk side by side."""
        return self._walkers(side, s, ["walker", "walker"])

    def _family(self, side: Side, s: float) -> int:
        """Add one or two adults with children."""
        if self._rng.random() < 0.35:
            return self._hand_in_hand(side, s)
        adults, children = self._rng.integers(1, 3), self._rng.integers(1, 4)
        return self._walkers(side, s, ["walker"] * int(adults) + ["child"] * int(children))

    def _hand_in_hand(self, side: Side, s: float) -> int:
        """Add an adult who leads a child by his or her right hand."""
        rng = self._rng
        t, pace = draw_offset(rng, side), rng.uniform(0.5, 1.3)
        heading = np.pi * rng.integers(2) + rng.normal(0, 0.08)
        to_right = heading - np.pi / 2
        child_s, child_t = s + HAND_GAP * np.cos(to_right), t + HAND_GAP * np.sin(to_right)
        added = int(self._place.add_person("leader", s, t, heading, pace))
        if added:
            added += self._place.add_person("led_child", child_s, child_t, heading, pace, 0.0)
        return added

    def _jogger(self, side: Side, s: float) -> int:
        """Add a jogger or two."""
        count = 2 if self._rng.random() < 0.25 else 1
        return self._walkers(side, s, ["jogger"] * count, (2.0, 3.8))

    def _walkers(
        self, side: Side, s: float, roles: list[str], paces: tuple[float, float] = (0.6, 1.8)
    ) -> int:
        """Add people who walk together, at most two abreast."""
        rng = self._rng
        t = draw_offset(rng, side)
        heading = np.pi * rng.integers(2) + rng.normal(0, 0.08)
        pace = rng.uniform(*paces)
        abreast = rng.uniform(0.55, 0.85) * rng.choice([-1, 1])
        added = 0
        for index, role in enumerate(roles):
            at_s = s + (index // 2) * rng.uniform(0.7, 1.1) + rng.normal(0, 0.12)
            at_t = t + (index % 2) * abreast + rng.normal(0, 0.05)
            turn = heading + rng.normal(0, 0.04)
            added += self._place.add_person(role, at_s, at_t, turn, pace)
        return added

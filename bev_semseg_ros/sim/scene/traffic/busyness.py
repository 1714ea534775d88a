"""How many people, riders and lorries a street has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Factors on the number of people, and the probability of each. The spread is wide on purpose: a
# detector has to cope with a crowd, and must not find people in a street that has none.
LEVELS = {"empty": 0.0, "quiet": 0.35, "usual": 1.0, "busy": 2.0, "crowded": 4.0}
LEVEL_PROBABILITIES = (0.07, 0.25, 0.33, 0.22, 0.13)

# Mean numbers of people (on both sides together) and of riders in a street of usual busyness, by
# kind of street.
PEOPLE = {
    "city": 21.0,
    "residential": 12.0,
    "avenue": 16.0,
    "rural": 1.5,
    "lot": 18.0,
    "motorway": 0.15,
}
RIDERS = {
    "city": 10.5,
    "residential": 8.5,
    "avenue": 9.5,
    "rural": 3.2,
    "lot": 4.2,
    "motorway": 0.0,
}
# Added to the fraction of lorries and buses in moving traffic, by kind of street.
MORE_TRUCKS = {"motorway": 0.15, "avenue": 0.04, "rural": 0.04}


@dataclass(frozen=True)
class Busyness:
    """How busy one street is.

    Attributes:
        level: Key of LEVELS.
        people: Mean number of people on foot.
        riders: Mean number of riders on two-wheelers.
        truck_share: Fraction of lorries and buses among moving vehicles, 0 to 1.
    """

    level: str
    people: float
    riders: float
    truck_share: float

    @classmethod
    def draw(cls, rng: np.random.Generator, kind: str) -> Busyness:
        """Draw how busy a street of a kind is.

        Most streets have few lorries. Some, for instance near a building site or a port, have many.
        """
        level = str(rng.choice(list(LEVELS), p=LEVEL_PROBABILITIES))
        factor = LEVELS[level]
        # A crowd on foot leaves little room for riders.
        riders = RIDERS[kind] * factor**0.6 * rng.choice([0.3, 1.0, 2.2], p=[0.4, 0.4, 0.2])
        low, high = [(0.07, 0.22), (0.22, 0.46), (0.46, 0.78)][rng.choice(3, p=[0.5, 0.35, 0.15])]
        truck_share = rng.uniform(low, high) + MORE_TRUCKS.get(kind, 0.0)
        return cls(level, PEOPLE[kind] * factor, float(riders), float(truck_share))

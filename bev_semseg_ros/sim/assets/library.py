"""The shapes a simulated street is furnished with: built once per process, drawn and placed many times."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets import people, plants
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.vehicles import cars, trucks

# Shares of a street's cars as counted in KITTI, with a few of the rarer kinds that a detector misses otherwise.
CAR_COUNTS = {
    "hatch": 11,
    "city": 3,
    "sedan": 7,
    "wagon": 6,
    "mpv": 4,
    "suv": 3,
    "van": 2,
    "high_roof_van": 2,
    "roadster": 1,
    "pickup": 1,
}
TRUCK_COUNTS = {"box": 3, "semitrailer": 2, "platform": 1, "tank": 1, "bus": 3}
WALKING_COUNTS = {"walking": 9, "child": 2}
STILL_COUNTS = {"standing": 4, "sitting": 1}
CYCLIST_COUNTS = {"cyclist": 7, "motorcyclist": 1}
PARKED_COUNTS = {"bicycle": 4, "motorcycle": 2}
PLANT_COUNTS = {"leafy": 8, "poplar": 3, "conifer": 3, "bare": 5, "bush": 5, "hedge": 4}


class Library:
    """A pool of shapes, the same for the same seed. Every `draw_*` returns one of it, equally likely."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)

        def pool(make, counts: dict[str, int]) -> list[Shape]:
            return [make(rng, kind) for kind, count in counts.items() for _ in range(count)]

        self.cars = pool(cars.car, CAR_COUNTS)
        self.trucks = pool(trucks.truck, TRUCK_COUNTS)
        self.walking = pool(people.pedestrian, WALKING_COUNTS)
        self.still = pool(people.pedestrian, STILL_COUNTS)
        self.cyclists = pool(people.cyclist, CYCLIST_COUNTS)
        self.parked_two_wheelers = pool(people.parked_two_wheeler, PARKED_COUNTS)
        self.plants = {
            kind: pool(plants.plant, {kind: count}) for kind, count in PLANT_COUNTS.items()
        }

    def draw_car(self, rng: np.random.Generator) -> Shape:
        return self.cars[rng.integers(len(self.cars))]

    def draw_truck(self, rng: np.random.Generator) -> Shape:
        """A lorry or a bus."""
        return self.trucks[rng.integers(len(self.trucks))]

    def draw_pedestrian(self, rng: np.random.Generator, still: bool = False) -> Shape:
        """Somebody who walks, or for `still` stands or sits."""
        pool = self.still if still else self.walking
        return pool[rng.integers(len(pool))]

    def draw_cyclist(self, rng: np.random.Generator) -> Shape:
        return self.cyclists[rng.integers(len(self.cyclists))]

    def draw_parked_two_wheeler(self, rng: np.random.Generator) -> Shape:
        return self.parked_two_wheelers[rng.integers(len(self.parked_two_wheelers))]

    def draw_plant(self, kind: str, rng: np.random.Generator) -> Shape:
        """A plant of a kind of PLANT_COUNTS; ValueError for any other."""
        if kind not in self.plants:
            raise ValueError(f"unknown plant {kind!r}, expected one of {', '.join(self.plants)}")
        return self.plants[kind][rng.integers(len(self.plants[kind]))]

"""The shapes of vehicles, people and plants: built once per process, placed many times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bev_semseg_ros.sim.assets import plants, two_wheelers
from bev_semseg_ros.sim.assets.people import pedestrians, riders
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.vehicles import cars, trucks

# How many shapes of each kind there are. The shares of cars are those counted in KITTI, with more
# of the rare kinds, which a detector would miss otherwise.
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
# How many people there are of each kind; the kinds that walk, then those that stay.
WALKING_COUNTS = {
    "walking": 66,
    "child": 16,
    "running": 5,
    "luggage": 8,
    "pram": 7,
    "pushing_bicycle": 7,
    "umbrella": 6,
    "walking_frame": 4,
    "wheelchair": 3,
    "leading_child": 4,
    "led_child": 4,
}
STILL_COUNTS = {"standing": 70, "standing_child": 10, "sitting": 20}
CYCLIST_COUNTS = {
    "cyclist": 52,
    "child_cyclist": 5,
    "motorcyclist": 11,
    "scooter_rider": 9,
    "kick_scooter_rider": 3,
}
PARKED_COUNTS = {
    "city_bicycle": 6,
    "low_step_bicycle": 5,
    "sports_bicycle": 3,
    "cargo_bicycle": 1,
    "motorcycle": 4,
    "scooter": 4,
    "kick_scooter": 1,
}
PLANT_COUNTS = {"leafy": 8, "poplar": 3, "conifer": 3, "bare": 5, "bush": 5, "hedge": 4}


class Pool:
    """Shapes that are built when they are first used.

    Every shape has a random generator of its own, so it does not depend on which others are built.
    """

    def __init__(
        self,
        make: Callable[[np.random.Generator, str], Shape],
        counts: dict[str, int],
        seed: int,
    ) -> None:
        """List the shapes.

        Args:
            make: Builds a shape of a kind.
            counts: How many shapes of each kind there are.
            seed: Seed of the library.
        """
        self._make = make
        self._seed = seed
        self.kinds = [kind for kind, count in counts.items() for _ in range(count)]
        self._shapes: dict[int, Shape] = {}

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: int) -> Shape:
        kind = self.kinds[index]
        if index not in self._shapes:
            rng = np.random.default_rng([self._seed, index, *self._make.__name__.encode()])
            self._shapes[index] = self._make(rng, kind)
        return self._shapes[index]

    def draw(self, rng: np.random.Generator, kind: str | None = None) -> Shape:
        """Return a shape, one of a kind if it is not None; all are equally likely."""
        if kind is None:
            return self[int(rng.integers(len(self)))]
        first = self.kinds.index(kind)
        return self[first + int(rng.integers(self.kinds.count(kind)))]


class Library:
    """A pool of shapes; the same seed gives the same pool.

    Every `draw_...` returns a shape of the pool, all of them equally likely.
    """

    def __init__(self, seed: int) -> None:
        """Build all shapes."""
        rng = np.random.default_rng(seed)

        def pool(
            make: Callable[[np.random.Generator, str], Shape], counts: dict[str, int]
        ) -> list[Shape]:
            """Make as many shapes of each kind as `counts` says."""
            shapes = []
            for kind, count in counts.items():
                for _ in range(count):
                    shapes.append(make(rng, kind))
            return shapes

        self.cars = pool(cars.car, CAR_COUNTS)
        self.trucks = pool(trucks.truck, TRUCK_COUNTS)
        self.walking = Pool(pedestrians.pedestrian, WALKING_COUNTS, seed)
        self.still = Pool(pedestrians.pedestrian, STILL_COUNTS, seed + 1)
        self.cyclists = Pool(riders.cyclist, CYCLIST_COUNTS, seed)
        self.parked_two_wheelers = Pool(two_wheelers.parked_two_wheeler, PARKED_COUNTS, seed)
        self.plants = {
            kind: pool(plants.plant, {kind: count}) for kind, count in PLANT_COUNTS.items()
        }

    def draw_car(self, rng: np.random.Generator) -> Shape:
        """Return a car or a van."""
        return self.cars[rng.integers(len(self.cars))]

    def draw_truck(self, rng: np.random.Generator) -> Shape:
        """Return a lorry or a bus."""
        return self.trucks[rng.integers(len(self.trucks))]

    def draw_pedestrian(self, rng: np.random.Generator, still: bool = False) -> Shape:
        """Return a person who walks, or one who stands or sits if `still`."""
        return (self.still if still else self.walking).draw(rng)

    def draw_person(self, kind: str, rng: np.random.Generator) -> Shape:
        """Return a person of a kind of WALKING_COUNTS, STILL_COUNTS or CYCLIST_COUNTS.

        Raises:
            ValueError: If there is no such kind.
        """
        for pool in (self.walking, self.still, self.cyclists):
            if kind in pool.kinds:
                return pool.draw(rng, kind)
        known = (*WALKING_COUNTS, *STILL_COUNTS, *CYCLIST_COUNTS)
        raise ValueError(f"unknown kind of person {kind!r}, expected one of {', '.join(known)}")

    def draw_cyclist(self, rng: np.random.Generator) -> Shape:
        """Return a rider on a bicycle, a motorcycle or a scooter."""
        return self.cyclists.draw(rng)

    def draw_parked_two_wheeler(self, rng: np.random.Generator) -> Shape:
        """Return a bicycle, a motorcycle or a scooter without a rider."""
        return self.parked_two_wheelers.draw(rng)

    def draw_plant(self, kind: str, rng: np.random.Generator) -> Shape:
        """Return a plant of a kind of PLANT_COUNTS.

        Raises:
            ValueError: If there is no such kind.
        """
        if kind not in self.plants:
            raise ValueError(f"unknown plant {kind!r}, expected one of {', '.join(self.plants)}")
        return self.plants[kind][rng.integers(len(self.plants[kind]))]

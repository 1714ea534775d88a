"""The shapes of vehicles, people and plants: built once per process, placed many times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bev_semseg_ros.sim.assets import people, plants, two_wheelers
from bev_semseg_ros.sim.assets.pool import Pool
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
WALKING_COUNTS = {"walking": 9, "child": 2}
STILL_COUNTS = {"standing": 4, "sitting": 1}
CYCLIST_COUNTS = {"cyclist": 7, "motorcyclist": 1}
PARKED_COUNTS = {"bicycle": 4, "motorcycle": 2}
PLANT_COUNTS = {"leafy": 8, "poplar": 3, "conifer": 3, "bare": 5, "bush": 5, "hedge": 4}


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

        self.cars = Pool(cars.car, CAR_COUNTS, (seed, 0))
        self.trucks = Pool(trucks.truck, TRUCK_COUNTS, (seed, 1))
        self.walking = pool(people.pedestrian, WALKING_COUNTS)
        self.still = pool(people.pedestrian, STILL_COUNTS)
        self.cyclists = pool(people.cyclist, CYCLIST_COUNTS)
        self.parked_two_wheelers = pool(two_wheelers.parked_two_wheeler, PARKED_COUNTS)
        self.plants = {
            kind: pool(plants.plant, {kind: count}) for kind, count in PLANT_COUNTS.items()
        }

    def draw_car(self, rng: np.random.Generator, kind: str | None = None) -> Shape:
        """Return a car or a van: of a kind of CAR_COUNTS, or of any kind."""
        return self.cars.draw(rng, kind)

    def draw_truck(self, rng: np.random.Generator, kind: str | None = None) -> Shape:
        """Return a lorry or a bus: of a kind of TRUCK_COUNTS, or of any kind."""
        return self.trucks.draw(rng, kind)

    def draw_person(self, kind: str, rng: np.random.Generator) -> Shape:
        """Return a person on foot or on a two-wheeler.

        Args:
            kind: A key of WALKING_COUNTS, STILL_COUNTS or CYCLIST_COUNTS.
            rng: Source of randomness.

        Raises:
            ValueError: If there is no such kind.
        """
        everybody = [*self.walking, *self.still, *self.cyclists]
        shapes = [shape for shape in everybody if shape.kind == kind]
        if not shapes:
            known = sorted({shape.kind for shape in everybody})
            raise ValueError(f"unknown person {kind!r}, expected one of {', '.join(known)}")
        return shapes[rng.integers(len(shapes))]

    def draw_pedestrian(self, rng: np.random.Generator, still: bool = False) -> Shape:
        """Return a person who walks, or one who stands or sits if `still`."""
        pool = self.still if still else self.walking
        return pool[rng.integers(len(pool))]

    def draw_cyclist(self, rng: np.random.Generator) -> Shape:
        """Return a rider on a bicycle or a motorcycle."""
        return self.cyclists[rng.integers(len(self.cyclists))]

    def draw_parked_two_wheeler(self, rng: np.random.Generator) -> Shape:
        """Return a bicycle or a motorcycle without a rider."""
        return self.parked_two_wheelers[rng.integers(len(self.parked_two_wheelers))]

    def draw_plant(self, kind: str, rng: np.random.Generator) -> Shape:
        """Return a plant of a kind of PLANT_COUNTS.

        Raises:
            ValueError: If there is no such kind.
        """
        if kind not in self.plants:
            raise ValueError(f"unknown plant {kind!r}, expected one of {', '.join(self.plants)}")
        return self.plants[kind][rng.integers(len(self.plants[kind]))]

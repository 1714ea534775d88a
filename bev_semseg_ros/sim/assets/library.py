"""The shapes of vehicles, people and plants: each is built once and placed many times."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.sim.assets import plants, two_wheelers
from bev_semseg_ros.sim.assets.people import pedestrians, riders
from bev_semseg_ros.sim.assets.pool import Pool
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.vehicles import cars, trucks

# Number of shapes of each kind. The proportions of cars follow KITTI, but rare kinds, which a
# detector would otherwise miss, are more frequent.
CAR_COUNTS = {
    "hatch": 32,
    "city": 9,
    "sedan": 20,
    "wagon": 17,
    "mpv": 12,
    "suv": 10,
    "van": 9,
    "high_roof_van": 10,
    "roadster": 3,
    "pickup": 4,
    "towing": 6,
}
TRUCK_COUNTS = {
    "box": 14,
    "semitrailer": 12,
    "trailer_lorry": 5,
    "platform": 6,
    "tank": 4,
    "tipper": 7,
    "mixer": 4,
    "refuse": 6,
    "box_van": 10,
    "ambulance": 3,
    "tractor": 5,
    "bus": 14,
    "articulated_bus": 4,
}
# Number of people of each kind: those who move, then those who stay in place.
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
# Seated people without a seat, for the benches and chairs of the scene.
SEATED_COUNTS = {"seated": 20}
CYCLIST_COUNTS = {
    "cyclist": 48,
    "waiting_cyclist": 6,
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


class Library:
    """Pools of shapes; the same seed gives the same shapes.

    Each `draw_...` method returns a random shape; all shapes in question are equally likely.
    """

    def __init__(self, seed: int) -> None:
        """Describe all shapes; each is built when it is first used."""
        self.cars = Pool(cars.car, CAR_COUNTS, (seed, 0))
        self.trucks = Pool(trucks.truck, TRUCK_COUNTS, (seed, 1))
        self.walking = Pool(pedestrians.pedestrian, WALKING_COUNTS, (seed, 2))
        self.still = Pool(pedestrians.pedestrian, STILL_COUNTS, (seed, 3))
        self.seated = Pool(pedestrians.pedestrian, SEATED_COUNTS, (seed, 4))
        self.cyclists = Pool(riders.cyclist, CYCLIST_COUNTS, (seed, 5))
        self.parked_two_wheelers = Pool(two_wheelers.parked_two_wheeler, PARKED_COUNTS, (seed, 6))
        self.plants = Pool(plants.plant, PLANT_COUNTS, (seed, 7))

    def draw_car(self, rng: np.random.Generator, kind: str | None = None) -> Shape:
        """Return a car or a van: of a kind of CAR_COUNTS, or of any kind."""
        return self.cars.draw(rng, kind)

    def draw_truck(self, rng: np.random.Generator, kind: str | None = None) -> Shape:
        """Return a lorry or a bus: of a kind of TRUCK_COUNTS, or of any kind."""
        return self.trucks.draw(rng, kind)

    def draw_person(self, kind: str, rng: np.random.Generator) -> Shape:
        """Return a person on foot, on a seat or on a two-wheeler.

        Args:
            kind: A key of WALKING_COUNTS, STILL_COUNTS, SEATED_COUNTS or CYCLIST_COUNTS.
            rng: Source of randomness.

        Raises:
            ValueError: If there is no such kind.
        """
        pools = (self.walking, self.still, self.seated, self.cyclists)
        for pool in pools:
            if kind in pool.kinds:
                return pool.draw(rng, kind)
        known = sorted({name for pool in pools for name in pool.kinds})
        raise ValueError(f"unknown person {kind!r}, expected one of {', '.join(known)}")

    def draw_parked_two_wheeler(self, rng: np.random.Generator) -> Shape:
        """Return a bicycle, a motorcycle or a scooter without a rider."""
        return self.parked_two_wheelers.draw(rng)

    def draw_plant(self, kind: str, rng: np.random.Generator) -> Shape:
        """Return a plant of a kind of PLANT_COUNTS.

        Raises:
            ValueError: If there is no such kind.
        """
        return self.plants.draw(rng, kind)

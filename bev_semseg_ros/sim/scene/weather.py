"""Weather and time of day of a drive."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.frame import Boxes

# Kinds of weather and how often a drive has each.
WEATHERS = ("fair", "night", "rain", "fog", "low_sun")
WEATHER_PROBABILITIES = (0.65, 0.10, 0.12, 0.05, 0.08)
# Least speed in m/s and least width in metres of a vehicle that raises spray.
SPRAY_SPEED = 5.0
SPRAY_WIDTH = 1.2


@dataclass(frozen=True)
class Weather:
    """Weather and time of day, the same for a whole drive.

    Attributes:
        kind: One of WEATHERS; "fair" is any weather by day without rain or dense fog.
        wet: Wetness of the ground, 0 to 1.
        rain: Rain in mm/h, 0 without rain.
        fog_length: Distance in metres at which 1/e of the contrast remains; 0 if
            `render.light.random_light` draws it.
        is_night: Whether lamps are the only light.
    """

    kind: str = "fair"
    wet: float = 0.0
    rain: float = 0.0
    fog_length: float = 0.0
    is_night: bool = False

    @classmethod
    def draw(cls, seed: int, kind: str | None = None) -> Weather:
        """Draw the weather of a drive.

        Args:
            seed: The same seed gives the same weather.
            kind: One of WEATHERS; None to draw one.

        Raises:
            ValueError: If the kind is unknown.
        """
        if kind is not None and kind not in WEATHERS:
            raise ValueError(f"unknown weather {kind!r}, expected one of {', '.join(WEATHERS)}")
        rng = np.random.default_rng([seed, 21])
        drawn = str(rng.choice(WEATHERS, p=WEATHER_PROBABILITIES))
        kind = drawn if kind is None else kind
        is_night = kind == "night" or (kind in ("rain", "fog") and rng.random() < 0.12)
        rains = kind == "rain" or (kind == "night" and rng.random() < 0.15)
        rain = math.exp(rng.uniform(math.log(0.5), math.log(25))) if rains else 0.0
        fog_length = 0.0
        if kind == "fog":
            fog_length = math.exp(rng.uniform(math.log(20), math.log(110)))
        elif rains:
            fog_length = rng.uniform(900, 2500) / (1 + rain / 4)
        is_wet = rains or rng.random() < 0.07 + (0.3 if kind == "fog" else 0.0)
        wet = float(rng.uniform(0.3, 0.9)) if is_wet else 0.0
        if rains:
            wet = max(wet, 0.55)
        return cls(kind, wet, rain, fog_length, is_night)


def spraying(boxes: Boxes) -> np.ndarray:
    """Return the indices of boxes that are wide and fast enough to raise spray from a wet road."""
    is_vehicle = boxes.sizes[:, 1] > SPRAY_WIDTH
    return np.flatnonzero(is_vehicle & (np.linalg.norm(boxes.velocities, axis=1) > SPRAY_SPEED))


FAIR = Weather()

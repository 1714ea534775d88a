"""The course of a road: where a station and an offset lie in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_TURN = 1.9  # rad of an arc that a road is followed for


@dataclass(frozen=True, eq=False)
class Alignment:
    """A circular arc that starts at the world's origin along x, with a longitudinal profile.

    Stations s run along the arc, offsets t to the left, both in metres. curvature 1/m (left is positive); stations,
    elevations (S,): the profile, linear in between, so that what is laid on a surface through the stations lies on it.
    """

    curvature: float
    stations: np.ndarray
    elevations: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, fast: bool, near: float) -> Alignment:
        """A random course, gentle for `fast` roads; finely divided up to station `near`."""
        curvature = float(
            rng.normal(0, 0.003) if fast or rng.random() < 0.8 else rng.normal(0, 0.012)
        )
        curvature = float(np.clip(curvature, -0.02, 0.02))
        curvature = np.copysign(max(abs(curvature), 1e-6), curvature)
        s = np.concatenate(
            [
                np.arange(-40, -12, 4.0),
                np.arange(-12, near, 2.0),
                np.arange(near, near + 90, 5.0),
                np.arange(near + 90, 430, 20.0),
            ]
        )
        s = s[np.abs(s) < MAX_TURN / abs(curvature)]
        waves = [(rng.normal(0, 0.04), rng.uniform(12, 45)) for _ in range(2)]
        if rng.random() < 0.4:
            waves.append((rng.normal(0, 0.5), rng.uniform(60, 160)))
        z = np.zeros_like(s)
        if rng.random() > 0.3:  # a grade, and what it gains in some 20 m: the ground ahead tilts
            z += rng.normal(0, 0.012) * s + rng.normal(0, 0.012) * s * np.abs(s) / (np.abs(s) + 20)
        for amplitude, length in waves:
            z += amplitude * np.sin(2 * np.pi * s / length + rng.uniform(0, 2 * np.pi))
        return cls(curvature, s, z - np.interp(0.0, s, z))

    def elevation(self, s: np.ndarray | float) -> np.ndarray:
        """Height of the centre line at stations s; 0 at the origin."""
        return np.interp(s, self.stations, self.elevations)

    def slope(self, s: float) -> float:
        """Rise per metre along the road, as a vehicle of some length feels it."""
        return float(self.elevation(s + 1.4) - self.elevation(s - 1.4)) / 2.8

    def heading(self, s: np.ndarray | float) -> np.ndarray | float:
        """Direction of the road, radians from the world's x axis."""
        return self.curvature * s

    def points(
        self, s: np.ndarray | float, t: np.ndarray | float, z: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """(..., 3) world points; z is measured from the centre line's elevation."""
        s, t, z = np.broadcast_arrays(np.asarray(s, np.float64), t, z)
        angle, radius = self.curvature * s, 1 / self.curvature
        x, y = np.sin(angle) * (radius - t), radius - np.cos(angle) * (radius - t)
        return np.stack([x, y, self.elevation(s) + z], -1)

    def locate(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Station and offset of world points, the inverse of `points` short of the arc's centre."""
        radius = 1 / self.curvature
        side = np.sign(radius)
        angle = np.arctan2(side * x, side * (radius - y))
        return angle * radius, radius - side * np.hypot(x, radius - y)

    def offset_limit(self, side: int) -> float:
        """The largest offset on a side (+1 left, -1 right) that stays clear of the arc's centre."""
        return 0.75 / abs(self.curvature) if self.curvature * side > 0 else np.inf

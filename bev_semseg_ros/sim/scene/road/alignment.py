"""The course of a road: where a station and an offset lie in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The road ends where its arc has turned by this angle in radians.
MAX_TURN = 1.9
# Steepest grade of a hilly road, in metres per metre.
MAX_GRADE = 0.08


@dataclass(frozen=True, eq=False)
class Alignment:
    """A circular arc with a longitudinal profile.

    The arc starts at the origin of the world along its x axis. Stations s run along the arc,
    offsets t to its left, both in metres.

    Attributes:
        curvature: 1/m, positive to the left, never 0.
        stations: (S,) ascending, metres.
        elevations: (S,) height of the centre line in metres. The profile is linear between
            stations, so a surface with vertices at all stations lies exactly on it.
    """

    curvature: float
    stations: np.ndarray
    elevations: np.ndarray

    @classmethod
    def draw(
        cls, rng: np.random.Generator, fast: bool, near: float, hilly: bool = False
    ) -> Alignment:
        """Draw a random course.

        Args:
            rng: Source of randomness.
            fast: Whether the road is for fast traffic, with gentle bends only.
            near: Station in metres up to which the stations of the profile are closely spaced.
            hilly: Whether there are grades of up to MAX_GRADE with crests and dips.
        """
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
        z = _hills(rng, s) if hilly else np.zeros_like(s)
        if rng.random() > 0.3:
            # A grade at the ego vehicle that changes within about 20 m, so the ground ahead tilts.
            z += rng.normal(0, 0.012) * s + rng.normal(0, 0.012) * s * np.abs(s) / (np.abs(s) + 20)
        for amplitude, length in waves:
            z += amplitude * np.sin(2 * np.pi * s / length + rng.uniform(0, 2 * np.pi))
        return cls(curvature, s, z - np.interp(0.0, s, z))

    def elevation(self, s: np.ndarray | float) -> np.ndarray:
        """Return the height of the centre line at stations; 0 at the origin."""
        return np.interp(s, self.stations, self.elevations)

    def slope(self, s: float) -> float:
        """Return the rise per metre over the wheelbase of a vehicle at a station."""
        return float(self.elevation(s + 1.4) - self.elevation(s - 1.4)) / 2.8

    def heading(self, s: np.ndarray | float) -> np.ndarray | float:
        """Return the direction of the road at stations, radians from the world's x axis."""
        return self.curvature * s

    def points(
        self, s: np.ndarray | float, t: np.ndarray | float, z: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Return world points at stations and offsets.

        Args:
            s: Stations in metres.
            t: Offsets in metres.
            z: Heights above the centre line in metres.

        Returns:
            (..., 3) metres; the leading dimensions are those to which the arguments broadcast.
        """
        s = np.asarray(s, np.float64)
        angle, radius = self.curvature * s, 1 / self.curvature
        inward = radius - t
        x, y, height = np.sin(angle) * inward, np.cos(angle) * inward, self.elevation(s) + z
        out = np.empty((*np.broadcast(x, height).shape, 3))
        out[..., 0], out[..., 1], out[..., 2] = x, radius - y, height
        return out

    def locate(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return stations and offsets of world points: the inverse of `points`.

        It is valid for offsets up to the centre of the arc.
        """
        radius = 1 / self.curvature
        side = np.sign(radius)
        angle = np.arctan2(side * x, side * (radius - y))
        return angle * radius, radius - side * np.hypot(x, radius - y)

    def offset_limit(self, side: int) -> float:
        """Return the largest offset in metres on a side that stays clear of the arc's centre.

        Args:
            side: 1 for the left side, -1 for the right side.
        """
        return 0.75 / abs(self.curvature) if self.curvature * side > 0 else np.inf


def _hills(rng: np.random.Generator, stations: np.ndarray) -> np.ndarray:
    """Draw the heights (S,) of a road with long grades, crests and dips at stations (S,)."""
    fine = np.arange(stations[0], stations[-1] + 1.0)
    knots = np.cumsum(np.concatenate([[fine[0] - 40], rng.uniform(25, 90, 24)]))
    grades = np.clip(rng.normal(0, 0.055, len(knots)), -MAX_GRADE, MAX_GRADE)
    grades[knots > 150] *= 0.4
    grade = np.interp(fine, knots, grades)
    return np.interp(stations, fine, np.cumsum(grade))

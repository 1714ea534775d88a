"""Beam patterns of the lidars of random rigs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.sim.rigs.kitti import KITTI_RIG


@dataclass(frozen=True, eq=False)
class Pattern:
    """The beams of one kind of lidar.

    Attributes:
        model: Kind of lidar, in words.
        elevations: (B,) elevation of each beam in degrees.
        heights: (B,) height in metres above the sensor's origin from which each beam starts.
        span: Degrees of azimuth that a sweep covers, 360 for a full turn.
        azimuth_step: Degrees between two shots of a beam.
    """

    model: str
    elevations: np.ndarray
    heights: np.ndarray
    span: float
    azimuth_step: float


def _turning(
    model: str, elevations: np.ndarray, step: float, heights: np.ndarray | None = None
) -> Pattern:
    """Return the pattern of a spinning lidar; by default, all beams start at height 0."""
    elevations = np.asarray(elevations, np.float64)
    if heights is None:
        heights = np.zeros(len(elevations))
    return Pattern(model, elevations, heights, 360.0, step)


def _uneven_64(rng: np.random.Generator) -> Pattern:
    """Draw two blocks of 32 beams, the upper one denser, like an HDL-64E."""
    lidar = KITTI_RIG.lidars[0]
    elevations = np.degrees(lidar.elevations) * rng.uniform(0.97, 1.03) + rng.normal(0, 0.4)
    return _turning("64 uneven", elevations, rng.uniform(0.16, 0.35), lidar.heights)


def _even_64(rng: np.random.Generator) -> Pattern:
    """Draw 64 evenly spaced beams over 22 to 46 degrees."""
    half = rng.uniform(11, 23)
    middle = rng.uniform(-8, 0) if half < 18 else rng.uniform(-3, 0.5)
    return _turning("64 even", middle + np.linspace(half, -half, 64), rng.uniform(0.17, 0.36))


def _even_128(rng: np.random.Generator) -> Pattern:
    """Draw 128 evenly spaced beams, like an OS1-128."""
    half = rng.uniform(20, 23)
    return _turning("128 even", np.linspace(half, -half, 128), rng.uniform(0.2, 0.4))


def _dense_128(rng: np.random.Generator) -> Pattern:
    """Draw 128 beams from 15 to -25 degrees, half of them close to the horizon."""
    dense = np.linspace(3.5, -6.5, 72)
    above, below = np.linspace(15, 3.8, 16), -6.7 - 18.3 * np.linspace(0, 1, 40) ** 1.4
    elevations = np.concatenate([above, dense, below]) + rng.normal(0, 0.3)
    return _turning("128 dense", elevations, rng.uniform(0.2, 0.4))


def _even_32(rng: np.random.Generator) -> Pattern:
    """Draw 32 evenly spaced beams: from 10.7 to -30.7 degrees (HDL-32E), or over 31 to 45."""
    if rng.random() < 0.6:
        return _turning("32 even", np.linspace(10.67, -30.67, 32), rng.uniform(0.13, 0.35))
    half = rng.uniform(15.5, 22.5)
    elevations = rng.uniform(-8, 0) + np.linspace(half, -half, 32)
    return _turning("32 even", elevations, rng.uniform(0.13, 0.35))


def _uneven_32(rng: np.random.Generator) -> Pattern:
    """Draw 32 beams from 15 to -25 degrees, 18 of them between 1.7 and -4, like a VLP-32C."""
    above = (15.0, 10.33, 7.0, 4.67, 3.33, 2.33)
    below = (-4.67, -5.33, -6.15, -7.25, -8.84, -11.31, -15.64, -25.0)
    elevations = np.concatenate([above, np.linspace(1.67, -4.0, 18), below])
    return _turning("32 uneven", elevations, rng.uniform(0.1, 0.35))


def _uneven_40(rng: np.random.Generator) -> Pattern:
    """Draw 40 beams from 15 to -25 degrees, 25 of them between 2 and -6, like a Pandar40P."""
    above = (15.0, 11.0, 8.0, 5.0, 3.0)
    below = (*range(-7, -15, -1), -19.0, -25.0)
    elevations = np.concatenate([above, np.linspace(2.0, -6.0, 25), below])
    return _turning("40 uneven", elevations, rng.uniform(0.1, 0.35))


def _even_16(rng: np.random.Generator) -> Pattern:
    """Draw 16 beams from 15 to -15 degrees, like a VLP-16."""
    return _turning("16 even", np.linspace(15, -15, 16), rng.uniform(0.1, 0.35))


def _raster(rng: np.random.Generator) -> Pattern:
    """Draw a raster of 70 to 130 rows over 18 to 32 degrees that covers only the front."""
    rows = int(rng.integers(70, 131))
    half = rng.uniform(9, 16)
    elevations = rng.uniform(-6, 1) + np.linspace(half, -half, rows)
    if rng.random() < 0.4:
        # Some rasters are denser near their centre.
        elevations = elevations * (0.55 + 0.45 * np.abs(np.linspace(1, -1, rows)))
    step = rng.uniform(0.14, 0.32)
    return Pattern("raster", elevations, np.zeros(rows), rng.uniform(70, 130), step)


# Fraction of the rigs, and the function that draws the pattern.
PATTERNS: tuple[tuple[float, Callable[[np.random.Generator], Pattern]], ...] = (
    (0.17, _uneven_64),
    (0.14, _even_64),
    (0.06, _even_128),
    (0.06, _dense_128),
    (0.12, _even_32),
    (0.10, _uneven_32),
    (0.10, _uneven_40),
    (0.10, _even_16),
    (0.15, _raster),
)


def draw_pattern(rng: np.random.Generator) -> Pattern:
    """Draw the beam pattern of a lidar of a random kind."""
    shares = [share for share, _ in PATTERNS]
    return PATTERNS[int(rng.choice(len(PATTERNS), p=shares))][1](rng)


def draw_small_pattern(rng: np.random.Generator) -> Pattern:
    """Draw the beam pattern of a small lidar, of which a rig has several."""
    return _even_16(rng) if rng.random() < 0.7 else _even_32(rng)

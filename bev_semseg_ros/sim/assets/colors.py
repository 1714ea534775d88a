"""Colours of materials as linear RGB (3,), and random brightness."""

from __future__ import annotations

import colorsys

import numpy as np


def grey(rng: np.random.Generator, value: float, tint: float = 0.06) -> np.ndarray:
    """Return a grey (3,) of brightness `value`, with a relative deviation `tint` per channel."""
    return value * (1 + rng.normal(0, tint, 3))


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Return the RGB of hue (turns), saturation and value."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniformly distributed."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))

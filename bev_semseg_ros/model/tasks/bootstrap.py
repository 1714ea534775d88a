"""Confidence intervals of scores, by the bootstrap over frames (Efron 1979)."""

from __future__ import annotations

import numpy as np

RESAMPLES = 500


def resample(num_frames: int) -> np.ndarray:
    """Return (RESAMPLES, num_frames) int: how often each frame is in each resample."""
    rng = np.random.default_rng(0)
    return rng.multinomial(num_frames, np.full(num_frames, 1 / num_frames), RESAMPLES)


def interval(values: np.ndarray) -> list[float]:
    """Return [low, high], the 95 % interval of the values of a score in the resamples."""
    return [float(bound) for bound in np.percentile(values, [2.5, 97.5])]

"""The learning rate during a training, and the end of the training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bev_semseg_ros.config import TrainingConfig


def one_cycle(progress: float, warmup: float) -> float:
    """Return the factor of the peak learning rate: linear over the warm-up, then a cosine to zero.

    Args:
        progress: completed fraction of the training.
        warmup: fraction of the training in which the factor rises.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / max(1 - warmup, 1e-9)))


@dataclass(frozen=True)
class Schedule:
    """The length of a training: `minutes` if this is set, otherwise `steps`."""

    steps: int
    minutes: float
    warmup: float

    @classmethod
    def of(cls, config: TrainingConfig, steps_per_epoch: int) -> Schedule:
        """Return the schedule of a configuration."""
        return cls(
            config.max_steps or config.epochs * steps_per_epoch, config.max_minutes, config.warmup
        )

    def progress(self, step: int, minutes: float) -> float:
        """Return the completed fraction of the training, 0..1, after these steps and minutes."""
        return min(minutes / self.minutes if self.minutes else step / max(self.steps, 1), 1.0)

    def factor(self, step: int, minutes: float) -> float:
        """Return the factor of the peak learning rate for the step after these."""
        return one_cycle(self.progress(step, minutes), self.warmup)

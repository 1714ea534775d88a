"""Classes of the points of a cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.labels import MASK_IGNORED


@dataclass(frozen=True, eq=False)
class PointClasses:
    """What a network says of the points of one scan, in the scan's order.

    Attributes:
        labels: (N,) uint8 numbers of a label set's classes; `labels.MASK_IGNORED` for a point that
            the network did not see: one with NaN or infinite numbers, or of many more than
            `preprocessing.MAX_CLOUD_POINTS`.
        scores: (N,) float32 in 0..1: the probability of that class; 0 for a point not seen.
    """

    labels: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def unseen(cls, count: int) -> PointClasses:
        """Return what is said of points that a network does not see."""
        return cls(np.full(count, MASK_IGNORED, np.uint8), np.zeros(count, np.float32))

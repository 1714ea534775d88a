"""Classes of the points of a cloud."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.labels import MASK_IGNORED


@dataclass(frozen=True, eq=False)
class PointClasses:
    """Predicted classes of the points of one scan, in the order of the scan.

    The network does not see points with NaN or infinite numbers. If there are many more than
    `preprocessing.MAX_CLOUD_POINTS` points, it sees about that many of them, chosen at random.

    Attributes:
        labels: (N,) uint8 class numbers of a label set; `labels.MASK_IGNORED` for an unseen point.
        scores: (N,) float32 probability of this class, 0..1; 0 for an unseen point.
    """

    labels: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def unseen(cls, count: int) -> PointClasses:
        """Return the result for `count` points that the network does not see."""
        return cls(np.full(count, MASK_IGNORED, np.uint8), np.zeros(count, np.float32))

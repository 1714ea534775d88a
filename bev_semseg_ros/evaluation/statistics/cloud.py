"""The points of all lidars of a frame in the ego frame, and which of them are in an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.frame import Frame
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.model.tasks.detection.metric import in_image

INTENSITY_BINS = 1000  # of histograms from 0 to 1
BIN = 10  # metres
NUM_BINS = 8  # the last one has no upper end
# Names of the bins of the horizontal range.
RANGES = (
    *(f"{BIN * number}-{BIN * (number + 1)}" for number in range(NUM_BINS - 1)),
    f"{BIN * (NUM_BINS - 1)}+",
)


@dataclass(frozen=True, eq=False)
class Cloud:
    """N points with finite values.

    Attributes:
        positions: (N, 3) float64, metres in the ego frame.
        intensities: (N,) float64, 0 to 1.
        in_view: (N,) bool, True if an image shows the point or the frame has no camera.
    """

    positions: np.ndarray
    intensities: np.ndarray
    in_view: np.ndarray

    @classmethod
    def of(cls, frame: Frame) -> Cloud:
        """Return the points of all lidars of a frame."""
        positions, intensities = [np.zeros((0, 3))], [np.zeros(0)]
        for scan in frame.lidars.values():
            if scan.points is not None:
                finite = scan.points[np.isfinite(scan.points).all(1)].astype(np.float64)
                positions.append(apply(scan.ego_from_lidar, finite[:, :3]))
                intensities.append(finite[:, 3])
        everywhere = np.concatenate(positions)
        cameras = [seen.camera for seen in frame.cameras.values()]
        in_view = np.full(len(everywhere), not cameras)
        for camera in cameras:
            in_view |= in_image(everywhere, camera)
        return cls(everywhere, np.concatenate(intensities), in_view)

    def visible(self) -> Cloud:
        """Return the points in view."""
        kept = self.in_view
        return Cloud(self.positions[kept], self.intensities[kept], self.in_view[kept])

    def __len__(self) -> int:
        return len(self.positions)


def range_bins(positions: np.ndarray) -> np.ndarray:
    """Return the index (N,) int64 in RANGES of each position (N, >= 2) in the ego frame."""
    ranges = np.hypot(positions[:, 0], positions[:, 1])
    return np.minimum(ranges // BIN, NUM_BINS - 1).astype(np.int64)

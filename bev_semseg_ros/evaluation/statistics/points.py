"""Statistics of the lidars: number, range and intensity of the points, and the beams."""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.evaluation.statistics.cloud import (
    INTENSITY_BINS,
    NUM_BINS,
    RANGES,
    Cloud,
    range_bins,
)
from bev_semseg_ros.evaluation.statistics.histogram import Histogram
from bev_semseg_ros.frame import Frame, LidarScan
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.input_check.statistics import count_beams

SHOWN_BINS = 20  # of the histogram of intensities in the summary


class PointStatistics:
    """Gathers the points of frames. Frames without points are left out."""

    def __init__(self) -> None:
        self._num_frames = 0
        self._num_points = 0
        self._by_range = np.zeros(NUM_BINS, np.int64)
        self._intensity = Histogram(0, 1, INTENSITY_BINS)
        self._num_zero = 0
        self._lidars: dict[str, _Beams] = {}

    def add(self, frame: Frame, cloud: Cloud) -> None:
        """Add a frame.

        Args:
            frame: Sensor data.
            cloud: Points of the frame.
        """
        if not frame.has_points:
            return
        self._num_frames += 1
        self._num_points += len(cloud)
        visible = cloud.visible()
        self._by_range += np.bincount(range_bins(visible.positions), minlength=NUM_BINS)
        self._intensity.add(visible.intensities)
        self._num_zero += int(np.count_nonzero(visible.intensities == 0))
        for name, scan in frame.lidars.items():
            self._lidars.setdefault(name, _Beams()).add(scan)

    def summary(self) -> dict[str, Any]:
        """Summarise the frames so far.

        Returns:
            Plain values:

            - frames: frames with points.
            - per_frame: points per frame, in view or not.
            - in_view_per_frame: points per frame that an image shows. `by_range` and `intensity`
              are only of these points.
            - by_range: points per frame by horizontal range in metres.
            - intensity: percentiles, the fraction of points with the intensity 0, and a histogram
              of SHOWN_BINS bins from 0 to 1.
            - lidars: name of a lidar -> result of `_Beams.summary`.
        """
        count = max(self._num_frames, 1)
        num_visible = int(self._by_range.sum())
        per_frame = (self._by_range / count).round(1).tolist()
        return {
            "frames": self._num_frames,
            "per_frame": round(self._num_points / count, 1),
            "in_view_per_frame": round(num_visible / count, 1),
            "by_range": dict(zip(RANGES, per_frame, strict=True)),
            "intensity": {
                "percentiles": self._intensity.percentiles(),
                "zero_share": round(self._num_zero / max(num_visible, 1), 4),
                "histogram": self._intensity.shares(SHOWN_BINS),
            },
            "lidars": {name: beams.summary() for name, beams in self._lidars.items()},
        }


class _Beams:
    """Gathers the angles of the beams of one lidar."""

    def __init__(self) -> None:
        self._counts: list[int] = []
        self._views: list[int] = []
        self._num_rings = 0
        self._num_units = 0
        self._elevations = Histogram(-90, 90, 1800)

    def add(self, scan: LidarScan) -> None:
        """Add a sweep."""
        if scan.points is None or not len(scan.points):
            return
        finite = np.isfinite(scan.points).all(1)
        points = scan.points[finite, :3].astype(np.float64)
        if not len(points):
            return
        azimuths = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
        horizontal = np.hypot(points[:, 0], points[:, 1])
        self._elevations.add(np.degrees(np.arctan2(points[:, 2], horizontal)))
        self._views.append(len(np.unique(np.floor(azimuths))))
        self._counts.append(count_beams(apply(scan.ego_from_lidar, points), scan.ego_from_lidar))
        rings, units = (_distinct(scan, name) for name in ("ring", "unit"))
        self._num_rings = max(self._num_rings, rings)
        self._num_units = max(self._num_units, units)

    def summary(self) -> dict[str, Any]:
        """Summarise the sweeps so far.

        Returns:
            Plain values, None if unknown:

            - rings: number of beams according to the points' attribute `ring`.
            - units: number of units according to the points' attribute `unit`.
            - beams_seen: median of `count_beams`, which finds fewer beams than the lidar has.
            - elevation: 0.5th and 99.5th percentile of the points' elevation, degrees in the
              frame of the lidar.
            - azimuth: median number of degrees of azimuth in which there are points.
        """
        ends = self._elevations.percentiles((0.5, 99.5))
        return {
            "rings": self._num_rings or None,
            "units": self._num_units or None,
            "beams_seen": float(np.median(self._counts)) if self._counts else None,
            "elevation": None if ends is None else [round(end, 2) for end in ends.values()],
            "azimuth": float(np.median(self._views)) if self._views else None,
        }


def _distinct(scan: LidarScan, attribute: str) -> int:
    """Return the number of distinct values of a point attribute; 0 if the scan lacks it."""
    numbers = np.asarray(scan.attributes.get(attribute, np.zeros(0)), np.float64)
    return len(np.unique(numbers[np.isfinite(numbers)]))

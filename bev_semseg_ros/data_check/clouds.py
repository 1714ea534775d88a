"""Checks whether clouds have points, and intensities from 0 to 1."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.data_check.finding import Cases, DataFinding, portion
from bev_semseg_ros.frame import Frame, units_without_pose
from bev_semseg_ros.input_check import full_scale, highest_intensity

TOLERANCE = 0.02  # amount by which an intensity may be outside 0..1
NEGATIVE_SHARE = 0.001  # highest fraction of points in a cloud that may have a negative intensity


class CloudCheck:
    """Examines the clouds of frames."""

    def __init__(self) -> None:
        self._num_clouds = 0
        self._empty, self._bright, self._negative = Cases(), Cases(), Cases()
        self._without_poses = Cases()
        self._largest = 0.0

    def add(self, frame: Frame, where: str) -> None:
        """Add a frame; `where` names it."""
        for scan in frame.lidars.values():
            if scan.points is None:
                continue
            self._num_clouds += 1
            if "unit" in scan.attributes:
                units = units_without_pose(scan.attributes["unit"], scan.lidar_from_unit)
                if units:
                    self._without_poses.add(f"{where} (units {', '.join(map(str, units))})")
            finite = np.isfinite(scan.points).all(1)
            if not finite.any():
                self._empty.add(where)
                continue
            intensities = scan.points[finite, 3]
            largest = highest_intensity(intensities)
            if largest > 1 + TOLERANCE:
                self._bright.add(f"{where} (up to {largest:g})")
                self._largest = max(self._largest, largest)
            elif (intensities < -TOLERANCE).mean() > NEGATIVE_SHARE:
                self._negative.add(f"{where} (down to {intensities.min():g})")

    def findings(self) -> list[DataFinding]:
        """Return the findings about the clouds."""
        found = []
        if self._empty.count:
            text = f"{self._portion(self._empty)} have no point with finite numbers"
            remedy = "their boxes count for nothing; record or convert these clouds again"
            found.append(self._empty.finding("empty clouds", "warning", text, remedy))
        if self._without_poses.count:
            text = f"{self._portion(self._without_poses)} combine lidars whose poses are unknown"
            remedy = (
                "this makes only networks with model.point_encoder: range_view less accurate; A2D2 "
                "has the poses in lidars of cams_lidars.json, by the names in lidar_ids of the "
                ".json beside an image; your own reader has to set LidarScan.lidar_from_unit"
            )
            found.append(self._without_poses.finding("lidar poses", "warning", text, remedy))
        divisor = full_scale("f4", self._largest)
        dividing = f"divide the intensities in the files by {divisor:g}"
        for cases, remedy in (
            (self._bright, dividing if divisor > 1 else "write intensities from 0 to 1"),
            (self._negative, "write intensities from 0 to 1"),
        ):
            if cases.count:
                text = f"{self._portion(cases)} have intensities that are not between 0 and 1"
                found.append(cases.finding("intensities", "fault", text, remedy))
        return found

    def _portion(self, cases: Cases) -> str:
        return portion(cases.count, self._num_clouds, "clouds")

"""Statistics of sensor data, collected frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import apply, invert

PERCENTILES = (5, 25, 50, 75, 95)
SUBSAMPLE = 2000  # points of a frame that are used where a sample is as good as all points
GROUND_RADIUS = 15.0  # metres within which the ground dominates the lowest points

# Beams are counted in narrow slices of a cloud.
SLICES = (25, 50, 75)  # positions of the slices: percentiles of the azimuths of the points
SLICE_WIDTH = 0.006  # radians: one or two shots of a spinning lidar
LOWEST_LIDAR = 0.5  # metres above the ground; the origin of clouds in base_link is lower
BEAM_GAP = np.radians(0.12)  # least difference in elevation of two beams; less is noise

# The highest intensity of a cloud ignores a few outliers.
INTENSITY_SHARE = 0.999  # fraction of the points that are not above it
INTENSITY_POINTS = 5000  # points of a cloud that are used for it

_POOLED = ("intensity", "range")
_PER_FRAME = (
    "points_per_frame",
    "ground_height",
    "view",
    "beams",
    "focal_length",
    "field_of_view",
)


class InputStatistics:
    """Collects statistics of frames.

    It uses only a sample of the points where that is as good, because it also runs in the node.
    """

    def __init__(self) -> None:
        self._per_frame: dict[str, list[float]] = {name: [] for name in _PER_FRAME}
        self._pooled: dict[str, list[np.ndarray]] = {name: [] for name in _POOLED}
        self._image_sizes: set[tuple[int, int]] = set()
        self._image_scale = 0.0
        self._largest_intensity = 0.0

    def add_points(self, points: np.ndarray, ego_from_lidar: np.ndarray) -> None:
        """Add a cloud.

        Args:
            points: (M, 4) x, y, z and intensity in the ego frame, inside the grid, as
                `preprocessing.prepare_points` returns them.
            ego_from_lidar: (4, 4) transform.
        """
        self._add("points_per_frame", len(points))
        if not len(points):
            return
        some = points[:: max(1, len(points) // SUBSAMPLE)]
        ranges = np.hypot(some[:, 0], some[:, 1])
        self._pooled["intensity"].append(some[::4, 3])
        self._pooled["range"].append(ranges[::4])
        self._largest_intensity = max(self._largest_intensity, highest_intensity(points[:, 3]))
        is_near = ranges < GROUND_RADIUS
        if is_near.any():
            self._add("ground_height", float(np.percentile(some[is_near, 2], 5)))
        x = some[:, 0] - ego_from_lidar[0, 3]
        y = some[:, 1] - ego_from_lidar[1, 3]
        azimuths = np.degrees(np.arctan2(y, x))
        self._add("view", len(np.unique(np.floor(azimuths))))
        if ego_from_lidar[2, 3] >= LOWEST_LIDAR:
            self._add("beams", count_beams(points, ego_from_lidar))

    def add_camera(self, camera: Camera, recorded_size: tuple[int, int] | None = None) -> None:
        """Add an image by its camera.

        Args:
            camera: Camera of the rectified image at the network's size.
            recorded_size: (width, height) of the image as recorded, if known.
        """
        focal_length = float(camera.rectified_matrix[0, 0])
        width = camera.size[0]
        self._image_sizes.add(camera.size)
        self._add("focal_length", focal_length)
        self._add("field_of_view", float(np.degrees(2 * np.arctan(width / (2 * focal_length)))))
        if recorded_size is not None:
            self._image_scale = max(self._image_scale, width / recorded_size[0])

    def summary(self) -> dict[str, Any]:
        """Summarise the frames so far.

        Returns:
            Plain numbers by name. Names that end in `_percentiles` have the 5th, 25th, 50th, 75th
            and 95th percentile, or None if there is no value:

            - intensity_percentiles, range_percentiles: of all points; the range is horizontal, in
              metres.
            - points_per_frame_percentiles: points inside the grid.
            - ground_height_percentiles: of the 5th percentile of z within GROUND_RADIUS, metres.
            - view_percentiles: number of degrees of azimuth in which there are points.
            - beams_percentiles: see `count_beams`.
            - focal_length_percentiles: pixels at the network's image size.
            - field_of_view_percentiles: degrees, horizontal.
            - image_sizes: [width, height] of the images for the network.
            - largest_intensity: the largest `highest_intensity` of a cloud.
            - image_scale: the largest ratio of network to recorded image width, 0 if unknown.
        """
        summary: dict[str, Any] = {}
        for name, parts in self._pooled.items():
            summary[f"{name}_percentiles"] = _percentiles(np.concatenate(parts) if parts else [])
        for name, values in self._per_frame.items():
            summary[f"{name}_percentiles"] = _percentiles(values)
        summary["image_sizes"] = sorted(list(size) for size in self._image_sizes)
        summary["largest_intensity"] = round(self._largest_intensity, 4)
        summary["image_scale"] = round(self._image_scale, 4)
        return summary

    def _add(self, name: str, value: float) -> None:
        """Record a value of a frame."""
        self._per_frame[name].append(value)


def _percentiles(values: Sequence[float] | np.ndarray) -> list[float] | None:
    """Return PERCENTILES of values; None if there are none."""
    if not len(values):
        return None
    return [round(float(value), 4) for value in np.percentile(values, PERCENTILES)]


def highest_intensity(values: np.ndarray) -> float:
    """Return the highest of intensities (N,) except a few outliers; 0 if none is finite."""
    values = values[:: max(1, len(values) // INTENSITY_POINTS)]
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0
    return float(np.quantile(values, INTENSITY_SHARE, method="higher"))


def count_beams(points: np.ndarray, ego_from_lidar: np.ndarray) -> int:
    """Count the beams of a lidar that return points at the same azimuth.

    Beams are distinguished by their elevation in the lidar frame. Beams that hit nothing are not
    counted, so the result is lower than the number of beams: about 45 for a lidar with 64 beams on
    a road. The beams of several lidars in one cloud are counted together.

    Args:
        points: (M, >= 3) points in the ego frame.
        ego_from_lidar: (4, 4) transform.

    Returns:
        The largest number of beams in any of a few narrow slices of the cloud.
    """
    x = np.ascontiguousarray(points[:, 0] - np.float32(ego_from_lidar[0, 3]))
    y = np.ascontiguousarray(points[:, 1] - np.float32(ego_from_lidar[1, 3]))
    lidar_from_ego = invert(ego_from_lidar)
    step = max(1, len(points) // SUBSAMPLE)
    most = 0
    for azimuth in np.percentile(np.arctan2(y[::step], x[::step]), SLICES):
        c, s = np.float32(np.cos(azimuth)), np.float32(np.sin(azimuth))
        ahead = c * x + s * y
        is_inside = np.abs(c * y - s * x) < SLICE_WIDTH / 2 * ahead
        in_lidar = apply(lidar_from_ego, points[is_inside, :3].astype(np.float64))
        horizontal = np.hypot(in_lidar[:, 0], in_lidar[:, 1])
        elevations = np.sort(np.arctan2(in_lidar[:, 2], horizontal))
        num_gaps = int(np.count_nonzero(np.diff(elevations) > BEAM_GAP))
        most = max(most, 1 + num_gaps)
    return most

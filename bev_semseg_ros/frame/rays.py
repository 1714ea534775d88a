"""Rays: the positions of points as the lidar units measured them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bev_semseg_ros.frame.frame import LidarScan
from bev_semseg_ros.frame.motion import move_points

_PLACE_DECIMALS = 4  # of poses; units whose rounded poses are equal are the same unit


@dataclass(frozen=True, eq=False)
class Rays:
    """Positions of the points of one or more clouds, as their units measured them.

    Points in the ego frame have been transformed, corrected for motion, and perhaps augmented. A
    ray is the original position in the frame of the unit, so neighbouring rays are neighbours in
    the spherical image of the unit.

    Attributes:
        points: (N, 3) float32 x, y, z in the frame of the unit that measured each point, metres.
        units: (N,) int64 index of this unit.
        indices: (N,) int64 index of each point in the scan of its lidar.
        scan_sizes: Name of each lidar -> number of points of its scan, or None if it has none, in
            the order of the lidars.
    """

    points: np.ndarray
    units: np.ndarray
    indices: np.ndarray
    scan_sizes: Mapping[str, int | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls, scans: Mapping[str, LidarScan], point_lidar: np.ndarray, indices: np.ndarray
    ) -> Rays:
        """Return the rays of selected points of scans.

        Units are identified by their poses, so the points of a unit that several scans share are
        in one spherical image.

        Args:
            scans: Scans by the names of the lidars.
            point_lidar: (N,) index of the lidar of each point.
            indices: (N,) index of each point in the scan of its lidar.
        """
        points = np.empty((len(indices), 3), np.float32)
        units = np.zeros(len(indices), np.int64)
        places: dict[bytes, int] = {}
        for number, scan in enumerate(scans.values()):
            if scan.points is None:
                continue
            own = np.flatnonzero(point_lidar == number)
            measured = scan.points[indices[own], :3].astype(np.float32, copy=False)
            for chosen, lidar_from_unit in _units(scan, indices[own]):
                place = np.round(scan.ego_from_lidar @ lidar_from_unit, _PLACE_DECIMALS) + 0.0
                unit = places.setdefault(place.tobytes(), len(places))
                units[own[chosen]] = unit
                of_unit = measured[chosen]
                if not np.array_equal(lidar_from_unit, np.eye(4)):
                    of_unit = move_points(np.linalg.inv(lidar_from_unit), of_unit)
                points[own[chosen]] = of_unit
        sizes = {
            name: None if scan.points is None else len(scan.points) for name, scan in scans.items()
        }
        return cls(points, units, indices, sizes)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, kept: np.ndarray | slice) -> Rays:
        """Return the rays that a mask, an index array or a slice selects."""
        return replace(
            self, points=self.points[kept], units=self.units[kept], indices=self.indices[kept]
        )

    def mirrored(self) -> Rays:
        """Return the rays of a scene that is mirrored left to right."""
        return replace(self, points=self.points * np.array([1, -1, 1], np.float32))

    def scaled(self, factor: float) -> Rays:
        """Return the rays of a scene that is scaled by a factor."""
        return replace(self, points=self.points * np.float32(factor))


def units_without_pose(numbers: np.ndarray, poses: Mapping[int, np.ndarray]) -> list[int]:
    """Return the units of a cloud whose poses are unknown although they are not the lidar itself.

    `Rays` treats their points as if the lidar itself had measured them, which is wrong.

    Args:
        numbers: (N,) unit number of each point.
        poses: The known poses, as in `LidarScan.lidar_from_unit`.
    """
    unknown = sorted(set(np.flatnonzero(np.bincount(numbers)).tolist()) - poses.keys())
    # A single unit is the lidar itself.
    return unknown if poses or len(unknown) > 1 else []


def _units(scan: LidarScan, indices: np.ndarray) -> Iterator[tuple[np.ndarray | slice, np.ndarray]]:
    """Yield the points and the pose of each unit of a scan.

    A unit with an unknown pose gets that of the lidar.

    Args:
        scan: The scan.
        indices: (N,) indices of the selected points in the scan.

    Yields:
        Indices into `indices` of the points of a unit, and its (4, 4) lidar_from_unit.
    """
    numbers = scan.attributes.get("unit")
    if numbers is None or not scan.lidar_from_unit:
        yield slice(None), np.eye(4)
        return
    numbers = numbers[indices]
    for number, pose in scan.lidar_from_unit.items():
        chosen = np.flatnonzero(numbers == number)
        if len(chosen):
            yield chosen, pose
    others = np.flatnonzero(~np.isin(numbers, list(scan.lidar_from_unit)))
    if len(others):
        yield others, np.eye(4)

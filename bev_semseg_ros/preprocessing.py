"""Preprocessing: turns a `Frame` into a `Sample`, the input of the network.

Training, evaluation and the node all use this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.frame import (
    CAMERA,
    Camera,
    EgoMotion,
    Frame,
    LidarScan,
    Rays,
    only,
)
from bev_semseg_ros.geometry import apply, invert
from bev_semseg_ros.rectification import network_size, rectify

__all__ = [
    "RectifiedImage",
    "Sample",
    "network_size",
    "points_in_grid",
    "prepare",
    "prepare_points",
    "rectify",
]

# Ten times as many points as a 64-beam lidar measures in the grid. More would cost time and memory
# without a benefit.
MAX_GRID_POINTS = 200_000
# The same for whole clouds: the points of four lidars with 128 beams. More would take gigabytes.
MAX_CLOUD_POINTS = 1_000_000


@dataclass(frozen=True, eq=False)
class RectifiedImage:
    """A rectified image of the size that the network needs.

    Attributes:
        image: (h, w, 3) uint8 RGB, rectified, at the network's size.
        camera: the pinhole camera of this image.
    """

    image: np.ndarray
    camera: Camera


@dataclass(frozen=True, eq=False)
class Sample:
    """A frame after preprocessing: the input of the network.

    Attributes:
        points: (N, 4) float32 points of all lidars: x, y, z in the ego frame, metres, and
            intensity as given; `Batch.from_samples` limits it to 0..1. Without `rays` only those
            inside the grid, with `rays` all finite ones. None if no lidar gave points.
        images: camera name -> image, for the cameras that gave one.
        ego_from_lidar: (L, 4, 4) poses of the lidars.
        point_lidar: (N,) int64 lidar of each point, an index into `ego_from_lidar`.
        point_attributes: attribute -> (N,) values, see `frame.POINT_ATTRIBUTES`.
        rays: how the points were measured, for a network that uses whole clouds; otherwise None.
    """

    points: np.ndarray | None
    images: Mapping[str, RectifiedImage] = field(default_factory=dict)
    ego_from_lidar: np.ndarray = field(default_factory=lambda: np.eye(4)[None])
    point_lidar: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    point_attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    rays: Rays | None = None

    def __post_init__(self) -> None:
        if self.points is not None and len(self.point_lidar) != len(self.points):
            object.__setattr__(self, "point_lidar", np.zeros(len(self.points), np.int64))

    @classmethod
    def of(
        cls,
        points: np.ndarray | None,
        image: np.ndarray | None = None,
        camera: Camera | None = None,
        ego_from_lidar: np.ndarray | None = None,
        point_attributes: Mapping[str, np.ndarray] | None = None,
    ) -> Sample:
        """Return a sample of one lidar and at most one camera.

        Args:
            points: (N, 4) points as in `Sample.points`; None: no cloud.
            image: (h, w, 3) uint8 rectified image; None: no image.
            camera: camera of `image`.
            ego_from_lidar: (4, 4) pose of the lidar; None: identity.
            point_attributes: name -> (N,) values.

        Raises:
            ValueError: an image without its camera.
        """
        if image is not None and camera is None:
            raise ValueError("an image needs its camera")
        seen = {} if image is None or camera is None else {CAMERA: RectifiedImage(image, camera)}
        pose = np.eye(4) if ego_from_lidar is None else ego_from_lidar
        return cls(points, seen, pose[None], point_attributes=point_attributes or {})

    @property
    def image(self) -> np.ndarray | None:
        """(h, w, 3) image of the only camera."""
        seen = only(self.images, "cameras")
        return None if seen is None else seen.image

    @property
    def camera(self) -> Camera | None:
        """The only camera."""
        seen = only(self.images, "cameras")
        return None if seen is None else seen.camera

    @property
    def main_origin(self) -> np.ndarray:
        """(2,) x and y of the lidar with the most points, metres in the ego frame."""
        counts = np.bincount(self.point_lidar, minlength=len(self.ego_from_lidar))
        return self.ego_from_lidar[int(counts.argmax()), :2, 3]

    def with_points(self, points: np.ndarray, kept: np.ndarray | slice) -> Sample:
        """Return the sample with a selection of its points.

        Args:
            points: (M, 4) selected points.
            kept: indices, mask or slice that selects their attributes.
        """
        attributes = {name: values[kept] for name, values in self.point_attributes.items()}
        lidar = self.point_lidar[kept]
        rays = None if self.rays is None else self.rays[kept]
        return replace(
            self, points=points, point_lidar=lidar, point_attributes=attributes, rays=rays
        )

    def known_rays(self) -> Rays:
        """Return the rays; if there are none, the points in the frames of their lidars as rays."""
        if self.rays is not None:
            return self.rays
        points = np.zeros((0, 4), np.float32) if self.points is None else self.points
        own = np.empty((len(points), 3), np.float32)
        for number, pose in enumerate(self.ego_from_lidar):
            of_lidar = self.point_lidar == number
            own[of_lidar] = apply(invert(pose), points[of_lidar, :3])
        return Rays(own, self.point_lidar, np.arange(len(points)))

    def within(self, grid: GridConfig) -> Sample:
        """Return the sample for a network that uses only the points inside the grid."""
        if self.rays is None or self.points is None:
            return self
        kept = np.flatnonzero(points_in_grid(self.points, grid))
        kept = kept[_some(len(kept))]
        return replace(self.with_points(self.points[kept], kept), rays=None)

    def without_points(self) -> Sample:
        """Return the sample as if no lidar had given points."""
        lidar = np.zeros(0, np.int64)
        return replace(self, points=None, point_lidar=lidar, point_attributes={}, rays=None)

    def without_images(self) -> Sample:
        """Return the sample as if no camera had given an image."""
        return replace(self, images={})

    def of_camera(self, name: str) -> Sample:
        """Return the sample as if this were the only camera."""
        return replace(self, images={name: self.images[name]})


def points_in_grid(points: np.ndarray, grid: GridConfig) -> np.ndarray:
    """Find the points inside the grid.

    Args:
        points: (N, >= 3) points in the ego frame.
        grid: The grid's limits.

    Returns:
        (N,) bool; False where x, y or z is NaN or infinite.
    """
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    return (
        (x >= grid.x_min)
        & (x < grid.x_max)
        & (y >= grid.y_min)
        & (y < grid.y_max)
        & (z >= grid.z_min)
        & (z < grid.z_max)
    )


def prepare_points(points: np.ndarray, ego_from_lidar: np.ndarray, grid: GridConfig) -> np.ndarray:
    """Transform lidar points to the ego frame and remove those outside the grid.

    If more than MAX_GRID_POINTS remain, about this many are chosen at random, but always the same
    ones for the same cloud.

    Args:
        points: (N, 4) x, y, z in the lidar's frame, metres, and intensity.
        ego_from_lidar: (4, 4) pose of the lidar.
        grid: the BEV grid.

    Returns:
        (M, 4) float32 points in the ego frame, inside the grid and finite.
    """
    inside, _ = _move_into_grid(LidarScan(points, ego_from_lidar), grid)
    return inside[_some(len(inside))]


def _move_into_grid(
    scan: LidarScan, grid: GridConfig | None, motion: EgoMotion | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (M, 4) inside the grid, in the ego frame, and their indices (M,).

    With a motion, points are moved to where they would be at the time of the frame. Without a grid,
    all finite points are returned.
    """
    points = scan.points
    if points is None or not len(points):
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    # In one pass and one thread: numpy's product would wake the threads of BLAS, which busy-wait
    # and slow down other processes.
    with_intensity = np.zeros((4, 5))
    with_intensity[:3, [0, 1, 2, 4]] = scan.ego_from_lidar[:3]
    with_intensity[3, 3] = 1
    moved = cv2.transform(points[None].astype(np.float32, copy=False), with_intensity)[0]
    if motion is not None:
        moved[:, :3] = motion.to_frame_time(moved[:, :3], scan.times)
    if grid is None:
        kept = np.flatnonzero(np.isfinite(moved).all(1))
    else:
        kept = np.flatnonzero(points_in_grid(moved, grid))
    return moved.take(kept, 0), kept


def _some(count: int, limit: int = MAX_GRID_POINTS) -> slice | np.ndarray:
    """Return a selection of `count` points: all of them, or about `limit`."""
    if count <= limit:
        return slice(None)
    # At random, because every n-th point might always come from the same few beams.
    drawn = np.random.default_rng(0).random(count)
    return drawn < limit / count


def prepare(frame: Frame, config: Config, whole_clouds: bool = False) -> Sample:
    """Turn a frame into a sample, the input of the network.

    If the motion of the vehicle is known, points and sensor poses are moved to where they would be
    at the time of the frame.

    Args:
        frame: data of the sensors; any of them may be missing.
        config: configuration of the network.
        whole_clouds: True also keeps the points outside the grid, and the rays. At most about
            MAX_CLOUD_POINTS are kept.
    """
    grid = None if whole_clouds else config.grid
    sample, indices = _merge_lidars(list(frame.lidars.values()), grid, frame.motion)
    if whole_clouds and sample.points is not None:
        rays = Rays.of(frame.lidars, sample.point_lidar, indices)
        sample = replace(sample, rays=rays)
    images = {}
    for name, seen in frame.cameras.items():
        if seen.image is not None:
            size = network_size(seen.camera.size, config.image)
            image = rectify(seen.image, seen.camera, size)
            camera = seen.camera.rectified(size)
            if frame.motion is not None:
                pose = camera.camera_from_ego @ invert(frame.motion.pose_after(seen.seconds))
                camera = replace(camera, camera_from_ego=pose)
            images[name] = RectifiedImage(image, camera)
    return replace(sample, images=images)


def _merge_lidars(
    scans: Sequence[LidarScan], grid: GridConfig | None, motion: EgoMotion | None
) -> tuple[Sample, np.ndarray]:
    """Merge the scans into one cloud: the points inside the grid, or all finite ones without one.

    Returns:
        The sample, and (N,) the index of each point in its scan.
    """
    limit = MAX_CLOUD_POINTS if grid is None else MAX_GRID_POINTS
    poses = np.stack([_pose(scan, motion) for scan in scans]) if scans else np.eye(4)[None]
    clouds, indices, lidars, attributes = [], [], [], []
    for number, (scan, units) in enumerate(zip(scans, _units(scans), strict=True)):
        if scan.points is None:
            continue
        cloud, kept = _move_into_grid(scan, grid, motion)
        clouds.append(cloud)
        indices.append(kept)
        lidars.append(np.full(len(kept), number))
        given = {**scan.attributes, **units}
        attributes.append({name: values[kept] for name, values in given.items()})
    if not clouds:
        return Sample(None, ego_from_lidar=poses), np.zeros(0, np.int64)
    joined_attributes = {
        name: _joined(
            [
                part[name] if name in part else np.full(len(cloud), np.nan)
                for part, cloud in zip(attributes, clouds, strict=True)
            ]
        )
        for name in sorted(set().union(*attributes))
    }
    points = _joined(clouds)
    sample = Sample(points, {}, poses, _joined(lidars), joined_attributes)
    some = _some(len(points), limit)
    return sample.with_points(points[some], some), _joined(indices)[some]


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the arrays in one; a single one is not copied."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _pose(scan: LidarScan, motion: EgoMotion | None) -> np.ndarray:
    """Return the (4, 4) pose of a lidar during its scan, in the ego frame of the frame's time."""
    if motion is None:
        return scan.ego_from_lidar
    return motion.pose_after(scan.seconds) @ scan.ego_from_lidar


def _units(scans: Sequence[LidarScan]) -> list[dict[str, np.ndarray]]:
    """Return the attribute "unit" of each scan, renumbered so that no two lidars share a unit.

    A single scan is not renumbered.
    """
    if len(scans) < 2:
        return [{} for _ in scans]
    units, first = [], 0
    for scan in scans:
        count = 0 if scan.points is None else len(scan.points)
        unit = first + np.asarray(scan.attributes.get("unit", np.zeros(count)))
        units.append({"unit": unit})
        first = int(unit.max(initial=first)) + 1
    return units

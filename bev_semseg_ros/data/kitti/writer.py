"""Writes frames in KITTI's object layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import KITTI_EGO_FROM_LIDAR, KITTI_SENSOR_ROW
from bev_semseg_ros.data.files import write_png
from bev_semseg_ros.data.kitti.calibration_text import (
    calibration_text,
    camera_rows,
    lidar_row,
    object_rows,
    velodyne_from,
)
from bev_semseg_ros.data.kitti.cameras import CameraFiles, camera_name
from bev_semseg_ros.data.kitti.clouds import write_cloud
from bev_semseg_ros.data.kitti.folders import LIDAR_FOLDER, cloud_folder
from bev_semseg_ros.data.kitti.frame_table import TABLE, write_table
from bev_semseg_ros.frame import Camera, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, have_return, invert
from bev_semseg_ros.output_path import write_file
from bev_semseg_ros.rectification import rectify

# The second name would give a row with the name KITTI_SENSOR_ROW.
_NAMES_OF_FIRST = (LIDAR_FOLDER, "sensor")


class FrameWriter:
    """Writes frames in KITTI's object layout, without labels.

    `KittiDataset` reads the same frames, with these differences:

    - Images are rectified.
    - Points without a return, which the network would not use, are left out.
    - Attributes of points, units and the motion of the vehicle are left out.
    - The first lidar is called "velodyne" and the cameras "image_02", "image_03" and so on, or
      "lidar" and "camera" if there is only one.

    In this layout, the frame of the first lidar is level, with the ground at z = -1.73. If the
    lidar is mounted differently, its points are transformed to such a frame. The row
    KITTI_SENSOR_ROW of the calibration holds the pose of the lidar in it.

    All frames must have the same sensors, in the same order. `finish` must be called at the end.

    Attributes:
        count: Number of frames written.
    """

    def __init__(self, out: str | Path, scene: str) -> None:
        """Prepare to write; nothing is created yet.

        Args:
            out: Folder of the data set; the files are written to `training` in it.
            scene: Name of the drive.
        """
        self._root, self._scene = Path(out) / "training", scene
        self._rows: list[tuple[str, str, int]] = []

    @property
    def count(self) -> int:
        return len(self._rows)

    def write(self, frame: Frame) -> None:
        """Write a frame. After an error, none of its files is left.

        Raises:
            ValueError: A lidar has a name that the calibration uses otherwise.
            OSError: A file cannot be written; the message names it.
        """
        name = f"{self.count:06d}"
        try:
            self._write_files(frame, name)
        except BaseException:
            for path in self._root.glob(f"*/{name}.*"):
                path.unlink()
            raise
        self._rows.append((name, self._scene, frame.timestamp_ns))

    def finish(self) -> None:
        """Write the table of all frames."""
        if self._rows:
            write_table(self._root / TABLE, self._rows)

    def _write_files(self, frame: Frame, name: str) -> None:
        for folder, scan in zip(lidar_folders(frame.lidars), frame.lidars.values(), strict=True):
            if scan.points is not None:
                points = _usable_points(scan, scan.points, folder == LIDAR_FOLDER)
                write_cloud(self._path(folder, f"{name}.bin"), points)
        cameras = {}
        for index, seen in enumerate(frame.cameras.values()):
            files = CameraFiles.of(camera_name(index))
            cameras[camera_name(index)] = _rectified(seen)
            if seen.image is not None:
                size = seen.image.shape[1], seen.image.shape[0]
                image = rectify(seen.image, seen.camera, size)
                write_png(self._path(files.images, f"{name}.png"), image)
        text = calibration_text(_rows(frame.lidars, cameras))
        write_file(self._path("calib", f"{name}.txt"), text)

    def _path(self, folder: str, file: str) -> Path:
        """Return the path of a file, whose folder exists then."""
        path = self._root / folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def lidar_folders(names: Iterable[str]) -> list[str]:
    """Return the folders of the clouds of lidars.

    Args:
        names: Names of the lidars, the first one first.

    Raises:
        ValueError: A further lidar has a name that stands for the first one in this layout.
    """
    folders: list[str] = []
    for name in names:
        if not folders:
            folders.append(cloud_folder())
        elif name in _NAMES_OF_FIRST:
            raise ValueError(
                f"in KITTI's layout, the name {name!r} stands for the first lidar: rename the "
                "lidar, or name it first"
            )
        else:
            folders.append(cloud_folder(name))
    return folders


def _usable_points(scan: LidarScan, points: np.ndarray, is_first: bool) -> np.ndarray:
    """Return the points (M, 4) that the network would use, as they are written.

    Args:
        scan: The scan.
        points: Its points (N, 4).
        is_first: Whether it is of the first lidar.
    """
    # Points without a return may be zeros, so they must go before the points are moved.
    points = points[have_return(points)].astype(np.float32)
    velodyne_from_sensor = velodyne_from(scan.ego_from_lidar)
    if is_first and not _is_identity(velodyne_from_sensor):
        points[:, :3] = apply(velodyne_from_sensor, points[:, :3].astype(np.float64))
    return points


def _rectified(seen: CameraImage) -> Camera:
    """Return the camera of the rectified image, in the size of the image as recorded."""
    if seen.image is None:
        return seen.camera.rectified()
    return seen.camera.rectified((seen.image.shape[1], seen.image.shape[0]))


def _rows(lidars: Mapping[str, LidarScan], cameras: Mapping[str, Camera]) -> dict[str, np.ndarray]:
    """Return the rows of the calibration of a frame.

    Args:
        lidars: The scans; the first one is that of the Velodyne.
        cameras: Camera -> the camera of its rectified image, the reference camera first.
    """
    if cameras:
        reference, *others = cameras
        matrix = cameras[reference].matrix
        rectified_from_ego = cameras[reference].camera_from_ego
    else:  # the labels need a frame in any case: that of a camera at the place of the Velodyne
        others, matrix = [], np.eye(3)
        rectified_from_ego = OPTICAL_FROM_VIEW @ invert(KITTI_EGO_FROM_LIDAR)
    rows = object_rows(matrix, rectified_from_ego)
    for name in others:
        rows |= camera_rows(name, cameras[name], rectified_from_ego)
    for index, (name, scan) in enumerate(lidars.items()):
        velodyne_from_sensor = velodyne_from(scan.ego_from_lidar)
        if index > 0:
            rows |= lidar_row(name, scan.ego_from_lidar)
        elif not _is_identity(velodyne_from_sensor):
            rows[KITTI_SENSOR_ROW] = velodyne_from_sensor[:3]
    return rows


def _is_identity(matrix: np.ndarray) -> bool:
    return np.allclose(matrix, np.eye(4), atol=1e-6)

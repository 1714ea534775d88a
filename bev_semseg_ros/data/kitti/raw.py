"""Reads KITTI raw: synchronised, rectified drives with tracklets (Geiger et al., IJRR 2013)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import KITTI_EGO_FROM_LIDAR, kitti_raw_calibration
from bev_semseg_ros.data.files import FrameParts, read_image, read_text
from bev_semseg_ros.data.kitti.drive_files import FRAME_NS, DriveFiles, image_parts
from bev_semseg_ros.data.kitti.labels import BOX_LABELS, MASK_LABELS
from bev_semseg_ros.data.kitti.oxts import read_lidar_poses, velocities_over_ground
from bev_semseg_ros.data.kitti.tracklets import read_tracklets
from bev_semseg_ros.data.sensors import other_camera, sensor_names
from bev_semseg_ros.frame import (
    CAMERA,
    LIDAR,
    Annotation,
    Boxes,
    Camera,
    CameraImage,
    Frame,
    LidarScan,
)
from bev_semseg_ros.geometry import transform_boxes
from bev_semseg_ros.labels import load_label_set

_CAMERAS = ("image_02", "image_03")  # left and right colour camera: names of folders and cameras
_CLOUDS, _TRACKLETS = "velodyne_points", "tracklet_labels.xml"


class Drive:
    """One drive with its files, cameras, times and labels.

    Attributes:
        folder: Folder of the drive.
        name: Name of the drive.
        cameras: Cameras to read, by the names of their folders; the first is the reference camera.
        files: Files of the images and clouds.
        times: Frame number -> time in nanoseconds, for frames with a recorded time.
        tracklets: Tracklets of the drive; None if it has no labels.
    """

    def __init__(self, folder: Path, cameras: Mapping[str, Camera]) -> None:
        self.folder = folder
        self.name = folder.resolve().name
        self.cameras = cameras
        self.files = DriveFiles(
            {camera: folder / camera / "data" for camera in cameras}, folder / _CLOUDS / "data"
        )
        self.times = _read_times(folder, next(iter(cameras)))
        tracklets = folder / _TRACKLETS
        self.tracklets = read_tracklets(tracklets) if tracklets.is_file() else None

    def annotation(self, number: int) -> Annotation:
        """Return the ground truth of a frame: boxes with ids and velocities of the tracklets."""
        if self.tracklets is None:
            return Annotation(box_labels=load_label_set(BOX_LABELS))
        present = []
        poses = []
        velocities = []
        for tracklet, over_ground in zip(self.tracklets, self._velocities, strict=True):
            index = number - tracklet.first_frame
            if 0 <= index < len(tracklet.poses):
                present.append(tracklet)
                poses.append(tracklet.poses[index])
                velocities.append(over_ground[index])
        sizes = np.array([tracklet.size for tracklet in present]).reshape(-1, 3)
        bottoms = np.array(poses).reshape(-1, 4)
        boxes = Boxes(
            bottoms[:, :3] + sizes * (0, 0, 0.5),
            sizes,
            bottoms[:, 3],
            np.array([tracklet.label for tracklet in present]),
            np.ones(len(present)),
            np.array([tracklet.id for tracklet in present]),
            np.array(velocities),
        )
        return Annotation(
            transform_boxes(KITTI_EGO_FROM_LIDAR, boxes),
            box_labels=load_label_set(BOX_LABELS),
        )

    @cached_property
    def _velocities(self) -> list[np.ndarray]:
        """(F, 2) velocities over ground of each tracklet, m/s; computed on first use."""
        lidar_poses = read_lidar_poses(self.folder, self.times)
        return [
            velocities_over_ground(
                tracklet.poses[:, :3], tracklet.first_frame, lidar_poses, self.times
            )
            for tracklet in self.tracklets or []
        ]


class KittiRawDataset:
    """Drives of KITTI raw; each drive is a scene.

    The calibration is in the folder of the day. `timestamps.txt`, `oxts` and the tracklets cover
    the whole drive, so they are indexed by the number of the frame. The time of a frame is that of
    the cloud, taken as UTC, or else that of the image, or else the number of the frame times 0.1 s.
    `Frame.missing` names the missing parts: "image", "lidar", "timestamps", "boxes", and "image_03
    image" for a second camera.

    Args:
        path: A drive `<day>_drive_<number>_sync`, the folder of a day with drives, or a folder with
            days.
        cameras: "image_02", "image_03" or both; the first is the reference camera.

    Raises:
        FileNotFoundError: A calibration is missing.
        ValueError: A file is damaged; the message names it.
    """

    name = "kitti_raw"
    outside = ("calib_*.txt",)
    layout = (
        f"KITTI raw: a drive *_sync with {_CAMERAS[0]}/data or {_CLOUDS}/data, "
        "a day's folder with such drives, or a folder with days"
    )

    def __init__(self, path: str | Path, cameras: Sequence[str] = _CAMERAS[:1]) -> None:
        self.box_labels = load_label_set(BOX_LABELS)
        self.mask_labels = load_label_set(MASK_LABELS)  # it has no masks
        self._path = Path(path)
        folders = _drive_folders(self._path)
        days = {folder.resolve().parent for folder in folders}
        rigs = {
            day: {camera: kitti_raw_calibration(day, camera).known_camera for camera in cameras}
            for day in days
        }
        drives = [Drive(folder, rigs[folder.resolve().parent]) for folder in folders]
        self._names = sensor_names(cameras, CAMERA)
        self._frames = [(drive, key) for drive in drives for key in drive.files.keys]
        if not self._frames:
            other = other_camera(self.camera_names(self._path), cameras)
            raise ValueError(f"{drives[0].folder}: no frames found: {drives[0].files}{other}")

    @staticmethod
    def matches(path: Path) -> bool:
        """Return whether a folder is such a data set."""
        return bool(_drive_folders(path))

    @staticmethod
    def camera_names(path: Path) -> list[str]:
        """Return the cameras with images in any drive; the left one is always included."""
        drives = _drive_folders(path)
        right = [name for name in _CAMERAS[1:] if any(_has_images(d, name) for d in drives)]
        return [_CAMERAS[0], *right]

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def notes(self) -> tuple[str, ...]:
        """Differences from KITTI's own files, and how they are handled."""
        drives = {drive.name: drive for drive, _ in self._frames}
        of_files = tuple(
            f"{name}: {note}" for name, drive in drives.items() for note in drive.files.notes
        )
        return of_files + _unread_drives(self._path)

    def scene(self, index: int) -> str:
        """Return the name of the drive that a frame belongs to."""
        return self._frames[index][0].name

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        drive, key = self._frames[index]
        number = int(key)
        parts = self.parts(index)
        images = {
            camera: _read_image(drive.cameras[camera], camera, parts.paths.get(part))
            for camera, part in image_parts(drive.cameras).items()
        }
        points, attributes = drive.files.read_cloud(key)
        name = next(iter(drive.files.find(key)[0].values())).stem
        frame = Frame(
            drive.times.get(number, number * FRAME_NS),
            {LIDAR: LidarScan(points, KITTI_EGO_FROM_LIDAR, attributes)},
            {
                sensor: CameraImage(images[camera], drive.cameras[camera])
                for sensor, camera in zip(self._names, images, strict=True)
            },
            f"{drive.name}_{name}",
            drive.name,
            parts.missing,
        )
        return frame, drive.annotation(number)

    def parts(self, index: int) -> FrameParts:
        drive, key = self._frames[index]
        paths, missing = drive.files.find(key)
        if int(key) not in drive.times:
            missing.append("timestamps")
        if drive.tracklets is None:
            missing.append("boxes")
        else:
            paths["boxes"] = drive.folder / _TRACKLETS
        return FrameParts(paths, tuple(missing))

    def cameras(self, index: int) -> dict[str, Camera]:
        drive, _ = self._frames[index]
        there = self.parts(index).paths
        parts = image_parts(drive.cameras)
        return {part: drive.cameras[name] for name, part in parts.items() if part in there}


def _read_image(known: Camera, camera: str, path: Path | None) -> np.ndarray | None:
    """Return a (H, W, 3) uint8 RGB image of a camera; None if there is no file."""
    if path is None:
        return None
    image = read_image(path)
    expected = known.size
    found = (image.shape[1], image.shape[0])
    if found != expected:
        raise ValueError(
            f"{path}: expected {expected} pixels (S_rect_{camera.removeprefix('image_')} of the "
            f"calibration), got {found}"
        )
    return image


def _read_times(drive: Path, camera: str) -> dict[int, int]:
    """Return frame number -> time (ns) of the cloud, or that of the image if there is no cloud.

    Args:
        drive: Folder of the drive.
        camera: Folder of the reference camera.
    """
    times = {}
    # Read the times of the clouds last, so they replace those of the images. A missing cloud has a
    # blank line.
    for path in (drive / camera / "timestamps.txt", drive / _CLOUDS / "timestamps.txt"):
        lines = read_text(path).splitlines() if path.is_file() else []
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                times[number] = int(np.datetime64(line.strip(), "ns").astype(np.int64))
            except ValueError:
                raise ValueError(
                    f"{path}, line {number + 1}: expected YYYY-MM-DD hh:mm:ss.fffffffff, "
                    f"got {line[:40]!r}"
                ) from None
    return times


def _drive_folders(path: Path) -> list[Path]:
    """Return the path if it is a drive, or else the drives one or two folders below it."""
    for folders in ([path], path.glob("*_sync"), path.glob("*/*_sync")):
        drives = [folder for folder in sorted(folders) if _is_drive(folder)]
        if drives:
            return drives
    return []


def _unread_drives(path: Path) -> tuple[str, ...]:
    """Return notes about drives below the path that `_drive_folders` leaves out."""
    drives = set(_drive_folders(path))
    entries = [*sorted(path.glob("[!.]*")), *sorted(path.glob("[!.]*/[!.]*"))]
    return tuple(
        f"{entry} is not read, but looks like a drive; synchronised and rectified drives are named "
        "*_sync and are beside each other"
        for entry in entries
        if entry not in drives and _is_drive(entry)
    )


def _is_drive(folder: Path) -> bool:
    """Return whether a folder has the images or clouds of a drive.

    The clouds of KITTI-360 have the same names below data_3d_raw, with another calibration.
    """
    if folder.resolve().parent.name == "data_3d_raw":
        return False
    has_clouds = (folder / _CLOUDS / "data").is_dir()
    return has_clouds or any(_has_images(folder, camera) for camera in _CAMERAS)


def _has_images(drive: Path, camera: str) -> bool:
    """Return whether a drive has images of a camera."""
    return (drive / camera / "data").is_dir()

"""Reads KITTI tracking: drives with ids of objects (Geiger et al., CVPR 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import (
    KITTI_EGO_FROM_LIDAR,
    kitti_object_camera,
    kitti_rectified_from_lidar,
    read_kitti_matrices,
)
from bev_semseg_ros.data.files import FrameParts, numbers, read_image, read_text
from bev_semseg_ros.data.frame_files import FilesByFrame, frame_key
from bev_semseg_ros.data.kitti.cameras import REFERENCE, image_cameras
from bev_semseg_ros.data.kitti.drive_files import FRAME_NS, DriveFiles, image_parts
from bev_semseg_ros.data.kitti.labels import BOX_LABELS, MASK_LABELS, Objects
from bev_semseg_ros.data.kitti.motion import Motion
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
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.labels import load_label_set

# Class names of this layout -> those of the object layout.
_CLASS_NAMES = {"Person": "Person_sitting"}
_CAMERAS = (REFERENCE, "image_03")  # left and right colour camera: names of folders and cameras
_CLOUDS, _LABELS, _CALIBRATION = "velodyne", "label_02", "calib"
_FIELDS = (
    17,
    18,
)  # number of fields in a line: frame, id, and those of object detection


class Drive:
    """One drive, which the data set calls a sequence.

    Attributes:
        name: Number of the drive, such as "0004".
        files: Files of the images and clouds.
        calibration: File of the calibration; it may not exist.
        labels: File of the labels; None if the drive has none.
    """

    def __init__(self, folder: Path, name: str, cameras: Sequence[str]) -> None:
        self.name = name
        images = {camera: folder / camera / name for camera in cameras}
        self.files = DriveFiles(images, folder / _CLOUDS / name)
        key = frame_key(name)
        calibration = FilesByFrame(folder / _CALIBRATION, (".txt",)).get(key)
        self.calibration = calibration or folder / _CALIBRATION / f"{name}.txt"
        self.labels = FilesByFrame(folder / _LABELS, (".txt",)).get(key)

    @cached_property
    def rows(self) -> dict[str, np.ndarray] | None:
        """The rows of the calibration; None if its file does not exist."""
        return read_kitti_matrices(self.calibration) if self.calibration.is_file() else None

    @cached_property
    def objects(self) -> dict[int, tuple[Boxes, np.ndarray]]:
        """Frame number -> boxes in the ego frame, and (D, 4) DontCare areas of the image."""
        if self.labels is None or self.rows is None:
            return {}
        rectified_from_lidar = kitti_rectified_from_lidar(self.rows, self.calibration)
        ego_from_rectified = KITTI_EGO_FROM_LIDAR @ invert(rectified_from_lidar)
        classes = load_label_set(BOX_LABELS)
        found: dict[int, Objects] = {}
        for index, line in enumerate(read_text(self.labels).splitlines(), 1):
            where = f"{self.labels}, line {index}"
            fields = line.split()
            if not fields:
                continue
            if len(fields) not in _FIELDS:
                raise ValueError(
                    f"{where}: expected {_FIELDS[0]} fields ({_FIELDS[1]} with a score), got "
                    f"{len(fields)}"
                )
            frame, number = (int(value) for value in numbers(fields[:2], (2,), where))
            objects = found.setdefault(frame, Objects(ego_from_rectified, classes))
            kind = _CLASS_NAMES.get(fields[2], fields[2])
            objects.add([kind, *fields[3:]], where, Motion(number))
        return {frame: (each.boxes(), each.dont_care()) for frame, each in found.items()}

    def annotation(self, number: int, camera: str | None) -> Annotation:
        """Return the ground truth of a frame.

        Args:
            number: Number of the frame.
            camera: Name, in the frame, of the camera that the DontCare areas refer to; None if it
                is not read.
        """
        labels = load_label_set(BOX_LABELS)
        if self.labels is None or self.rows is None:
            return Annotation(box_labels=labels)
        boxes, areas = self.objects.get(number, (Boxes.empty(), np.zeros((0, 4))))
        return Annotation(
            boxes, box_labels=labels, dont_care={} if camera is None else {camera: areas}
        )


class KittiTrackingDataset:
    """Drives of KITTI tracking; each drive is a scene.

    The time of a frame is its number times 0.1 s. Boxes have the ids of their objects, but no
    velocities. `Frame.missing` names the missing parts: "image", "lidar", "calib", "boxes", and
    "image_03 image" for a second camera.

    Args:
        path: A folder with `training`, or a folder such as `training` itself.
        cameras: "image_02", "image_03" or both; the first is the reference camera.

    Raises:
        ValueError: A file is damaged; the message names it.
    """

    name = "kitti_tracking"
    layout = (
        "KITTI tracking: a folder with training/image_02/0000 or training/velodyne/0000, or such a "
        "training folder"
    )

    def __init__(self, path: str | Path, cameras: Sequence[str] = (REFERENCE,)) -> None:
        self.box_labels = load_label_set(BOX_LABELS)
        self.mask_labels = load_label_set(MASK_LABELS)  # it has no masks
        self._folder = _training_folder(Path(path)) or Path(path)
        self._cameras = list(cameras)
        drives = [Drive(self._folder, name, cameras) for name in _drive_names(self._folder)]
        self._frames = [(drive, key) for drive in drives for key in drive.files.keys]
        if not self._frames:
            other = other_camera(self.camera_names(self._folder), cameras)
            raise ValueError(
                f"{self._folder}: no frames found in {drives[0].name}: {drives[0].files}{other}"
            )

    @staticmethod
    def matches(path: Path) -> bool:
        """Return whether a folder is such a data set."""
        return _training_folder(path) is not None

    @staticmethod
    def folders(path: Path) -> list[Path]:
        """Return the folder that contains the folders of the sensors."""
        return [_training_folder(path) or path]

    @staticmethod
    def camera_names(path: Path) -> list[str]:
        """Return the cameras that have a folder; the left one is always included."""
        folder = _training_folder(path) or path
        return [_CAMERAS[0], *(name for name in _CAMERAS[1:] if (folder / name).is_dir())]

    @property
    def notes(self) -> tuple[str, ...]:
        """Differences from KITTI's own files, and how they are handled."""
        drives = {drive.name: drive for drive, _ in self._frames}
        of_files = tuple(
            f"{name}: {note}" for name, drive in drives.items() for note in drive.files.notes
        )
        return of_files + _unread_drives(self._folder)

    def __len__(self) -> int:
        return len(self._frames)

    def scene(self, index: int) -> str:
        """Return the name of the drive that a frame belongs to."""
        return self._frames[index][0].name

    def parts(self, index: int) -> FrameParts:
        drive, key = self._frames[index]
        paths, missing = drive.files.find(key)
        has_labels = (self._folder / _LABELS).is_dir()
        for part, file in (("calib", drive.calibration), ("boxes", drive.labels)):
            if file is not None and file.is_file():
                paths[part] = file
            elif part == "calib" or has_labels:
                missing.append(part)
        return FrameParts(paths, tuple(missing))

    def cameras(self, index: int) -> dict[str, Camera]:
        drive, _ = self._frames[index]
        if drive.rows is None:
            return {}
        parts = {part: camera for camera, part in image_parts(self._cameras).items()}
        paths = {**self.parts(index).paths, "calib": drive.calibration}
        return image_cameras(parts, paths, drive.rows)

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        drive, key = self._frames[index]
        number = int(key)
        parts = self.parts(index)
        points, attributes = drive.files.read_cloud(key)
        names = sensor_names(self._cameras, CAMERA)
        frame = Frame(
            number * FRAME_NS,  # the set has no times
            {LIDAR: LidarScan(points, KITTI_EGO_FROM_LIDAR, attributes)},
            self._images(drive, parts, names),
            f"{drive.name}_{number:06d}",
            drive.name,
            parts.missing,
        )
        reference = names[self._cameras.index(REFERENCE)] if REFERENCE in self._cameras else None
        return frame, drive.annotation(number, reference)

    def _images(
        self, drive: Drive, parts: FrameParts, names: Sequence[str]
    ) -> dict[str, CameraImage]:
        """Return the images of a frame by camera; empty if there is no calibration."""
        images: dict[str, CameraImage] = {}
        if drive.rows is None:
            return images
        for (camera, part), name in zip(image_parts(self._cameras).items(), names, strict=True):
            path = parts.paths.get(part)
            image = None if path is None else read_image(path)
            size = None if image is None else (image.shape[1], image.shape[0])
            known = kitti_object_camera(drive.rows, drive.calibration, size, camera)
            if known is not None:
                images[name] = CameraImage(image, known)
        return images


def _training_folder(path: Path) -> Path | None:
    """Return the folder that contains those of the sensors: "training", or the path itself."""
    return next((each for each in (path / "training", path) if _drive_names(each)), None)


def _unread_drives(folder: Path) -> tuple[str, ...]:
    """Return notes about drives whose names are not numbers."""
    names = {
        entry.name
        for sensor in (*_CAMERAS, _CLOUDS)
        for entry in (folder / sensor).glob("[!.]*")
        if entry.is_dir() and not entry.name.isdecimal()
    }
    return tuple(
        f"{folder}: {name} is not read, but looks like a drive; the names of drives are numbers"
        for name in sorted(names)
    )


def _drive_names(folder: Path) -> list[str]:
    """Return the names of the drives that have a folder with images or clouds."""
    names = {
        entry.name
        for sensor in (*_CAMERAS, _CLOUDS)
        for entry in (folder / sensor).glob("[0-9]*")
        if entry.name.isdecimal() and entry.is_dir()
    }
    return sorted(names)

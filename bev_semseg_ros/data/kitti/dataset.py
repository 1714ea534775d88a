"""KITTI object detection: independent frames, or the drives that `bev-semseg synth` writes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import (
    KITTI_EGO_FROM_LIDAR,
    kitti_lidar_from_lidar,
    kitti_lidar_row,
    kitti_object_camera,
    kitti_rectified_from_lidar,
    read_kitti_matrices,
)
from bev_semseg_ros.data.files import FrameParts, read_gray, read_image, read_text
from bev_semseg_ros.data.frame_files import IMAGE_ENDINGS, FilesByFrame, frame_key, in_order
from bev_semseg_ros.data.kitti.cameras import REFERENCE, CameraFiles, camera_names, image_cameras
from bev_semseg_ros.data.kitti.clouds import CloudFolder
from bev_semseg_ros.data.kitti.labels import BOX_LABELS, MASK_LABELS, read_labels
from bev_semseg_ros.data.sensors import other_camera, sensor_names
from bev_semseg_ros.frame import CAMERA, LIDAR, Annotation, Camera, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, UnknownLabelError, load_label_set

_LIDAR = "velodyne"
_TABLE = "frames.csv"
_LABELS = "labels.yaml"
_MOTION = "motion"


class KittiDataset:
    """The frames of a folder with `training`, or of a folder such as `training` itself.

    `Frame.missing` names what should have been there of "image", "lidar", "calib", "boxes" and
    "mask", the last two only where their folder exists. Of a further camera or lidar the name
    stands before it, as in "image_03 image". Without "calib" there are neither cameras, nor boxes,
    nor further lidars. Files of a frame belong together by their number, whether it has leading
    zeros or not. Without frames.csv every frame is a scene of its own, named like the frame,
    at time 0, since KITTI's frames are independent and untimed.

    Args:
        path: the folder.
        cameras: "image_02", "image_03" and so on; the first is the reference camera.

    Raises:
        ValueError: names a damaged file, or what is there instead of frames.
    """

    name = "kitti"
    layout = (
        "KITTI object: a folder with training/velodyne or training/image_2, "
        "or such a training folder"
    )

    def __init__(self, path: str | Path, cameras: Sequence[str] = (REFERENCE,)) -> None:
        self._folder = _training_folder(Path(path)) or Path(path)
        self._cameras = list(cameras)
        self._lidars = [_LIDAR, *_further_lidars(self._folder)]
        self.box_labels = load_label_set(BOX_LABELS)
        self.mask_labels = self._read_mask_labels()
        _refuse_others(self._folder)
        self._files = self._expected_files()
        self._motions = FilesByFrame(self._folder / _MOTION, (".csv",))
        self._clouds = {
            lidar: CloudFolder(self._files[self._part("lidar", lidar)].paths)
            for lidar in self._lidars
        }
        self._keys = self._frame_keys()
        self._table = (
            _read_table(self._folder / _TABLE) if (self._folder / _TABLE).is_file() else None
        )
        if self._table is not None and (
            absent := [key for key in self._keys if key not in self._table]
        ):
            raise ValueError(
                f"{self._folder / _TABLE}: expected a row for every frame, none for "
                f"{self._name(absent[0])}"
            )

    @staticmethod
    def matches(path: Path) -> bool:
        return _training_folder(path) is not None

    @staticmethod
    def camera_names(path: Path) -> list[str]:
        """Return the cameras that have a folder of images; the left one is always there."""
        return camera_names(_training_folder(path) or path)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def notes(self) -> tuple[str, ...]:
        """What differs from KITTI's own files, and what is done about it."""
        return tuple(note for clouds in self._clouds.values() for note in clouds.notes)

    def scene(self, index: int) -> str:
        key = self._keys[index]
        return self._name(key) if self._table is None else self._table[key][0]

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        key = self._keys[index]
        parts = self.parts(index)
        there = parts.paths
        rows = read_kitti_matrices(there["calib"]) if "calib" in there else None
        cameras, masks = self._read_cameras(there, rows)
        frame = Frame(
            0 if self._table is None else self._table[key][1],
            self._read_lidars(there, rows),
            cameras,
            self._name(key),
            self.scene(index),
            parts.missing,
        )
        annotation = Annotation(
            masks=masks, box_labels=self.box_labels, mask_labels=self.mask_labels
        )
        if rows is not None and "boxes" in there:
            annotation = self._with_boxes(annotation, key, there, rows)
        return frame, annotation

    def parts(self, index: int) -> FrameParts:
        paths, missing = {}, []
        for part, files in self._files.items():
            file = files.get(self._keys[index])
            if file is None:
                missing.append(part)
            else:
                paths[part] = file
        return FrameParts(paths, tuple(missing))

    def cameras(self, index: int) -> dict[str, Camera]:
        there = self.parts(index).paths
        if "calib" not in there:
            return {}
        rows = read_kitti_matrices(there["calib"])
        parts = {self._part("image", camera): camera for camera in self._cameras}
        return image_cameras(parts, there, rows)

    def _read_mask_labels(self) -> LabelSet:
        """Return the label set beside the masks, or else the default."""
        own_labels = self._folder / CameraFiles.of(REFERENCE).masks / _LABELS
        if not own_labels.is_file():
            return load_label_set(MASK_LABELS)
        # Named after the data set: the file has the same name in all of them.
        root = self._folder.resolve()
        root = root.parent if root.name == "training" else root
        return replace(load_label_set(own_labels), name=f"{root.name}_labels")

    def _expected_files(self) -> dict[str, FilesByFrame]:
        """Return the files of each part that a frame should have, by its name."""
        files = {}
        for camera in self._cameras:
            images = _sensor_folder(self._folder, CameraFiles.of(camera).images)
            files[self._part("image", camera)] = FilesByFrame(images, IMAGE_ENDINGS)
        for lidar in self._lidars:
            name = _LIDAR if lidar == _LIDAR else f"{_LIDAR}_{lidar}"
            clouds = _sensor_folder(self._folder, name)
            files[self._part("lidar", lidar)] = FilesByFrame(clouds, (".bin",))
        files["calib"] = FilesByFrame(self._folder / "calib", (".txt",))
        labels = _sensor_folder(self._folder, "label_2")
        if labels.is_dir():
            files["boxes"] = FilesByFrame(labels, (".txt",))
        for camera in self._cameras:
            folder = self._folder / CameraFiles.of(camera).masks
            if folder.is_dir():
                # A JPEG is no mask, and reading it says so.
                files[self._part("mask", camera)] = FilesByFrame(folder, IMAGE_ENDINGS)
        return files

    def _part(self, part: str, sensor: str) -> str:
        """Return the name of a sensor's part; those of the reference sensors need no name."""
        return part if sensor in (self._cameras[0], _LIDAR) else f"{sensor} {part}"

    def _frame_keys(self) -> list[str]:
        """Return the keys of the frames of which there is an image or a cloud, in order.

        Raises:
            ValueError: There is none; the message says what is there.
        """
        sensors = [
            files for part, files in self._files.items() if part.endswith(("image", "lidar"))
        ]
        keys = set().union(*(files.keys for files in sensors))
        if not keys:
            found = "; ".join(map(str, sensors))
            other = other_camera(camera_names(self._folder), self._cameras)
            raise ValueError(f"{self._folder}: no frames found: {found}{other}")
        return in_order(keys)

    def _name(self, key: str) -> str:
        """Return the name of a frame, which is that of its first file."""
        return next(file.stem for files in self._files.values() if (file := files.get(key)))

    def _read_lidars(
        self, there: Mapping[str, Path], rows: dict[str, np.ndarray] | None
    ) -> dict[str, LidarScan]:
        """Return the scans of a frame; a further lidar needs the calibration's rows."""
        scans = {}
        for lidar, name in zip(self._lidars, sensor_names(self._lidars, LIDAR), strict=True):
            pose = KITTI_EGO_FROM_LIDAR
            if lidar != _LIDAR:
                if rows is None:
                    continue
                pose = pose @ kitti_lidar_from_lidar(rows, lidar, there["calib"])
            file = there.get(self._part("lidar", lidar))
            points, attributes = (None, {}) if file is None else self._clouds[lidar].read(file)
            scans[name] = LidarScan(points, pose, attributes)
        return scans

    def _read_cameras(
        self, there: Mapping[str, Path], rows: dict[str, np.ndarray] | None
    ) -> tuple[dict[str, CameraImage], dict[str, np.ndarray]]:
        """Return images and masks of a frame; an image needs the calibration's rows."""
        images, masks = {}, {}
        for camera, name in zip(self._cameras, sensor_names(self._cameras, CAMERA), strict=True):
            image_file = there.get(self._part("image", camera))
            mask_file = there.get(self._part("mask", camera))
            image = None if image_file is None else read_image(image_file)
            if mask_file is not None:
                masks[name] = _read_mask(mask_file, image, self.mask_labels)
            if rows is not None:
                size = None if image is None else (image.shape[1], image.shape[0])
                known = kitti_object_camera(rows, there["calib"], size, camera)
                if known is not None:
                    images[name] = CameraImage(image, known)
        return images, masks

    def _with_boxes(
        self,
        annotation: Annotation,
        key: str,
        there: Mapping[str, Path],
        rows: dict[str, np.ndarray],
    ) -> Annotation:
        """Return a frame's ground truth with its boxes."""
        rectified_from_lidar = kitti_rectified_from_lidar(rows, there["calib"])
        ego_from_rectified = KITTI_EGO_FROM_LIDAR @ invert(rectified_from_lidar)
        boxes, dont_care = read_labels(there["boxes"], ego_from_rectified, self._motions.get(key))
        areas = {}
        if REFERENCE in self._cameras:
            names = sensor_names(self._cameras, CAMERA)
            areas[names[self._cameras.index(REFERENCE)]] = dont_care
        return replace(annotation, boxes=boxes, dont_care=areas)


def _further_lidars(folder: Path) -> list[str]:
    """Return the names of the lidars beside the velodyne.

    A folder velodyne_NAME is a lidar's if the calibration says where it sits. Others use the same
    pattern for something else, such as `velodyne_reduced` for cropped clouds.
    """
    names = sorted(
        path.name.removeprefix(f"{_LIDAR}_") for path in folder.glob(f"{_LIDAR}_*") if path.is_dir()
    )
    calibration = min((folder / "calib").glob("*.txt"), default=None)
    if not names or calibration is None:
        return []
    rows = read_kitti_matrices(calibration)
    return [name for name in names if kitti_lidar_row(name) in rows]


def _read_mask(path: Path, image: np.ndarray | None, labels: LabelSet) -> np.ndarray:
    mask = read_gray(path)
    if image is not None and mask.shape != image.shape[:2]:
        raise ValueError(
            f"{path}: expected {image.shape[1]} x {image.shape[0]} pixels like the image, "
            f"got {mask.shape[1]} x {mask.shape[0]}"
        )
    wrong = (mask >= len(labels)) & (mask != MASK_IGNORED)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise UnknownLabelError(
            f"{path}: unknown class {mask[row, column]} at pixel x {column}, y {row}, "
            f"expected 0 to {len(labels) - 1} or {MASK_IGNORED}",
            str(mask[row, column]),
            f"correct the masks, or define their classes in {path.parent / _LABELS} "
            "(docs/extending.md#a-data-set)",
        )
    return mask


def _read_table(path: Path) -> dict[str, tuple[str, int]]:
    """Return the scene and the time in nanoseconds of each frame, by its key."""
    table = {}
    reader = csv.DictReader(read_text(path).splitlines())
    if not {"frame", "scene", "time_ns"} <= set(reader.fieldnames or ()):
        raise ValueError(
            f"{path}: expected the columns frame, scene, time_ns, got {reader.fieldnames}"
        )
    for row in reader:
        try:
            table[frame_key(row["frame"])] = row["scene"], int(row["time_ns"])
        except (TypeError, ValueError):
            raise ValueError(
                f"{path}, line {reader.line_num}: expected frame, scene and whole nanoseconds"
            ) from None
    return table


def _training_folder(path: Path) -> Path | None:
    """Return the folder with the frames' folders: "training", or the path itself."""
    return next(
        (
            folder
            for folder in (path / "training", path)
            if any(_has_sensor(folder, name) for name in (_LIDAR, "image_2"))
        ),
        None,
    )


def _has_sensor(folder: Path, name: str) -> bool:
    """Return whether a folder has that of a sensor.

    KITTI raw uses the further names, too, but there the files lie one folder below.
    """
    if (folder / name).is_dir():
        return True
    other = folder / _other_name(name)
    endings = (".bin", *IMAGE_ENDINGS)
    return other.is_dir() and any(file.suffix.lower() in endings for file in other.iterdir())


def _sensor_folder(folder: Path, name: str) -> Path:
    """Return the folder of a sensor, which may have another name."""
    other = folder / _other_name(name)
    return other if other.is_dir() and not (folder / name).is_dir() else folder / name


def _other_name(name: str) -> str:
    """Return what KITTI raw or tracking calls a folder: image_02 for image_2."""
    kind, _, number = name.partition("_")
    return f"{kind}_{int(number):02d}" if number.isdigit() else f"{name}_points"


def _refuse_others(folder: Path) -> None:
    """Raise an error for what has KITTI's folders and means something else.

    Raises:
        ValueError: It is a sequence of KITTI odometry, or Waymo's frames: their clouds are in the
            frame of the vehicle, and camera 0 is the front camera.
    """
    if (folder / "calib.txt").is_file() and not (folder / "calib").is_dir():
        raise ValueError(
            f"{folder}: a sequence of KITTI odometry: it has no boxes and no masks; use KITTI "
            "object, tracking or raw"
        )
    if (folder / "label_all").is_dir() or (folder / "label_0").is_dir():
        raise ValueError(
            f"{folder}: Waymo's frames in KITTI's folders: the clouds are in the frame of the "
            "vehicle and image_0 is the front camera, so they would be misread; write a "
            'reader (docs/extending.md, "A data set"), or convert to velodyne (lidar 1.73 m above '
            "the ground), image_2 and label_2"
        )

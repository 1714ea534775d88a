"""Reads KITTI object detection: independent frames, or drives that `bev-semseg synth` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bev_semseg_ros.data import bev_files
from bev_semseg_ros.data.bev_files import BevGrid
from bev_semseg_ros.data.calibration import (
    KITTI_EGO_FROM_LIDAR,
    KITTI_SENSOR_ROW,
    kitti_lidar_from_lidar,
    kitti_lidar_row,
    kitti_object_camera,
    kitti_rectified_from_lidar,
    kitti_velodyne_from_sensor,
    read_kitti_matrices,
)
from bev_semseg_ros.data.files import (
    FrameParts,
    check_classes,
    read_gray,
    read_image,
)
from bev_semseg_ros.data.frame_files import IMAGE_ENDINGS, FilesByFrame, in_order
from bev_semseg_ros.data.kitti.cameras import REFERENCE, CameraFiles, camera_names, image_cameras
from bev_semseg_ros.data.kitti.clouds import CloudFolder
from bev_semseg_ros.data.kitti.folders import (
    LIDAR_FOLDER,
    cloud_folder,
    refuse_others,
    sensor_folder,
    training_folder,
)
from bev_semseg_ros.data.kitti.frame_table import TABLE, read_table
from bev_semseg_ros.data.kitti.label_sets import LABEL_SET_FILE, read_label_set, unread_label_sets
from bev_semseg_ros.data.kitti.labels import BOX_LABELS, MASK_LABELS, read_labels
from bev_semseg_ros.data.kitti.point_labels import (
    FOLDER,
    PART,
    check_point_labels,
    point_label_files,
    read_point_labels,
)
from bev_semseg_ros.data.sensors import other_camera, sensor_names
from bev_semseg_ros.frame import (
    CAMERA,
    LIDAR,
    Annotation,
    BevMap,
    Camera,
    CameraImage,
    Frame,
    LidarScan,
)
from bev_semseg_ros.geometry import apply, invert
from bev_semseg_ros.labels import LabelSet

_MOTION = "motion"


class KittiDataset:
    """The frames of KITTI's object layout.

    `Frame.missing` names the missing parts of a frame: "image", "lidar" and "calib", and, if the
    data set has some of them, "boxes", "mask", "point_classes", "bev" and "bev_observed". Names of
    further cameras and lidars are put in front, as in "image_03 image". A frame without "calib" has
    no cameras, boxes or further lidars. The files of a frame have the same number; leading zeros do
    not matter. Without frames.csv, each frame is a scene with the name of the frame, and its time
    is 0, because KITTI's frames are independent and have no times.

    Args:
        path: A folder with `training`, or a folder such as `training` itself.
        cameras: "image_02", "image_03" and so on; the first is the reference camera.

    Raises:
        ValueError: A file is damaged, or there are no frames; the message says what was found.
    """

    name = "kitti"
    layout = (
        "KITTI object: a folder with training/velodyne or training/image_2, "
        "or such a training folder"
    )

    def __init__(self, path: str | Path, cameras: Sequence[str] = (REFERENCE,)) -> None:
        self._folder = training_folder(Path(path)) or Path(path)
        self._cameras = list(cameras)
        self._lidars = [LIDAR_FOLDER, *_further_lidars(self._folder)]
        self.box_labels, self.mask_labels = self._read_label_sets()
        refuse_others(self._folder)
        grid = self._folder / bev_files.GRID_FILE
        self._bev_grid = BevGrid.read(grid) if grid.is_file() else None
        self._point_labels = {
            lidar: point_label_files(self._folder, cloud_folder(lidar)) for lidar in self._lidars
        }
        self._files = self._expected_files()
        self._motions = FilesByFrame(self._folder / _MOTION, (".csv",))
        self._clouds = {
            lidar: CloudFolder(self._files[self._part("lidar", lidar)].paths)
            for lidar in self._lidars
        }
        self._keys = self._frame_keys()
        self._table = self._scenes_and_times()

    @staticmethod
    def matches(path: Path) -> bool:
        return training_folder(path) is not None

    @staticmethod
    def folders(path: Path) -> list[Path]:
        """Return the folder that contains the folders of the sensors."""
        return [training_folder(path) or path]

    @staticmethod
    def camera_names(path: Path) -> list[str]:
        """Return the cameras that have a folder of images; the left one is always included."""
        return camera_names(training_folder(path) or path)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def notes(self) -> tuple[str, ...]:
        """Differences from KITTI's own files, and how they are handled."""
        of_clouds = tuple(note for clouds in self._clouds.values() for note in clouds.notes)
        folders = (*self._files.values(), *self._point_labels.values())
        of_folders = tuple(str(files) for files in folders if files.has_only_others)
        labelled = (
            (self._mask_folder, "masks", MASK_LABELS),
            (self._box_folder, "boxes", BOX_LABELS),
        )
        return of_clouds + of_folders + self._unread_bev() + unread_label_sets(labelled)

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
            masks=masks,
            box_labels=self.box_labels,
            mask_labels=self.mask_labels,
            point_classes=self._read_point_classes(there, frame),
            bev=self._read_bev(there),
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

    def _read_label_sets(self) -> tuple[LabelSet, LabelSet]:
        """Return the label sets of boxes and masks."""
        boxes = read_label_set(self._box_folder, self._folder, BOX_LABELS, "boxes")
        masks = self._mask_folder
        # Without masks, the label set is that of the points.
        labelled = masks if masks.is_dir() else self._folder / FOLDER
        return boxes, read_label_set(labelled, self._folder, MASK_LABELS, "labels")

    @property
    def _box_folder(self) -> Path:
        return sensor_folder(self._folder, "label_2")

    @property
    def _mask_folder(self) -> Path:
        return self._folder / CameraFiles.of(REFERENCE).masks

    def _expected_files(self) -> dict[str, FilesByFrame]:
        """Return the files of each part that frames should have, by the name of the part."""
        files = {}
        for camera in self._cameras:
            images = sensor_folder(self._folder, CameraFiles.of(camera).images)
            files[self._part("image", camera)] = FilesByFrame(images, IMAGE_ENDINGS)
        for lidar in self._lidars:
            clouds = sensor_folder(self._folder, cloud_folder(lidar))
            files[self._part("lidar", lidar)] = FilesByFrame(clouds, (".bin",))
        files["calib"] = FilesByFrame(self._folder / "calib", (".txt",))
        if self._box_folder.is_dir():
            files["boxes"] = FilesByFrame(self._box_folder, (".txt",))
        for camera in self._cameras:
            folder = self._folder / CameraFiles.of(camera).masks
            if folder.is_dir():
                # Include JPEGs: they are not allowed, and reading one raises an error that says so.
                files[self._part("mask", camera)] = FilesByFrame(folder, IMAGE_ENDINGS)
        for lidar in self._lidars:
            known = self._point_labels[lidar]
            if known.keys:
                check_point_labels(self._folder, self.mask_labels)
                files[self._part(PART, lidar)] = known
        if self._bev_grid is not None:
            for part in bev_files.PARTS:
                files[part] = FilesByFrame(self._folder / part, (".png",))
        return files

    def _part(self, part: str, sensor: str) -> str:
        """Return the name of a part of a sensor; reference sensors have no prefix."""
        return part if sensor in (self._cameras[0], LIDAR_FOLDER) else f"{sensor} {part}"

    def _frame_keys(self) -> list[str]:
        """Return the sorted keys of the frames that have an image or a cloud.

        Raises:
            ValueError: There are none; the message says what was found.
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
        """Return the name of a frame: the stem of its first file."""
        return next(file.stem for files in self._files.values() if (file := files.get(key)))

    def _read_lidars(
        self, there: Mapping[str, Path], rows: dict[str, np.ndarray] | None
    ) -> dict[str, LidarScan]:
        """Return the scans of a frame; further lidars need `rows`, those of the calibration."""
        scans = {}
        for lidar, name in zip(self._lidars, sensor_names(self._lidars, LIDAR), strict=True):
            pose = KITTI_EGO_FROM_LIDAR
            if lidar != LIDAR_FOLDER:
                if rows is None:
                    continue
                pose = pose @ kitti_lidar_from_lidar(rows, lidar, there["calib"])
            file = there.get(self._part("lidar", lidar))
            points, attributes = (None, {}) if file is None else self._clouds[lidar].read(file)
            if lidar == LIDAR_FOLDER and rows is not None and KITTI_SENSOR_ROW in rows:
                velodyne_from_sensor = kitti_velodyne_from_sensor(rows, there["calib"])
                pose = pose @ velodyne_from_sensor
                points = None if points is None else _moved(points, invert(velodyne_from_sensor))
            scans[name] = LidarScan(points, pose, attributes)
        return scans

    def _read_cameras(
        self, there: Mapping[str, Path], rows: dict[str, np.ndarray] | None
    ) -> tuple[dict[str, CameraImage], dict[str, np.ndarray]]:
        """Return images and masks of a frame; images need `rows`, those of the calibration."""
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

    def _scenes_and_times(self) -> dict[str, tuple[str, int]] | None:
        """Return scene and time (ns) of each frame by key; None if there is no frames.csv."""
        path = self._folder / TABLE
        if not path.is_file():
            return None
        table = read_table(path)
        absent = next((key for key in self._keys if key not in table), None)
        if absent is not None:
            raise ValueError(
                f"{path}: expected a row for every frame, none for {self._name(absent)}; add it, "
                "or repeat the command if `bev-semseg synth` was interrupted"
            )
        return table

    def _read_point_classes(self, there: Mapping[str, Path], frame: Frame) -> dict[str, np.ndarray]:
        """Return the classes of the points of each lidar with a scan and a file of classes."""
        classes = {}
        for lidar, name in zip(self._lidars, sensor_names(self._lidars, LIDAR), strict=True):
            file = there.get(self._part(PART, lidar))
            points = frame.lidars[name].points if name in frame.lidars else None
            if file is not None and points is not None:
                classes[name] = read_point_labels(file, len(points), self.mask_labels)
        return classes

    def _unread_bev(self) -> tuple[str, ...]:
        """Return a note if there are BEV maps, but not the file with their grid."""
        maps = FilesByFrame(self._folder / bev_files.CLASSES, (".png",))
        if self._bev_grid is not None or not maps.keys:
            return ()
        return (
            f"{maps}, which are not read, because {bev_files.GRID_FILE} is missing: restore it",
        )

    def _read_bev(self, there: Mapping[str, Path]) -> BevMap | None:
        """Return the BEV map of a frame; None if there is none."""
        if self._bev_grid is None or bev_files.CLASSES not in there:
            return None
        return self._bev_grid.load(there[bev_files.CLASSES], there.get(bev_files.OBSERVED))

    def _with_boxes(
        self,
        annotation: Annotation,
        key: str,
        there: Mapping[str, Path],
        rows: dict[str, np.ndarray],
    ) -> Annotation:
        """Return the ground truth of a frame with its boxes added."""
        rectified_from_lidar = kitti_rectified_from_lidar(rows, there["calib"])
        ego_from_rectified = KITTI_EGO_FROM_LIDAR @ invert(rectified_from_lidar)
        boxes, dont_care = read_labels(
            there["boxes"], ego_from_rectified, self.box_labels, self._motions.get(key)
        )
        areas = {}
        if REFERENCE in self._cameras:
            names = sensor_names(self._cameras, CAMERA)
            areas[names[self._cameras.index(REFERENCE)]] = dont_care
        return replace(annotation, boxes=boxes, dont_care=areas)


def _moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return points (N, 4), transformed by a (4, 4) matrix. Intensities stay."""
    return np.column_stack([apply(matrix, points[:, :3]), points[:, 3]]).astype(np.float32)


def _further_lidars(folder: Path) -> list[str]:
    """Return the names of the lidars besides the Velodyne.

    A folder velodyne_NAME belongs to a lidar if the calibration has its pose. Other tools use this
    pattern for something else, such as `velodyne_reduced` for cropped clouds.
    """
    names = sorted(
        path.name.removeprefix(f"{LIDAR_FOLDER}_")
        for path in folder.glob(f"{LIDAR_FOLDER}_*")
        if path.is_dir()
    )
    calibration = min((folder / "calib").glob("[!.]*.txt"), default=None)
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
    remedy = (
        f"correct the masks, or define their classes in {path.parent / LABEL_SET_FILE} "
        "(docs/training.md#classes-of-your-own)"
    )
    check_classes(mask, labels, path, remedy)
    return mask

"""The reader of A2D2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bev_semseg_ros.data import bev_files
from bev_semseg_ros.data.a2d2.boxes import BOX_LABELS, read_boxes
from bev_semseg_ros.data.a2d2.camera_view import CameraView, FrameFiles, without_repeated
from bev_semseg_ros.data.a2d2.cloud import CLASSES, Cloud
from bev_semseg_ros.data.a2d2.layout import (
    BOXES_SUBSET,
    REFERENCE_CAMERA,
    SEMANTIC_SUBSET,
    SEQUENCES,
    camera_names,
    find_upwards,
    no_frames,
    scene_folders,
    subset_folder,
    unread_scenes,
)
from bev_semseg_ros.data.a2d2.palette import (
    MASK_LABELS_FILE,
    Palette,
    subset_labels,
)
from bev_semseg_ros.data.bev_files import BevGrid
from bev_semseg_ros.data.files import FrameParts, check_classes
from bev_semseg_ros.data.sensors import sensor_names
from bev_semseg_ros.frame import (
    CAMERA,
    LIDAR,
    Annotation,
    BevMap,
    Boxes,
    Camera,
    CameraImage,
    Frame,
    LidarScan,
)
from bev_semseg_ros.labels import LabelSet, load_label_set


class A2D2Dataset:
    """The frames of A2D2, with the images and points of selected cameras.

    The root folder stands for its labelled subsets. To read the sequences (`camera_lidar`), give
    their own path. A frame that is in several subsets appears once, with the files of all of them.

    `Frame.missing` names the missing parts of a frame: "image", "lidar", "sidecar", "mask" or
    "boxes", also the labels of the bird's-eye view if the scene has some. Frames of the labelled
    subsets should have masks, and those of the boxes subset boxes. The time of a frame is that of
    the sidecar, or else that of the newest point, or else 0. Labels have the classes of A2D2.

    The frames are those of the first camera. Frames of other cameras are matched by time, because
    their numbers are unrelated: the nearest one within half a frame period. If there is none,
    `Frame.missing` has the name of the camera. If only one of its files is missing, it has an entry
    such as "front_left image". The points of each camera form a scan with the name of the camera. A
    measurement that several cameras see is only in the scan of the first of these cameras. Only the
    front centre camera has boxes.

    Args:
        path: A root with subset folders, one subset folder, or one scene folder.
        cameras: Names such as "front_center"; the first is the reference camera.

    Raises:
        FileNotFoundError: cams_lidars.json or class_list.json is missing.
        ValueError: A file is damaged; the message names it.
    """

    name = "a2d2"
    outside = ("cams_lidars.json", "class_list.json", MASK_LABELS_FILE, bev_files.GRID_FILE)
    layout = (
        f"A2D2: a folder with {BOXES_SUBSET} or {SEMANTIC_SUBSET}, one of these (or {SEQUENCES}) "
        "with scene folders YYYYMMDD_hhmmss, or one scene folder with camera/cam_* or lidar/cam_*"
    )

    def __init__(self, path: str | Path, cameras: Sequence[str] = (REFERENCE_CAMERA,)) -> None:
        self.box_labels = load_label_set(BOX_LABELS)
        root = Path(path).resolve()  # "." has neither a name nor parents
        self._root = root
        scenes = scene_folders(root)
        calibration = find_upwards(root, "cams_lidars.json")
        self._views = [CameraView(scenes, calibration, camera) for camera in cameras]
        self._reference = self._views[0]
        self._keys = sorted(self._reference.files)
        if not self._keys:
            raise ValueError(f"{path}: {no_frames(scenes, self._reference.name)}")
        self._palettes: dict[Path, Palette] = {}
        masks = [
            files.paths["mask"]
            for view in self._views
            for files in view.files.values()
            if "mask" in files.paths
        ]
        for subset in {subset_folder(mask) for mask in masks}:
            class_list = subset / "class_list.json"
            if not class_list.is_file():
                raise FileNotFoundError(
                    f"{class_list}: missing; it names the colours of the labels"
                )
            self._palettes[subset] = Palette(class_list)

    @staticmethod
    def matches(path: Path) -> bool:
        return bool(scene_folders(path))

    @staticmethod
    def folders(path: Path) -> list[Path]:
        """Return the folders of the scenes; the sequences may be beside them."""
        return scene_folders(path)

    @staticmethod
    def camera_names(path: Path) -> list[str]:
        """Return the cameras of which at least one scene has files."""
        return camera_names(scene_folders(path.resolve()))

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def notes(self) -> tuple[str, ...]:
        """Folders that look like scenes, but are not read."""
        return unread_scenes(self._root)

    def scene(self, index: int) -> str:
        return self._keys[index][0]

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        scene, number = self._keys[index]
        reference = self._reference.files[scene, number]
        cloud = reference.cloud()
        time_us = reference.time_us(cloud)
        found = self._files_of_views(index, time_us)
        clouds = self._clouds(found, cloud)
        frame = Frame(
            time_us * 1000,
            self._scans(found, clouds, time_us),
            self._images(found),
            f"{scene.replace('_', '')}_{number}",
            scene,
            self._parts(found).missing,
        )
        masks, mask_labels = self._masks(found)
        point_classes, mask_labels = self._point_classes(found, clouds, mask_labels)
        return frame, Annotation(
            self._boxes(found),
            masks=masks,
            box_labels=self.box_labels,
            mask_labels=mask_labels,
            point_classes=point_classes,
            bev=self._bev(found),
        )

    def parts(self, index: int) -> FrameParts:
        return self._parts(self._files_of_views(index, self._time_us(index)))

    def cameras(self, index: int) -> dict[str, Camera]:
        there = self.parts(index).paths
        cameras = {}
        for view in self._views:
            part = "image" if view is self._reference else f"{view.name} image"
            if part in there:
                cameras[part] = view.camera
        return cameras

    def _time_us(self, index: int) -> int:
        """Return the time of a frame, microseconds; 0 with one camera, where none is needed."""
        if len(self._views) == 1:
            return 0
        reference = self._reference.files[self._keys[index]]
        return reference.time_us(None if "sidecar" in reference.paths else reference.cloud())

    def _files_of_views(self, index: int, time_us: int) -> dict[str, FrameFiles]:
        """Return the files of each camera that has a frame at `time_us`, by the camera."""
        scene, number = self._keys[index]
        found = {self._reference.name: self._reference.files[scene, number]}
        for view in self._views[1:]:
            tolerance_us = self._reference.half_period_us(scene)
            files = view.nearest(scene, time_us, tolerance_us)
            if files is not None:
                found[view.name] = files
        return found

    def _parts(self, found: Mapping[str, FrameFiles]) -> FrameParts:
        """Combine the files of all cameras into the parts of a frame."""
        paths: dict[str, Path] = {}
        missing: list[str] = []
        for view in self._views:
            if view.name not in found:
                missing.append(view.name)
                continue
            prefix = "" if view is self._reference else f"{view.name} "
            files = found[view.name]
            paths |= {prefix + part: path for part, path in files.paths.items()}
            missing += [prefix + part for part in files.missing]
        return FrameParts(paths, tuple(missing))

    def _sensor_names(self, alone: str) -> list[str]:
        """Return the names that the sensors of the views have in a frame."""
        return sensor_names([view.name for view in self._views], alone)

    def _clouds(self, found: Mapping[str, FrameFiles], reference: Cloud | None) -> dict[str, Cloud]:
        """Return the points by camera, without repeated measurements.

        Args:
            found: Files of the frame by camera.
            reference: Points of the reference camera.
        """
        clouds = {} if reference is None else {self._reference.name: reference}
        for view in self._views[1:]:
            cloud = found[view.name].cloud() if view.name in found else None
            if cloud is not None:
                clouds[view.name] = cloud
        if len(clouds) > 1:
            clouds = without_repeated(clouds, {name: found[name].lidar_names() for name in clouds})
        return clouds

    def _scans(
        self, found: Mapping[str, FrameFiles], clouds: Mapping[str, Cloud], time_us: int
    ) -> dict[str, LidarScan]:
        """Return the scan of each view.

        Args:
            found: Files of the frame by camera.
            clouds: Points by camera.
            time_us: Time of the frame, microseconds.
        """
        scans = {}
        for view, name in zip(self._views, self._sensor_names(LIDAR), strict=True):
            scan = LidarScan(None, view.ego_from_view, lidar_from_unit=view.view_from_unit)
            if view.name in clouds:
                cloud = clouds[view.name]
                numbers = view.unit_numbers(found[view.name].lidar_names())
                attributes = cloud.attributes(time_us, numbers)
                scan = replace(scan, points=cloud.points, attributes=attributes)
            scans[name] = scan
        return scans

    def _point_classes(
        self, found: Mapping[str, FrameFiles], clouds: Mapping[str, Cloud], masks: LabelSet | None
    ) -> tuple[dict[str, np.ndarray], LabelSet]:
        """Return the classes of the points of each labelled scan, and the label set of the frame.

        Args:
            found: Files of the frame by camera.
            clouds: Points by camera.
            masks: Label set of the masks; None if there are no masks.

        Raises:
            FileNotFoundError: The file that names their label set is missing.
            ValueError: The points have another label set than the masks.
            UnknownLabelError: A class is not in the label set.
        """
        classes = {}
        for view, name in zip(self._views, self._sensor_names(LIDAR), strict=True):
            numbers = clouds[view.name].classes if view.name in clouds else None
            if numbers is None:
                continue
            path = found[view.name].paths["lidar"]
            subset = subset_folder(path)
            if not (subset / MASK_LABELS_FILE).is_file():
                raise FileNotFoundError(
                    f"{subset / MASK_LABELS_FILE}: missing; it names the label set of the classes "
                    f"of points, which are {CLASSES!r} in {path.name}; restore it (`bev-semseg "
                    'synth` writes {"label_set": "driving_13"})'
                )
            labels = subset_labels(subset)
            masks = masks or labels
            if labels != masks:
                raise ValueError(
                    f"{path}: the classes of its points are those of {labels.name}, those of the "
                    f"masks {masks.name}; open one subset alone"
                )
            remedy = (
                f"correct {CLASSES!r} in the lidar files, or name its set in {MASK_LABELS_FILE}"
            )
            check_classes(numbers, labels, path, remedy)
            classes[name] = numbers
        return classes, masks or _labels_of_subset(found)

    def _bev(self, found: Mapping[str, FrameFiles]) -> BevMap | None:
        """Return the BEV map of the first camera that has one; None if none has."""
        for files in found.values():
            path = files.paths.get(bev_files.CLASSES)
            if path is not None:
                grid = BevGrid.read(subset_folder(path) / bev_files.GRID_FILE)
                return grid.load(path, files.paths.get(bev_files.OBSERVED))
        return None

    def _images(self, found: Mapping[str, FrameFiles]) -> dict[str, CameraImage]:
        """Return the image of each camera, without data if the frame lacks it."""
        images = {}
        for view, name in zip(self._views, self._sensor_names(CAMERA), strict=True):
            path = found[view.name].paths.get("image") if view.name in found else None
            images[name] = CameraImage(
                None if path is None else view.sized_image(path), view.camera
            )
        return images

    def _masks(
        self, found: Mapping[str, FrameFiles]
    ) -> tuple[dict[str, np.ndarray], LabelSet | None]:
        """Return the masks by camera, and their label set; None if there are no masks.

        Raises:
            ValueError: A mask is damaged, or the masks of two cameras have different label sets.
        """
        masks = {}
        labels: LabelSet | None = None
        for view, name in zip(self._views, self._sensor_names(CAMERA), strict=True):
            path = found[view.name].paths.get("mask") if view.name in found else None
            if path is None:
                continue
            palette = self._palettes[subset_folder(path)]
            labels = labels or palette.labels
            if palette.labels != labels:
                raise ValueError(
                    f"{path}: its classes are those of {palette.labels.name}, those of the other "
                    f"cameras' masks {labels.name}; open one subset alone"
                )
            masks[name] = palette.decode(view.sized_image(path), path)
        return masks, labels

    def _boxes(self, found: Mapping[str, FrameFiles]) -> Boxes | None:
        """Return the boxes of the first camera that has a label file; None if none has."""
        for view in self._views:
            path = found[view.name].paths.get("boxes") if view.name in found else None
            if path is not None:
                return read_boxes(path, view.ego_from_view)
        return None


def _labels_of_subset(found: Mapping[str, FrameFiles]) -> LabelSet:
    """Return the label set of the subset of a frame, for a frame without masks and classes."""
    files = next(iter(found.values()))
    return subset_labels(subset_folder(next(iter(files.paths.values()))))

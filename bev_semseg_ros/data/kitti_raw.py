"""KITTI raw: synchronised, rectified drives with tracklets (Geiger et al., IJRR 2013)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import KITTI_EGO_FROM_LIDAR, kitti_raw_calibration
from bev_semseg_ros.data.files import numbers, read_image, read_text, read_velodyne
from bev_semseg_ros.data.kitti import BOX_LABELS, DONT_CARE, IGNORED, MASK_LABELS
from bev_semseg_ros.frame import Annotation, Boxes, Frame
from bev_semseg_ros.geometry import transform_boxes
from bev_semseg_ros.labels import load_label_set

_IMAGES, _CLOUDS, _TRACKLETS = "image_02", "velodyne_points", "tracklet_labels.xml"


@dataclass(frozen=True, eq=False)
class Tracklet:
    """An object through a drive: label, ignored, size (3,) length, width, height; poses (F, 4) of the box's bottom
    centre x, y, z and yaw in the velodyne frame, for the frames from `first_frame` on."""

    label: int
    ignored: bool
    size: np.ndarray
    first_frame: int
    poses: np.ndarray


class KittiRawDataset:
    """A drive `<day>_drive_<number>_sync`, a day's folder with drives, or a folder with days. A drive is a scene.

    Calibration lies in the day's folder. `timestamps.txt` and the tracklets cover the whole drive, so the frame's
    number is the index into them. The time is the cloud's, taken as UTC, else the image's, else number * 0.1 s.
    `Frame.missing` names what of "image", "lidar", "timestamps", "boxes" should have been there.
    Raises FileNotFoundError for a missing calibration, ValueError naming a damaged file.
    """

    name = "kitti_raw"
    box_labels = load_label_set(BOX_LABELS)
    mask_labels = load_label_set(MASK_LABELS)  # it has no masks
    layout = (
        f"KITTI raw: a drive *_sync with {_IMAGES}/data or {_CLOUDS}/data, a day's folder with such drives, "
        "or a folder with days"
    )

    def __init__(self, path: str | Path) -> None:
        drives = _drive_folders(Path(path))
        self._calibrations = {
            day: kitti_raw_calibration(day) for day in {drive.resolve().parent for drive in drives}
        }
        self._tracklets = {
            drive: read_tracklets(drive / _TRACKLETS)
            for drive in drives
            if (drive / _TRACKLETS).is_file()
        }
        self._times = {drive: _read_times(drive) for drive in drives}
        self._frames = [(drive, name) for drive in drives for name in _frame_names(drive)]

    @staticmethod
    def matches(path: Path) -> bool:
        return bool(_drive_folders(path))

    def __len__(self) -> int:
        return len(self._frames)

    def scene(self, index: int) -> str:
        return self._frames[index][0].resolve().name

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        drive, name = self._frames[index]
        number, times = int(name), self._times[drive]
        calibration = self._calibrations[drive.resolve().parent]
        image_file, cloud_file = (
            drive / _IMAGES / "data" / f"{name}.png",
            drive / _CLOUDS / "data" / f"{name}.bin",
        )
        image = read_image(image_file) if image_file.is_file() else None
        if image is not None and image.shape[1::-1] != calibration.camera.size:
            raise ValueError(
                f"{image_file}: expected {calibration.camera.size} pixels (S_rect_02 of the calibration), "
                f"got {image.shape[1::-1]}"
            )
        tracklets = self._tracklets.get(drive)
        there = {
            "image": image is not None,
            "lidar": cloud_file.is_file(),
            "timestamps": number in times,
            "boxes": tracklets is not None,
        }
        frame = Frame(
            times.get(number, number * 100_000_000),
            read_velodyne(cloud_file) if there["lidar"] else None,
            calibration.ego_from_lidar,
            image,
            calibration.camera,
            name=f"{self.scene(index)}_{name}",
            scene=self.scene(index),
            missing=tuple(part for part, found in there.items() if not found),
        )
        return frame, Annotation(box_labels=self.box_labels) if tracklets is None else _annotation(
            tracklets, number
        )


def _annotation(tracklets: list[Tracklet], number: int) -> Annotation:
    present = [
        (tracklet, tracklet.poses[number - tracklet.first_frame])
        for tracklet in tracklets
        if 0 <= number - tracklet.first_frame < len(tracklet.poses)
    ]
    boxes = Boxes(
        np.array([(*pose[:2], pose[2] + tracklet.size[2] / 2) for tracklet, pose in present]),
        np.array([tracklet.size for tracklet, _ in present]),
        np.array([pose[3] for _, pose in present]),
        np.array([tracklet.label for tracklet, _ in present]),
        np.ones(len(present)),
    )
    return Annotation(
        transform_boxes(KITTI_EGO_FROM_LIDAR, boxes),
        np.array([tracklet.ignored for tracklet, _ in present], bool),
        box_labels=load_label_set(BOX_LABELS),
    )


def read_tracklets(path: Path) -> list[Tracklet]:
    """The tracklets of a drive. Raises ValueError naming the file, the tracklet and what was expected."""
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: truncated or damaged XML: {error}") from error
    tracklets = []
    classes = load_label_set(BOX_LABELS)
    for index, item in enumerate(root.findall("tracklets/item")):
        where = f"{path}: tracklet {index}"
        kind = (item.findtext("objectType") or "").replace(
            " (sitting)", "_sitting"
        )  # the object set's spelling
        if kind == DONT_CARE:
            continue
        try:
            label = classes.index(kind)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        size = numbers([item.findtext(key) for key in "lwh"], (3,), f"{where}: l, w, h")
        first_frame = int(numbers(item.findtext("first_frame"), (), f"{where}: first_frame"))
        poses = [
            [pose.findtext(key) for key in ("tx", "ty", "tz", "rz")]
            for pose in item.findall("poses/item")
        ]
        poses = numbers(poses or np.zeros((0, 4)), (len(poses), 4), f"{where}: tx, ty, tz, rz")
        tracklets.append(Tracklet(label, kind in IGNORED, size, first_frame, poses))
    return tracklets


def _read_times(drive: Path) -> dict[int, int]:
    """Frame number -> nanoseconds: the clouds' times, the images' where a cloud was not taken (a blank line)."""
    times = {}
    for path in (drive / _IMAGES / "timestamps.txt", drive / _CLOUDS / "timestamps.txt"):
        for number, line in enumerate(read_text(path).splitlines() if path.is_file() else ()):
            if line.strip():
                try:
                    times[number] = int(np.datetime64(line.strip(), "ns").astype(np.int64))
                except ValueError:
                    raise ValueError(
                        f"{path}, line {number + 1}: expected YYYY-MM-DD hh:mm:ss.fffffffff, "
                        f"got {line[:40]!r}"
                    ) from None
    return times


def _frame_names(drive: Path) -> list[str]:
    files = [*(drive / _IMAGES / "data").glob("*.png"), *(drive / _CLOUDS / "data").glob("*.bin")]
    return sorted({file.stem for file in files if file.stem.isdigit()})


def _drive_folders(path: Path) -> list[Path]:
    for pattern in (".", "*_sync", "*/*_sync"):
        drives = [
            folder
            for folder in ([path] if pattern == "." else sorted(path.glob(pattern)))
            if (folder / _IMAGES / "data").is_dir() or (folder / _CLOUDS / "data").is_dir()
        ]
        if drives:
            return drives
    return []

"""KITTI object detection: training/{image_2, label_2, calib, velodyne} (Geiger et al., CVPR 2012).

`bev-semseg synth` writes three things beyond KITTI, all of them optional:

- `semantic/<frame>.png` holds 8-bit classes, 255 to be ignored: of the set "driving_13", or of the
  one in `semantic/labels.yaml`.
- `motion/<frame>.csv` has the columns box, id, vx, vy. `box` is the number of the line in
  `label_2/<frame>.txt`, from 1. `id` is the same object's number in all frames of a scene. `vx` and
  `vy` are its velocity over ground in metres per second along x and y of the ego frame, NaN where
  it is unknown. Boxes without a row have neither.
- `frames.csv` has the columns frame, scene, time_ns.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import (
    KITTI_EGO_FROM_LIDAR,
    kitti_object_camera,
    kitti_rectified_from_lidar,
    read_kitti_matrices,
)
from bev_semseg_ros.data.files import (
    MAX_ID,
    box_size,
    numbers,
    read_gray,
    read_image,
    read_text,
    read_velodyne,
)
from bev_semseg_ros.frame import CAMERA, Annotation, Boxes, Frame
from bev_semseg_ros.geometry import apply, invert
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set

# Parts of a frame: the name in Frame.missing -> the folder and the ending of its file.
_PARTS = {
    "image": ("image_2", ".png"),
    "lidar": ("velodyne", ".bin"),
    "calib": ("calib", ".txt"),
    "boxes": ("label_2", ".txt"),
    "mask": ("semantic", ".png"),
}
_TABLE = "frames.csv"
_LABELS = "labels.yaml"
_MOTION = "motion"

MASK_LABELS, BOX_LABELS = "driving_13", "kitti_boxes"
DONT_CARE = "DontCare"  # an area of the image, not an object


class KittiDataset:
    """The frames of a folder with `training`, or of a folder such as `training` itself.

    `Frame.missing` names what should have been there of "image", "lidar", "calib", "boxes" and
    "mask", the last two only where their folder exists. Without "calib" there are neither a camera
    nor boxes. Without frames.csv every frame is a scene of its own, named like the frame, at
    time 0, since KITTI's frames are independent and untimed.

    Raises:
        ValueError: names a damaged file.
    """

    name = "kitti"
    layout = (
        "KITTI object: a folder with training/velodyne or training/image_2, "
        "or such a training folder"
    )

    def __init__(self, path: str | Path) -> None:
        self._folder = _training_folder(Path(path)) or Path(path)
        own_labels = self._folder / _PARTS["mask"][0] / _LABELS
        self.box_labels = load_label_set(BOX_LABELS)
        self.mask_labels = load_label_set(MASK_LABELS)
        if own_labels.is_file():
            # Named after the data set: the file has the same name in all of them.
            root = self._folder.resolve()
            root = root.parent if root.name == "training" else root
            name = f"{root.name}_labels"
            self.mask_labels = replace(load_label_set(own_labels), name=name)
        self._expected = [
            part
            for part, (folder, _) in _PARTS.items()
            if part in ("image", "lidar", "calib") or (self._folder / folder).is_dir()
        ]
        self._names = sorted(
            {
                file.stem
                for part in ("image", "lidar")
                for file in (self._folder / _PARTS[part][0]).glob("*" + _PARTS[part][1])
            }
        )
        self._table = (
            _read_table(self._folder / _TABLE) if (self._folder / _TABLE).is_file() else None
        )
        if self._table is not None and (
            absent := [name for name in self._names if name not in self._table]
        ):
            raise ValueError(
                f"{self._folder / _TABLE}: expected a row for every frame, none for {absent[0]}"
            )

    @staticmethod
    def matches(path: Path) -> bool:
        return _training_folder(path) is not None

    def __len__(self) -> int:
        return len(self._names)

    def scene(self, index: int) -> str:
        name = self._names[index]
        return name if self._table is None else self._table[name][0]

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        name = self._names[index]
        files = {
            part: self._folder / _PARTS[part][0] / (name + _PARTS[part][1])
            for part in self._expected
        }
        missing = tuple(part for part, file in files.items() if not file.is_file())
        files = {part: file for part, file in files.items() if part not in missing}
        image = read_image(files["image"]) if "image" in files else None
        camera = None
        annotation = Annotation(box_labels=self.box_labels, mask_labels=self.mask_labels)
        if "calib" in files:
            rows = read_kitti_matrices(files["calib"])
            size = None if image is None else image.shape[1::-1]
            camera = kitti_object_camera(rows, files["calib"], size)
            if "boxes" in files:
                ego_from_rectified = KITTI_EGO_FROM_LIDAR @ invert(
                    kitti_rectified_from_lidar(rows, files["calib"])
                )
                motion_path = self._folder / _MOTION / f"{name}.csv"
                boxes, dont_care = read_labels(
                    files["boxes"],
                    ego_from_rectified,
                    motion_path if motion_path.is_file() else None,
                )
                annotation = replace(annotation, boxes=boxes, dont_care={CAMERA: dont_care})
        if "mask" in files:
            mask = _read_mask(files["mask"], image, self.mask_labels)
            annotation = replace(annotation, masks={CAMERA: mask})
        frame = Frame.of(
            0 if self._table is None else self._table[name][1],
            read_velodyne(files["lidar"]) if "lidar" in files else None,
            KITTI_EGO_FROM_LIDAR,
            None if camera is None else image,  # of use only where it is known what it shows
            camera,
            name=name,
            scene=self.scene(index),
            missing=missing,
        )
        return frame, annotation


@dataclass(frozen=True)
class Motion:
    """Identity and velocity of a box.

    Attributes:
        number: the object's id, -1 where unknown.
        velocity: metres per second over ground along x and y of the ego frame, NaN where unknown.
    """

    number: int = -1
    velocity: tuple[float, float] = (np.nan, np.nan)


def read_labels(
    path: Path, ego_from_rectified: np.ndarray, motion_path: Path | None = None
) -> tuple[Boxes, np.ndarray]:
    """Read a label file.

    Args:
        path: the file.
        ego_from_rectified: (4, 4) takes the frame of the labels, which is that of rectified
            camera 0, to the ego frame.
        motion_path: file with the ids and velocities of the boxes, None if there is none.

    Returns:
        Boxes in the ego frame with labels of the set "kitti_boxes"; (D, 4) the DontCare areas.

    Raises:
        ValueError: names file and line.
    """
    classes = load_label_set(BOX_LABELS)
    motions = {} if motion_path is None else read_motions(motion_path)
    found: list[Motion] = []
    centers, sizes, yaws, labels, dont_care = [], [], [], [], []
    for index, line in enumerate(read_text(path).splitlines(), 1):
        if not (fields := line.split()):
            continue
        where = f"{path}, line {index}"
        if len(fields) not in (15, 16):
            raise ValueError(f"{where}: expected 15 fields (16 with a score), got {len(fields)}")
        values = numbers(fields[1:15], (14,), where)
        if fields[0] == DONT_CARE:
            dont_care.append(values[3:7])
            continue
        try:
            label = classes.index(fields[0])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        height, width, length, x, y, z, rotation_y = values[7:]
        heading = ego_from_rectified[:3, :3] @ (np.cos(rotation_y), 0.0, -np.sin(rotation_y))
        middle = np.array([x, y - height / 2, z])  # the file gives the bottom's centre
        centers.append(apply(ego_from_rectified, middle))
        sizes.append(box_size((length, width, height), where))
        yaws.append(np.arctan2(heading[1], heading[0]))
        labels.append(label)
        found.append(motions.pop(index, Motion()))
    if motions:
        raise ValueError(
            f"{motion_path}: row for box {min(motions)}, but that line of {path} holds no box"
        )
    boxes = Boxes(
        np.array(centers),
        np.array(sizes),
        np.array(yaws),
        np.array(labels),
        np.ones(len(labels)),
        np.array([motion.number for motion in found]),
        np.array([motion.velocity for motion in found]),
    )
    return boxes, np.array(dont_care).reshape(-1, 4)


def read_motions(path: Path) -> dict[int, Motion]:
    """Read ids and velocities by the number of the box's line in the label file.

    Raises:
        ValueError: names file and line.
    """
    motions: dict[int, Motion] = {}
    reader = csv.DictReader(read_text(path).splitlines())
    if not {"box", "id", "vx", "vy"} <= set(reader.fieldnames or ()):
        raise ValueError(f"{path}: expected the columns box, id, vx, vy, got {reader.fieldnames}")
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        try:
            line, number = int(row["box"]), int(row["id"])
            velocity = float(row["vx"]), float(row["vy"])
        except (TypeError, ValueError):
            raise ValueError(
                f"{where}: expected whole numbers for box and id, numbers for vx and vy"
            ) from None
        if not -1 <= number <= MAX_ID or np.isinf(velocity).any():
            raise ValueError(f"{where}: expected an id from -1 to {MAX_ID} and finite velocities")
        if line in motions:
            raise ValueError(f"{where}: second row for box {line}")
        motions[line] = Motion(number, velocity)
    return motions


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
        raise ValueError(
            f"{path}: unknown class {mask[row, column]} at pixel x {column}, y {row}, "
            f"expected 0 to {len(labels) - 1} or {MASK_IGNORED}"
        )
    return mask


def _read_table(path: Path) -> dict[str, tuple[str, int]]:
    """Return the scene and the time in nanoseconds of each frame."""
    table = {}
    reader = csv.DictReader(read_text(path).splitlines())
    if not {"frame", "scene", "time_ns"} <= set(reader.fieldnames or ()):
        raise ValueError(
            f"{path}: expected the columns frame, scene, time_ns, got {reader.fieldnames}"
        )
    for row in reader:
        try:
            table[row["frame"]] = row["scene"], int(row["time_ns"])
        except (TypeError, ValueError):
            raise ValueError(
                f"{path}, line {reader.line_num}: expected frame, scene and whole nanoseconds"
            ) from None
    return table


def _training_folder(path: Path) -> Path | None:
    return next(
        (
            folder
            for folder in (path / "training", path)
            if any((folder / name).is_dir() for name in ("velodyne", "image_2"))
        ),
        None,
    )

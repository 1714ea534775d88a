"""A2D2 as published: the labelled subsets and the sequences (Geyer et al., arXiv 2004.06320).

Points and 3D boxes lie in the *view* frame of the camera (x forward, y left, z up). Images and
labels are distorted as recorded. `row` and `col` of a point belong to the rectified image.

`bev-semseg synth` adds one key to the boxes in `label3D`, which is optional: `velocity`, three
numbers in metres per second over ground along the axes of the view frame. Where a box has it, its
`id` is the same object's number in all frames of the scene. The `id` of published boxes counts the
boxes of one frame and is not read.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.data.calibration import a2d2_calibration
from bev_semseg_ros.data.files import MAX_ID, numbers, read_image, read_json
from bev_semseg_ros.frame import Annotation, Boxes, Frame
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set

MAX_NPZ_BYTES = 500_000_000  # unpacked; A2D2's own have a few megabytes

BOXES_SUBSET, SEMANTIC_SUBSET, SEQUENCES = (
    "camera_lidar_semantic_bboxes",
    "camera_lidar_semantic",
    "camera_lidar",
)


MASK_LABELS, BOX_LABELS = "a2d2_38", "a2d2_boxes"  # the data set's own classes
# Beside class_list.json: the coarser set of masks that do not tell all categories apart.
MASK_LABELS_FILE = "mask_labels.json"

_SCENE = re.compile(r"\d{8}_\d{6}")
# Parts of a frame: the name in Frame.missing -> the folder and the ending of its file.
_PARTS = {
    "image": ("camera", ".png"),
    "sidecar": ("camera", ".json"),
    "lidar": ("lidar", ".npz"),
    "mask": ("label", ".png"),
    "boxes": ("label3D", ".json"),
}


class A2D2Dataset:
    """The frames of A2D2 that one camera sees.

    Opening a root takes its labelled subsets. The sequences (`camera_lidar`) are opened by their
    own path. A frame that several subsets hold is given once, with the files of all of them. What
    is missing of "image", "lidar", "sidecar", "mask" and "boxes" is named in `Frame.missing`, and
    the rest of the frame is given. The labelled subsets should have masks, the boxes subset boxes.
    The time is the sidecar's, else the newest point's, else 0. Labels are in A2D2's own classes.

    Args:
        path: a root with subset folders, one subset folder, or one scene folder.
        camera: such as "front_center".

    Raises:
        FileNotFoundError: cams_lidars.json or class_list.json is missing.
        ValueError: names a damaged file.
    """

    name = "a2d2"
    box_labels = load_label_set(BOX_LABELS)
    mask_labels = load_label_set(MASK_LABELS)
    outside = ("cams_lidars.json", "class_list.json", MASK_LABELS_FILE)
    layout = (
        f"A2D2: a folder with {BOXES_SUBSET} or {SEMANTIC_SUBSET}, one of these (or {SEQUENCES}) "
        "with scene folders YYYYMMDD_hhmmss, or one scene folder with camera/cam_* or lidar/cam_*"
    )

    def __init__(self, path: str | Path, camera: str = "front_center") -> None:
        root = Path(path).resolve()  # "." has neither a name nor parents
        scenes = _scene_folders(root)
        calibration = a2d2_calibration(_upwards(root, "cams_lidars.json"), camera)
        self._ego_from_view = calibration.ego_from_lidar
        self._camera = calibration.known_camera
        self._palettes: dict[Path, Palette] = {}
        self._files: dict[tuple[str, str], dict[str, Path]] = {}
        self._expected: dict[tuple[str, str], set[str]] = {}
        for scene in scenes:
            expected = _expected_parts(scene)
            for part, (folder, ending) in _PARTS.items():
                for file in (scene / folder / f"cam_{camera}").glob(
                    f"*_{folder}_{camera.replace('_', '')}_*{ending}"
                ):
                    key = scene.name, file.stem.rpartition("_")[2]
                    self._files.setdefault(key, {}).setdefault(part, file)
                    self._expected.setdefault(key, set()).update(expected)
        self._keys = sorted(self._files)
        for subset in {_subset(files["mask"]) for files in self._files.values() if "mask" in files}:
            class_list = subset / "class_list.json"
            if not class_list.is_file():
                raise FileNotFoundError(
                    f"{class_list}: missing; it names the colours of the labels"
                )
            self._palettes[subset] = Palette(class_list)

    @staticmethod
    def matches(path: Path) -> bool:
        return bool(_scene_folders(path))

    def __len__(self) -> int:
        return len(self._keys)

    def scene(self, index: int) -> str:
        return self._keys[index][0]

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        key = self._keys[index]
        files, size = self._files[key], self._camera.size
        image = _sized_image(files["image"], size) if "image" in files else None
        cloud = read_points(files["lidar"]) if "lidar" in files else None
        if "sidecar" in files:
            time_us = _time_us(files["sidecar"])
        else:
            time_us = 0 if cloud is None else cloud.newest_us
        mask = boxes = None
        mask_labels = self.mask_labels
        if "mask" in files:
            palette = self._palettes[_subset(files["mask"])]
            mask = palette.decode(_sized_image(files["mask"], size), files["mask"])
            mask_labels = palette.labels
        if "boxes" in files:
            boxes = read_boxes(files["boxes"], self._ego_from_view)
        frame = Frame(
            time_us * 1000,
            None if cloud is None else cloud.points,
            self._ego_from_view,
            image,
            self._camera,
            name=f"{key[0].replace('_', '')}_{key[1]}",
            scene=key[0],
            missing=tuple(
                part for part in _PARTS if part in self._expected[key] and part not in files
            ),
            point_attributes={} if cloud is None else cloud.attributes(time_us),
        )
        return frame, Annotation(
            boxes, mask=mask, box_labels=self.box_labels, mask_labels=mask_labels
        )


class Palette:
    """The colours of a class_list.json as classes of a label set.

    Attributes:
        labels: "a2d2_38", or the coarser set that mask_labels.json beside the file names.

    Raises:
        ValueError: names the file and what is no colour, no category or no label set.
    """

    _UNKNOWN, _IGNORED = 255, 254

    def __init__(self, path: Path) -> None:
        self._path = path
        entries = read_json(path)
        if not 0 < len(entries) < self._UNKNOWN:
            raise ValueError(
                f"{path}: expected 1 to {self._UNKNOWN - 1} colours, got {len(entries)}"
            )
        categories = load_label_set(MASK_LABELS)
        self.labels = _mask_labels(path.with_name(MASK_LABELS_FILE), categories)
        numbers = categories.mask_table(self.labels)
        # One byte for every 24-bit colour: one look-up a pixel touches few cache lines.
        self._class_of_color = np.full(1 << 24, self._UNKNOWN, np.uint8)
        for color, name in entries.items():
            if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
                raise ValueError(f"{path}: expected colours as #rrggbb, got {color!r}")
            category = re.sub(r" [1-9]$", "", str(name))  # the number counts instances
            if category not in categories.classes:
                raise ValueError(f"{path}: unknown A2D2 category {name!r}")
            number = numbers[categories.index(category)]
            self._class_of_color[int(color[1:], 16)] = (
                self._IGNORED if number == MASK_IGNORED else number
            )

    def decode(self, label: np.ndarray, path: Path) -> np.ndarray:
        """Return a label image as classes of `labels`.

        Args:
            label: (H, W, 3) uint8 RGB.
            path: file it was read from, for the message of an error.

        Returns:
            (H, W) uint8.

        Raises:
            ValueError: names the file, a colour that is not in the list, and a pixel that has it.
        """
        packed = cv2.cvtColor(label, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0] & 0xFFFFFF
        classes = self._class_of_color[packed]
        unknown = classes == self._UNKNOWN
        if unknown.any():
            row, column = np.argwhere(unknown)[0]
            raise ValueError(
                f"{path}: unknown colour #{packed[row, column]:06x} at pixel x {column}, y {row} "
                f"({np.count_nonzero(unknown)} unknown pixels); colours come from {self._path}"
            )
        classes[classes == self._IGNORED] = MASK_IGNORED
        return classes


def _mask_labels(path: Path, categories: LabelSet) -> LabelSet:
    """Return the label set that a mask_labels.json names, A2D2's categories without one."""
    if not path.is_file():
        return categories
    try:
        labels = load_label_set(str(read_json(path).get("label_set")))
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{path}: label_set: {error}") from error
    if not categories.maps_to(labels):
        raise ValueError(f"{path}: A2D2's categories do not map to the label set {labels.name}")
    return labels


@dataclass(frozen=True, eq=False)
class Cloud:
    """The points of one file.

    Attributes:
        points: (N, 4) float32 x, y, z in the camera's view frame and reflectance 0..1.
        times_us: (N,) int64 microseconds, None where the file has none.
        units: (N,) uint8 number of the lidar in the file's sidecar, None where the file has none.
    """

    points: np.ndarray
    times_us: np.ndarray | None
    units: np.ndarray | None

    @property
    def newest_us(self) -> int:
        """Time of the newest point, microseconds; 0 without times."""
        if self.times_us is None or not len(self.times_us):
            return 0
        return int(self.times_us.max())

    def attributes(self, time_us: int) -> dict[str, np.ndarray]:
        """Return what each point carries, by the names of `frame.POINT_ATTRIBUTES`.

        Args:
            time_us: the frame's time, microseconds.
        """
        found: dict[str, np.ndarray] = {}
        if self.times_us is not None:
            found["time"] = ((self.times_us - time_us) * 1e-6).astype(np.float32)
        if self.units is not None:
            found["unit"] = self.units
        return found


# Arrays of an npz that are read. The sequences add `valid` and `rectime`.
_ARRAYS = ("points", "reflectance", "valid", "timestamp", "rectime", "lidar_id")


def read_points(path: Path) -> Cloud:
    """Read a lidar file of the labelled subsets or of the sequences, which spell the keys apart.

    Points that `valid` marks as false are left out.

    Raises:
        ValueError: names the file and what was expected of it.
    """
    arrays = _read_arrays(path)
    for name in ("points", "reflectance"):
        if name not in arrays:
            raise ValueError(f"{path}: expected an array {name!r}")
    count = len(arrays["points"]) if arrays["points"].ndim else 0
    for name, array in arrays.items():
        shape = (count, 3) if name == "points" else (count,)
        if array.shape != shape or array.dtype.kind not in "fiub":
            raise ValueError(
                f"{path}: {name}: expected numbers of shape {shape}, "
                f"got {array.dtype} {array.shape}"
            )
    kept = np.ones(count, bool)
    if "valid" in arrays:
        kept = arrays["valid"].astype(bool)
    points = np.empty((count, 4), np.float32)
    points[:, :3] = arrays["points"]
    points[:, 3] = arrays["reflectance"] / 255.0
    # `timestamp` of the sequences is another clock, 37 s off; `rectime` is the cameras'.
    times = arrays.get("rectime", arrays.get("timestamp"))
    if times is not None:
        times = np.nan_to_num(times[kept]).astype(np.int64)
    units = arrays.get("lidar_id")
    if units is not None:
        units = np.clip(np.nan_to_num(units[kept]), 0, 255).astype(np.uint8)
    return Cloud(points[kept], times, units)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("expected an npz archive, got a single array")
        with archive:
            with zipfile.ZipFile(path) as members:
                unpacked = sum(member.file_size for member in members.infolist())
            if unpacked > MAX_NPZ_BYTES:
                raise ValueError(f"more than {MAX_NPZ_BYTES} bytes when unpacked")
            for member in archive.files:
                name = _plain_key(member)
                if name in _ARRAYS:
                    arrays.setdefault(name, archive[member])
    except (
        ValueError,
        OSError,
        EOFError,
        KeyError,
        RuntimeError,
        MemoryError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise ValueError(f"{path}: truncated or damaged npz: {error}") from error
    return arrays


def _plain_key(member: str) -> str:
    while member.endswith(".npy"):
        member = member[:-4]
    return member.removeprefix("pcloud_attr.").removeprefix("pcloud_")


def axis_angle_rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the (3, 3) rotation by `angle` radians about the unit vector `axis` (Rodrigues).

    A2D2's axes point up or down, so that `angle` alone has the wrong sign for half of the boxes.
    """
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (
        np.cos(angle) * np.eye(3)
        + np.sin(angle) * cross
        + (1 - np.cos(angle)) * np.outer(axis, axis)
    )


def read_boxes(path: Path, ego_from_view: np.ndarray) -> Boxes:
    """Read the boxes of a label3D file, with labels of the set "a2d2_boxes".

    Boxes with a `velocity` get their id and velocity; the others have neither.

    Args:
        path: the file.
        ego_from_view: (4, 4) takes points of the camera's view frame to the ego frame.

    Raises:
        ValueError: names the file, the box and what was expected of it.
    """
    classes = load_label_set(BOX_LABELS)
    centers, sizes, yaws, labels = [], [], [], []
    ids, velocities = [], []
    for name, box in read_json(path).items():
        where = f"{path}: {name}"
        if not isinstance(box, dict):
            raise ValueError(
                f"{where}: expected an object with center, size, axis, rot_angle and class"
            )
        try:
            label = classes.index(str(box.get("class")))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        center, size, axis = (
            numbers(box.get(key), (3,), f"{where}.{key}") for key in ("center", "size", "axis")
        )
        if abs(np.linalg.norm(axis) - 1) > 1e-3:
            raise ValueError(f"{where}.axis: expected a unit vector, got {axis.tolist()}")
        heading = axis_angle_rotation(
            axis, float(numbers(box.get("rot_angle"), (), f"{where}.rot_angle"))
        )[:, 0]
        heading = ego_from_view[:3, :3] @ heading
        centers.append(apply(ego_from_view, center))
        sizes.append(size)
        yaws.append(np.arctan2(heading[1], heading[0]))
        labels.append(label)
        number, velocity = _read_motion(box, where)
        ids.append(number)
        velocities.append((ego_from_view[:3, :3] @ velocity)[:2])
    return Boxes(
        np.array(centers),
        np.array(sizes),
        np.array(yaws),
        np.array(labels),
        np.ones(len(labels)),
        np.array(ids),
        np.array(velocities),
    )


def _read_motion(box: dict[str, Any], where: str) -> tuple[int, np.ndarray]:
    """Return id and velocity (3,) of a box in the view frame; -1 and NaN where it has none.

    Args:
        box: Entry of a label3D file.
        where: File and box, with which an error begins.
    """
    if "velocity" not in box:
        return -1, np.full(3, np.nan)
    number = box.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_ID:
        raise ValueError(f"{where}.id: expected a whole number from 0 to {MAX_ID}, got {number!r}")
    return number, numbers(box["velocity"], (3,), f"{where}.velocity")


def _time_us(sidecar: Path) -> int:
    time_us: Any = read_json(sidecar).get("cam_tstamp")
    if not isinstance(time_us, int) or time_us < 0:
        raise ValueError(f"{sidecar}: cam_tstamp: expected microseconds, got {time_us!r}")
    return time_us


def _sized_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    image = read_image(path)
    if image.shape[1::-1] != size:
        raise ValueError(
            f"{path}: expected {size[0]} x {size[1]} pixels (Resolution in cams_lidars.json), "
            f"got {image.shape[1]} x {image.shape[0]}"
        )
    return image


def _scene_folders(path: Path) -> list[Path]:
    """Return the scenes of a root (boxes subset first) or a subset, or the scene folder itself."""
    for folders in ([path / BOXES_SUBSET, path / SEMANTIC_SUBSET], [path]):
        scenes = [
            scene
            for folder in folders
            if folder.is_dir()
            for scene in sorted(folder.iterdir())
            if _is_scene(scene)
        ]
        if scenes:
            return scenes
    return [path] if _is_scene(path) else []


def _subset(file: Path) -> Path:
    """Return the subset folder of a scene's file."""
    return file.parents[3]


def _is_scene(path: Path) -> bool:
    return _SCENE.fullmatch(path.resolve().name) is not None and any(
        (path / folder).is_dir() for folder, _ in _PARTS.values()
    )


def _expected_parts(scene: Path) -> set[str]:
    subset = scene.resolve().parent.name
    expected = {"image", "sidecar", "lidar"}
    if subset in (BOXES_SUBSET, SEMANTIC_SUBSET) or (scene / "label").is_dir():
        expected.add("mask")
    if subset == BOXES_SUBSET or (scene / "label3D").is_dir():
        expected.add("boxes")
    return expected


def _upwards(path: Path, name: str) -> Path:
    """Return the file `name` of the root: a scene lies up to two folders below it."""
    folders = [path.resolve(), *path.resolve().parents[:2]]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{name} is missing, which holds the cameras; looked in {', '.join(map(str, folders))}"
    )

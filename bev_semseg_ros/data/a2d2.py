"""A2D2 as published: the labelled subsets and the unlabelled sequences (Geyer et al., arXiv 2004.06320).

Points and 3D boxes lie in the *view* of the camera (x forward, y left, z up), images and labels are distorted as
recorded, `row` and `col` of a point belong to the rectified image.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros import taxonomy
from bev_semseg_ros.data.calibration import a2d2_calibration
from bev_semseg_ros.data.files import numbers, read_image, read_json
from bev_semseg_ros.frame import Annotation, Boxes, Frame
from bev_semseg_ros.geometry import apply

MAX_NPZ_BYTES = 500_000_000  # unpacked; A2D2's own have a few megabytes

BOXES_SUBSET, SEMANTIC_SUBSET, SEQUENCES = (
    "camera_lidar_semantic_bboxes",
    "camera_lidar_semantic",
    "camera_lidar",
)

_SCENE = re.compile(r"\d{8}_\d{6}")
# What a frame is made of: its name in Frame.missing -> the folder and the ending of its file.
_PARTS = {
    "image": ("camera", ".png"),
    "sidecar": ("camera", ".json"),
    "lidar": ("lidar", ".npz"),
    "mask": ("label", ".png"),
    "boxes": ("label3D", ".json"),
}


class A2D2Dataset:
    """A root with subset folders, one subset folder, or one scene folder, seen by one camera.

    A frame that several subsets hold is given once, with the files of all of them. `Frame.missing` names what of
    "image", "lidar", "sidecar", "mask", "boxes" should have been there; the rest of the frame is given. Masks are
    expected in the labelled subsets, boxes in the boxes subset. Opening a root takes its labelled subsets; the
    sequences (`camera_lidar`) are opened by their own path. Time is the sidecar's, else the newest point's, else 0.
    Raises FileNotFoundError without cams_lidars.json or class_list.json, ValueError naming a damaged file.
    """

    name = "a2d2"
    layout = (
        f"A2D2: a folder with {BOXES_SUBSET} or {SEMANTIC_SUBSET}, one of these (or {SEQUENCES}) with scene "
        "folders YYYYMMDD_hhmmss, or one scene folder with camera/cam_* or lidar/cam_*"
    )

    def __init__(self, path: str | Path, camera: str = "front_center") -> None:
        root = Path(path).resolve()  # "." has neither a name nor parents
        scenes = _scene_folders(root)
        self._calibration = a2d2_calibration(_upwards(root, "cams_lidars.json"), camera)
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
        for folder in {
            files["mask"].parents[3] for files in self._files.values() if "mask" in files
        }:
            if not (folder / "class_list.json").is_file():
                raise FileNotFoundError(
                    f"{folder / 'class_list.json'}: missing; it names the colours of the labels"
                )
            self._palettes[folder] = Palette(folder / "class_list.json")

    @staticmethod
    def matches(path: Path) -> bool:
        return bool(_scene_folders(path))

    def __len__(self) -> int:
        return len(self._keys)

    def scene(self, index: int) -> str:
        return self._keys[index][0]

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        key = self._keys[index]
        files, calibration = self._files[key], self._calibration
        size = calibration.camera.size
        image = _sized_image(files["image"], size) if "image" in files else None
        points, time_us = read_points(files["lidar"]) if "lidar" in files else (None, 0)
        if "sidecar" in files:
            time_us = _time_us(files["sidecar"])
        mask = group_mask = boxes = None
        if "mask" in files:
            palette = self._palettes[files["mask"].parents[3]]
            mask, group_mask = palette.decode(_sized_image(files["mask"], size), files["mask"])
        if "boxes" in files:
            boxes = read_boxes(files["boxes"], calibration.ego_from_lidar)
        frame = Frame(
            time_us * 1000,
            points,
            calibration.ego_from_lidar,
            image,
            calibration.camera,
            name=f"{key[0].replace('_', '')}_{key[1]}",
            scene=key[0],
            missing=tuple(
                part for part in _PARTS if part in self._expected[key] and part not in files
            ),
        )
        ignored = None if boxes is None else boxes.labels == taxonomy.IGNORED_VEHICLE
        return frame, Annotation(boxes, ignored, mask, group_mask)


class Palette:
    """The colours of a class_list.json. Raises ValueError naming the file and what is no colour or no category."""

    _UNKNOWN = 255

    def __init__(self, path: Path) -> None:
        self._path = path
        entries = read_json(path)
        if not 0 < len(entries) < self._UNKNOWN:
            raise ValueError(
                f"{path}: expected 1 to {self._UNKNOWN - 1} colours, got {len(entries)}"
            )
        # One byte for every 24-bit colour: a look-up a pixel, of which few cache lines are ever touched.
        self._entry_of_color = np.full(1 << 24, self._UNKNOWN, np.uint8)
        self._ids = np.full((2, 256), taxonomy.IGNORE, np.uint8)
        for index, (color, category) in enumerate(entries.items()):
            if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
                raise ValueError(f"{path}: expected colours as #rrggbb, got {color!r}")
            try:
                self._ids[:, index] = taxonomy.a2d2_ids(str(category))
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
            self._entry_of_color[int(color[1:], 16)] = index

    def decode(self, label: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Label image (H, W, 3) RGB -> class ids and group ids, (H, W) uint8 each.

        Raises ValueError naming the file (`path`), a colour that is not in the list, and a pixel that has it.
        """
        packed = cv2.cvtColor(label, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0] & 0xFFFFFF
        entries = self._entry_of_color[packed]
        if (unknown := entries == self._UNKNOWN).any():
            row, column = np.argwhere(unknown)[0]
            raise ValueError(
                f"{path}: unknown colour #{packed[row, column]:06x} at pixel x {column}, y {row} "
                f"({np.count_nonzero(unknown)} unknown pixels); colours come from {self._path}"
            )
        return self._ids[0][entries], self._ids[1][entries]


def read_points(path: Path) -> tuple[np.ndarray, int]:
    """Points (N, 4) float32 in the camera view with intensity 0..1, and the newest one's time in microseconds (or 0).

    Takes the labelled subsets' spelling of the keys and the sequences' (`pcloud_points`, `pcloud_attr.row.npy`, ...);
    points that `valid` marks as false are left out. Raises ValueError naming the file and what was expected.
    """
    arrays = {}
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("expected an npz archive, got a single array")
        with archive:
            if sum(member.file_size for member in archive.zip.infolist()) > MAX_NPZ_BYTES:
                raise ValueError(f"more than {MAX_NPZ_BYTES} bytes when unpacked")
            for member in archive.files:
                if (name := _plain_key(member)) in (
                    "points",
                    "reflectance",
                    "valid",
                    "timestamp",
                    "rectime",
                ):
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
    for name in ("points", "reflectance"):
        if name not in arrays:
            raise ValueError(f"{path}: expected an array {name!r}")
    count = len(arrays["points"]) if arrays["points"].ndim else 0
    for name, array in arrays.items():
        shape = (count, 3) if name == "points" else (count,)
        if array.shape != shape or array.dtype.kind not in "fiub":
            raise ValueError(
                f"{path}: {name}: expected numbers of shape {shape}, got {array.dtype} {array.shape}"
            )
    points = np.empty((count, 4), np.float32)
    points[:, :3] = arrays["points"]
    points[:, 3] = arrays["reflectance"] / 255.0
    times = arrays.get(
        "rectime", arrays.get("timestamp")
    )  # `timestamp` of the sequences is another clock, 37 s off
    time_us = int(np.nan_to_num(times).max()) if times is not None and count else 0
    return (points[arrays["valid"].astype(bool)] if "valid" in arrays else points), time_us


def _plain_key(member: str) -> str:
    while member.endswith(".npy"):
        member = member[:-4]
    return member.removeprefix("pcloud_attr.").removeprefix("pcloud_")


def axis_angle_rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """(3, 3) rotation by `angle` radians about the unit vector `axis` (Rodrigues).

    A2D2's axes point up or down, so `angle` alone has the wrong sign for half of the boxes.
    """
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (
        np.cos(angle) * np.eye(3)
        + np.sin(angle) * cross
        + (1 - np.cos(angle)) * np.outer(axis, axis)
    )


def read_boxes(path: Path, ego_from_view: np.ndarray) -> Boxes:
    """The boxes of a label3D file in the ego frame; classes that are no objects (parked bicycles, animals) left out.

    Raises ValueError naming the file, the box and what was expected.
    """
    centers, sizes, yaws, labels = [], [], [], []
    for name, box in read_json(path).items():
        where = f"{path}: {name}"
        if not isinstance(box, dict):
            raise ValueError(
                f"{where}: expected an object with center, size, axis, rot_angle and class"
            )
        try:
            label = taxonomy.detection_label(str(box.get("class")), taxonomy.A2D2_BOX_CLASSES)
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
        if label is None:
            continue
        heading = ego_from_view[:3, :3] @ heading
        centers.append(apply(ego_from_view, center))
        sizes.append(size)
        yaws.append(np.arctan2(heading[1], heading[0]))
        labels.append(label)
    return Boxes(
        np.array(centers), np.array(sizes), np.array(yaws), np.array(labels), np.ones(len(labels))
    )


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
    """The scenes of a root (boxes subset first), of a subset folder, or the one scene folder itself."""
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
    """The file `name` in the folder, in its parent or in its parent's parent, as a scene lies two below the root."""
    folders = [path.resolve(), *path.resolve().parents[:2]]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{name} is missing, which holds the cameras; looked in {', '.join(map(str, folders))}"
    )

"""The reader of A2D2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data.a2d2.boxes import BOX_LABELS, read_boxes
from bev_semseg_ros.data.a2d2.cloud import read_points
from bev_semseg_ros.data.a2d2.layout import (
    BOXES_SUBSET,
    PARTS,
    SEMANTIC_SUBSET,
    SEQUENCES,
    expected_parts,
    find_upwards,
    scene_folders,
    subset_folder,
)
from bev_semseg_ros.data.a2d2.palette import MASK_LABELS, MASK_LABELS_FILE, Palette
from bev_semseg_ros.data.calibration import a2d2_calibration
from bev_semseg_ros.data.files import read_image, read_json
from bev_semseg_ros.frame import CAMERA, Annotation, Frame
from bev_semseg_ros.labels import load_label_set


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
    outside = ("cams_lidars.json", "class_list.json", MASK_LABELS_FILE)
    layout = (
        f"A2D2: a folder with {BOXES_SUBSET} or {SEMANTIC_SUBSET}, one of these (or {SEQUENCES}) "
        "with scene folders YYYYMMDD_hhmmss, or one scene folder with camera/cam_* or lidar/cam_*"
    )

    def __init__(self, path: str | Path, camera: str = "front_center") -> None:
        self.box_labels = load_label_set(BOX_LABELS)
        self.mask_labels = load_label_set(MASK_LABELS)
        root = Path(path).resolve()  # "." has neither a name nor parents
        scenes = scene_folders(root)
        calibration = a2d2_calibration(find_upwards(root, "cams_lidars.json"), camera)
        self._ego_from_view = calibration.ego_from_lidar
        self._camera = calibration.known_camera
        self._palettes: dict[Path, Palette] = {}
        self._files: dict[tuple[str, str], dict[str, Path]] = {}
        self._expected: dict[tuple[str, str], set[str]] = {}
        for scene in scenes:
            expected = expected_parts(scene)
            for part, (folder, ending) in PARTS.items():
                for file in (scene / folder / f"cam_{camera}").glob(
                    f"*_{folder}_{camera.replace('_', '')}_*{ending}"
                ):
                    key = scene.name, file.stem.rpartition("_")[2]
                    self._files.setdefault(key, {}).setdefault(part, file)
                    self._expected.setdefault(key, set()).update(expected)
        self._keys = sorted(self._files)
        masks = [files["mask"] for files in self._files.values() if "mask" in files]
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
            palette = self._palettes[subset_folder(files["mask"])]
            mask = palette.decode(_sized_image(files["mask"], size), files["mask"])
            mask_labels = palette.labels
        if "boxes" in files:
            boxes = read_boxes(files["boxes"], self._ego_from_view)
        frame = Frame.of(
            time_us * 1000,
            None if cloud is None else cloud.points,
            self._ego_from_view,
            image,
            self._camera,
            name=f"{key[0].replace('_', '')}_{key[1]}",
            scene=key[0],
            missing=tuple(
                part for part in PARTS if part in self._expected[key] and part not in files
            ),
            point_attributes={} if cloud is None else cloud.attributes(time_us),
        )
        masks = {} if mask is None else {CAMERA: mask}
        return frame, Annotation(
            boxes, masks=masks, box_labels=self.box_labels, mask_labels=mask_labels
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

"""Prepared frames of a data set in memory-mapped files.

Images are decoded, rectified and resized only once, because this takes many times as long as a
training step takes for one frame. A thousand frames need about 1 GB of disk space. A cache is
identified by the files of the data set (names, sizes, times), the split, and the settings that
influence its content.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.dataset import Dataset, Split, data_files, open_frames
from bev_semseg_ros.data.example import Example, make_example
from bev_semseg_ros.data.point_classes import POINT_CLASS
from bev_semseg_ros.frame import Boxes, Camera, Rays
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.model.build import point_attributes, task_needs, whole_clouds
from bev_semseg_ros.model.tasks.task import Task
from bev_semseg_ros.output_path import check_space, named_full_disk
from bev_semseg_ros.preprocessing import RectifiedImage, Sample
from bev_semseg_ros.progress import Progress

VERSION = 11  # changes with the format of the files and with the preparation
PORTION = 32  # number of frames that are prepared before they are written
MOST_THREADS = 8  # more would mostly wait for Python's lock
# Fraction of the expected size that must be free: the first portion may have larger frames.
SPACE_SHARE = 0.8
# Columns of the index for each image, and the shape of an entry.
_IMAGE_COLUMNS: dict[str, tuple[int, ...]] = {
    "camera": (),
    "image_shape": (2,),
    "matrix": (3, 3),
    "camera_from_ego": (4, 4),
    "has_mask": (),
}
BOX_COLUMNS = 12  # centre 3, size 3, yaw, label, ignored, id, velocity 2


class Cache:
    """Examples of one data set, read from the files that `build` wrote.

    Attributes:
        box_labels: label set of the boxes.
        mask_labels: label set of the masks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with np.load(folder / "index.npz") as index:
            self.index = dict(index)
        names = json.loads((folder / "labels.json").read_text())
        self.box_labels = LabelSet.from_dict(names["boxes"])
        self.mask_labels = LabelSet.from_dict(names["mask"])
        self._attributes: list[str] = names["attributes"]
        self.points = _mapped(folder / "points.bin", np.float32).reshape(-1, 4)
        self.lidars = _mapped(folder / "lidars.bin", np.uint8)
        self.rays = _mapped(folder / "rays.bin", np.float32).reshape(-1, 3)
        self.units = _mapped(folder / "units.bin", np.uint8)
        self.images = _mapped(folder / "images.bin", np.uint8).reshape(-1, 3)
        self.masks = _mapped(folder / "masks.bin", np.uint8)
        columns = max(len(self._attributes), 1)
        self.attributes = _mapped(folder / "attributes.bin", np.float32).reshape(-1, columns)

    def __reduce__(self) -> tuple[type[Cache], tuple[Path]]:
        return Cache, (self.folder,)  # another process maps the files, too, instead of copying them

    def __len__(self) -> int:
        return len(self.index["name"])

    def __getitem__(self, i: int) -> Example:
        index = self.index
        poses = index["ego_from_lidar"][slice(*index["lidar_offset"][i : i + 2])]
        sample = Sample(None, ego_from_lidar=poses)
        boxes = ignored = None
        if index["has_points"][i]:
            rows = slice(*index["point_offset"][i : i + 2])
            columns = self.attributes[rows]
            sample = replace(
                sample,
                points=np.array(self.points[rows]),
                point_lidar=self.lidars[rows].astype(np.int64),
                point_attributes={
                    name: np.array(columns[:, column])
                    for column, name in enumerate(self._attributes)
                },
                rays=self._rays_of(rows) if len(self.rays) else None,
            )
        images, masks = {}, {}
        for number in self._images_of(i):
            name = str(index["camera"][number])
            height, width = index["image_shape"][number]
            pixels = slice(*index["pixel_offset"][number : number + 2])
            image = np.array(self.images[pixels]).reshape(height, width, 3)
            pose = index["camera_from_ego"][number]
            camera = Camera(index["matrix"][number], (width, height), pose)
            images[name] = RectifiedImage(image, camera)
            if index["has_mask"][number]:
                masks[name] = np.array(self.masks[pixels]).reshape(height, width)
        sample = replace(sample, images=images)
        if index["has_boxes"][i]:
            rows = index["boxes"][slice(*index["box_offset"][i : i + 2])]
            boxes = Boxes(
                rows[:, :3],
                rows[:, 3:6],
                rows[:, 6],
                rows[:, 7],
                np.ones(len(rows)),
                rows[:, 9],
                rows[:, 10:12],
            )
            ignored = rows[:, 8].astype(bool)
        return Example(sample, masks, boxes, ignored, self.box_labels, self.mask_labels)

    def _rays_of(self, rows: slice) -> Rays:
        """Return the rays of some points, without their true indices in the scans."""
        points = np.array(self.rays[rows])
        return Rays(points, self.units[rows].astype(np.int64), np.arange(len(points)))

    def name(self, i: int) -> str:
        """Return the name of a frame."""
        return str(self.index["name"][i])

    def image_shapes(self, i: int) -> list[tuple[int, int]]:
        """Return (height, width) of a frame's images, without reading them."""
        shapes = self.index["image_shape"]
        return [(int(shapes[n][0]), int(shapes[n][1])) for n in self._images_of(i)]

    def _images_of(self, i: int) -> range:
        """Return the rows of the index that describe a frame's images."""
        return range(*self.index["image_offset"][i : i + 2])

    def has_labels(self, i: int, tasks: Sequence[Task]) -> bool:
        """Return True if a frame has what at least one task needs, without reading the frame."""
        index = self.index
        there = {
            "points": bool(index["has_points"][i]),
            "image": bool(self._images_of(i)),
            "boxes": bool(index["has_boxes"][i]),
            "point_classes": bool(index["has_point_classes"][i]),
            "mask": any(index["has_mask"][number] for number in self._images_of(i)),
        }
        return any(all(there[part] for part in task.needs) for task in tasks)


def open_cache(
    path: str | Path,
    config: Config,
    root: Path,
    split: Split | Literal[""] = "",
    cameras: Sequence[str] | None = None,
) -> Cache:
    """Open the cache of a data set. If `root` does not contain it, prepare the frames first.

    Args:
        path: path of the data set.
        config: configuration of the training.
        root: folder of the caches.
        split: split of the data set, see `open_dataset`; empty: all.
        cameras: names of the cameras to read, see `open_dataset`.

    Raises:
        ValueError: raised by `open_frames` or a reader.
    """
    path = Path(path)
    dataset = open_frames(path, split or None, cameras)
    folder = root / f"{path.resolve().name}-{_fingerprint(path, config, split, cameras)}"
    if not (folder / "index.npz").is_file():
        build(dataset, config, folder)
    return Cache(folder)


def build(dataset: Dataset, config: Config, folder: Path) -> None:
    """Prepare every frame of a data set and write the result.

    The folder appears only when it is complete. If another run has created it meanwhile, that one
    is kept.

    Raises:
        OSError: the disk is full.
    """
    # Not the process id: processes in two containers may have the same.
    partial = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    partial.mkdir(parents=True)
    try:
        with named_full_disk(folder.parent, "the prepared frames"):
            _write_all(dataset, config, partial)
            if not (folder / "index.npz").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_all(dataset: Dataset, config: Config, partial: Path) -> None:
    rows: list[dict[str, Any]] = []
    attributes = _kept_attributes(config)
    labels: tuple[LabelSet, LabelSet] | None = None
    with (
        _Files(partial, attributes) as files,
        ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), MOST_THREADS)) as pool,
        Progress(f"preparing {dataset.name}", len(dataset)) as progress,
    ):
        # In portions, so that reading is never far ahead of writing.
        for start in range(0, len(dataset), PORTION):
            portion = range(start, min(start + PORTION, len(dataset)))
            for name, example in pool.map(lambda i: _prepare(dataset, i, config), portion):
                labels = labels or (example.box_labels, example.mask_labels)
                if labels != (example.box_labels, example.mask_labels):
                    raise ValueError(
                        f"{dataset.name}, frame {name}: its labels are of another set than those "
                        "of the previous frames; give the frames of each set as separate data"
                    )
                rows.append(files.write(name, example))
                progress.advance()
            if start == 0:
                size = sum(file.stat().st_size for file in partial.iterdir())
                others = SPACE_SHARE * size * (len(dataset) / len(portion) - 1)
                check_space(partial.parent, others, "the prepared frames")
    # numpy's stubs take the arrays' names for other arguments.
    np.savez(partial / "index.npz", **_index(rows))  # type: ignore[arg-type]
    assert labels is not None  # there is at least one frame
    boxes, mask = labels
    sets = {"boxes": boxes.to_dict(), "mask": mask.to_dict(), "attributes": list(attributes)}
    (partial / "labels.json").write_text(json.dumps(sets))


def _kept_attributes(config: Config) -> tuple[str, ...]:
    """Return the point attributes that the network or its training needs."""
    wants_classes = "point_classes" in task_needs(config)
    return (*point_attributes(config), *([POINT_CLASS] if wants_classes else []))


def _prepare(dataset: Dataset, i: int, config: Config) -> tuple[str, Example]:
    frame, annotation = dataset[i]
    return frame.name, make_example(frame, annotation, config, whole_clouds(config))


class _Files:
    """The files of a cache to which arrays are appended."""

    def __init__(self, folder: Path, attributes: Sequence[str]) -> None:
        self._attributes = attributes
        self._files = {
            name: open(folder / f"{name}.bin", "wb")  # noqa: SIM115 - closed by __exit__
            for name in ("points", "lidars", "attributes", "rays", "units", "images", "masks")
        }

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def write(self, name: str, example: Example) -> dict[str, Any]:
        """Append an example's arrays and return its row of the index."""
        sample, boxes = example.sample, example.boxes
        row: dict[str, Any] = {
            "name": name,
            "has_points": sample.points is not None,
            "points": 0,
            "ego_from_lidar": sample.ego_from_lidar,
            "images": [self._write_image(example, camera) for camera in sample.images],
            "has_boxes": boxes is not None,
            "has_point_classes": example.point_classes is not None,
            "boxes": np.zeros((0, BOX_COLUMNS)),
        }
        if sample.points is not None:
            self._append("points", sample.points.astype(np.float32, copy=False))
            self._append("lidars", sample.point_lidar.astype(np.uint8))
            self._append("attributes", self._columns(sample, len(sample.points)))
            if sample.rays is not None:
                self._append("rays", sample.rays.points)
                self._append("units", sample.rays.units.astype(np.uint8))
            row["points"] = len(sample.points)
        if boxes is not None:
            ignored = example.ignored
            if ignored is None:
                ignored = np.zeros(len(boxes), bool)
            row["boxes"] = np.column_stack(
                [
                    boxes.centers,
                    boxes.sizes,
                    boxes.yaws,
                    boxes.labels,
                    ignored,
                    boxes.ids,
                    boxes.velocities,
                ]
            )
        return row

    def _write_image(self, example: Example, camera: str) -> dict[str, Any]:
        """Append an image and its mask, and return its row of the index."""
        seen = example.sample.images[camera]
        mask = example.masks.get(camera)
        self._append("images", seen.image)
        shape = seen.image.shape[:2]
        self._append("masks", np.full(shape, MASK_IGNORED, np.uint8) if mask is None else mask)
        return {
            "camera": camera,
            "image_shape": shape,
            "matrix": seen.camera.matrix,
            "camera_from_ego": seen.camera.camera_from_ego,
            "has_mask": mask is not None,
        }

    def _columns(self, sample: Sample, count: int) -> np.ndarray:
        """Return (N, A) float32: the stored attributes, NaN where the data lack one."""
        columns = np.full((count, len(self._attributes)), np.nan, np.float32)
        for column, name in enumerate(self._attributes):
            if name in sample.point_attributes:
                columns[:, column] = sample.point_attributes[name]
        return columns

    def _append(self, name: str, array: np.ndarray) -> None:
        self._files[name].write(np.ascontiguousarray(array).tobytes())


def _index(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    images = [image for row in rows for image in row["images"]]
    index = {
        key: np.array([row[key] for row in rows])
        for key in ("name", "has_points", "has_boxes", "has_point_classes")
    }
    index |= {
        key: np.array([image[key] for image in images]).reshape(len(images), *shape)
        for key, shape in _IMAGE_COLUMNS.items()
    }
    for key, counts in (
        ("point_offset", [row["points"] for row in rows]),
        ("lidar_offset", [len(row["ego_from_lidar"]) for row in rows]),
        ("image_offset", [len(row["images"]) for row in rows]),
        ("pixel_offset", [int(np.prod(image["image_shape"])) for image in images]),
        ("box_offset", [len(row["boxes"]) for row in rows]),
    ):
        index[key] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    for key in ("ego_from_lidar", "boxes"):
        index[key] = np.concatenate([row[key] for row in rows])
    return index


def _mapped(path: Path, dtype: type) -> np.ndarray:
    """Map a file as an array. An empty file, which cannot be mapped, gives an empty array."""
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)


def _fingerprint(path: Path, config: Config, split: str, cameras: Sequence[str] | None) -> str:
    settings: list[Any] = [
        VERSION,
        str(path.resolve()),
        split,
        asdict(config.grid),
        asdict(config.image),
        _kept_attributes(config),
        whole_clouds(config),
        config.training.carry_masks,
        None if cameras is None else list(cameras),
    ]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for file in data_files(path):
        digest.update(os.fsencode(file))
        with suppress(FileNotFoundError):  # the target of a link is gone
            status = os.stat(file)
            digest.update(f" {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]

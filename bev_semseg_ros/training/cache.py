"""Prepared frames of a data set in memory-mapped files.

Images are decoded, rectified and at the network's size, once for all: doing that costs many times a
training step's share of a frame. A thousand frames take about 1 GB of disk. A cache is found again
by the data's files (names, sizes, times), the split, and the settings that shape it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import Example, make_example
from bev_semseg_ros.data.dataset import Dataset, Split, open_frames, outside_files
from bev_semseg_ros.frame import Boxes, Camera
from bev_semseg_ros.input_check import InputStatistics
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.model.build import point_attributes
from bev_semseg_ros.model.tasks.task import Task, merged
from bev_semseg_ros.preprocessing import Sample
from bev_semseg_ros.progress import Progress

VERSION = 6  # of the files below and of what preparation does
PORTION = 32  # frames that are prepared before they are written
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
        self.images = _mapped(folder / "images.bin", np.uint8).reshape(-1, 3)
        self.masks = _mapped(folder / "masks.bin", np.uint8)
        columns = max(len(self._attributes), 1)
        self.attributes = _mapped(folder / "attributes.bin", np.float32).reshape(-1, columns)

    def __len__(self) -> int:
        return len(self.index["name"])

    def __getitem__(self, i: int) -> Example:
        index = self.index
        sample = Sample(None, None, None, index["ego_from_lidar"][i])
        mask = boxes = ignored = None
        if index["has_points"][i]:
            rows = slice(*index["point_offset"][i : i + 2])
            columns = self.attributes[rows]
            sample = replace(
                sample,
                points=np.array(self.points[rows]),
                point_attributes={
                    name: np.array(columns[:, column])
                    for column, name in enumerate(self._attributes)
                },
            )
        height, width = index["image_shape"][i]
        if height:
            pixels = slice(*index["pixel_offset"][i : i + 2])
            image = np.array(self.images[pixels]).reshape(height, width, 3)
            camera = Camera(index["matrix"][i], (width, height), index["camera_from_ego"][i])
            sample = replace(sample, image=image, camera=camera)
            if index["has_mask"][i]:
                mask = np.array(self.masks[pixels]).reshape(height, width)
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
        return Example(sample, mask, boxes, ignored, self.box_labels, self.mask_labels)

    def name(self, i: int) -> str:
        """Return the name of a frame."""
        return str(self.index["name"][i])

    def image_shape(self, i: int) -> tuple[int, int]:
        """Return (height, width) of an image, (0, 0) if there is none. It reads no image."""
        height, width = self.index["image_shape"][i]
        return int(height), int(width)

    def has_labels(self, i: int, tasks: Sequence[Task]) -> bool:
        """Return True if a frame has what at least one of the tasks needs. It reads no frame."""
        index = self.index
        there = {
            "points": bool(index["has_points"][i]),
            "image": bool(index["image_shape"][i][0]),
            "boxes": bool(index["has_boxes"][i]),
            "mask": bool(index["has_mask"][i]),
        }
        return any(all(there[part] for part in task.needs) for task in tasks)


def open_cache(
    path: str | Path, config: Config, root: Path, split: Split | Literal[""] = ""
) -> Cache:
    """Return the prepared frames of a data set, prepared now if `root` does not hold them yet.

    Args:
        path: of the data.
        config: of the training.
        root: folder of the caches.
        split: of the data, see `open_dataset`; empty: everything.

    Raises:
        ValueError: what `open_frames` and the readers raise.
    """
    path = Path(path)
    dataset = open_frames(path, split or None)
    folder = root / f"{path.resolve().name}-{_fingerprint(path, config, split)}"
    if not (folder / "index.npz").is_file():
        build(dataset, config, folder)
    return Cache(folder)


def build(dataset: Dataset, config: Config, folder: Path) -> None:
    """Prepare every frame of a data set and write the result.

    The folder appears when it is complete, or not at all.
    """
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write_all(dataset, config, partial)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_all(dataset: Dataset, config: Config, partial: Path) -> None:
    rows: list[dict[str, Any]] = []
    attributes = point_attributes(config)
    labels: tuple[LabelSet, LabelSet] | None = None
    with (
        _Files(partial, attributes) as files,
        ThreadPoolExecutor(2) as pool,
        Progress(f"preparing {dataset.name}", len(dataset)) as progress,
    ):
        # In portions, so that reading never runs far ahead of writing.
        for start in range(0, len(dataset), PORTION):
            portion = range(start, min(start + PORTION, len(dataset)))
            for name, example in pool.map(lambda i: _prepare(dataset, i, config), portion):
                labels = labels or (example.box_labels, example.mask_labels)
                if labels != (example.box_labels, example.mask_labels):
                    raise ValueError(
                        f"{dataset.name}, frame {name}: its labels are of another set than those "
                        "of the frames before; give each set as data of its own"
                    )
                rows.append(files.write(name, example))
                progress.advance()
    # numpy's stubs take the arrays' names for other arguments.
    np.savez(partial / "index.npz", **_index(rows))  # type: ignore[arg-type]
    boxes, mask = labels or (Example(Sample(None, None, None)).box_labels,) * 2
    sets = {"boxes": boxes.to_dict(), "mask": mask.to_dict(), "attributes": list(attributes)}
    (partial / "labels.json").write_text(json.dumps(sets))


def _prepare(dataset: Dataset, i: int, config: Config) -> tuple[str, Example]:
    frame, annotation = dataset[i]
    return frame.name, make_example(frame, annotation, config)


class _Files:
    """The files of a cache that arrays are appended to."""

    def __init__(self, folder: Path, attributes: Sequence[str]) -> None:
        self._attributes = attributes
        self._files = {
            name: open(folder / f"{name}.bin", "wb")  # noqa: SIM115 - closed by __exit__
            for name in ("points", "attributes", "images", "masks")
        }

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def write(self, name: str, example: Example) -> dict[str, Any]:
        """Append an example's arrays; return the row of the index that finds them again."""
        sample, boxes = example.sample, example.boxes
        row: dict[str, Any] = {
            "name": name,
            "has_points": sample.points is not None,
            "points": 0,
            "ego_from_lidar": sample.ego_from_lidar,
            "image_shape": (0, 0),
            "pixels": 0,
            "matrix": np.eye(3),
            "camera_from_ego": np.eye(4),
            "has_mask": example.mask is not None,
            "has_boxes": boxes is not None,
            "boxes": np.zeros((0, BOX_COLUMNS)),
        }
        if sample.points is not None:
            self._append("points", sample.points.astype(np.float32, copy=False))
            self._append("attributes", self._columns(sample, len(sample.points)))
            row["points"] = len(sample.points)
        if sample.image is not None and sample.camera is not None:
            mask = example.mask
            if mask is None:
                mask = np.full(sample.image.shape[:2], MASK_IGNORED, np.uint8)
            self._append("images", sample.image)
            self._append("masks", mask)
            row["image_shape"] = mask.shape
            row["pixels"] = mask.size
            row["matrix"] = sample.camera.matrix
            row["camera_from_ego"] = sample.camera.camera_from_ego
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

    def _columns(self, sample: Sample, count: int) -> np.ndarray:
        """Return (N, A) float32: the attributes that are kept, NaN where the data lack one."""
        columns = np.full((count, len(self._attributes)), np.nan, np.float32)
        for column, name in enumerate(self._attributes):
            if name in sample.point_attributes:
                columns[:, column] = sample.point_attributes[name]
        return columns

    def _append(self, name: str, array: np.ndarray) -> None:
        self._files[name].write(np.ascontiguousarray(array).tobytes())


def _index(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    index = {
        key: np.array([row[key] for row in rows])
        for key in (
            "name",
            "has_points",
            "ego_from_lidar",
            "image_shape",
            "matrix",
            "camera_from_ego",
            "has_mask",
            "has_boxes",
        )
    }
    for key, counts in (
        ("point_offset", [row["points"] for row in rows]),
        ("pixel_offset", [row["pixels"] for row in rows]),
        ("box_offset", [len(row["boxes"]) for row in rows]),
    ):
        index[key] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    index["boxes"] = np.concatenate([row["boxes"] for row in rows])
    return index


def _mapped(path: Path, dtype: type) -> np.ndarray:
    """Return the file as an array. An empty file cannot be mapped."""
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)


def _fingerprint(path: Path, config: Config, split: str) -> str:
    settings = [
        VERSION,
        str(path.resolve()),
        split,
        asdict(config.grid),
        asdict(config.image),
        point_attributes(config),
    ]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for folder, folders, files in os.walk(path, followlinks=True):
        folders.sort()
        for file in sorted(files):
            _add_file(digest, os.path.join(folder, file))
    for outside in outside_files(path):
        _add_file(digest, str(outside))
    return digest.hexdigest()[:12]


def _add_file(digest: hashlib._Hash, file: str) -> None:
    """Add what changes when a file is written again."""
    status = os.stat(file)
    digest.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())


def describe(caches: Sequence[Cache], tasks: Sequence[Task], limit: int = 400) -> dict[str, Any]:
    """Return what the training input looks like, for a checkpoint's `info`.

    Args:
        caches: prepared frames.
        tasks: look at the examples, too (`Task.observe`).
        limit: fewer than twice so many frames are looked at.

    Returns:
        Plain values: `num_frames`, those of `InputStatistics.summary`, against which the node
        compares live input, and those of `Task.statistics`.
    """
    frames = [(cache, i) for cache in caches for i in range(len(cache))]
    statistics = InputStatistics()
    for cache, i in frames[:: max(1, len(frames) // limit)]:
        example = cache[i]
        if example.sample.points is not None:
            statistics.add_points(example.sample.points, example.sample.ego_from_lidar)
        if example.sample.camera is not None:
            statistics.add_camera(example.sample.camera)
        for task in tasks:
            task.observe(example)
    info = {"num_frames": len(frames), **statistics.summary()}
    for task in tasks:
        info = merged(info, task.statistics(), task)
    return info

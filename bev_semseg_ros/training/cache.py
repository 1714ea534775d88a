"""Prepared frames of a data set in memory-mapped files: decoded, rectified and at the network's size, once for all.

Decoding and rectifying a frame costs many times a training step's share of it; a thousand frames take about 1 GB of
disk. A cache is found again by the data's files (names, sizes, times), the split and the settings that shape it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.augmentation import Example
from bev_semseg_ros.data.dataset import Dataset, open_dataset
from bev_semseg_ros.frame import Boxes, Camera
from bev_semseg_ros.input_check import InputStatistics
from bev_semseg_ros.preprocessing import Sample, prepare, rectify
from bev_semseg_ros.progress import Progress
from bev_semseg_ros.taxonomy import IGNORE, SEGMENTATION_CLASSES

VERSION = 3  # of the files below and of what preparation does


class Cache:
    """Examples of one data set, read from the files `build` wrote in `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder
        with np.load(folder / "index.npz") as index:
            self.index = dict(index)
        self.points = _mapped(folder / "points.bin", np.float32).reshape(-1, 4)
        self.images = _mapped(folder / "images.bin", np.uint8).reshape(-1, 3)
        self.masks = _mapped(folder / "masks.bin", np.uint8)

    def __len__(self) -> int:
        return len(self.index["name"])

    def __getitem__(self, i: int) -> Example:
        index = self.index
        points = image = camera = mask = boxes = ignored = None
        if index["has_points"][i]:
            points = np.array(self.points[slice(*index["point_offset"][i : i + 2])])
        height, width = index["image_shape"][i]
        if height:
            pixels = slice(*index["pixel_offset"][i : i + 2])
            image = np.array(self.images[pixels]).reshape(height, width, 3)
            camera = Camera(index["matrix"][i], (width, height), index["camera_from_ego"][i])
            if index["has_mask"][i]:
                mask = np.array(self.masks[pixels]).reshape(height, width)
        if index["has_boxes"][i]:
            rows = index["boxes"][slice(*index["box_offset"][i : i + 2])]
            boxes = Boxes(rows[:, :3], rows[:, 3:6], rows[:, 6], rows[:, 7], np.ones(len(rows)))
            ignored = rows[:, 8].astype(bool)
        return Example(Sample(points, image, camera), mask, boxes, ignored)

    def name(self, i: int) -> str:
        return str(self.index["name"][i])

    def image_shape(self, i: int) -> tuple[int, int]:
        """(height, width) of the image, (0, 0) if there is none; reads nothing."""
        height, width = self.index["image_shape"][i]
        return int(height), int(width)

    def teaches(self, i: int, tasks: tuple[str, ...]) -> bool:
        """True if the frame has input and truth for at least one of the tasks."""
        index = self.index
        return (
            "detection" in tasks and bool(index["has_points"][i] and index["has_boxes"][i])
        ) or ("segmentation" in tasks and bool(index["image_shape"][i][0] and index["has_mask"][i]))


def open_cache(path: str | Path, config: Config, root: Path, split: str = "") -> Cache:
    """The prepared frames of the data at `path`, prepared now if `root` does not hold them yet.

    Raises what `open_dataset` and the readers raise, and ValueError for data without a frame.
    """
    path = Path(path)
    dataset = open_dataset(path, split or None)
    if len(dataset) == 0:
        raise ValueError(f"{path}: no frames" + (f" in the split {split!r}" if split else ""))
    folder = root / f"{path.resolve().name}-{_fingerprint(path, config, split)}"
    if not (folder / "index.npz").is_file():
        build(dataset, config, folder)
    return Cache(folder)


def build(dataset: Dataset, config: Config, folder: Path) -> None:
    """Prepare every frame of a data set and write the result; the folder appears when it is complete, or not at all."""
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
    rows = []
    with (
        open(partial / "points.bin", "wb") as points,
        open(partial / "images.bin", "wb") as images,
        open(partial / "masks.bin", "wb") as masks,
        ThreadPoolExecutor(2) as pool,
        Progress(f"preparing {dataset.name}", len(dataset)) as progress,
    ):
        for start in range(
            0, len(dataset), 32
        ):  # in portions, so that reading never runs far ahead of writing
            chunk = range(start, min(start + 32, len(dataset)))
            for name, ego_from_lidar, example in pool.map(
                lambda i: _prepare(dataset, i, config), chunk
            ):
                rows.append(_write(name, ego_from_lidar, example, points, images, masks))
                progress.advance()
    np.savez(partial / "index.npz", **_index(rows))


def _prepare(dataset: Dataset, i: int, config: Config) -> tuple[str, np.ndarray, Example]:
    frame, annotation = dataset[i]
    sample = prepare(frame, config)
    mask = None
    if annotation.mask is not None and sample.image is not None:
        mask = rectify(annotation.mask, frame.camera, sample.camera.size, cv2.INTER_NEAREST)
    return (
        frame.name,
        frame.ego_from_lidar,
        Example(sample, mask, annotation.boxes, annotation.ignored),
    )


def _write(name: str, ego_from_lidar: np.ndarray, example: Example, points, images, masks) -> dict:
    """Append an example's arrays to the files; the row of the index that finds them again."""
    sample, boxes = example.sample, example.boxes
    row = {
        "name": name,
        "has_points": sample.points is not None,
        "points": 0,
        "ego_from_lidar": ego_from_lidar,
        "image_shape": (0, 0),
        "pixels": 0,
        "matrix": np.eye(3),
        "camera_from_ego": np.eye(4),
        "has_mask": example.mask is not None,
        "has_boxes": boxes is not None,
        "boxes": np.zeros((0, 9)),
    }
    if sample.points is not None:
        points.write(np.ascontiguousarray(sample.points, np.float32).tobytes())
        row["points"] = len(sample.points)
    if sample.image is not None:
        images.write(np.ascontiguousarray(sample.image).tobytes())
        mask = (
            np.full(sample.image.shape[:2], IGNORE, np.uint8)
            if example.mask is None
            else example.mask
        )
        masks.write(np.ascontiguousarray(mask).tobytes())
        row |= {
            "image_shape": mask.shape,
            "pixels": mask.size,
            "matrix": sample.camera.matrix,
            "camera_from_ego": sample.camera.camera_from_ego,
        }
    if boxes is not None:
        ignored = np.zeros(len(boxes), bool) if example.ignored is None else example.ignored
        row["boxes"] = np.column_stack(
            [boxes.centers, boxes.sizes, boxes.yaws, boxes.labels, ignored]
        )
    return row


def _index(rows: list[dict]) -> dict[str, np.ndarray]:
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
    """The file as an array; an empty file cannot be mapped."""
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.zeros(0, dtype)


def _fingerprint(path: Path, config: Config, split: str) -> str:
    digest = hashlib.sha256(
        json.dumps(
            [VERSION, str(path.resolve()), split, asdict(config.grid), asdict(config.image)]
        ).encode()
    )
    for folder, folders, files in os.walk(path, followlinks=True):
        folders.sort()
        for file in sorted(files):
            status = os.stat(os.path.join(folder, file))
            digest.update(f"{folder}/{file} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def describe(caches: list[Cache], limit: int = 400) -> dict:
    """What the input looks like, from fewer than 2 * `limit` frames: plain numbers for a checkpoint's `info`.

    Beside those of `InputStatistics.summary`, against which the node holds its input: num_frames; class_pixels:
    labelled pixels by class.
    """
    frames = [(cache, i) for cache in caches for i in range(len(cache))]
    statistics, pixels = InputStatistics(), np.zeros(256, np.int64)
    for cache, i in frames[:: max(1, len(frames) // limit)]:
        example = cache[i]
        if example.sample.points is not None:
            statistics.add_points(example.sample.points, cache.index["ego_from_lidar"][i])
        if example.sample.image is not None:
            statistics.add_camera(example.sample.camera)
        if example.mask is not None:
            pixels += np.bincount(example.mask.ravel(), minlength=256)
    return {
        "num_frames": len(frames),
        **statistics.summary(),
        "class_pixels": pixels[: len(SEGMENTATION_CLASSES)].tolist(),
    }

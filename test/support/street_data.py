"""A small data set without faults: a car on a road, in KITTI's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from support import tiny_data
from support.label_sets import write_set

from bev_semseg_ros.labels import DEFAULT_MASK_LABELS, load_label_set

CAR_CENTER, CAR_SIZE = (20.27, -1.0, -0.98), (4.0, 1.6, 1.5)  # in the lidar's frame, metres
CAR = "Car 0.00 0 -1.57 10 10 30 30 1.50 1.60 4.00 1.00 1.65 20.00 -1.5707963\n"


def write_street(root: Path, count: int = 4) -> Path:
    """Write a drive at 10 Hz with masks, and with points in the car and on the ground.

    Args:
        root: The data set.
        count: Number of frames.

    Returns:
        The folder `training`.
    """
    tiny_data.write_kitti_drive(root, count)
    rng = np.random.default_rng(0)
    for index in range(count):
        in_car = np.array(CAR_CENTER) + rng.uniform(-0.45, 0.45, (100, 3)) * CAR_SIZE
        ground = rng.uniform((3, -10, -1.74), (30, 10, -1.72), (400, 3))
        points = np.concatenate([in_car, ground])
        intensities = rng.uniform(0, 1, (len(points), 1))
        write_cloud(root, index, np.concatenate([points, intensities], 1))
    return root / "training"


def write_cloud(root: Path, index: int, points: np.ndarray) -> None:
    """Write the cloud (N, 4) of a frame."""
    path = root / "training" / "velodyne" / f"{index:06d}.bin"
    path.write_bytes(points.astype(np.float32).tobytes())


def write_labels(root: Path, index: int, text: str) -> None:
    """Write the label file of a frame."""
    (root / "training" / "label_2" / f"{index:06d}.txt").write_text(text)


def write_point_classes(root: Path, number: int, count: int = 4) -> None:
    """Give all points of each frame the same class of the default label set of masks.

    Args:
        root: The data set.
        number: Number of the class.
        count: Number of frames.
    """
    training = root / "training"
    (training / "labels").mkdir(exist_ok=True)
    write_set(training / "labels", list(load_label_set(DEFAULT_MASK_LABELS).classes), "labels")
    for index in range(count):
        size = (training / "velodyne" / f"{index:06d}.bin").stat().st_size
        classes = np.full(size // 16, number, np.uint32)
        (training / "labels" / f"{index:06d}.label").write_bytes(classes.tobytes())

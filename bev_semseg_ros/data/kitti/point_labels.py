"""Reads classes of points in SemanticKITTI's format, which `bev-semseg synth` writes.

`labels/<frame>.label` has a uint32 for each point of the Velodyne's cloud, in the same order; the
lower 16 bits are the class. The classes are those of the masks, and `labels/labels.yaml` lists
them. SemanticKITTI itself has no such file, and has other classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bev_semseg_ros.data.files import check_classes
from bev_semseg_ros.data.frame_files import FilesByFrame
from bev_semseg_ros.labels import LabelSet, load_label_set

PART = "point_classes"
FOLDER, LABELS_FILE = "labels", "labels.yaml"
ENDING = ".label"

_CLASS_BITS = 0xFFFF


def labels_folder(cloud_folder: str) -> str:
    """Return the folder of the classes for a folder of clouds, such as velodyne_NAME."""
    return FOLDER + cloud_folder.removeprefix("velodyne")


def point_label_files(folder: Path, cloud_folder: str) -> FilesByFrame:
    """Return the files with the classes of a lidar's points; there may be none.

    Args:
        folder: The folder with "velodyne".
        cloud_folder: Name of the folder of the lidar's clouds.

    Raises:
        ValueError: The file that names the classes is missing.
    """
    files = FilesByFrame(folder / labels_folder(cloud_folder), (ENDING,))
    if files.keys and not (folder / FOLDER / LABELS_FILE).is_file():
        raise ValueError(
            f"{files.folder}: {FOLDER}/{LABELS_FILE} is missing, which names the classes of the "
            "points; the class numbers of SemanticKITTI's own label files are not read: convert "
            "them to the classes of the masks and describe these there, or move the folder away"
        )
    return files


def check_point_labels(folder: Path, mask_labels: LabelSet) -> None:
    """Raise ValueError if the classes of the points are not those of the masks.

    Args:
        folder: The folder with "velodyne".
        mask_labels: Label set of the masks.
    """
    path = folder / FOLDER / LABELS_FILE
    classes = load_label_set(path).classes
    if classes != mask_labels.classes:
        raise ValueError(
            f"{path}: expected the classes of the masks, {', '.join(mask_labels.classes)}, got "
            f"{', '.join(classes)}"
        )


def read_point_labels(path: Path, count: int, labels: LabelSet) -> np.ndarray:
    """Read the classes of the points of a cloud.

    Args:
        path: File of the classes.
        count: Number N of points in the cloud.
        labels: Label set of the classes.

    Returns:
        (N,) uint8 classes.

    Raises:
        ValueError: The file has another number of points.
        UnknownLabelError: A class is not in the label set.
    """
    data = path.read_bytes()
    if len(data) != 4 * count:
        raise ValueError(
            f"{path}: {len(data)} bytes; expected 4 for each of the {count} points of the cloud, "
            f"{4 * count}; recreate it from the same cloud"
        )
    numbers = np.frombuffer(data, "<u4") & _CLASS_BITS
    remedy = f"correct the classes, or define them in {path.parent.parent / FOLDER / LABELS_FILE}"
    check_classes(numbers, labels, path, remedy)
    return numbers.astype(np.uint8)

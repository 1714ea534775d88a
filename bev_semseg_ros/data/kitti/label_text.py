"""Writes label files of KITTI's object layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import (
    KITTI_EGO_FROM_LIDAR,
    kitti_rectified_from_lidar,
    read_kitti_matrices,
)
from bev_semseg_ros.data.files import check_angles
from bev_semseg_ros.data.kitti.label_sets import read_label_set
from bev_semseg_ros.data.kitti.labels import BOX_LABELS
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, invert, wrap_angle
from bev_semseg_ros.output_path import write_file

UNKNOWN_OCCLUSION = 3


def label_line(
    name: str,
    box: Boxes,
    rectified_from_ego: np.ndarray,
    bounds: np.ndarray,
    truncation: float,
    occlusion: int,
) -> str:
    """Return the line of a label file for an object.

    Args:
        name: Its class in the data set.
        box: One box in the ego frame.
        rectified_from_ego: (4, 4) transform to the frame of the labels.
        bounds: (4,) left, top, right, bottom in the image, pixels.
        truncation: Fraction of the object outside the image.
        occlusion: 0 fully visible, 1 partly hidden, 2 largely hidden, 3 unknown.
    """
    length, width, height = box.sizes[0]
    # A label rotates a box about the y axis of the camera, which need not be vertical. Seen from
    # above, the x and the z axis of the camera point along these columns.
    turned_axes = invert(rectified_from_ego)[:2, [0, 2]]
    x, y, z = apply(rectified_from_ego, box.centers[0]) + np.array([0, height / 2, 0])
    heading = (np.cos(box.yaws[0]), np.sin(box.yaws[0]))
    cosine, minus_sine = np.linalg.solve(turned_axes, heading)
    rotation = float(np.arctan2(-minus_sine, cosine))
    alpha = float(wrap_angle(np.array(rotation - np.arctan2(x, z))))
    numbers = [alpha, *bounds, height, width, length, x, y, z, rotation]
    fields = [name, f"{truncation:.2f}", str(occlusion), *(f"{number:.4f}" for number in numbers)]
    return " ".join(fields)


def write_boxes(
    training: str | Path,
    frame: str,
    names: Sequence[str],
    centers: Sequence[Sequence[float]],
    sizes: Sequence[Sequence[float]],
    yaws: Sequence[float],
) -> None:
    """Write the boxes that a labelling tool has drawn in the cloud of a frame, as label_2.

    The area in the image is written as 0, because readers of boxes do not need it.

    Args:
        training: The folder with `velodyne` and `calib`.
        frame: Name of the frame, such as "000017".
        names: Class of each box: KITTI's, such as Car, Van, Truck, Pedestrian and Cyclist, or those
            in `label_2/labels.yaml`.
        centers: x, y, z of the centre of each box, in the frame of the points in `velodyne`.
        sizes: Length, width and height of each box, metres.
        yaws: Rotation of each box about z, radians: 0 along x, and pi / 2 along y.

    Raises:
        ValueError: A class is unknown, the calibration is damaged, a rotation is not in radians, or
            the arguments have different lengths.
        FileNotFoundError: The frame has no calibration.
    """
    training = Path(training)
    folder = training / "label_2"
    classes = read_label_set(folder, training, BOX_LABELS, "boxes")
    calibration = training / "calib" / f"{frame}.txt"
    rows = read_kitti_matrices(calibration)
    rectified_from_velodyne = kitti_rectified_from_lidar(rows, calibration)
    rectified_from_ego = rectified_from_velodyne @ invert(KITTI_EGO_FROM_LIDAR)
    check_angles(np.array(yaws), "yaws")
    lines = []
    for name, center, size, yaw in zip(names, centers, sizes, yaws, strict=True):
        label = classes.index(name)  # raises an error if the class is unknown
        moved = apply(KITTI_EGO_FROM_LIDAR, np.array([center], np.float64))
        box = Boxes(moved, np.array([size]), np.array([yaw]), np.array([label]), np.ones(1))
        line = label_line(name, box, rectified_from_ego, np.zeros(4), 0.0, UNKNOWN_OCCLUSION)
        lines.append(f"{line}\n")
    folder.mkdir(exist_ok=True)
    write_file(folder / f"{frame}.txt", "".join(lines))

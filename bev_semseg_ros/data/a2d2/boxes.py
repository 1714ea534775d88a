"""Reads the boxes in the label3D files of A2D2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data.files import MAX_ID, box_size, check_angles, numbers, read_json
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.labels import load_label_set

BOX_LABELS = "a2d2_boxes"  # the data set's own classes


def axis_angle_rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the (3, 3) rotation by `angle` radians about the unit vector `axis` (Rodrigues).

    The axes of A2D2's boxes point up or down, so `angle` alone does not determine the rotation.
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

    Only boxes with the key `velocity` have an id and a velocity.

    Args:
        path: The file.
        ego_from_view: (4, 4) transform from the view frame of the camera to the ego frame.

    Returns:
        The boxes in the ego frame.

    Raises:
        ValueError: The file is damaged; the message names the file, the box and what was expected.
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
        center, axis = (numbers(box.get(key), (3,), f"{where}.{key}") for key in ("center", "axis"))
        if abs(np.linalg.norm(axis) - 1) > 1e-3:
            raise ValueError(f"{where}.axis: expected a unit vector, got {axis.tolist()}")
        angle = float(numbers(box.get("rot_angle"), (), f"{where}.rot_angle"))
        check_angles(angle, f"{where}.rot_angle")
        heading = axis_angle_rotation(axis, angle)[:, 0]
        heading = ego_from_view[:3, :3] @ heading
        centers.append(apply(ego_from_view, center))
        sizes.append(box_size(box.get("size"), f"{where}.size"))
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
    """Return the id and the (3,) velocity of a box in the view frame; -1 and NaN if it has none.

    Args:
        box: Entry of a label3D file.
        where: File and box, for the beginning of an error message.
    """
    if "velocity" not in box:
        return -1, np.full(3, np.nan)
    number = box.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_ID:
        raise ValueError(f"{where}.id: expected a whole number from 0 to {MAX_ID}, got {number!r}")
    return number, numbers(box["velocity"], (3,), f"{where}.velocity")

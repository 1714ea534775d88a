"""Reads labels of KITTI object detection and tracking: boxes, and areas with unlabelled objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.files import box_size, check_angles, numbers, read_text
from bev_semseg_ros.data.kitti.motion import Motion, read_motions
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.labels import LabelSet

MASK_LABELS, BOX_LABELS = "driving_13", "kitti_boxes"
DONT_CARE = "DontCare"  # an area of the image, not an object


class Objects:
    """Collects the labelled objects of a frame, line by line.

    Args:
        ego_from_rectified: (4, 4) transform from the frame of the labels, the rectified frame of
            camera 0, to the ego frame.
        classes: Label set of the objects.
    """

    def __init__(self, ego_from_rectified: np.ndarray, classes: LabelSet) -> None:
        self._ego_from_rectified = ego_from_rectified
        self._classes = classes
        self._rows: list[tuple[np.ndarray, np.ndarray, float, int]] = []
        self._motions: list[Motion] = []
        self._areas: list[np.ndarray] = []

    def add(self, fields: Sequence[str], where: str, motion: Motion | None = None) -> None:
        """Add an object.

        Args:
            fields: Fields of a line in an object label file: 15, or 16 with a score.
            where: File and line, for the beginning of an error message.
            motion: Identity and velocity of the object; None if unknown.

        Raises:
            ValueError: A field is invalid.
        """
        if len(fields) not in (15, 16):
            raise ValueError(f"{where}: expected 15 fields (16 with a score), got {len(fields)}")
        values = numbers(fields[1:15], (14,), where)
        if fields[0] == DONT_CARE or _is_flat(values[7:]):
            self._areas.append(values[3:7])
            return
        try:
            label = self._classes.index(fields[0])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        height, width, length, x, y, z, rotation_y = values[7:]
        check_angles(rotation_y, where)
        heading = self._ego_from_rectified[:3, :3] @ (np.cos(rotation_y), 0.0, -np.sin(rotation_y))
        middle = np.array([x, y - height / 2, z])  # the file has the centre of the bottom
        center = apply(self._ego_from_rectified, middle)
        size = box_size((length, width, height), where)
        self._rows.append((center, size, np.arctan2(heading[1], heading[0]), label))
        self._motions.append(motion or Motion())

    def boxes(self) -> Boxes:
        """Return the boxes in the ego frame."""
        centers, sizes, yaws, labels = zip(*self._rows, strict=True) if self._rows else [()] * 4
        return Boxes(
            np.array(centers),
            np.array(sizes),
            np.array(yaws),
            np.array(labels),
            np.ones(len(labels)),
            np.array([motion.number for motion in self._motions]),
            np.array([motion.velocity for motion in self._motions]),
        )

    def dont_care(self) -> np.ndarray:
        """Return (D, 4) left, top, right, bottom of areas that may have unlabelled objects, pixels.

        These are DontCare areas, and objects that are labelled only in the image.
        """
        return np.array(self._areas).reshape(-1, 4)


def read_labels(
    path: Path,
    ego_from_rectified: np.ndarray,
    classes: LabelSet,
    motion_path: Path | None = None,
) -> tuple[Boxes, np.ndarray]:
    """Read a label file of object detection.

    Args:
        path: The file.
        ego_from_rectified: (4, 4) transform from the frame of the labels, the rectified frame of
            camera 0, to the ego frame.
        classes: Label set of the objects.
        motion_path: File with the ids and velocities of the boxes; None if there is none.

    Returns:
        The results of `Objects.boxes` and `Objects.dont_care`.

    Raises:
        ValueError: A file is damaged; the message says where.
    """
    motions = {} if motion_path is None else read_motions(motion_path)
    objects = Objects(ego_from_rectified, classes)
    for index, line in enumerate(read_text(path).splitlines(), 1):
        if fields := line.split():
            is_area = fields[0] == DONT_CARE
            motion = None if is_area else motions.pop(index, None)
            objects.add(fields, f"{path}, line {index}", motion)
    if motions:
        raise ValueError(
            f"{motion_path}: row for box {min(motions)}, but that line of {path} holds no box"
        )
    return objects.boxes(), objects.dont_care()


def _is_flat(values: np.ndarray) -> bool:
    """Return whether size and pose (7,) have KITTI's values for "not labelled in 3D"."""
    return bool((values[:3] == -1).all() or (values[3:6] == -1000).all())

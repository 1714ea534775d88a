"""Label files of KITTI object detection: boxes, and areas where boxes may be missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bev_semseg_ros.data.files import box_size, numbers, read_text
from bev_semseg_ros.data.kitti.motion import Motion, read_motions
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply
from bev_semseg_ros.labels import load_label_set

MASK_LABELS, BOX_LABELS = "driving_13", "kitti_boxes"
DONT_CARE = "DontCare"  # an area of the image, not an object


def read_labels(
    path: Path, ego_from_rectified: np.ndarray, motion_path: Path | None = None
) -> tuple[Boxes, np.ndarray]:
    """Read a label file.

    Args:
        path: the file.
        ego_from_rectified: (4, 4) takes the frame of the labels, which is that of rectified
            camera 0, to the ego frame.
        motion_path: file with the ids and velocities of the boxes, None if there is none.

    Returns:
        Boxes in the ego frame with labels of the set "kitti_boxes"; (D, 4) the DontCare areas.

    Raises:
        ValueError: names file and line.
    """
    classes = load_label_set(BOX_LABELS)
    motions = {} if motion_path is None else read_motions(motion_path)
    found: list[Motion] = []
    centers, sizes, yaws, labels, dont_care = [], [], [], [], []
    for index, line in enumerate(read_text(path).splitlines(), 1):
        if not (fields := line.split()):
            continue
        where = f"{path}, line {index}"
        if len(fields) not in (15, 16):
            raise ValueError(f"{where}: expected 15 fields (16 with a score), got {len(fields)}")
        values = numbers(fields[1:15], (14,), where)
        if fields[0] == DONT_CARE:
            dont_care.append(values[3:7])
            continue
        try:
            label = classes.index(fields[0])
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
        height, width, length, x, y, z, rotation_y = values[7:]
        heading = ego_from_rectified[:3, :3] @ (np.cos(rotation_y), 0.0, -np.sin(rotation_y))
        middle = np.array([x, y - height / 2, z])  # the file gives the bottom's centre
        centers.append(apply(ego_from_rectified, middle))
        sizes.append(box_size((length, width, height), where))
        yaws.append(np.arctan2(heading[1], heading[0]))
        labels.append(label)
        found.append(motions.pop(index, Motion()))
    if motions:
        raise ValueError(
            f"{motion_path}: row for box {min(motions)}, but that line of {path} holds no box"
        )
    boxes = Boxes(
        np.array(centers),
        np.array(sizes),
        np.array(yaws),
        np.array(labels),
        np.ones(len(labels)),
        np.array([motion.number for motion in found]),
        np.array([motion.velocity for motion in found]),
    )
    return boxes, np.array(dont_care).reshape(-1, 4)

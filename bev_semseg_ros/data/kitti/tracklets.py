"""Reads tracklets of KITTI raw: the labelled objects of a drive."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.files import box_size, check_angles, numbers
from bev_semseg_ros.data.kitti.labels import BOX_LABELS, DONT_CARE
from bev_semseg_ros.labels import load_label_set


@dataclass(frozen=True, eq=False)
class Tracklet:
    """One object throughout a drive.

    Attributes:
        id: Index in the file.
        label: Class number in the label set `labels.BOX_LABELS`.
        size: (3,) length, width, height in metres.
        first_frame: Number of the frame of the first pose; the others are consecutive.
        poses: (F, 4) x, y, z of the centre of the box's bottom, in metres, and yaw in radians, in
            the lidar frame.
    """

    id: int
    label: int
    size: np.ndarray
    first_frame: int
    poses: np.ndarray


def read_tracklets(path: Path) -> list[Tracklet]:
    """Read the tracklets of a drive.

    Args:
        path: The drive's tracklet_labels.xml.

    Returns:
        The tracklets, without those of the class "DontCare".

    Raises:
        ValueError: The file is damaged; the message names it, the tracklet and what was expected.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: truncated or damaged XML: {error}") from error
    tracklets = []
    for index, item in enumerate(root.findall("tracklets/item")):
        # The object set has Person_sitting instead of Person (sitting).
        class_name = (item.findtext("objectType") or "").replace(" (sitting)", "_sitting")
        if class_name != DONT_CARE:
            tracklets.append(_tracklet(index, class_name, item, f"{path}: tracklet {index}"))
    return tracklets


def _tracklet(index: int, class_name: str, item: ElementTree.Element, where: str) -> Tracklet:
    """Return a tracklet from its XML element; error messages begin with `where`."""
    try:
        label = load_label_set(BOX_LABELS).index(class_name)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    first_frame = numbers(item.findtext("first_frame"), (), f"{where}: first_frame")
    rows = [
        [pose.findtext(key) for key in ("tx", "ty", "tz", "rz")]
        for pose in item.findall("poses/item")
    ]
    if rows:
        poses = numbers(rows, (len(rows), 4), f"{where}: tx, ty, tz, rz")
        check_angles(poses[:, 3], f"{where}: rz")
    else:
        poses = np.zeros((0, 4))
    return Tracklet(
        index,
        label,
        box_size([item.findtext(key) for key in "lwh"], f"{where}: l, w, h"),
        int(first_frame),
        poses,
    )

"""Plausible sizes of objects."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.labels import DEFAULT_BOX_LABELS, LabelSet, load_label_set

# Class of the label set `DEFAULT_BOX_LABELS` -> smallest and largest length, width and height, in
# metres. They include the sizes in A2D2, KITTI and nuScenes: all models of cars, and people who
# bend down or ride.
LIMITS = {
    "car": ((1.8, 0.9, 0.8), (8.0, 3.5, 3.5)),
    "truck": ((2.5, 1.3, 1.2), (30.0, 5.0, 5.5)),
    "pedestrian": ((0.15, 0.15, 0.4), (2.2, 1.7, 2.5)),
    "cyclist": ((0.6, 0.2, 0.6), (3.5, 1.7, 2.7)),
}
ANY = ((0.05, 0.05, 0.05), (60.0, 10.0, 10.0))
LONGER_THAN_WIDE = ("car", "truck", "cyclist")
SLACK = 1.2  # highest ratio of width to length of these classes; labels of hidden ones exceed 1


def limits(name: str, labels: LabelSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of the size of a class.

    Args:
        name: The class.
        labels: Label set of the class.

    Returns:
        (3,) smallest and (3,) largest length, width and height, metres.
    """
    low, high = LIMITS.get(_default_class(name, labels), ANY)
    return np.array(low), np.array(high)


def implausible(sizes: np.ndarray, name: str, labels: LabelSet) -> np.ndarray:
    """Find implausible sizes of a class.

    Args:
        sizes: (M, 3) length, width and height in metres.
        name: The class.
        labels: Label set of the class.

    Returns:
        (M,) bool.
    """
    low, high = limits(name, labels)
    wrong: np.ndarray = np.asarray(((sizes < low) | (sizes > high)).any(1))
    if _default_class(name, labels) in LONGER_THAN_WIDE:
        wrong |= sizes[:, 1] > SLACK * sizes[:, 0]
    return wrong


def _default_class(name: str, labels: LabelSet) -> str:
    """Return the class in the default label set, or the name itself if it has none there."""
    wanted = load_label_set(DEFAULT_BOX_LABELS)
    if name in labels.classes and labels.maps_to(wanted):
        number = labels.mapping_to(wanted)[labels.index(name)]
        if number >= 0:
            return wanted.classes[number]
    return name

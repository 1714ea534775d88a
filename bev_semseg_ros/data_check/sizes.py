"""What sizes objects can have."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.labels import DEFAULT_BOX_LABELS, LabelSet, load_label_set

# Class of the label set `DEFAULT_BOX_LABELS` -> least and largest length, width and height, metres.
# They hold what A2D2, KITTI and nuScenes have: models of cars, and people who bow or ride.
LIMITS = {
    "car": ((1.8, 0.9, 0.8), (8.0, 3.5, 3.5)),
    "truck": ((2.5, 1.3, 1.2), (30.0, 5.0, 5.5)),
    "pedestrian": ((0.15, 0.15, 0.4), (2.2, 1.7, 2.5)),
    "cyclist": ((0.6, 0.2, 0.6), (3.5, 1.7, 2.7)),
}
ANY = ((0.05, 0.05, 0.05), (60.0, 10.0, 10.0))
LONGER_THAN_WIDE = ("car", "truck", "cyclist")
SLACK = 1.2  # by which such an object may be wider than long, as labels of hidden ones are


def limits(name: str, labels: LabelSet) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the largest length, width and height (3,) of a class.

    Args:
        name: The class.
        labels: Its label set.
    """
    low, high = LIMITS.get(_default_class(name, labels), ANY)
    return np.array(low), np.array(high)


def implausible(sizes: np.ndarray, name: str, labels: LabelSet) -> np.ndarray:
    """Find sizes that no object of a class has.

    Args:
        sizes: (M, 3) length, width and height in metres.
        name: The class.
        labels: Its label set.

    Returns:
        (M,) bool.
    """
    low, high = limits(name, labels)
    wrong: np.ndarray = np.asarray(((sizes < low) | (sizes > high)).any(1))
    if _default_class(name, labels) in LONGER_THAN_WIDE:
        wrong |= sizes[:, 1] > SLACK * sizes[:, 0]
    return wrong


def _default_class(name: str, labels: LabelSet) -> str:
    """Return what a class is in the default label set; its own name if it is nothing there."""
    wanted = load_label_set(DEFAULT_BOX_LABELS)
    if name in labels.classes and labels.maps_to(wanted):
        number = labels.mapping_to(wanted)[labels.index(name)]
        if number >= 0:
            return wanted.classes[number]
    return name

"""Classes of points in the form that the loss needs, grouped by label set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bev_semseg_ros.labels import MASK_IGNORED, LabelSet
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.task import Targets


@dataclass(frozen=True, eq=False)
class EncodedPoints:
    """The classes of the points of one frame.

    Attributes:
        count: number of points of the frame.
        labels: label set of `classes`, to which the network's set maps; None for a frame without
            labels.
        numbers: (M,) int64 indices of the points that have a class.
        classes: (M,) uint8 classes of these points.
    """

    count: int
    labels: LabelSet | None
    numbers: np.ndarray
    classes: np.ndarray


def encode_points(
    count: int, classes: np.ndarray | None, point_labels: LabelSet, labels: LabelSet
) -> EncodedPoints:
    """Return the classes of a frame's points, in the label set shared with the network.

    Args:
        count: number of points of the frame.
        classes: (count,) uint8 classes of `point_labels`; None for a frame without labels.
        point_labels: label set of the classes.
        labels: label set of the network.

    Raises:
        ValueError: the label sets do not map to a shared one.
    """
    if classes is None:
        return EncodedPoints(count, None, np.zeros(0, np.int64), np.zeros(0, np.uint8))
    shared = view_of(labels, point_labels).shared
    if point_labels != shared:
        classes = point_labels.mask_table(shared)[classes]
    numbers = np.flatnonzero(classes != MASK_IGNORED)
    return EncodedPoints(count, shared, numbers, classes[numbers])


def collate_points(encoded: Sequence[EncodedPoints]) -> Targets | None:
    """Return the targets of a batch: label set -> indices of points (M,) and their classes (M,).

    Points are numbered throughout the batch. None if no point has a class.
    """
    points: dict[LabelSet, list[np.ndarray]] = {}
    classes: dict[LabelSet, list[np.ndarray]] = {}
    first = 0
    for each in encoded:
        if each.labels is not None and len(each.numbers):
            points.setdefault(each.labels, []).append(first + each.numbers)
            classes.setdefault(each.labels, []).append(each.classes)
        first += each.count
    if not points:
        return None
    return {
        labels: {
            "points": torch.from_numpy(np.concatenate(points[labels])),
            "classes": torch.from_numpy(np.concatenate(classes[labels])).long(),
        }
        for labels in points
    }

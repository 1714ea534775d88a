"""The ground truth of a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bev_semseg_ros.frame.bev_map import BevMap
from bev_semseg_ros.frame.boxes import Boxes, relabel_boxes
from bev_semseg_ros.frame.frame import only
from bev_semseg_ros.labels import (
    DEFAULT_BOX_LABELS,
    DEFAULT_MASK_LABELS,
    MASK_IGNORED,
    LabelSet,
    load_label_set,
)


@dataclass(frozen=True, eq=False)
class Annotation:
    """The ground truth of a frame. None means unlabelled, empty means labelled without objects.

    Attributes:
        boxes: in the ego frame.
        ignored: (M,) bool: boxes that count neither as found nor as missed.
        masks: for each labelled camera (H, W) uint8 classes of `mask_labels`,
            `labels.MASK_IGNORED` to be left out, in the geometry of its image as recorded.
        dont_care: for each camera that has such areas (D, 4) left, top, right, bottom in pixels of
            the rectified image: there may be unlabelled objects.
        box_labels: label set of `boxes`, the data set's own.
        mask_labels: label set of `masks` and `point_classes`, the data set's own.
        point_classes: for each lidar whose points are labelled (N,) uint8 classes of `mask_labels`,
            one for each point of its scan, `labels.MASK_IGNORED` to be left out.
        bev: classes of the places around the vehicle.

    Raises:
        ValueError: a box with a size that is not above 0, or with numbers that are not finite, or
            a class that its label set does not have.
    """

    boxes: Boxes | None = None
    ignored: np.ndarray | None = None
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    dont_care: Mapping[str, np.ndarray] = field(default_factory=dict)
    box_labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_BOX_LABELS))
    mask_labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_MASK_LABELS))
    point_classes: Mapping[str, np.ndarray] = field(default_factory=dict)
    bev: BevMap | None = None

    def __post_init__(self) -> None:
        for kind, labelled in (("mask", self.masks), ("points", self.point_classes)):
            for name, classes in labelled.items():
                known = np.where(np.asarray(classes) == MASK_IGNORED, 0, classes)
                _check_classes(f"the {kind} of {name!r}", known, self.mask_labels)
        if self.boxes is None:
            return
        _check_classes("the boxes", self.boxes.labels, self.box_labels)
        placed = np.column_stack([self.boxes.centers, self.boxes.sizes, self.boxes.yaws])
        wrong = ~np.isfinite(placed).all(1) | (self.boxes.sizes <= 0).any(1)
        if wrong.any():
            index = int(np.argmax(wrong))
            raise ValueError(
                f"annotation: box {index} has the centre {self.boxes.centers[index].tolist()}, the "
                f"size {self.boxes.sizes[index].tolist()} and the yaw {self.boxes.yaws[index]}; "
                "expected finite numbers and sizes above 0: correct the box or leave it out"
            )

    @property
    def mask(self) -> np.ndarray | None:
        """(H, W) mask of the only labelled camera."""
        return only(self.masks, "labelled cameras")

    def with_labels(
        self, box_labels: LabelSet | None = None, mask_labels: LabelSet | None = None
    ) -> Annotation:
        """Return the same ground truth in other label sets, None leaves a set as it is.

        Boxes that are no objects in the new set are left out; those that it ignores get the label
        BOX_IGNORED and are marked in `ignored`.

        Raises:
            ValueError: the present set does not map to the one asked for.
        """
        changed = self
        if box_labels is not None and self.boxes is not None and box_labels != self.box_labels:
            boxes, ignored = relabel_boxes(self.boxes, self.ignored, self.box_labels, box_labels)
            changed = replace(changed, boxes=boxes, ignored=ignored, box_labels=box_labels)
        has_classes = bool(self.masks) or bool(self.point_classes)
        if mask_labels is not None and has_classes and mask_labels != self.mask_labels:
            table = self.mask_labels.mask_table(mask_labels)
            changed = replace(
                changed,
                masks={camera: table[mask] for camera, mask in self.masks.items()},
                point_classes={lidar: table[each] for lidar, each in self.point_classes.items()},
                mask_labels=mask_labels,
            )
        return replace(
            changed,
            box_labels=box_labels or self.box_labels,
            mask_labels=mask_labels or self.mask_labels,
        )


def _check_classes(what: str, classes: np.ndarray, labels: LabelSet) -> None:
    """Refuse class numbers that a label set does not have.

    Args:
        what: has the classes, for messages.
        classes: numbers of classes; negative ones are none.
        labels: the label set.
    """
    highest = int(np.max(classes, initial=0))
    if highest >= len(labels):
        raise ValueError(
            f"annotation: a class of {what} is {highest}, and the label set {labels.name} has "
            f"{len(labels)} classes, counted from 0: correct the numbers, or name the label set "
            "that they are of"
        )

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
    """The ground truth of a frame.

    `boxes` is None if the objects of the frame are not labelled, and empty if it has no objects.

    Attributes:
        boxes: M boxes in the ego frame.
        ignored: (M,) bool: boxes that count neither as found nor as missed; None if there are none.
        masks: (H, W) uint8 classes of `mask_labels` for each labelled camera, by its name, with the
            geometry of the image as recorded; ignored pixels are `labels.MASK_IGNORED`.
        dont_care: (D, 4) left, top, right, bottom of areas that may contain unlabelled objects, in
            pixels of the rectified image, by the name of the camera.
        box_labels: Label set of `boxes`; readers use that of the data set.
        mask_labels: Label set of `masks` and `point_classes`; readers use that of the data set.
        point_classes: (N,) uint8 classes of `mask_labels` for the points of each labelled scan, by
            the name of the lidar; ignored points are `labels.MASK_IGNORED`.
        bev: Classes of the cells around the vehicle, seen from above; None if unlabelled.

    Raises:
        ValueError: A box has a size of 0 or less, a number is NaN or infinite, a class is not in
            its label set, or an array has another shape.
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
        for kind, labelled, shape in (
            ("mask", self.masks, ("H", "W")),
            ("points", self.point_classes, ("N",)),
        ):
            for name, classes in labelled.items():
                if np.ndim(classes) != len(shape):
                    raise ValueError(
                        f"annotation: the classes of the {kind} of {name!r} have the shape "
                        f"{np.shape(classes)}, expected ({', '.join(shape)})"
                    )
                known = np.where(np.asarray(classes) == MASK_IGNORED, 0, classes)
                _check_classes(f"the {kind} of {name!r}", known, self.mask_labels)
        if self.boxes is None:
            return
        if self.ignored is not None and np.shape(self.ignored) != (len(self.boxes),):
            raise ValueError(
                f"annotation: ignored has the shape {np.shape(self.ignored)}, expected one value "
                f"for each of {len(self.boxes)} boxes"
            )
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
        """(H, W) mask of the only labelled camera; None if there is none."""
        return only(self.masks, "labelled cameras")

    def with_labels(
        self, box_labels: LabelSet | None = None, mask_labels: LabelSet | None = None
    ) -> Annotation:
        """Return the same ground truth in other label sets.

        Boxes that are not objects in the new set are removed. Boxes that the new set ignores get
        the label BOX_IGNORED and are marked in `ignored`.

        Args:
            box_labels: New label set of the boxes; None keeps the present one.
            mask_labels: New label set of the masks and points; None keeps the present one.

        Raises:
            ValueError: The present set does not map to the new one.
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
    """Raise ValueError if a class number is not in a label set.

    Args:
        what: Name of the labelled data, for the message.
        classes: Class numbers; negative ones are special values and pass.
        labels: The label set.
    """
    highest = int(np.max(classes, initial=0))
    if highest >= len(labels):
        raise ValueError(
            f"annotation: a class of {what} is {highest}, and the label set {labels.name} has "
            f"{len(labels)} classes, counted from 0: correct the numbers, or name the label set "
            "that they are of"
        )

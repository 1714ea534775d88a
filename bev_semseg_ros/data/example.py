"""Examples: input of the network with ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.point_classes import (
    POINT_CLASS,
    with_carried_classes,
    with_point_classes,
)
from bev_semseg_ros.frame import Annotation, Boxes, Frame, only
from bev_semseg_ros.labels import (
    DEFAULT_BOX_LABELS,
    DEFAULT_MASK_LABELS,
    MASK_IGNORED,
    LabelSet,
    load_label_set,
)
from bev_semseg_ros.preprocessing import Sample, prepare, rectify


@dataclass(frozen=True, eq=False)
class Example:
    """A sample with its ground truth.

    Attributes:
        sample: Input of the network.
        masks: (h, w) uint8 classes of `mask_labels` for each labelled image of the sample, by the
            name of the camera.
        boxes: M boxes in the ego frame with classes of `box_labels`; None if unlabelled.
        ignored: (M,) bool: boxes that count neither as found nor as missed; None if there are none.
        box_labels: Label set of `boxes`.
        mask_labels: Label set of `masks` and `point_classes`.
        removed_points: (M, 4) x, y, z in the ego frame and class of points that the augmentation
            removed from the sample. The network does not see them, but may learn from their class.
    """

    sample: Sample
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    boxes: Boxes | None = None
    ignored: np.ndarray | None = None
    box_labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_BOX_LABELS))
    mask_labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_MASK_LABELS))
    removed_points: np.ndarray | None = None

    @property
    def mask(self) -> np.ndarray | None:
        """(h, w) mask of the only labelled image; None if there is none."""
        return only(self.masks, "labelled cameras")

    @property
    def point_classes(self) -> np.ndarray | None:
        """(N,) uint8 classes of the points, MASK_IGNORED if unknown; None if unlabelled."""
        values = self.sample.point_attributes.get(POINT_CLASS)
        if values is None or np.isnan(values).all():
            return None
        return np.nan_to_num(values, nan=MASK_IGNORED).astype(np.uint8)

    @property
    def labelled_points(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(N, 3) points and their (N,) uint8 classes, with `removed_points`; None if unlabelled."""
        points, classes = self.sample.points, self.point_classes
        if points is None or classes is None:
            return None
        if self.removed_points is None:
            return points[:, :3], classes
        return (
            np.concatenate([points[:, :3], self.removed_points[:, :3]]),
            np.concatenate([classes, self.removed_points[:, 3].astype(np.uint8)]),
        )

    def of_camera(self, name: str) -> Example:
        """Return the example with only one camera, as tasks on images need it."""
        masks = {name: self.masks[name]} if name in self.masks else {}
        return replace(self, sample=self.sample.of_camera(name), masks=masks)


def make_example(
    frame: Frame, annotation: Annotation, config: Config, whole_clouds: bool = False
) -> Example:
    """Preprocess a frame and its ground truth.

    Points have the classes that the data set gives them. If it gives none, or if
    `training.carry_masks` is set, points have the class of the mask at the pixel that shows them.
    Without masks, they have no classes.

    Args:
        frame: The frame as recorded.
        annotation: Ground truth of the frame.
        config: Configuration of the network.
        whole_clouds: Keep the points outside the grid, too; see `prepare`.
    """
    if not config.training.carry_masks:
        frame = with_point_classes(frame, annotation)
    sample = prepare(frame, config, whole_clouds)
    masks = {}
    for name, seen in sample.images.items():
        if name in annotation.masks:
            recorded = frame.cameras[name].camera
            size = seen.camera.size
            masks[name] = rectify(annotation.masks[name], recorded, size, cv2.INTER_NEAREST)
    if POINT_CLASS not in sample.point_attributes:
        sample = with_carried_classes(sample, masks, annotation.mask_labels)
    return Example(
        sample,
        masks,
        annotation.boxes,
        annotation.ignored,
        annotation.box_labels,
        annotation.mask_labels,
    )

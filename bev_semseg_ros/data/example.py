"""An example: what the network sees of a frame, with its ground truth."""

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
    """What the network sees of a frame, and its ground truth at the network's size.

    Attributes:
        sample: what the network sees.
        masks: for each labelled image (h, w) uint8 classes of `mask_labels`, by the camera's name.
        boxes: in the ego frame, with classes of `box_labels`; None if unlabelled.
        ignored: (M,) bool: boxes that count neither as found nor as missed; None: none of them.
        box_labels: label set of `boxes`.
        mask_labels: label set of `masks` and `point_classes`.
    """

    sample: Sample
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    boxes: Boxes | None = None
    ignored: np.ndarray | None = None
    box_labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_BOX_LABELS))
    mask_labels: LabelSet = field(default_factory=lambda: load_label_set(DEFAULT_MASK_LABELS))

    @property
    def mask(self) -> np.ndarray | None:
        """(h, w) mask of the only labelled image."""
        return only(self.masks, "labelled cameras")

    @property
    def point_classes(self) -> np.ndarray | None:
        """(N,) uint8 classes of the sample's points, MASK_IGNORED where unknown; None: no truth."""
        values = self.sample.point_attributes.get(POINT_CLASS)
        if values is None or np.isnan(values).all():
            return None
        return np.nan_to_num(values, nan=MASK_IGNORED).astype(np.uint8)

    def of_camera(self, name: str) -> Example:
        """Return the example as if there were one camera alone. Tasks on images get such ones."""
        masks = {name: self.masks[name]} if name in self.masks else {}
        return replace(self, sample=self.sample.of_camera(name), masks=masks)


def make_example(
    frame: Frame, annotation: Annotation, config: Config, whole_clouds: bool = False
) -> Example:
    """Return a frame and its ground truth as the network sees them.

    Points get the classes that the data set gives them. If it gives none, or if
    `training.carry_masks` says so, they get those of the masks at the pixels that show them;
    without masks they have none.

    Args:
        frame: as recorded.
        annotation: its ground truth.
        config: of the network.
        whole_clouds: see `prepare`.
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
        sample = with_carried_classes(sample, masks)
    return Example(
        sample,
        masks,
        annotation.boxes,
        annotation.ignored,
        annotation.box_labels,
        annotation.mask_labels,
    )

"""The result of a predictor for a frame, and the modes of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from bev_semseg_ros.frame.boxes import Boxes
from bev_semseg_ros.frame.camera import Camera
from bev_semseg_ros.frame.frame import CAMERA, only
from bev_semseg_ros.labels import LabelSet

Mode = Literal["fused", "lidar_only", "camera_only"]
MODES: tuple[Mode, ...] = ("fused", "lidar_only", "camera_only")


@dataclass(frozen=True, eq=False)
class Prediction:
    """The results of the network for a frame.

    Attributes:
        boxes: Boxes in the ego frame, sorted by descending score. None if the network has no
            detection task, or if there are no points and its fusion cannot find boxes without them.
        masks: (h, w) uint8 classes of the rectified image, at the size of the network's input, by
            the name of the camera; empty if the network has no segmentation task.
        cameras: Cameras of these rectified images, by their names.
        mode: Mode in which the network actually ran.
        network_ms: Time that the network took, from tensors to results, milliseconds.
        results: Results of further tasks, by the name of the task. A task on images has a result
            for each camera, by its name, and a task on points one for each lidar, by its name.
        label_sets: Label sets of the classes, by the name of the task; may lack tasks.
    """

    boxes: Boxes | None
    masks: Mapping[str, np.ndarray]
    cameras: Mapping[str, Camera]
    mode: Mode
    network_ms: float
    results: Mapping[str, Any] = field(default_factory=dict)
    label_sets: Mapping[str, LabelSet] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        boxes: Boxes | None,
        mask: np.ndarray | None,
        camera: Camera | None,
        mode: Mode,
        network_ms: float = 0.0,
    ) -> Prediction:
        """Return a prediction for a rig with at most one camera; see the attributes."""
        masks = {} if mask is None else {CAMERA: mask}
        cameras = {} if camera is None else {CAMERA: camera}
        return cls(boxes, masks, cameras, mode, network_ms)

    @property
    def mask(self) -> np.ndarray | None:
        """(h, w) mask of the only camera; None if there is none."""
        return only(self.masks, "cameras")

    @property
    def camera(self) -> Camera | None:
        """The only camera; None if there is none."""
        return only(self.cameras, "cameras")

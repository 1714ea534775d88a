"""What a predictor returns for a frame, and the modes in which it runs."""

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
        boxes: in the ego frame, by falling score. None where the network could not look for any:
            without points, if its fusion finds boxes in points alone, or without such a task.
        masks: for each camera that gave an image (h, w) uint8 classes in the rectified image at
            the network's size; empty without such a task.
        cameras: describe those images.
        mode: mode in which the network really ran.
        network_ms: time in the network, from tensors to results, milliseconds.
        results: results of further tasks, by the task's name; of a task on images one for each
            camera, by the camera's name, and of one on points one for each lidar, by its name.
        label_sets: task -> label set of its classes, as far as the predictor said so.
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
        """(h, w) mask of the only camera."""
        return only(self.masks, "cameras")

    @property
    def camera(self) -> Camera | None:
        """The only camera."""
        return only(self.cameras, "cameras")

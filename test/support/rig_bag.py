"""A small bag of a rig with two lidars and two cameras, made from the scene of `broken_bag`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from support.broken_bag import CALIBRATION, CAMERA, COUNT, Drive, scan

from bev_semseg_ros.data.calibration import Calibration, CameraMount, LidarMount
from bev_semseg_ros.frame import Annotation, Camera, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert, rotation_z, transform
from bev_semseg_ros.ros.bag.writer import write_bag

LEFT = Camera(
    CAMERA.matrix,
    CAMERA.size,
    OPTICAL_FROM_VIEW @ invert(transform(rotation_z(0.7), (0.2, 0.3, 1.65))),
)
BUMPER_POSE = transform(rotation_z(0.2), (1.8, 0.0, 0.6))
RIG = Calibration(
    {
        "roof": LidarMount(CALIBRATION.ego_from_lidar, "roof"),
        "bumper": LidarMount(BUMPER_POSE, "bumper"),
    },
    {"front": CameraMount(CAMERA, "front"), "left": CameraMount(LEFT, "left")},
)


class RigDrive(Drive):
    """The drive with two lidars, one of which has 16 beams, and two cameras."""

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = super().__getitem__(index)
        (image,) = frame.cameras.values()
        (roof,) = frame.lidars.values()
        bumper = scan(beams=16)
        in_ego = apply(CALIBRATION.ego_from_lidar, bumper[:, :3].astype(np.float64))
        bumper[:, :3] = apply(invert(BUMPER_POSE), in_ego)
        lidars = {"roof": roof, "bumper": LidarScan(bumper, BUMPER_POSE)}
        cameras = {"front": image, "left": CameraImage(image.image, LEFT)}
        return replace(frame, lidars=lidars, cameras=cameras), annotation


def rig_bag(path: Path) -> Path:
    """Write a bag of a rig in which the doctor finds nothing wrong, COUNT messages per topic."""
    summary = write_bag(RigDrive(), path, "sqlite3")
    assert summary.clouds == summary.images == 2 * COUNT
    return path

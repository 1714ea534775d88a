"""A calibration of different numbers, so that tests notice if two are swapped."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import rotation_rpy, transform


def calibration(model: str, count: int) -> Calibration:
    pose = transform(rotation_rpy(0.01, -0.02, 0.3), (0.1, 0.2, 1.7))
    camera = Camera(
        np.array([[600.5, 0, 320.25], [0, 610.5, 200], [0, 0, 1]]),
        (640, 400),
        pose,
        np.zeros(count) if model == "none" else np.linspace(-0.3, 0.1, count),
        model,
        np.array([[580.0, 0, 321], [0, 590, 201], [0, 0, 1]]),
    )
    return Calibration.of(
        transform(translation=(0, 0, 2.1)), camera, "velodyne_top", "cam0_optical"
    )

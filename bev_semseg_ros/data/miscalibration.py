"""Errors in the pose of a camera, as the calibration of a vehicle has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.config import AugmentationConfig
from bev_semseg_ros.geometry import rotation_rpy, transform
from bev_semseg_ros.preprocessing import RectifiedImage


def miscalibrate(
    seen: RectifiedImage, config: AugmentationConfig, rng: np.random.Generator
) -> RectifiedImage:
    """Return an image with a random error in the pose of its camera.

    Args:
        seen: the image and its camera.
        config: how large the error is.
        rng: source of chance.
    """
    roll, pitch, yaw = np.radians(rng.normal(0, config.calibration_noise, 3))
    shift = rng.normal(0, config.calibration_shift, 3)
    error = transform(rotation_rpy(roll, pitch, yaw), shift)
    camera = replace(seen.camera, camera_from_ego=error @ seen.camera.camera_from_ego)
    return replace(seen, camera=camera)

"""Random errors of camera poses, as in the calibration of a real vehicle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.config import AugmentationConfig
from bev_semseg_ros.geometry import rotation_rpy, transform
from bev_semseg_ros.preprocessing import RectifiedImage


def miscalibrate(
    seen: RectifiedImage, config: AugmentationConfig, rng: np.random.Generator
) -> RectifiedImage:
    """Add a random error to the camera pose of an image.

    Args:
        seen: The image and its camera.
        config: Standard deviations of the error.
        rng: Random number generator.
    """
    roll, pitch, yaw = np.radians(rng.normal(0, config.calibration_noise, 3))
    shift = rng.normal(0, config.calibration_shift, 3)
    error = transform(rotation_rpy(roll, pitch, yaw), shift)
    camera = replace(seen.camera, camera_from_ego=error @ seen.camera.camera_from_ego)
    return replace(seen, camera=camera)

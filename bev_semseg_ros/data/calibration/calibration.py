"""The calibration of a lidar and a camera, and checks of the matrices that files give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bev_semseg_ros.data.files import numbers
from bev_semseg_ros.frame import Camera


@dataclass(frozen=True, eq=False)
class Calibration:
    """Where the sensors sit and how the camera sees.

    Attributes:
        ego_from_lidar: (4, 4) takes points of the lidar to the ego frame.
        camera: The camera; None if only the lidar is known.
        lidar_frame: frame_id of the lidar in ROS.
        camera_frame: frame_id of the camera in ROS.
    """

    ego_from_lidar: np.ndarray
    camera: Camera | None = None
    lidar_frame: str = "lidar"
    camera_frame: str = "camera"

    @property
    def known_camera(self) -> Camera:
        """The camera, where there must be one.

        Raises:
            ValueError: Only the lidar is known.
        """
        if self.camera is None:
            raise ValueError("the calibration has no camera")
        return self.camera


def rigid(values: Any, where: str) -> np.ndarray:
    """Check a rigid transform that was read from a file.

    Args:
        values: 4 x 4 numbers.
        where: File and entry, with which an error begins.

    Returns:
        (4, 4) float64.

    Raises:
        ValueError: `values` are no rotation and translation.
    """
    matrix = numbers(values, (4, 4), where)
    rotation = matrix[:3, :3]
    is_rotation = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
    is_mirrored = np.linalg.det(rotation) < 0
    if not is_rotation or is_mirrored or not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise ValueError(
            f"{where}: expected a rigid transform (rotation, translation, last row 0 0 0 1)"
        )
    return matrix


def intrinsic(values: Any, where: str) -> np.ndarray:
    """Check a camera matrix that was read from a file.

    Args:
        values: 3 x 3 numbers.
        where: File and entry, with which an error begins.

    Returns:
        (3, 3) float64 K.

    Raises:
        ValueError: `values` are no camera matrix.
    """
    matrix = numbers(values, (3, 3), where)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not np.allclose(matrix[2], (0, 0, 1)):
        raise ValueError(
            f"{where}: expected a camera matrix (focal lengths above 0, last row 0 0 1)"
        )
    return matrix

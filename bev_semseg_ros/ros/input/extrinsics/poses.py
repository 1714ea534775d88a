"""The poses of all sensors at one moment, and functions that compute poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.geometry import rotation_rpy, transform


@dataclass(frozen=True, eq=False)
class Poses:
    """The poses of all sensors at one moment.

    Attributes:
        ego_from_lidar: (4, 4) poses of the lidars, by name.
        camera_from_ego: (4, 4) transforms to the optical frames of the cameras, by name.
        output_frame: Name of the frame of the published boxes.
        output_from_ego: (4, 4) transform to `output_frame`.
        ego_from_base: (4, 4) pose of the frame of the vehicle, base_frame.
        missing: Name of each sensor without a known pose, with the reason.
    """

    ego_from_lidar: Mapping[str, np.ndarray]
    camera_from_ego: Mapping[str, np.ndarray]
    output_frame: str
    output_from_ego: np.ndarray
    ego_from_base: np.ndarray
    missing: tuple[str, ...] = ()


def ego_below(base_from_lidar: np.ndarray, ground_height: float) -> np.ndarray:
    """Return ego_from_base (4, 4) for an ego frame on the ground below the lidar.

    The ego frame has the axes of the base frame.

    Args:
        base_from_lidar: (4, 4) pose of the lidar in the base frame.
        ground_height: z of the ground in the base frame, metres.
    """
    x, y = base_from_lidar[:2, 3]
    return transform(translation=(-x, -y, -ground_height))


def pose_matrix(pose: Sequence[float]) -> np.ndarray:
    """Return a pose as a (4, 4) matrix.

    Args:
        pose: x, y, z (metres), roll, pitch, yaw (radians, about fixed axes as in REP 103).
    """
    x, y, z, roll, pitch, yaw = pose
    return transform(rotation_rpy(roll, pitch, yaw), (x, y, z))

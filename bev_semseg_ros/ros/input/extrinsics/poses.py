"""The poses of one moment, and how they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.geometry import rotation_rpy, transform


@dataclass(frozen=True, eq=False)
class Poses:
    """The poses of one moment.

    Attributes:
        ego_from_lidar: (4, 4) by the lidars' names.
        camera_from_ego: (4, 4) of the optical frames, by the cameras' names.
        output_frame: Name of the frame of the boxes.
        output_from_ego: (4, 4).
        ego_from_base: (4, 4) of the vehicle's frame, base_frame.
        missing: For each sensor whose pose is not known, its name and the reason.
    """

    ego_from_lidar: Mapping[str, np.ndarray]
    camera_from_ego: Mapping[str, np.ndarray]
    output_frame: str
    output_from_ego: np.ndarray
    ego_from_base: np.ndarray
    missing: tuple[str, ...] = ()


def ego_below(base_from_lidar: np.ndarray, ground_height: float) -> np.ndarray:
    """Return ego_from_base (4, 4): the base's axes, the origin on the ground below the lidar.

    Args:
        base_from_lidar: (4, 4).
        ground_height: z of the ground in the base frame, metres.
    """
    x, y = base_from_lidar[:2, 3]
    return transform(translation=(-x, -y, -ground_height))


def pose_matrix(pose: Sequence[float]) -> np.ndarray:
    """Return (4, 4) of x, y, z (metres), roll, pitch, yaw (radians, fixed axes as in REP 103)."""
    x, y, z, roll, pitch, yaw = pose
    return transform(rotation_rpy(roll, pitch, yaw), (x, y, z))

"""Writes calibration files of KITTI's object layout."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bev_semseg_ros.data.calibration import (
    KITTI_EGO_FROM_LIDAR,
    kitti_camera_row,
    kitti_lidar_row,
)
from bev_semseg_ros.data.kitti.cameras import CameraFiles
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import invert, transform


def object_rows(
    matrix: np.ndarray, rectified_from_ego: np.ndarray, offset: float = 0.0
) -> dict[str, np.ndarray]:
    """Return the rows that every calibration file of the object set has, in KITTI's order.

    Args:
        matrix: (3, 3) K of the rectified image of the reference camera.
        rectified_from_ego: (4, 4) transform to the frame of the labels, the rectified frame of
            camera 0.
        offset: How far the reference camera is to the left of camera 0, metres.
    """
    first = matrix @ np.eye(3, 4)
    second = matrix @ transform(translation=(offset, 0, 0))[:3]
    return {
        "P0": first,
        "P1": first,
        "P2": second,
        "P3": second,
        "R0_rect": np.eye(3),
        "Tr_velo_to_cam": (rectified_from_ego @ KITTI_EGO_FROM_LIDAR)[:3],
        "Tr_imu_to_velo": np.eye(4)[:3],
    }


def camera_rows(name: str, camera: Camera, rectified_from_ego: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rows of a camera other than the reference camera.

    Args:
        name: Name of the camera, such as "image_03".
        camera: The camera of its rectified image.
        rectified_from_ego: (4, 4) transform to the frame of the labels.
    """
    row = CameraFiles.of(name).projection
    from_first = camera.camera_from_ego @ invert(rectified_from_ego)
    if np.allclose(from_first[:3, :3], np.eye(3), atol=1e-9):
        return {row: camera.matrix @ from_first[:3]}
    from_velodyne = camera.camera_from_ego @ KITTI_EGO_FROM_LIDAR
    return {row: camera.matrix @ np.eye(3, 4), kitti_camera_row(name): from_velodyne[:3]}


def lidar_row(name: str, ego_from_lidar: np.ndarray) -> dict[str, np.ndarray]:
    """Return the row with the pose (4, 4) of a lidar other than the first one."""
    return {kitti_lidar_row(name): velodyne_from(ego_from_lidar)[:3]}


def velodyne_from(ego_from_lidar: np.ndarray) -> np.ndarray:
    """Return the (4, 4) pose of a lidar in the frame of the Velodyne, 1.73 m above the ground."""
    return invert(KITTI_EGO_FROM_LIDAR) @ ego_from_lidar


def calibration_text(rows: Mapping[str, np.ndarray]) -> str:
    """Return the content of a calibration file with these rows."""
    lines = []
    for name, row in rows.items():
        numbers = " ".join(f"{value:.12e}" for value in row.ravel())
        lines.append(f"{name}: {numbers}\n")
    return "".join(lines)

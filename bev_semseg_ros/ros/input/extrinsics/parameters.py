"""Poses from the parameters lidar_pose and camera_pose."""

from __future__ import annotations

from collections.abc import Sequence

from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert
from bev_semseg_ros.ros.input.extrinsics.fixed import FixedExtrinsics
from bev_semseg_ros.ros.input.extrinsics.poses import ego_below, pose_matrix
from bev_semseg_ros.ros.parameters.parameters import Parameters


def from_parameters(
    parameters: Parameters, lidars: Sequence[str], cameras: Sequence[str]
) -> FixedExtrinsics:
    """Return the poses from the parameters; see `open_extrinsics`."""
    if len(lidars) > 1 or len(cameras) > 1:
        raise ValueError(
            "extrinsics is parameters, which hold the poses of one lidar and one camera, and there "
            f"are several sensors ({', '.join([*lidars, *cameras])}): set extrinsics to "
            "calibration (a file with lidars and cameras) or to tf"
        )
    missing = []
    if parameters.mode != "camera_only" and not parameters.lidar_pose:
        missing.append("lidar_pose")
    if parameters.mode != "lidar_only" and not parameters.camera_pose:
        missing.append("camera_pose")
    if missing:
        raise ValueError(
            f"extrinsics is parameters and {missing[0]} is empty: set it to "
            "[x, y, z, roll, pitch, yaw]"
        )
    # Without a lidar, the origin of the ego frame is below that of base_frame.
    base_from_lidar = pose_matrix(parameters.lidar_pose or [0.0] * 6)
    ego_from_base = ego_below(base_from_lidar, parameters.ground_height)
    # Without clouds, nothing else names a frame, and without one, boxes cannot be published.
    is_camera_only = parameters.mode == "camera_only"
    output_frame = parameters.output_frame or (parameters.base_frame if is_camera_only else "")
    camera_from_ego = {}
    if parameters.camera_pose and cameras:
        base_from_camera = pose_matrix(parameters.camera_pose)
        camera_from_ego[cameras[0]] = OPTICAL_FROM_VIEW @ invert(ego_from_base @ base_from_camera)
    return FixedExtrinsics(
        {lidars[0]: ego_from_base @ base_from_lidar},
        camera_from_ego,
        "",
        {parameters.base_frame: ego_from_base},
        output_frame,
        ego_from_base,
    )

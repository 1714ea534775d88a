"""The calibration that TF holds, for the doctor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration import Calibration, CameraMount, LidarMount, frame_name
from bev_semseg_ros.geometry import invert, transform
from bev_semseg_ros.input_check import GROUND_RADIUS
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud
from bev_semseg_ros.ros.doctor.observation import Observation, Stream
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree
from bev_semseg_ros.ros.doctor.vehicle_frame import find_vehicle_frame, is_on_ground
from bev_semseg_ros.ros.input.vehicle_frame import is_vehicle_frame

VEHICLE_RADIUS = 2.0  # metres around the lidar; nearer points are the vehicle itself


def calibration_of_tf(
    observation: Observation, base_frame: str, lidar_height: float | None
) -> tuple[str, Calibration]:
    """Return the frame of the vehicle and the calibration that TF holds.

    The ego frame lies below the first lidar that has clouds. A sensor whose frame TF does not
    connect to that of the vehicle is left out.

    Args:
        observation: What was seen.
        base_frame: TF frame with the axes of the vehicle; "" to find it.
        lidar_height: Height of that lidar above the ground, metres; None to find it.

    Raises:
        LookupError: If TF holds none. The text says why.
    """
    tree = observation.transforms
    lidars = observation.sensors.lidars
    lidar = next((each for each in lidars if observation.usable(each) is not None), None)
    points = None if lidar is None else observation.usable(lidar)
    if tree is None:
        raise LookupError("tf2_msgs is not installed here")
    in_vehicle = points is not None and is_vehicle_frame(points.frame)
    if not tree.frames and not in_vehicle:
        raise LookupError("there are no transforms")
    if lidar is None or points is None:
        raise LookupError("there are no usable clouds, and the ego frame lies below the lidar")
    if not (in_vehicle or points.frame in tree.frames):
        of_lidar = f" of {lidar.name}" if lidar.prefix else ""
        raise LookupError(f"TF does not know the frame of the clouds{of_lidar}")
    base = frame_name(base_frame) or find_vehicle_frame(tree, points.frame)
    base_from_lidar = tree.lookup(base, points.frame)
    if base_from_lidar is None:
        raise LookupError(f"TF does not connect {points.frame!r} to {base!r}")
    height = _height(points, base, base_from_lidar) if lidar_height is None else lidar_height
    ego_from_lidar = transform(base_from_lidar[:3, :3], (0, 0, height))
    mounts = _mounts(observation, tree, base, ego_from_lidar @ invert(base_from_lidar))
    try:
        return base, Calibration(*mounts)
    except ValueError as error:
        raise LookupError(f"TF cannot tell the sensors apart: {error}") from error


def _height(points: Stream, base: str, base_from_lidar: np.ndarray) -> float:
    """Return the height of a lidar above the ground, metres.

    Raises:
        LookupError: If neither the frame of the vehicle nor the clouds show where the ground is.
    """
    if is_on_ground(base):
        return float(base_from_lidar[2, 3])
    height = height_above_ground(points.samples, base_from_lidar)
    if height is None:
        raise LookupError(f"no points within {GROUND_RADIUS:g} m show where the ground is")
    return height


def _mounts(
    observation: Observation, tree: TransformTree, base: str, ego_from_base: np.ndarray
) -> tuple[dict[str, LidarMount], dict[str, CameraMount]]:
    """Return the mounts of the lidars and of the cameras that TF connects to a frame `base`."""
    lidars, cameras = {}, {}
    for sensor in observation.sensors.lidars:
        points = observation.usable(sensor)
        if points is None:
            continue
        base_from_lidar = tree.lookup(base, points.frame)
        if base_from_lidar is not None:
            lidars[sensor.name] = LidarMount(ego_from_base @ base_from_lidar, points.frame)
    for sensor in observation.sensors.cameras:
        image, info = observation.messages(sensor), observation.camera_infos(sensor)
        if image is None or not image.frame or info is None or not info.samples:
            continue
        base_from_camera = tree.lookup(base, image.frame)
        if base_from_camera is not None:
            camera_from_ego = invert(ego_from_base @ base_from_camera)
            camera = replace(info.camera(info.samples[0]), camera_from_ego=camera_from_ego)
            cameras[sensor.name] = CameraMount(camera, image.frame)
    return lidars, cameras


def height_above_ground(clouds: Sequence[Any], base_from_lidar: np.ndarray) -> float | None:
    """Estimate the height of the lidar from the lowest points near it.

    Args:
        clouds: Messages of sensor_msgs/PointCloud2.
        base_from_lidar: (4, 4) transform to a frame whose z axis points up.

    Returns:
        Metres, or None if there are no points within GROUND_RADIUS.
    """
    heights = []
    for message in clouds:
        points = decode_cloud(message)[:, :3]
        points = points[np.isfinite(points).all(1)] @ base_from_lidar[:3, :3].T
        distance = np.hypot(points[:, 0], points[:, 1])
        near = points[(distance > VEHICLE_RADIUS) & (distance < GROUND_RADIUS), 2]
        if len(near):
            heights.append(-float(np.percentile(near, 10)))
    return float(np.median(heights)) if heights else None

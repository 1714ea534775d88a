"""Calibrations: poses of sensors and intrinsics of cameras, from A2D2, KITTI or our own YAML."""

from bev_semseg_ros.data.calibration.a2d2_format import (
    A2D2_GROUND_Z,
    a2d2_calibration,
    a2d2_lidar_poses,
)
from bev_semseg_ros.data.calibration.beams import Beams, read_beams
from bev_semseg_ros.data.calibration.beams_text import write_beams
from bev_semseg_ros.data.calibration.calibration import (
    SENSOR_NAME,
    SENSOR_NAME_RULE,
    Calibration,
    CameraMount,
    LidarMount,
    check_sensor_name,
    frame_name,
)
from bev_semseg_ros.data.calibration.distortion import read_distortion
from bev_semseg_ros.data.calibration.kitti_format import (
    KITTI_EGO_FROM_LIDAR,
    KITTI_SENSOR_ROW,
    kitti_camera_row,
    kitti_lidar_from_lidar,
    kitti_lidar_row,
    kitti_object_calibration,
    kitti_object_camera,
    kitti_raw_calibration,
    kitti_raw_lidar_from_imu,
    kitti_rectified_from_lidar,
    kitti_velodyne_from_sensor,
    read_kitti_matrices,
)
from bev_semseg_ros.data.calibration.load import load_calibration
from bev_semseg_ros.data.calibration.yaml_format import (
    YAML_NAME,
    save_calibration,
    yaml_calibration,
)

__all__ = [
    "A2D2_GROUND_Z",
    "KITTI_EGO_FROM_LIDAR",
    "KITTI_SENSOR_ROW",
    "SENSOR_NAME",
    "SENSOR_NAME_RULE",
    "YAML_NAME",
    "Beams",
    "Calibration",
    "CameraMount",
    "LidarMount",
    "a2d2_calibration",
    "a2d2_lidar_poses",
    "check_sensor_name",
    "frame_name",
    "kitti_camera_row",
    "kitti_lidar_from_lidar",
    "kitti_lidar_row",
    "kitti_object_calibration",
    "kitti_object_camera",
    "kitti_raw_calibration",
    "kitti_raw_lidar_from_imu",
    "kitti_rectified_from_lidar",
    "kitti_velodyne_from_sensor",
    "load_calibration",
    "read_beams",
    "read_distortion",
    "read_kitti_matrices",
    "save_calibration",
    "write_beams",
    "yaml_calibration",
]

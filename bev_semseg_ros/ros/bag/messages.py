"""Makes the messages of a bag from clouds, images and calibrations.

Needs `rosbags`, not rclpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import invert, quaternion_from_rotation
from bev_semseg_ros.ros.convert.camera_info import camera_info_fields
from bev_semseg_ros.ros.convert.message import CAMERA_INFO, IMAGE, POINT_CLOUD
from bev_semseg_ros.ros.convert.point_cloud import pack_points
from bev_semseg_ros.ros.input.tf_topics import TF_MESSAGE

BASE_FRAME = "base_link"  # the ego frame

STORE = get_typestore(Stores.ROS2_JAZZY)
_messages = STORE.types


def make_header(stamp_ns: int, frame_id: str) -> Any:
    """Make a std_msgs/Header."""
    time = _messages["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return _messages["std_msgs/msg/Header"](time, frame_id)


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.uint8).reshape(-1)


def make_cloud(points: np.ndarray, attributes: Mapping[str, np.ndarray], header: Any) -> Any:
    """Make a PointCloud2.

    Args:
        points: (N, 4) x, y, z (metres), intensity (0..1).
        attributes: (N,) arrays by the names of `frame.POINT_ATTRIBUTES`.
        header: The header, with the frame of the points.
    """
    packed, fields = pack_points(points, attributes)
    return _messages[POINT_CLOUD](
        header=header,
        height=1,
        width=len(packed),
        fields=[
            _messages["sensor_msgs/msg/PointField"](name, offset, datatype, 1)
            for name, offset, datatype in fields
        ],
        is_bigendian=False,
        point_step=packed.dtype.itemsize,
        row_step=packed.nbytes,
        data=_bytes(packed),
        is_dense=bool(np.isfinite(points).all()),
    )


def make_image(image: np.ndarray, header: Any) -> Any:
    """Make an Image (rgb8) from an RGB image (height, width, 3), uint8."""
    height, width = image.shape[:2]
    return _messages[IMAGE](header, height, width, "rgb8", 0, 3 * width, _bytes(image))


def make_camera_info(camera: Camera, header: Any) -> Any:
    """Make the CameraInfo of a camera."""
    whole = _messages["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return _messages[CAMERA_INFO](
        header=header, binning_x=0, binning_y=0, roi=whole, **camera_info_fields(camera)
    )


def make_transforms(calibration: Calibration, stamp_ns: int) -> Any:
    """Make the TFMessage of the static transforms from the ego frame to the sensors."""
    poses = {mount.frame_id: mount.ego_from_lidar for mount in calibration.lidars.values()}
    for mount in calibration.cameras.values():
        poses[mount.frame_id] = invert(mount.camera.camera_from_ego)
    transforms = [_transform(frame_id, pose, stamp_ns) for frame_id, pose in poses.items()]
    return _messages[TF_MESSAGE](transforms)


def _transform(frame_id: str, pose: np.ndarray, stamp_ns: int) -> Any:
    """Make the transform that places a sensor with `pose` (4, 4) in the ego frame."""
    rotation = quaternion_from_rotation(pose[:3, :3])
    return _messages["geometry_msgs/msg/TransformStamped"](
        header=make_header(stamp_ns, BASE_FRAME),
        child_frame_id=frame_id,
        transform=_messages["geometry_msgs/msg/Transform"](
            _messages["geometry_msgs/msg/Vector3"](*map(float, pose[:3, 3])),
            _messages["geometry_msgs/msg/Quaternion"](*map(float, rotation)),
        ),
    )

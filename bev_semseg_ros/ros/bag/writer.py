"""Writes a data set as a rosbag2, as a vehicle with its sensors would have recorded it.

Needs `rosbags`, not rclpy.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.data.calibration import YAML_NAME, Calibration, save_calibration
from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.frame import Camera, Frame
from bev_semseg_ros.geometry import invert, quaternion_from_rotation
from bev_semseg_ros.ros.convert.camera_info import camera_info_fields
from bev_semseg_ros.ros.convert.point_cloud import pack_points

BASE_FRAME = "base_link"  # the ego frame
UNRELATED_GAP_NS = 500_000_000
FIRST_STAMP_NS = 1_000_000_000  # where frames have no time; 0 means "no time" in ROS

Storage = Literal["mcap", "sqlite3"]
STORAGES: tuple[Storage, ...] = ("mcap", "sqlite3")
_BAG_VERSION: Literal[9] = 9  # of metadata.yaml; Jazzy and later read it
_TOPICS = {
    "/points": "sensor_msgs/msg/PointCloud2",
    "/image": "sensor_msgs/msg/Image",
    "/camera_info": "sensor_msgs/msg/CameraInfo",
    "/tf_static": "tf2_msgs/msg/TFMessage",
}
_FOREVER = QosTime(9223372036, 854775807)  # rosbag2 writes "infinite" so

_store = get_typestore(Stores.ROS2_JAZZY)
_messages = _store.types


@dataclass(frozen=True)
class BagSummary:
    """What `write_bag` wrote.

    Attributes:
        frames: Number of frames.
        clouds: Number of clouds.
        images: Number of images.
        unrelated: Frames that do not follow the one before them in a drive; each was stamped
            0.5 s after it.
        other_extrinsics: Frames whose sensors sit elsewhere than calibration.yaml and /tf_static
            say.
        calibration: The calibration.yaml.
    """

    frames: int
    clouds: int
    images: int
    unrelated: int
    other_extrinsics: int
    calibration: Path


def write_bag(
    dataset: Dataset, path: str | Path, storage: Storage = "mcap", limit: int | None = None
) -> BagSummary:
    """Write the frames of a data set as a bag.

    /points holds x, y, z, intensity 0..1 and the point attributes that the data set has, in the
    frame "lidar". /image holds rgb8 as recorded and /camera_info its camera, in the optical frame
    "camera". /tf_static places both in "base_link", which is the ego frame. What a frame lacks is
    left out.

    The stamps of a drive are kept, with gaps of up to 0.5 s in one scene. A frame that does not
    follow the one before it is stamped 0.5 s after it.

    Args:
        dataset: The frames.
        path: The folder of the bag, which must not exist. The calibration of the first frame is
            written as calibration.yaml into it.
        storage: The file format.
        limit: Only so many of the first frames. None for all.

    Returns:
        What was written.

    Raises:
        FileExistsError: If `path` exists.
        ValueError: If the data set has no frames or a damaged file. No bag is left behind.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists; remove it or choose another name for the bag")
    if storage not in STORAGES:
        raise ValueError(f"unknown storage {storage!r}, expected one of {', '.join(STORAGES)}")
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if count < 1:
        raise ValueError(f"{dataset.name}: no frames to write (of {len(dataset)}, limit {limit})")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Writer(
            path, version=_BAG_VERSION, storage_plugin=StoragePlugin[storage.upper()]
        ) as writer:
            return _write_frames(dataset, count, writer, path / YAML_NAME)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _write_frames(
    dataset: Dataset, count: int, writer: Writer, calibration_path: Path
) -> BagSummary:
    connections = {topic: _connect(writer, topic, kind) for topic, kind in _TOPICS.items()}

    def write(topic: str, stamp_ns: int, message: Any) -> None:
        writer.write(connections[topic], stamp_ns, _store.serialize_cdr(message, _TOPICS[topic]))

    calibration: Calibration | None = None
    previous: Frame | None = None
    stamp_ns = clouds = images = unrelated = other_extrinsics = 0
    for index in range(count):
        frame, _ = dataset[index]
        gap_ns = _gap(previous, frame)
        if previous is None:
            stamp_ns = frame.timestamp_ns if frame.timestamp_ns > 0 else FIRST_STAMP_NS
        elif gap_ns is None:
            stamp_ns += UNRELATED_GAP_NS
            unrelated += 1
        else:
            stamp_ns += gap_ns
        if calibration is None or (calibration.camera is None and frame.camera is not None):
            calibration = Calibration.of(frame.ego_from_lidar, frame.camera)
            write("/tf_static", stamp_ns, _transforms(calibration, stamp_ns))
        if not _has_extrinsics(calibration, frame):
            other_extrinsics += 1
        if frame.points is not None:
            clouds += 1
            header = _header(stamp_ns, calibration.lidar_frame)
            write("/points", stamp_ns, _cloud(frame.points, frame.point_attributes, header))
        if frame.image is not None:
            images += 1
            header = _header(stamp_ns, calibration.camera_frame)
            write("/image", stamp_ns, _image(frame.image, header))
            if frame.camera is not None:
                write("/camera_info", stamp_ns, _camera_info(frame.camera, header))
        previous = frame
    if calibration is not None:
        save_calibration(calibration, calibration_path)
    return BagSummary(count, clouds, images, unrelated, other_extrinsics, calibration_path)


def _gap(previous: Frame | None, frame: Frame) -> int | None:
    """Return the nanoseconds since the frame before, or None if `frame` does not follow it."""
    if previous is None or previous.scene != frame.scene:
        return None
    gap_ns = frame.timestamp_ns - previous.timestamp_ns
    return gap_ns if 0 < gap_ns <= UNRELATED_GAP_NS else None


def _has_extrinsics(calibration: Calibration, frame: Frame) -> bool:
    """Return whether the sensors of a frame sit where the calibration says."""
    if not np.allclose(calibration.ego_from_lidar, frame.ego_from_lidar, atol=1e-6):
        return False
    if frame.camera is None or calibration.camera is None:
        return True
    expected = calibration.camera.camera_from_ego
    return np.allclose(expected, frame.camera.camera_from_ego, atol=1e-6)


def _connect(writer: Writer, topic: str, kind: str) -> Connection:
    latched = topic == "/tf_static"
    qos = Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 10,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )
    return writer.add_connection(topic, kind, typestore=_store, offered_qos_profiles=[qos])


def _header(stamp_ns: int, frame_id: str) -> Any:
    time = _messages["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return _messages["std_msgs/msg/Header"](time, frame_id)


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.uint8).reshape(-1)


def _cloud(points: np.ndarray, attributes: Mapping[str, np.ndarray], header: Any) -> Any:
    packed, fields = pack_points(points, attributes)
    return _messages["sensor_msgs/msg/PointCloud2"](
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


def _image(image: np.ndarray, header: Any) -> Any:
    height, width = image.shape[:2]
    return _messages["sensor_msgs/msg/Image"](
        header, height, width, "rgb8", 0, 3 * width, _bytes(image)
    )


def _camera_info(camera: Camera, header: Any) -> Any:
    whole = _messages["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return _messages["sensor_msgs/msg/CameraInfo"](
        header=header, binning_x=0, binning_y=0, roi=whole, **camera_info_fields(camera)
    )


def _transforms(calibration: Calibration, stamp_ns: int) -> Any:
    """Make the static transforms from the ego frame to the sensors."""
    poses = {calibration.lidar_frame: calibration.ego_from_lidar}
    if calibration.camera is not None:
        poses[calibration.camera_frame] = invert(calibration.camera.camera_from_ego)
    transforms = [_transform(frame_id, pose, stamp_ns) for frame_id, pose in poses.items()]
    return _messages["tf2_msgs/msg/TFMessage"](transforms)


def _transform(frame_id: str, pose: np.ndarray, stamp_ns: int) -> Any:
    """Make the transform that places a sensor with `pose` (4, 4) in the ego frame."""
    rotation = quaternion_from_rotation(pose[:3, :3])
    return _messages["geometry_msgs/msg/TransformStamped"](
        header=_header(stamp_ns, BASE_FRAME),
        child_frame_id=frame_id,
        transform=_messages["geometry_msgs/msg/Transform"](
            _messages["geometry_msgs/msg/Vector3"](*map(float, pose[:3, 3])),
            _messages["geometry_msgs/msg/Quaternion"](*map(float, rotation)),
        ),
    )

"""Writing a data set as a rosbag2, as a vehicle with that rig would have recorded it. Needs `rosbags`, not rclpy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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

BASE_FRAME = "base_link"  # the ego frame
UNRELATED_GAP_NS = 500_000_000
FIRST_STAMP_NS = 1_000_000_000  # of frames without a time: 0 means "no time" in ROS

Storage = Literal["mcap", "sqlite3"]
STORAGES: tuple[Storage, ...] = ("mcap", "sqlite3")
_BAG_VERSION = 9  # of metadata.yaml: what Jazzy and later read
_TOPICS = {
    "/points": "sensor_msgs/msg/PointCloud2",
    "/image": "sensor_msgs/msg/Image",
    "/camera_info": "sensor_msgs/msg/CameraInfo",
    "/tf_static": "tf2_msgs/msg/TFMessage",
}
_FLOAT32 = 7  # sensor_msgs/PointField.FLOAT32
_FOREVER = QosTime(9223372036, 854775807)  # as rosbag2 writes "infinite"

_store = get_typestore(Stores.ROS2_JAZZY)
_messages = _store.types


@dataclass(frozen=True)
class BagSummary:
    """What `write_bag` wrote. unrelated: how often a frame did not follow the one before it and was stamped 0.5 s
    later; other_extrinsics: frames whose sensors sit elsewhere than calibration.yaml and /tf_static say."""

    frames: int
    clouds: int
    images: int
    unrelated: int
    other_extrinsics: int
    calibration: Path


def write_bag(
    dataset: Dataset, path: str | Path, storage: Storage = "mcap", limit: int | None = None
) -> BagSummary:
    """Write the first `limit` frames (default: all) of a data set as a bag, a new folder `path`.

    /points (x, y, z, intensity 0..1, float32, in frame "lidar"), /image (rgb8, as recorded) and /camera_info in the
    optical frame "camera", /tf_static from "base_link" (the ego frame). What a frame lacks is left out. The stamps
    of a drive are kept (gaps up to 0.5 s in one scene); a frame that does not follow the one before is stamped 0.5 s
    after it. The calibration is written as calibration.yaml into the bag's folder: the first frame's.
    Raises FileExistsError if `path` exists, ValueError for a data set without frames or a damaged file; then no bag
    is left behind.
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

    def write(topic: str, stamp_ns: int, message: object) -> None:
        writer.write(connections[topic], stamp_ns, _store.serialize_cdr(message, _TOPICS[topic]))

    calibration = previous = None
    stamp_ns = clouds = images = unrelated = other_extrinsics = 0
    for index in range(count):
        frame, _ = dataset[index]
        gap_ns = _gap(previous, frame)
        if previous is None:
            stamp_ns = frame.timestamp_ns if frame.timestamp_ns > 0 else FIRST_STAMP_NS
        else:
            stamp_ns += UNRELATED_GAP_NS if gap_ns is None else gap_ns
            unrelated += gap_ns is None
        if calibration is None or (calibration.camera is None and frame.camera is not None):
            calibration = Calibration(frame.ego_from_lidar, frame.camera)
            write("/tf_static", stamp_ns, _transforms(calibration, stamp_ns))
        other_extrinsics += not _same_extrinsics(calibration, frame)
        if frame.points is not None:
            clouds += 1
            write(
                "/points",
                stamp_ns,
                _cloud(frame.points, _header(stamp_ns, calibration.lidar_frame)),
            )
        if frame.image is not None:
            images += 1
            header = _header(stamp_ns, calibration.camera_frame)
            write("/image", stamp_ns, _image(frame.image, header))
            if frame.camera is not None:
                write("/camera_info", stamp_ns, _camera_info(frame.camera, header))
        previous = frame
    save_calibration(calibration, calibration_path)
    return BagSummary(count, clouds, images, unrelated, other_extrinsics, calibration_path)


def _gap(previous: Frame | None, frame: Frame) -> int | None:
    """Nanoseconds from the frame before in the same drive; None for a frame that does not follow it."""
    if previous is None or previous.scene != frame.scene:
        return None
    gap_ns = frame.timestamp_ns - previous.timestamp_ns
    return gap_ns if 0 < gap_ns <= UNRELATED_GAP_NS else None


def _same_extrinsics(calibration: Calibration, frame: Frame) -> bool:
    return np.allclose(calibration.ego_from_lidar, frame.ego_from_lidar, atol=1e-6) and (
        frame.camera is None
        or np.allclose(calibration.camera.camera_from_ego, frame.camera.camera_from_ego, atol=1e-6)
    )


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


def _header(stamp_ns: int, frame_id: str) -> object:
    time = _messages["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return _messages["std_msgs/msg/Header"](time, frame_id)


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(np.uint8).reshape(-1)


def _cloud(points: np.ndarray, header: object) -> object:
    fields = [
        _messages["sensor_msgs/msg/PointField"](name, 4 * index, _FLOAT32, 1)
        for index, name in enumerate(("x", "y", "z", "intensity"))
    ]
    data = _bytes(points.astype("<f4", copy=False))
    return _messages["sensor_msgs/msg/PointCloud2"](
        header,
        1,
        len(points),
        fields,
        False,
        16,
        16 * len(points),
        data,
        bool(np.isfinite(points).all()),
    )


def _image(image: np.ndarray, header: object) -> object:
    height, width = image.shape[:2]
    return _messages["sensor_msgs/msg/Image"](
        header, height, width, "rgb8", 0, 3 * width, _bytes(image)
    )


def _camera_info(camera: Camera, header: object) -> object:
    """K and D of the recorded image, P of the rectified one; ROS calls an image without distortion plumb_bob, too."""
    model, distortion = camera.distortion_model, camera.distortion
    if model == "none":
        model, distortion = "plumb_bob", np.zeros(5)
    projection = np.hstack([camera.rectified_matrix, np.zeros((3, 1))])
    whole = _messages["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return _messages["sensor_msgs/msg/CameraInfo"](
        header,
        camera.size[1],
        camera.size[0],
        model,
        distortion,
        camera.matrix.reshape(-1),
        np.eye(3).reshape(-1),
        projection.reshape(-1),
        0,
        0,
        whole,
    )


def _transforms(calibration: Calibration, stamp_ns: int) -> object:
    poses = {calibration.lidar_frame: calibration.ego_from_lidar}
    if calibration.camera is not None:
        poses[calibration.camera_frame] = invert(calibration.camera.camera_from_ego)
    return _messages["tf2_msgs/msg/TFMessage"](
        [
            _messages["geometry_msgs/msg/TransformStamped"](
                _header(stamp_ns, BASE_FRAME),
                child,
                _messages["geometry_msgs/msg/Transform"](
                    _messages["geometry_msgs/msg/Vector3"](*map(float, pose[:3, 3])),
                    _messages["geometry_msgs/msg/Quaternion"](
                        *map(float, quaternion_from_rotation(pose[:3, :3]))
                    ),
                ),
            )
            for child, pose in poses.items()
        ]
    )

"""Writes a data set as a rosbag2, as a vehicle with its sensors would have recorded it.

Needs `rosbags`, not rclpy.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

from bev_semseg_ros.data.calibration import (
    YAML_NAME,
    Calibration,
    CameraMount,
    LidarMount,
    save_calibration,
)
from bev_semseg_ros.data.dataset import Dataset
from bev_semseg_ros.frame import CAMERA, LIDAR, Frame, LidarScan, only
from bev_semseg_ros.output_path import named_full_disk
from bev_semseg_ros.ros.bag.messages import (
    STORE,
    make_camera_info,
    make_cloud,
    make_header,
    make_image,
    make_transforms,
)
from bev_semseg_ros.ros.convert.message import CAMERA_INFO, IMAGE, POINT_CLOUD
from bev_semseg_ros.ros.input.tf_topics import TF_MESSAGE

UNRELATED_GAP_NS = 500_000_000
FIRST_STAMP_NS = 1_000_000_000  # if frames have no time; 0 means "no time" in ROS

Storage = Literal["mcap", "sqlite3"]
STORAGES: tuple[Storage, ...] = ("mcap", "sqlite3")
_BAG_VERSION: Literal[9] = 9  # of metadata.yaml; Jazzy and later read it
_TYPES = {  # by the last part of the topic
    "points": POINT_CLOUD,
    "image": IMAGE,
    "camera_info": CAMERA_INFO,
    "tf_static": TF_MESSAGE,
}
_FOREVER = QosTime(9223372036, 854775807)  # how rosbag2 writes "infinite"


@dataclass(frozen=True)
class BagSummary:
    """What `write_bag` wrote.

    Attributes:
        frames: Number of frames.
        clouds: Number of clouds.
        images: Number of images.
        unrelated: Number of frames that do not continue the drive of the frame before; each was
            stamped 0.5 s after that frame.
        other_extrinsics: Number of frames whose sensor poses, or the units of whose clouds, differ
            from calibration.yaml and /tf_static.
        calibration: Path of calibration.yaml.
    """

    frames: int
    clouds: int
    images: int
    unrelated: int
    other_extrinsics: int
    calibration: Path


def write_bag(
    dataset: Dataset,
    path: str | Path,
    storage: Storage = "mcap",
    limit: int | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> BagSummary:
    """Write the frames of a data set as a bag.

    /points holds x, y, z, intensity 0..1 and the point attributes that the data set has, in the
    frame "lidar". /image holds the recorded image as rgb8, and /camera_info its camera, both in the
    optical frame "camera". /tf_static holds the poses of both sensors in "base_link", the ego
    frame. Data that a frame lacks are left out.

    If the first frame has several lidars or several cameras, the topics of each sensor begin with
    its name, as in /roof/points, /left/image and /left/camera_info. The name is also its frame. A
    camera with the name of a lidar has the frame NAME_optical.

    Within a scene, the time between frames is kept if it is at most 0.5 s. Any other frame is
    stamped 0.5 s after the frame before.

    Args:
        dataset: The frames.
        path: Folder of the bag, which must not exist. calibration.yaml is written into it, with
            each sensor as in the first frame that has it.
        storage: The file format.
        limit: Number of frames to write, from the first on. None for all.
        on_frame: Called after every frame.

    Returns:
        What was written.

    Raises:
        FileExistsError: If `path` exists.
        ValueError: If the data set has no frames, a damaged file, or sensors that cannot be
            written under their names, or the storage is unknown. No bag is left behind.
        OSError: If the disk is full. No bag is left behind, either.
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
        with named_full_disk(path, "the bag"), _opened(path, storage) as writer:
            return _write_frames(dataset, count, writer, path / YAML_NAME, on_frame)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


@contextmanager
def _opened(path: Path, storage: Storage) -> Iterator[Writer]:
    """Open a bag for writing. If SQLite fails to write, raise the OSError of a full disk."""
    plugin = StoragePlugin[storage.upper()]
    try:
        with Writer(path, version=_BAG_VERSION, storage_plugin=plugin) as writer:
            yield writer
    except sqlite3.OperationalError as error:
        raise OSError(errno.ENOSPC, str(error)) from error


def _write_frames(
    dataset: Dataset,
    count: int,
    writer: Writer,
    calibration_path: Path,
    on_frame: Callable[[], None],
) -> BagSummary:
    bag: _Bag | None = None
    previous: Frame | None = None
    stamp_ns = unrelated = other_extrinsics = 0
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
        if bag is None:
            bag = _RigBag(writer) if _has_several(frame) else _Bag(writer)
        try:
            has_known_extrinsics = bag.write(frame, stamp_ns)
        except ValueError as error:
            raise ValueError(f"{dataset.name}, frame {frame.name or index}: {error}") from error
        if not has_known_extrinsics:
            other_extrinsics += 1
        previous = frame
        on_frame()
    assert bag is not None  # there is at least one frame
    save_calibration(bag.calibration, calibration_path)
    return BagSummary(count, bag.clouds, bag.images, unrelated, other_extrinsics, calibration_path)


class _Bag:
    """The topics of a bag with one lidar and one camera.

    Attributes:
        calibration: The sensors so far, each as in the first frame that has it.
        clouds: Number of clouds.
        images: Number of images.
    """

    calibration: Calibration

    def __init__(self, writer: Writer) -> None:
        """Create the topics."""
        self._writer = writer
        self._connections: dict[str, Connection] = {}
        self._lidars: dict[str, LidarMount] = {}
        self._cameras: dict[str, CameraMount] = {}
        self.clouds = self.images = 0
        self._open_topics()

    def write(self, frame: Frame, stamp_ns: int) -> bool:
        """Write the messages of a frame.

        Returns:
            Whether the poses of its sensors are those of the calibration.

        Raises:
            ValueError: If the frame has a sensor that the bag has no topic for.
        """
        frame = self._named(frame)
        self._add_new_sensors(frame, stamp_ns)
        for name, scan in frame.lidars.items():
            if scan.points is not None:
                self.clouds += 1
                header = make_header(stamp_ns, self._lidars[name].frame_id)
                cloud = make_cloud(scan.points, scan.attributes, header)
                self._send(self._topic(name, "points"), stamp_ns, cloud)
        for name, seen in frame.cameras.items():
            if seen.image is not None:
                self.images += 1
                header = make_header(stamp_ns, self._cameras[name].frame_id)
                self._send(self._topic(name, "image"), stamp_ns, make_image(seen.image, header))
                info = make_camera_info(seen.camera, header)
                self._send(self._topic(name, "camera_info"), stamp_ns, info)
        return _has_extrinsics(self.calibration, frame)

    def _open_topics(self) -> None:
        """Create the topics that the bag has even without messages."""
        for topic in ("/points", "/image", "/camera_info", "/tf_static"):
            self._connect(topic)

    def _named(self, frame: Frame) -> Frame:
        """Return the frame with its sensors named as in the bag."""
        if _has_several(frame):
            raise ValueError(
                f"it has several sensors ({', '.join([*frame.lidars, *frame.cameras])}), but the "
                "first frame had at most one lidar and one camera: write them into separate bags"
            )
        scan = frame.lidar or LidarScan(None, frame.ego_from_lidar)
        seen = only(frame.cameras, "cameras")
        cameras = {} if seen is None else {CAMERA: seen}
        return replace(frame, lidars={LIDAR: scan}, cameras=cameras)

    def _topic(self, name: str, last: str) -> str:
        """Return the topic of a sensor."""
        return f"/{last}"

    def _add_new_sensors(self, frame: Frame, stamp_ns: int) -> None:
        """Add sensors that no earlier frame had to the calibration and /tf_static."""
        num_known = len(self._lidars) + len(self._cameras)
        for name, scan in frame.lidars.items():
            mount = self._lidars.setdefault(name, LidarMount(scan.ego_from_lidar, name))
            poses = {**scan.lidar_from_unit, **mount.lidar_from_unit}
            self._lidars[name] = replace(mount, lidar_from_unit=poses)
        for name, seen in frame.cameras.items():
            frame_id = f"{name}_optical" if name in self._lidars else name
            self._cameras.setdefault(name, CameraMount(seen.camera, frame_id))
        self.calibration = Calibration(dict(self._lidars), dict(self._cameras))
        if len(self._lidars) + len(self._cameras) > num_known:
            self._send("/tf_static", stamp_ns, make_transforms(self.calibration, stamp_ns))

    def _send(self, topic: str, stamp_ns: int, message: Any) -> None:
        if topic not in self._connections:
            self._connect(topic)
        data = STORE.serialize_cdr(message, _type(topic))
        self._writer.write(self._connections[topic], stamp_ns, data)

    def _connect(self, topic: str) -> None:
        self._connections[topic] = _connect(self._writer, topic, _type(topic))


class _RigBag(_Bag):
    """The topics of a bag with several lidars or cameras; they begin with the sensor's name."""

    def _open_topics(self) -> None:
        """Create no topic: those of a sensor are created with its first message."""

    def _named(self, frame: Frame) -> Frame:
        """Return the frame; its sensors keep their names."""
        if frame.lidars or self._lidars:
            return frame
        return replace(frame, lidars={LIDAR: LidarScan(None, frame.ego_from_lidar)})

    def _topic(self, name: str, last: str) -> str:
        """Return the topic of a sensor."""
        return f"/{name}/{last}"


def _has_several(frame: Frame) -> bool:
    return len(frame.lidars) > 1 or len(frame.cameras) > 1


def _type(topic: str) -> str:
    """Return the type of a topic's messages."""
    return _TYPES[topic.rpartition("/")[2]]


def _gap(previous: Frame | None, frame: Frame) -> int | None:
    """Return the nanoseconds since the frame before, or None if `frame` does not follow it."""
    if previous is None or previous.scene != frame.scene:
        return None
    gap_ns = frame.timestamp_ns - previous.timestamp_ns
    return gap_ns if 0 < gap_ns <= UNRELATED_GAP_NS else None


def _has_extrinsics(calibration: Calibration, frame: Frame) -> bool:
    """Return whether the poses of a frame's sensors are those of the calibration."""
    for name, scan in frame.lidars.items():
        mount = calibration.lidars[name]
        if not np.allclose(mount.ego_from_lidar, scan.ego_from_lidar, atol=1e-6):
            return False
        if not _has_units(mount, scan):
            return False
    for name, seen in frame.cameras.items():
        expected = calibration.cameras[name].camera.camera_from_ego
        if not np.allclose(expected, seen.camera.camera_from_ego, atol=1e-6):
            return False
    return True


def _has_units(mount: LidarMount, scan: LidarScan) -> bool:
    """Return whether the poses of the units in a scan are those of the calibration."""
    for number in np.unique(scan.attributes.get("unit", ())):
        expected, pose = mount.lidar_from_unit.get(number), scan.lidar_from_unit.get(number)
        if expected is None and pose is None:
            continue
        if expected is None or pose is None or not np.allclose(expected, pose, atol=1e-6):
            return False
    return True


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
    return writer.add_connection(topic, kind, typestore=STORE, offered_qos_profiles=[qos])

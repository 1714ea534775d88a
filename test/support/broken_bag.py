"""A small bag of a simulated scene, as messages that a test may change before it writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.data.calibration import YAML_NAME, Calibration, save_calibration
from bev_semseg_ros.frame import Annotation, Camera, Frame
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform
from bev_semseg_ros.ros.bag.writer import write_bag

COUNT = 8
STORE = get_typestore(Stores.ROS2_JAZZY)
CAMERA = Camera(
    [[446.0, 0, 383.5], [0, 446.0, 115.5], [0, 0, 1]],
    (768, 232),
    OPTICAL_FROM_VIEW @ invert(transform(translation=(0.27, 0.06, 1.65))),
)
CALIBRATION = Calibration.of(transform(translation=(0, 0, 1.73)), CAMERA)


def scan(beams: int = 64, lowest: float = -25.0, highest: float = 2.0) -> np.ndarray:
    """Return points (N, 4) of a lidar that is 1.73 m above a plane and covers 90 degrees ahead.

    Beams that do not hit the plane within 40 m hit a wall there.

    Args:
        beams: Number of beams.
        lowest: Elevation of the lowest beam, degrees.
        highest: Elevation of the highest beam, degrees.

    Returns:
        x, y, z and intensity of each point in the frame of the lidar.
    """
    azimuth, elevation = np.meshgrid(
        np.radians(np.arange(-45, 45, 0.2)), np.radians(np.linspace(lowest, highest, beams))
    )
    distance = np.minimum(
        np.where(elevation < 0, 1.73 / np.tan(np.maximum(-elevation, 1e-6)), 40.0), 40.0
    )
    points = np.stack(
        [distance * np.cos(azimuth), distance * np.sin(azimuth), distance * np.tan(elevation)], -1
    )
    intensity = np.random.default_rng(1).beta(1.2, 6, points.shape[:2])
    return np.concatenate([points, intensity[..., None]], -1).reshape(-1, 4).astype(np.float32)


class Drive:
    """A data set of COUNT identical frames, 0.1 s apart."""

    name = "drive"

    def __len__(self) -> int:
        return COUNT

    def scene(self, index: int) -> str:
        return self.name

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        image = np.full((*CAMERA.size[::-1], 3), 90, np.uint8)
        return Frame.of(
            (index + 10) * 100_000_000,
            scan(),
            CALIBRATION.ego_from_lidar,
            image,
            CAMERA,
            name=f"{index}",
            scene=self.name,
        ), Annotation()


@dataclass(frozen=True)
class Entry:
    """A message of the bag.

    Attributes:
        topic: Its topic.
        kind: Its type.
        time: Time of recording, integer nanoseconds.
        message: The message, or its bytes.
        reliable: Whether its publisher offered RELIABLE.
        kept: Whether its publisher offered TRANSIENT_LOCAL.
    """

    topic: str
    kind: str
    time: int
    message: Any
    reliable: bool = True
    kept: bool = False

    def with_message(self, **values: Any) -> Entry:
        """Return the entry with other values of the message."""
        return replace(self, message=replace(self.message, **values))

    def stamped(self, nanoseconds: int) -> Entry:
        """Return the entry with another stamp."""
        stamp = type(self.message.header.stamp)(*divmod(nanoseconds, 1_000_000_000))
        return self.with_message(header=replace(self.message.header, stamp=stamp))


def good_bag(path: Path) -> Path:
    """Write a bag in which the doctor finds nothing wrong."""
    write_bag(Drive(), path, "sqlite3")
    return path


def entries(bag: Path) -> list[Entry]:
    """Read the messages of a bag."""
    with Reader(bag) as reader:
        return [
            Entry(
                connection.topic,
                connection.msgtype,
                time,
                STORE.deserialize_cdr(data, connection.msgtype),
                kept=connection.topic == "/tf_static",
            )
            for connection, time, data in reader.messages()
        ]


def on(topic: str, change: Callable[[Entry], Entry]) -> Callable[[list[Entry]], list[Entry]]:
    """Return a change of every message of a topic."""
    return lambda all_: [change(entry) if entry.topic == topic else entry for entry in all_]


def without(topic: str) -> Callable[[list[Entry]], list[Entry]]:
    """Return a change that removes a topic."""
    return lambda all_: [entry for entry in all_ if entry.topic != topic]


def write(
    path: Path,
    content: list[Entry],
    calibration: Calibration | None = CALIBRATION,
    packed: bool = False,
) -> Path:
    """Write a bag.

    Args:
        path: Its folder.
        content: Its messages.
        calibration: Written into the folder; None for no file.
        packed: Compress each message with zstd.
    """
    forever = QosTime(9223372036, 854775807)
    connections: dict[tuple, Any] = {}
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3)
    if packed:
        writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with writer:
        for entry in content:
            key = entry.topic, entry.kind, entry.reliable, entry.kept
            if key not in connections:
                qos = Qos(
                    QosHistory.KEEP_LAST,
                    1,
                    QosReliability.RELIABLE if entry.reliable else QosReliability.BEST_EFFORT,
                    QosDurability.TRANSIENT_LOCAL if entry.kept else QosDurability.VOLATILE,
                    forever,
                    forever,
                    QosLiveliness.AUTOMATIC,
                    forever,
                    False,
                )
                connections[key] = writer.add_connection(
                    entry.topic, entry.kind, typestore=STORE, offered_qos_profiles=[qos]
                )
            data = (
                entry.message
                if isinstance(entry.message, bytes)
                else STORE.serialize_cdr(entry.message, entry.kind)
            )
            writer.write(connections[key], entry.time, data)
    if calibration is not None:
        save_calibration(calibration, path / YAML_NAME)
    return path

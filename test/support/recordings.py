"""Bags of small messages in all forms of recordings, for tests without a network or a node."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.ros.bag.reader import BagReader

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE = "sensor_msgs/msg/Image"
CLOUD = "sensor_msgs/msg/PointCloud2"
START, STEP = 1_000_000_000, 100_000_000
SUFFIXES = {"mcap": ".mcap", "sqlite3": ".db3"}
STORAGES = pytest.mark.parametrize("storage", SUFFIXES)
_NEVER = QosTime(0, 0)
BEST_EFFORT = Qos(
    QosHistory.KEEP_LAST,
    5,
    QosReliability.BEST_EFFORT,
    QosDurability.VOLATILE,
    _NEVER,
    _NEVER,
    QosLiveliness.AUTOMATIC,
    _NEVER,
    False,
)


def image(number: int, width: int = 64) -> bytes:
    """Return a serialized image whose pixels all have the value `number`."""
    types = STORE.types
    stamp = types["builtin_interfaces/msg/Time"](*divmod(START + number * STEP, 10**9))
    header = types["std_msgs/msg/Header"](stamp, "camera")
    pixels = np.full(width * 32 * 3, number % 256, np.uint8)
    message = types[IMAGE](header, 32, width, "rgb8", 0, 3 * width, pixels)
    return bytes(STORE.serialize_cdr(message, IMAGE))


def number_of(data: bytes) -> int:
    """Return the number that `image` put into an image."""
    message = STORE.deserialize_cdr(data, IMAGE)
    return int(message.data[0])


def record(
    folder: Path,
    numbers: Iterable[int],
    storage: str = "mcap",
    topic: str = "/image",
    qos: Sequence[Qos] = (),
    pack: Callable[[bytes], bytes] = bytes,
    packs_chunks: bool = False,
) -> Path:
    """Write a bag of images, 0.1 s apart, and return its folder.

    Args:
        folder: The folder.
        numbers: Numbers of the images.
        storage: The file format.
        topic: Topic of the images.
        qos: QoS profiles that their publisher offered.
        pack: Converts the bytes of a message to the bytes that are stored.
        packs_chunks: Compress the chunks of an mcap with zstd.
    """
    writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if packs_chunks:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection(
            topic, IMAGE, typestore=STORE, offered_qos_profiles=list(qos)
        )
        for number in numbers:
            writer.write(connection, START + number * STEP, pack(image(number)))
    return folder


def storage_file(folder: Path) -> Path:
    """Return the only recorded file of a bag."""
    (file,) = (path for path in folder.iterdir() if path.suffix in SUFFIXES.values())
    return file


def edit_metadata(folder: Path, pattern: str, replacement: str) -> None:
    """Replace a regular expression in metadata.yaml."""
    file = folder / "metadata.yaml"
    text, count = re.subn(pattern, replacement, file.read_text())
    assert count
    file.write_text(text)


def split(folder: Path, names: Sequence[str], storage: str = "sqlite3") -> Path:
    """Write a bag without metadata.yaml that is split into files of these names, 10 images each."""
    folder.mkdir()
    for index, name in enumerate(names):
        part = record(folder.with_name(f"part{index}"), range(10 * index, 10 * index + 10), storage)
        storage_file(part).rename(folder / name)
    return folder


def read(path: Path) -> tuple[list[int], list[str], Counter[tuple[str, str]]]:
    """Return the numbers of the images in a bag, the reader's remarks, and what it left out."""
    with BagReader(path) as reader:
        numbers = [number_of(data) for _, _, data in reader.messages(reader.topics)]
        return numbers, [str(remark) for remark in reader.remarks], reader.left_out

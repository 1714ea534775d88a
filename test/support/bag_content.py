"""Read a bag with rosbags, and decode its messages without the code of the package."""

from __future__ import annotations

import numpy as np
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)


def read(path) -> dict[str, list]:
    """Return topic -> [(nanoseconds, message)], oldest first."""
    topics: dict[str, list] = {}
    with Reader(path) as reader:
        for connection, time, data in reader.messages():
            message = STORE.deserialize_cdr(data, connection.msgtype)
            topics.setdefault(connection.topic, []).append((time, message))
    return topics


def stamp(message) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def cloud(message) -> np.ndarray:
    """Return x, y, z and intensity; further fields may follow them."""
    assert [(field.name, field.offset, field.datatype) for field in message.fields][:4] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
        ("intensity", 12, 7),
    ]
    rows = message.data.reshape(message.height * message.width, message.point_step)
    return np.ascontiguousarray(rows[:, :16]).view(np.float32)


def image(message) -> np.ndarray:
    assert message.encoding == "rgb8" and message.step == 3 * message.width
    return message.data.reshape(message.height, message.width, 3)


def assert_holds(topics, frames) -> None:
    """Assert that the bag has every cloud and image of the frames, bit for bit and in order."""
    clouds = [frame.points for frame in frames if frame.points is not None]
    images = [frame.image for frame in frames if frame.image is not None]
    for (_, message), expected in zip(topics["/points"], clouds, strict=True):
        np.testing.assert_array_equal(cloud(message), expected)
    for (_, message), expected in zip(topics["/image"], images, strict=True):
        np.testing.assert_array_equal(image(message), expected)
    assert [time for time, _ in topics["/camera_info"]] == [time for time, _ in topics["/image"]]

"""Bags of the messages that a peer sends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

if TYPE_CHECKING:
    from support.peer import Peer

COUNT = 6
START = 7_000_000_000
STEP = 100_000_000


def write_bag(path: Path, peer: Peer, storage: StoragePlugin) -> None:
    """Write COUNT pairs 0.1 s apart, and a message whose package is not installed here.

    Args:
        path: The folder of the bag.
        peer: Makes the messages of the pairs.
        storage: The file format.
    """
    from rclpy.serialization import serialize_message

    with Writer(path, version=9, storage_plugin=storage) as writer:
        store = get_typestore(Stores.ROS2_JAZZY)
        kinds = {
            "/camera_info": "sensor_msgs/msg/CameraInfo",
            "/points": "sensor_msgs/msg/PointCloud2",
            "/image": "sensor_msgs/msg/Image",
            "/tf_static": "tf2_msgs/msg/TFMessage",
        }
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, kind in kinds.items()
        }
        tf = store.types["tf2_msgs/msg/TFMessage"](transforms=[])
        writer.write(
            connections["/tf_static"], START, store.serialize_cdr(tf, "tf2_msgs/msg/TFMessage")
        )
        for index in range(COUNT):
            peer.stamp = START + STEP * index
            messages = {
                "/camera_info": peer.info(),
                "/points": peer.cloud(),
                "/image": peer.image(),
            }
            for topic, message in messages.items():
                writer.write(connections[topic], peer.stamp, serialize_message(message))

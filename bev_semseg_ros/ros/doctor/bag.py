"""Looks at a bag for the doctor. Needs `rosbags`, not rclpy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.ros.bag.reader import BagReader
from bev_semseg_ros.ros.doctor.observation import (
    COMPRESSED,
    KINDS,
    Observation,
    Offer,
    choose_topics,
    open_streams,
)
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree

SECONDS = 60.0  # of a long bag that are looked at; static transforms, which may come once, are read to its end
TF_MESSAGE = "tf2_msgs/msg/TFMessage"

_store = get_typestore(Stores.ROS2_JAZZY)


def read_bag(path: str | Path, asked: dict[str, str]) -> Observation:
    """What the first SECONDS of a bag hold, and its static transforms. asked: input of KINDS -> topic.

    Raises ValueError naming the bag if it cannot be read.
    """
    with BagReader(path) as reader:
        return _read(reader, str(path), asked)


def _read(reader: BagReader, source: str, asked: dict[str, str]) -> Observation:
    types, counts = {}, Counter()
    for connection in reader.connections:
        types[connection.topic] = connection.msgtype
        counts[connection.topic] += connection.msgcount
    available = {
        topic: (kind, counts[topic])
        for topic, kind in types.items()
        if kind in (*KINDS.values(), COMPRESSED)
    }
    chosen, wrong = choose_topics(available, asked, types)
    tree = TransformTree()
    observation = Observation(source, 0.0, available=available, wrong=wrong, transforms=tree)
    observation.streams = open_streams(chosen, types)
    by_topic = {stream.topic: stream for stream in observation.streams.values()}
    for connection in reader.connections:
        if connection.topic in by_topic:
            by_topic[connection.topic].offers += _offers(connection)
    observation.static_offers = [
        offer
        for connection in reader.connections
        if connection.topic == "/tf_static"
        for offer in _offers(connection)
    ]
    first = last = None
    wanted = [each for each in reader.connections if each.topic in by_topic or _has_tf(each, "/tf")]
    for connection, time, data in reader.messages(wanted):
        if first is not None and (time - first) / 1e9 > SECONDS:
            break  # the rest, most of a long bag, is not read at all
        stream = by_topic.get(connection.topic)
        if stream is None:
            _take_transforms(data, tree, is_static=False)
            continue
        first, last = time if first is None else first, time
        try:
            message = _store.deserialize_cdr(data, connection.msgtype)
        except Exception as error:  # whatever a damaged message does, the next one must be seen
            stream.problems[f"damaged: {type(error).__name__}"] += 1
            continue
        stream.take(message, time, len(data))
    for _, _, data in reader.messages(
        [each for each in reader.connections if _has_tf(each, "/tf_static")]
    ):
        _take_transforms(data, tree, is_static=True)
    observation.seconds = 0.0 if first is None else (last - first) / 1e9
    return observation


def _has_tf(connection: Any, topic: str) -> bool:
    return (connection.topic, connection.msgtype) == (topic, TF_MESSAGE)


def _take_transforms(data: bytes, tree: TransformTree, is_static: bool) -> None:
    try:
        message = _store.deserialize_cdr(data, TF_MESSAGE)
    except Exception:  # as above
        return
    tree.take(message, is_static)


def _offers(connection: Any) -> list[Offer]:
    return [
        Offer("recorded", profile.reliability.name.lower(), profile.durability.name.lower())
        for profile in connection.ext.offered_qos_profiles or []
    ]

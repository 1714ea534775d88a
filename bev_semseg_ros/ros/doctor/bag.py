"""Looks at a bag for the doctor. Needs `rosbags`, not rclpy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.ros.bag.reader import BagReader, offered_profiles
from bev_semseg_ros.ros.doctor.observation import Observation, Offer, open_streams
from bev_semseg_ros.ros.doctor.topics import COMPRESSED, INPUT_TYPES, SensorNames, choose_topics
from bev_semseg_ros.ros.doctor.transform_tree import TransformTrees
from bev_semseg_ros.ros.input.tf_topics import MOVING, STATIC, TF_MESSAGE, tf_name

SECONDS = 60.0  # of a long bag that are looked at
NO_NAMES = SensorNames()

_store = get_typestore(Stores.ROS2_JAZZY)


def read_bag(
    path: str | Path, asked: Mapping[str, str], names: SensorNames = NO_NAMES
) -> Observation:
    """Look at the first SECONDS of a bag, and at all its static transforms.

    Static transforms may come once, at any time, so they are read to the end of the bag.

    Args:
        path: The folder of the bag.
        asked: Input -> the topic to look at, or ""; see `choose_topics`.
        names: The names of the sensors.

    Returns:
        What the bag holds.

    Raises:
        ValueError: If the bag cannot be read, or a topic was asked for that belongs to no sensor.
            The text names it.
    """
    with BagReader(path) as reader:
        return _read(reader, str(path), asked, names)


def _read(
    reader: BagReader, source: str, asked: Mapping[str, str], names: SensorNames
) -> Observation:
    types: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for connection in reader.connections:
        types[connection.topic] = connection.msgtype
        counts[connection.topic] += connection.msgcount
    available = {}
    for topic, message_type in types.items():
        if message_type in (*INPUT_TYPES.values(), COMPRESSED):
            available[topic] = (message_type, counts[topic])
    sensors = names.choose(types, asked)
    chosen, wrong = choose_topics(available, asked, types, sensors)
    trees = TransformTrees()
    observation = Observation(source, 0.0, sensors=sensors, available=available, wrong=wrong)
    observation.streams = open_streams(chosen, types)
    by_topic = {stream.topic: stream for stream in observation.streams.values()}
    for connection in reader.connections:
        if connection.topic in by_topic:
            by_topic[connection.topic].offers += _offers(connection)
        elif _has_transforms(connection, STATIC):
            observation.static_offers += _offers(connection)
    observation.seconds = _take_messages(reader, observation, trees)
    static = [each for each in reader.connections if _has_transforms(each, STATIC)]
    for connection, _, data in reader.messages(static):
        _take_transforms(data, trees, connection.topic)
    observation.settle(trees)
    return observation


def _take_messages(reader: BagReader, observation: Observation, trees: TransformTrees) -> float:
    """Fill the streams, and the trees from /tf, with the first SECONDS. Return their length."""
    by_topic = {stream.topic: stream for stream in observation.streams.values()}
    wanted = [
        each
        for each in reader.connections
        if each.topic in by_topic or _has_transforms(each, MOVING)
    ]
    first = last = None
    for connection, time, data in reader.messages(wanted):
        if first is not None and (time - first) / 1e9 > SECONDS:
            break  # so that the rest, most of a long bag, is not read at all
        stream = by_topic.get(connection.topic)
        if stream is None:
            _take_transforms(data, trees, connection.topic)
            continue
        first = time if first is None else first
        last = time
        try:
            message = _store.deserialize_cdr(data, connection.msgtype)
        except Exception as error:  # rosbags raises any type; the next message must be seen
            stream.problems[f"damaged: {type(error).__name__}"] += 1
            continue
        stream.take(message, time, len(data))
    if first is None or last is None:
        return 0.0
    return (last - first) / 1e9


def _has_transforms(connection: Connection, name: str) -> bool:
    return tf_name(connection.topic, connection.msgtype) == name


def _take_transforms(data: bytes, trees: TransformTrees, topic: str) -> None:
    try:
        message = _store.deserialize_cdr(data, TF_MESSAGE)
    except Exception:  # rosbags raises any type; the next message must be seen
        return
    trees.take(message, topic)


def _offers(connection: Connection) -> list[Offer]:
    """Return the QoS that the publishers of a recorded topic offered."""
    return [
        Offer("recorded", profile.reliability.name.lower(), profile.durability.name.lower())
        for profile in offered_profiles(connection)
    ]

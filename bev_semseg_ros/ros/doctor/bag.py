"""Looks at a bag for the doctor. Needs `rosbags`, not rclpy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.ros.bag_reader import BagReader
from bev_semseg_ros.ros.doctor.observation import COMPRESSED, KINDS, Observation, Offer, choose_topics, open_streams
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree

SECONDS = 60.0  # of a long bag that are looked at; transforms are read to its end

_store = get_typestore(Stores.ROS2_JAZZY)


def read_bag(path: str | Path, asked: dict[str, str]) -> Observation:
    """What the first SECONDS of a bag hold. asked: input of KINDS -> topic, of those that were named.

    Raises ValueError naming the bag if it cannot be read.
    """
    with BagReader(path) as reader:
        return _read(reader, str(path), asked)


def _read(reader: BagReader, source: str, asked: dict[str, str]) -> Observation:
    types, counts = {}, Counter()
    for connection in reader.connections:
        types[connection.topic] = connection.msgtype
        counts[connection.topic] += connection.msgcount
    available = {topic: (kind, counts[topic]) for topic, kind in types.items()
                 if kind in (*KINDS.values(), COMPRESSED)}
    chosen, wrong = choose_topics(available, asked, types)
    observation = Observation(source, 0.0, available=available, wrong=wrong, transforms=TransformTree())
    observation.streams = open_streams(chosen, types)
    by_topic = {stream.topic: stream for stream in observation.streams.values()}
    for connection in reader.connections:
        if connection.topic in by_topic:
            by_topic[connection.topic].offers += _offers(connection)
    observation.static_offers = [offer for connection in reader.connections if connection.topic == "/tf_static"
                                 for offer in _offers(connection)]
    wanted = [connection for connection in reader.connections if connection.topic in by_topic
              or (connection.topic in ("/tf", "/tf_static") and connection.msgtype == "tf2_msgs/msg/TFMessage")]
    first = last = None
    for connection, time, data in reader.messages(wanted):
        first = time if first is None else first
        stream = by_topic.get(connection.topic)
        is_over = (time - first) / 1e9 > SECONDS
        if stream is not None and is_over:
            continue
        last = last if is_over else time
        try:
            message = _store.deserialize_cdr(data, connection.msgtype)
        except Exception as error:  # whatever a damaged message does, the next one must be seen
            if stream is not None:
                stream.problems[f"damaged: {type(error).__name__}"] += 1
            continue
        if stream is None:
            observation.transforms.take(message)
        else:
            stream.take(message, time, len(data))
    observation.seconds = 0.0 if first is None else (last - first) / 1e9
    return observation


def _offers(connection: Any) -> list[Offer]:
    return [Offer("recorded", profile.reliability.name.lower(), profile.durability.name.lower())
            for profile in connection.ext.offered_qos_profiles or []]

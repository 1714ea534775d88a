"""Reads a bag for the doctor. Needs `rosbags`, not rclpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.ros.bag.reader import BagReader, Topic
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE
from bev_semseg_ros.ros.doctor.candidates import INFOS, SAMPLES, Candidate, look_at
from bev_semseg_ros.ros.doctor.observation import Observation, Offer, open_streams
from bev_semseg_ros.ros.doctor.topics import (
    INPUT_TYPES,
    Available,
    SensorNames,
    candidates_of,
    choose_topics,
    has_choice,
)
from bev_semseg_ros.ros.doctor.transform_tree import TransformTrees
from bev_semseg_ros.ros.input.tf_topics import MOVING, STATIC, TF_MESSAGE, tf_name
from bev_semseg_ros.ros.parameters.sensors import Sensors

SECONDS = 60.0  # of a bag that are read, from its start
CHOOSING = 5.0  # seconds of the bag within which the candidates for an input are compared
NO_NAMES = SensorNames()

_store = get_typestore(Stores.ROS2_JAZZY)


def read_bag(
    path: str | Path, asked: Mapping[str, str], names: SensorNames = NO_NAMES
) -> Observation:
    """Read the first SECONDS of a bag, and all its static transforms.

    A static transform may come only once, at any time, so they are read to the end of the bag.

    Args:
        path: The folder of the bag, or a recorded file.
        asked: Input -> the topic that the user asked for, or ""; see `choose_topics`.
        names: The names of the sensors.

    Returns:
        What the bag holds.

    Raises:
        ValueError: If the bag cannot be read, or the user asked for a topic of an unknown sensor.
            The text names the bag or the topic.
    """
    with BagReader(path) as reader:
        return _read(reader, str(path), asked, names)


def _read(
    reader: BagReader, source: str, asked: Mapping[str, str], names: SensorNames
) -> Observation:
    types: dict[str, str] = {}
    available = {}
    inputs = (*INPUT_TYPES.values(), COMPRESSED_IMAGE)
    for topic in sorted(reader.topics, key=lambda topic: topic.count):
        if topic.message_type in inputs:
            available[topic.name] = (topic.message_type, topic.count)
        if topic.message_type in inputs or topic.name not in available:
            types[topic.name] = topic.message_type
    sensors = names.choose(types, asked)
    candidates = _compare(reader, available, sensors)
    choice = choose_topics(available, asked, types, sensors, candidates)
    trees = TransformTrees()
    observation = Observation(
        source,
        0.0,
        sensors=sensors,
        available=available,
        types=types,
        wrong=choice.wrong,
        not_chosen=choice.why,
    )
    observation.streams = open_streams(choice.chosen, types)
    for stream in observation.streams.values():
        for topic in reader.topics:
            if (topic.name, topic.message_type) == (stream.topic, stream.message_type):
                stream.offers += _offers(topic)
    for topic in reader.topics:
        if _has_transforms(topic, STATIC):
            observation.static_offers += _offers(topic)
    observation.seconds = _take_messages(reader, observation, trees)
    static = [each for each in reader.topics if _has_transforms(each, STATIC)]
    for topic, _, data in reader.messages(static):
        _take_transforms(data, trees, topic.name)
    observation.settle(trees)
    observation.remarks = reader.remarks
    observation.left_out = reader.left_out
    return observation


def _compare(reader: BagReader, available: Available, sensors: Sensors) -> dict[str, Candidate]:
    """Examine the first messages of the topics among which one has to be chosen.

    Returns:
        Topic -> what it holds; empty if there is nothing to choose.
    """
    if not has_choice(available, sensors):
        return {}
    kinds = {kind: candidates_of(available, kind) for kind in INPUT_TYPES}
    wanted = []
    for topic in reader.topics:
        of_kinds = [topic.name for counts in kinds.values() if topic.name in counts]
        if of_kinds and topic.message_type == available[topic.name][0]:
            wanted.append(topic)
    messages = _first_messages(reader, wanted)
    return {
        name: look_at(name, kind, count, messages.get(name, []))
        for kind, counts in kinds.items()
        for name, count in counts.items()
    }


def _first_messages(reader: BagReader, topics: Sequence[Topic]) -> dict[str, list[Any]]:
    """Return messages until each topic has SAMPLES of them, but at most for CHOOSING seconds."""
    messages: dict[str, list[Any]] = {topic.name: [] for topic in topics}
    enough = {topic.name: min(topic.count, SAMPLES) for topic in topics}
    first = last = None
    for topic, time, data in reader.messages(topics):
        if first is None or last is None or (time - last) / 1e9 > CHOOSING:
            first = time  # of the drive: in some bags, a message with the time 0 precedes it
        last = time
        is_complete = all(len(messages[name]) >= count for name, count in enough.items())
        if (time - first) / 1e9 > CHOOSING or is_complete:
            break
        most = INFOS if topic.message_type == INPUT_TYPES["camera_info"] else SAMPLES
        if len(messages[topic.name]) >= most:
            continue
        with suppress(Exception):  # rosbags raises any type; it is reported if the topic is chosen
            message = _store.deserialize_cdr(data, topic.message_type)
            messages[topic.name].append(message)
    reader.left_out.clear()  # these are counted when the chosen topics are read
    return messages


def _take_messages(reader: BagReader, observation: Observation, trees: TransformTrees) -> float:
    """Fill the streams, and the trees from /tf, with the first SECONDS. Return the time read, s."""
    by_topic = {
        (stream.topic, stream.message_type): stream for stream in observation.streams.values()
    }
    wanted = []
    for each in reader.topics:
        if (each.name, each.message_type) in by_topic or _has_transforms(each, MOVING):
            wanted.append(each)
    first = last = 0
    for topic, time, data in reader.messages(wanted):
        if first and (time - first) / 1e9 > SECONDS:
            break  # so that the rest, most of a long bag, is not read at all
        stream = by_topic.get((topic.name, topic.message_type))
        if stream is None:
            _take_transforms(data, trees, topic.name)
            continue
        first = first or time  # in some bags, messages with the time 0 precede the drive
        last = time
        try:
            message = _store.deserialize_cdr(data, topic.message_type)
        except Exception as error:  # rosbags raises any type; go on with the next message
            stream.problems[f"damaged: {type(error).__name__}"] += 1
            continue
        stream.take(message, time, len(data))
    return (last - first) / 1e9


def _has_transforms(topic: Topic, name: str) -> bool:
    return tf_name(topic.name, topic.message_type) == name


def _take_transforms(data: bytes, trees: TransformTrees, topic: str) -> None:
    try:
        message = _store.deserialize_cdr(data, TF_MESSAGE)
    except Exception:  # rosbags raises any type; go on with the next message
        return
    trees.take(message, topic)


def _offers(topic: Topic) -> list[Offer]:
    """Return the QoS that the publishers of a recorded topic offered."""
    return [
        Offer("recorded", profile.reliability.name.lower(), profile.durability.name.lower())
        for profile in topic.profiles
    ]

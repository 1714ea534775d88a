"""Listens to live topics for the doctor."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from rclpy.signals import uninstall_signal_handlers

from bev_semseg_ros.ros.convert.messages import message_class
from bev_semseg_ros.ros.dds import use_shared_memory_profile
from bev_semseg_ros.ros.doctor.observation import (
    COMPRESSED,
    KINDS,
    Observation,
    Offer,
    Stream,
    choose_topics,
    open_streams,
)
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree
from bev_semseg_ros.ros.input.subscriptions import choose_profile, node_name
from bev_semseg_ros.ros.node.parameters import Parameters

DISCOVERY = 6.0  # seconds in which publishers must be found
SETTLED = 1.0  # seconds after which, once there is one for every input, others are not waited for
COUNTING = 1.0  # seconds in which the topics of a type are compared, where there are several
SHARED_MEMORY = Path("/dev/shm")
DEPTH = 10  # where the node takes the newest, every message counts here
DEFAULTS = Parameters()


def listen(seconds: float, asked: dict[str, str]) -> Observation:
    """What comes on live topics in `seconds`, after a moment for discovery. asked: input of KINDS -> topic.

    Subscribes with the QoS that the node would ask for. Raises ValueError for a time that is not above 0, and
    KeyboardInterrupt if a signal comes.
    """
    if not seconds > 0:
        raise ValueError(f"--live: expected a number of seconds above 0, got {seconds}")
    shared_memory = _largest_segment()  # before this process has one
    use_shared_memory_profile()
    rclpy.init(args=[])
    node = rclpy.create_node("doctor", start_parameter_services=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        types = _discover(node, executor, asked)
        counts = _count(node, executor, types)
        observation = _subscribe(node, seconds, asked, types, counts)
        observation.shared_memory = shared_memory
        _spin(executor, seconds)
        return observation
    except ExternalShutdownException:  # by a signal
        raise KeyboardInterrupt from None
    finally:
        uninstall_signal_handlers()  # its thread still wakes what is freed next
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


def _discover(
    node: Node, executor: SingleThreadedExecutor, asked: dict[str, str]
) -> dict[str, str]:
    """The topics that somebody publishes -> their types."""
    end, is_complete = time.monotonic() + DISCOVERY, False
    while True:
        _spin(executor, SETTLED)
        types = {
            topic: next((kind for kind in kinds if kind in KINDS.values()), kinds[0])
            for topic, kinds in node.get_topic_names_and_types()
            if node.count_publishers(topic)
        }
        if is_complete or time.monotonic() > end:
            return types
        is_complete = (
            all(topic in types for topic in asked.values() if topic)
            and choose_topics({topic: (kind, 0) for topic, kind in types.items()}, asked, types)[
                0
            ].keys()
            == KINDS.keys()
        )


def _count(
    node: Node, executor: SingleThreadedExecutor, types: dict[str, str]
) -> dict[str, tuple[str, int]]:
    """Topics of KINDS and COMPRESSED -> (kind, messages that came in COUNTING, if there is a choice)."""
    found = {topic: kind for topic, kind in types.items() if kind in (*KINDS.values(), COMPRESSED)}
    counts: Counter[str] = Counter()
    subscriptions = [
        node.create_subscription(
            message_class(kind),
            topic,
            lambda _, topic=topic: counts.update((topic,)),
            qos_profile_sensor_data,
            raw=True,
        )
        for topic, kind in found.items()
        if list(found.values()).count(kind) > 1
    ]
    if subscriptions:
        _spin(executor, COUNTING)
    for subscription in subscriptions:
        node.destroy_subscription(subscription)
    return {topic: (kind, counts[topic]) for topic, kind in found.items()}


def _subscribe(
    node: Node,
    seconds: float,
    asked: dict[str, str],
    types: dict[str, str],
    available: dict[str, tuple[str, int]],
) -> Observation:
    chosen, wrong = choose_topics(available, asked, types)
    transform_class = message_class("tf2_msgs/msg/TFMessage")
    observation = Observation(
        "live topics",
        seconds,
        True,
        available=available,
        wrong=wrong,
        transforms=TransformTree() if transform_class else None,
        static_offers=_offers(node, "/tf_static"),
    )
    observation.streams = open_streams(chosen, types)
    for stream in observation.streams.values():
        stream.offers = _offers(node, stream.topic)
        kind = message_class(stream.kind)
        offered = [info.qos_profile for info in node.get_publishers_info_by_topic(stream.topic)]
        profile = choose_profile(
            DEFAULTS.reliability, offered, latched=stream.name == "camera_info", depth=DEPTH
        )
        node.create_subscription(
            kind, stream.topic, partial(_take, stream, kind), profile, raw=True
        )
    if transform_class is not None:
        for topic, durability in (
            ("/tf_static", DurabilityPolicy.TRANSIENT_LOCAL),
            ("/tf", DurabilityPolicy.VOLATILE),
        ):
            take = partial(observation.transforms.take, is_static=topic == "/tf_static")
            node.create_subscription(
                transform_class, topic, take, QoSProfile(depth=100, durability=durability)
            )
    return observation


def _take(stream: Stream, kind: type, data: bytes) -> None:
    stream.take(deserialize_message(data, kind), time.monotonic_ns(), len(data))


def _offers(node: Node, topic: str) -> list[Offer]:
    return [
        Offer(
            node_name(info),
            info.qos_profile.reliability.name.lower(),
            info.qos_profile.durability.name.lower(),
        )
        for info in node.get_publishers_info_by_topic(topic)
    ]


def _largest_segment() -> int:
    """Bytes of the largest shared memory segment that Fast DDS has on this machine; 0 without any."""

    def size(path: Path) -> int:
        try:
            return path.stat().st_size
        except OSError:  # its process has ended
            return 0

    return max(map(size, SHARED_MEMORY.glob("fast*_*")), default=0)

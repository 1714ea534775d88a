"""Listens to live topics for the doctor."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.signals import uninstall_signal_handlers
from rclpy.subscription import Subscription

from bev_semseg_ros.ros.convert.compressed_image import SUFFIX
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE, message_class
from bev_semseg_ros.ros.dds import use_shared_memory_profile
from bev_semseg_ros.ros.doctor.candidates import INFOS, SAMPLES, Candidate, look_at
from bev_semseg_ros.ros.doctor.observation import Observation, Offer, Stream, open_streams
from bev_semseg_ros.ros.doctor.topics import (
    INPUT_TYPES,
    Choice,
    SensorNames,
    all_inputs,
    candidates_of,
    choose_topics,
    has_choice,
)
from bev_semseg_ros.ros.doctor.transform_tree import TransformTrees
from bev_semseg_ros.ros.input.subscriptions import choose_profile, node_name
from bev_semseg_ros.ros.input.tf_topics import MOVING, STATIC, TF_MESSAGE, tf_name
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensors

DISCOVERY = 6.0  # seconds within which publishers must be found
SETTLED = 1.0  # seconds to wait for more publishers once every input has one
COUNTING = 1.0  # seconds for which the candidates for an input are compared, if there are several
SHARED_MEMORY = Path("/dev/shm")
# Bytes of messages that may wait to be decoded: 3.8 s of 7 MB images at 10 Hz.
MAX_WAITING = 256 * 2**20
DEPTH = 10  # the node takes the newest message only, but here each one counts
DEFAULTS = Parameters()
NO_NAMES = SensorNames()


class Backlog:
    """Serialized messages with their arrival times, to be decoded later.

    Decoding takes milliseconds. If the callback decoded, the next messages would seem to come late,
    or newer ones would replace them in DDS.
    """

    def __init__(self, max_bytes: int = MAX_WAITING) -> None:
        """Begin empty.

        Args:
            max_bytes: Limit of waiting data. Beyond it, the oldest messages are decoded at once.
        """
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._waiting: deque[tuple[Stream, bytes, int]] = deque()

    def add(self, stream: Stream, data: bytes, info: Mapping[str, Any]) -> None:
        """Add a message of a stream, as rclpy passes it to a callback of a raw subscription."""
        # The time at which DDS received it; 0 if the middleware does not provide it.
        arrival = info["received_timestamp"] or time.time_ns()
        self._waiting.append((stream, data, arrival))
        self._num_bytes += len(data)
        while self._num_bytes > self._max_bytes:
            self._decode_oldest()

    def decode(self) -> None:
        """Decode all waiting messages, and add them to the streams."""
        while self._waiting:
            self._decode_oldest()

    def _decode_oldest(self) -> None:
        stream, data, arrival = self._waiting.popleft()
        self._num_bytes -= len(data)
        message = _deserialized(data, stream.message_type)
        if message is None:
            stream.problems["damaged: it cannot be deserialized"] += 1
        else:
            stream.take(message, arrival, len(data))


def listen(seconds: float, asked: Mapping[str, str], names: SensorNames = NO_NAMES) -> Observation:
    """Listen to live topics, with the QoS that the node would ask for.

    Args:
        seconds: How long to listen after the discovery of the topics.
        asked: Input -> the topic that the user asked for, or ""; see `choose_topics`.
        names: The names of the sensors.

    Returns:
        What was received.

    Raises:
        ValueError: If `seconds` is not above 0, or the user asked for a topic of an unknown sensor.
        KeyboardInterrupt: If a signal comes.
    """
    if not seconds > 0:
        raise ValueError(f"--live: expected a number of seconds above 0, got {seconds}")
    shared_memory = _largest_segment()  # before this process creates its own
    use_shared_memory_profile()
    rclpy.init(args=[])
    node = rclpy.create_node("doctor", start_parameter_services=False)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    backlog = Backlog()
    try:
        types = _discover(node, executor, asked, names)
        sensors = names.choose(types, asked)
        available, candidates = _compare(node, executor, types, sensors)
        choice = choose_topics(available, asked, types, sensors, candidates)
        observation = _subscribe(node, backlog, seconds, types, available, sensors, choice)
        trees = _subscribe_to_transforms(node, types)
        observation.shared_memory = shared_memory
        topics = _topics_with_offers(observation)
        offers = {topic: _offers(node, topic) for topic in topics}
        _spin(executor, seconds)
        for topic in topics:  # again: the name of a starting node is known only later
            offers[topic] |= _offers(node, topic)
    except ExternalShutdownException:  # by a signal
        raise KeyboardInterrupt from None
    finally:
        uninstall_signal_handlers()  # otherwise their thread uses objects that are freed next
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    backlog.decode()
    for stream in observation.streams.values():
        stream.offers = list(offers[stream.topic].values())
    observation.static_offers = [
        offer for topic in _static_topics(types) for offer in offers[topic].values()
    ]
    observation.settle(trees)
    return observation


def _static_topics(types: Mapping[str, str]) -> list[str]:
    """Return the topics of static transforms, in any namespace."""
    return [topic for topic, kind in types.items() if tf_name(topic, kind) == STATIC]


def _topics_with_offers(observation: Observation) -> set[str]:
    """Return the topics whose QoS is checked: those of the inputs and of static transforms."""
    inputs = {stream.topic for stream in observation.streams.values()}
    return inputs | set(_static_topics(observation.types))


def _deserialized(data: bytes, message_type: str) -> Any | None:
    """Return a message, or None if its bytes are damaged."""
    try:
        return deserialize_message(data, message_class(message_type))
    except Exception:  # the middlewares raise any type
        return None


def _spin(executor: SingleThreadedExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)


def _discover(
    node: Node, executor: SingleThreadedExecutor, asked: Mapping[str, str], names: SensorNames
) -> dict[str, str]:
    """Wait until every input has a publisher, or for DISCOVERY. Return published topic -> type."""
    end = time.monotonic() + DISCOVERY
    is_complete = False
    while True:
        _spin(executor, SETTLED)
        types: dict[str, str] = {}
        for topic, kinds in node.get_topic_names_and_types():
            if node.count_publishers(topic):
                inputs = [kind for kind in kinds if kind in INPUT_TYPES.values()]
                types[topic] = inputs[0] if inputs else kinds[0]
        if is_complete or time.monotonic() > end:
            return types
        is_complete = _has_all_inputs(types, asked, names)


def _has_all_inputs(types: dict[str, str], asked: Mapping[str, str], names: SensorNames) -> bool:
    """Return whether every input, and every topic that the user asked for, has a publisher."""
    if not all(topic in types for topic in asked.values() if topic):
        return False
    available = {topic: (name, 0) for topic, name in types.items()}
    sensors = names.choose(types, asked)
    choice = choose_topics(available, asked, types, sensors)
    return choice.chosen.keys() == set(all_inputs(sensors))


def _compare(
    node: Node, executor: SingleThreadedExecutor, types: dict[str, str], sensors: Sensors
) -> tuple[dict[str, tuple[str, int]], dict[str, Candidate]]:
    """Count and examine the messages of the topics among which one has to be chosen.

    Returns:
        Topic that could be an input -> (type, number of messages within COUNTING), and topic ->
        what it holds. If there is nothing to choose, no messages are counted.
    """
    wanted = (*INPUT_TYPES.values(), COMPRESSED_IMAGE)
    found = {topic: name for topic, name in types.items() if name in wanted}
    without_counts = {topic: (name, 0) for topic, name in found.items()}
    kinds = {kind: candidates_of(without_counts, kind) for kind in INPUT_TYPES}
    is_twofold = any(topic + SUFFIX in found for topic in found)
    if not has_choice(without_counts, sensors) and not is_twofold:
        return without_counts, {}
    messages: dict[str, list[bytes]] = {topic: [] for topic in found}
    counts: Counter[str] = Counter()

    def counter(topic: str) -> Callable[[bytes], None]:
        def count(data: bytes) -> None:
            counts[topic] += 1
            if counts[topic] <= (INFOS if topic in kinds["camera_info"] else SAMPLES):
                messages[topic].append(data)

        return count

    subscriptions = []
    for topic, name in found.items():
        subscriptions.append(_subscribe_to(node, topic, name, counter(topic)))
    _spin(executor, COUNTING)
    for subscription in subscriptions:
        node.destroy_subscription(subscription)
    available = {topic: (name, counts[topic]) for topic, name in found.items()}
    candidates = {}
    for kind, topics in kinds.items():
        for topic in topics:
            decoded = [_deserialized(data, found[topic]) for data in messages[topic]]
            usable = [message for message in decoded if message is not None]
            candidates[topic] = look_at(topic, kind, counts[topic], usable)
    return available, candidates


def _subscribe(
    node: Node,
    backlog: Backlog,
    seconds: float,
    types: dict[str, str],
    available: dict[str, tuple[str, int]],
    sensors: Sensors,
    choice: Choice,
) -> Observation:
    """Subscribe to the inputs.

    Returns:
        The observation. Messages of the inputs go to the backlog, which fills its streams.
    """
    observation = Observation(
        "live topics",
        seconds,
        is_live=True,
        sensors=sensors,
        available=available,
        types=types,
        wrong=choice.wrong,
        not_chosen=choice.why,
    )
    observation.streams = open_streams(choice.chosen, types)
    for stream in observation.streams.values():
        _subscribe_to(node, stream.topic, stream.message_type, partial(backlog.add, stream))
    return observation


def _subscribe_to(
    node: Node, topic: str, message_type: str, take: Callable[..., None]
) -> Subscription:
    """Subscribe to the serialized messages of an input as the node would."""
    offered = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    is_latched = message_type == INPUT_TYPES["camera_info"]
    profile = choose_profile(DEFAULTS.reliability, offered, latched=is_latched, depth=DEPTH)
    return node.create_subscription(message_class(message_type), topic, take, profile, raw=True)


def _subscribe_to_transforms(node: Node, types: Mapping[str, str]) -> TransformTrees | None:
    """Return the trees that the topics of TF fill, or None if tf2_msgs is not installed.

    Args:
        node: The node to subscribe with.
        types: Topics -> their types.
    """
    message_type = message_class(TF_MESSAGE)
    if message_type is None:
        return None
    trees = TransformTrees()
    latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    volatile = QoSProfile(depth=100, durability=DurabilityPolicy.VOLATILE)
    found = {topic: tf_name(topic, kind) for topic, kind in types.items()}
    for topic, name in ({STATIC: STATIC, MOVING: MOVING} | found).items():
        if name:
            take = partial(trees.take, topic=topic)
            node.create_subscription(
                message_type, topic, take, latched if name == STATIC else volatile
            )
    return trees


def _offers(node: Node, topic: str) -> dict[bytes, Offer]:
    """Return the QoS that each publisher of a topic offers, by the publisher's GID."""
    return {
        bytes(info.endpoint_gid): Offer(
            node_name(info),
            info.qos_profile.reliability.name.lower(),
            info.qos_profile.durability.name.lower(),
        )
        for info in node.get_publishers_info_by_topic(topic)
    }


def _largest_segment() -> int:
    """Return the size of Fast DDS's largest shared memory segment, bytes; 0 without any."""

    def size(path: Path) -> int:
        try:
            return path.stat().st_size
        except OSError:  # its process has ended
            return 0

    return max(map(size, SHARED_MEMORY.glob("fast*_*")), default=0)

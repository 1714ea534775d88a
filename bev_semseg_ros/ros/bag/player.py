"""Publishes a rosbag2 with its timing. The bytes are sent as they are; no message is decoded."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import uninstall_signal_handlers
from rosbags.interfaces import Connection, Qos

from bev_semseg_ros.ros.bag.reader import BagReader, offered_profiles
from bev_semseg_ros.ros.convert.message import message_class
from bev_semseg_ros.ros.dds import use_shared_memory_profile
from bev_semseg_ros.ros.input.subscriptions import node_name

ASK_INTERVAL = 1.0  # seconds after which a node that has not answered is asked again
SETTLED = 1.0  # seconds without a new subscriber after which no more are expected
SENSOR_TYPES = (
    "sensor_msgs/msg/PointCloud2",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
)
CLOCK_PERIOD = 0.025  # seconds
MAX_DEPTH = 100  # messages that a latched topic keeps for late subscribers


class Handshake:
    """Finds out whether a node has found the publishers of this one.

    DDS announces the endpoints of a process in the order in which they were made, and reliably. A
    node that answers the request of a client has found all publishers that were made before it.
    """

    def __init__(self, node: Node, name: str) -> None:
        """Begin.

        Args:
            node: The node whose publishers are to be found. Nothing else may spin it meanwhile.
            name: The other node, with its namespace.
        """
        self._node, self._name = node, name
        self._service = f"{name}/get_parameters"  # every node has it, unless that was switched off
        self._client: Any = None
        self._answers: list[Any] = []
        self._asked = 0.0
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)

    def is_done(self) -> bool:
        """Ask the node, which must be in the graph, and return whether it has answered.

        A node without the service cannot be asked: then this is true at once.
        """
        namespace, _, name = self._name.rpartition("/")
        try:
            services = self._node.get_service_names_and_types_by_node(name, namespace or "/")
        except NodeNameNonExistentError:  # it has just ended
            return False
        if self._service not in dict(services):
            return True
        if self._client is None:
            self._client = self._node.create_client(GetParameters, self._service)
        now = time.monotonic()
        if self._client.service_is_ready() and now - self._asked >= ASK_INTERVAL:
            self._asked = now
            self._answers.append(self._client.call_async(GetParameters.Request()))
        self._executor.spin_once(timeout_sec=0.02)
        return any(answer.done() for answer in self._answers)

    def close(self) -> None:
        """End the requests."""
        self._executor.remove_node(self._node)
        self._executor.shutdown()
        if self._client is not None:
            self._node.destroy_client(self._client)


class Player:
    """The topics of a bag on a node.

    Attributes:
        sent: Number of messages by topic.
        skipped: Topics that cannot be played, because their message package is not installed ->
            their type.
    """

    def __init__(self, node: Node, bag: str | Path, clock: bool = False) -> None:
        """Create a publisher for each topic.

        Args:
            node: The node that publishes.
            bag: The folder of the bag.
            clock: Publish /clock, too.

        Raises:
            ValueError: If the bag cannot be read, or no topic can be played. The text names it.
        """
        self._node, self._bag = node, Path(bag)
        self.sent: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self._sensor_topics: list[str] = []
        self._publishers: dict[str, Any] = {}
        with BagReader(self._bag) as reader:
            self._create_publishers(reader.connections)
        if not self._publishers:
            types = ", ".join(f"{topic} ({name})" for topic, name in self.skipped.items())
            raise ValueError(
                f"{bag}: nothing to play; the packages of its messages are not installed: {types}"
            )
        self._clock: Any = None
        if clock:
            from rosgraph_msgs.msg import Clock

            self._clock_type = Clock
            self._clock = node.create_publisher(Clock, "/clock", 1)

    def _create_publishers(self, connections: Sequence[Connection]) -> None:
        counts: Counter[str] = Counter()
        for connection in connections:
            counts[connection.topic] += connection.msgcount
        for connection in connections:
            topic = connection.topic
            if topic in self._publishers:
                continue
            message_type = message_class(connection.msgtype)
            if message_type is None:
                self.skipped[topic] = connection.msgtype
                continue
            profile = qos_profile(offered_profiles(connection), counts[topic])
            self._publishers[topic] = self._node.create_publisher(message_type, topic, profile)
            if connection.msgtype in SENSOR_TYPES:
                self._sensor_topics.append(topic)

    def wait_for_subscribers(self, timeout: float, name: str = "") -> bool:
        """Wait until the topics are subscribed and no subscriber has come or gone for SETTLED.

        Only clouds and images count, if the bag has any: a node may listen to TF long before it
        takes them.

        A subscriber that is seen here may not yet have found the publishers, and a best effort one
        loses what is published until then. This can be known of a named node alone: it has found
        them once it answers a request.

        Args:
            timeout: Seconds.
            name: A node, with its namespace, that must be among the subscribers; "" for any.

        Returns:
            False if the subscriber did not come in time.
        """
        start = changed = time.monotonic()
        counts: list[int] = []
        has_found_us = not name
        with closing(Handshake(self._node, name)) as handshake:
            while (now := time.monotonic()) - start < timeout and self._node.context.ok():
                current = [
                    self._publishers[topic].get_subscription_count() for topic in self._awaited
                ]
                if current != counts:
                    counts, changed = current, now
                if not has_found_us:
                    changed = now
                    has_found_us = self._is_subscriber(name) and handshake.is_done()
                elif any(counts) and now - changed >= SETTLED:
                    return True
                time.sleep(0.02)
        return has_found_us and any(counts)

    @property
    def _awaited(self) -> list[str]:
        """The topics whose subscribers count."""
        return self._sensor_topics or list(self._publishers)

    def _is_subscriber(self, name: str) -> bool:
        for topic in self._awaited:
            for info in self._node.get_subscriptions_info_by_topic(topic):
                if node_name(info) == name:
                    return True
        return False

    def play(self, rate: float = 1.0, log: IO[str] | None = None) -> None:
        """Publish the bag once.

        Args:
            rate: Times the recorded speed.
            log: Gets a line of JSON for each message: topic, stamp in the bag (ns), and
                time.monotonic_ns of its publication.
        """
        first = None
        start = 0.0
        for topic, stamp, data in self._messages():
            if first is None:  # not before: opening the bag takes time
                first, start = stamp, time.monotonic()
            self._wait_until(start + (stamp - first) / 1e9 / rate, stamp, rate)
            if not self._node.context.ok():
                return
            now = time.monotonic_ns()
            self._publishers[topic].publish(data)
            self.sent[topic] += 1
            if log is not None:
                log.write(json.dumps({"topic": topic, "stamp": stamp, "published": now}) + "\n")

    def finish(self, timeout: float = 2.0) -> None:
        """Wait at most `timeout` seconds until reliable subscribers have received everything."""
        end = time.monotonic() + timeout
        for publisher in self._publishers.values():
            if self._node.context.ok():
                with suppress(RuntimeError):  # not every middleware supports it
                    publisher.wait_for_all_acked(Duration(seconds=max(end - time.monotonic(), 0.0)))

    def _wait_until(self, due: float, stamp: int, rate: float) -> None:
        """Wait until time.monotonic() is `due`, when the bag's time is `stamp`; publish /clock."""
        while (remaining := due - time.monotonic()) > 0 and self._node.context.ok():
            self._tick(stamp - int(remaining * rate * 1e9))
            time.sleep(min(remaining, CLOCK_PERIOD))
        self._tick(stamp)

    def _tick(self, stamp: int) -> None:
        if self._clock is not None and self._node.context.ok():
            message = self._clock_type()
            message.clock.sec, message.clock.nanosec = divmod(max(stamp, 0), 1_000_000_000)
            self._clock.publish(message)

    def _messages(self) -> Iterator[tuple[str, int, bytes]]:
        with BagReader(self._bag) as reader:
            chosen = [
                connection
                for connection in reader.connections
                if connection.topic in self._publishers
            ]
            for connection, stamp, data in reader.messages(chosen):
                yield connection.topic, stamp, data


def qos_profile(offered: Sequence[Qos], count: int = 0) -> QoSProfile:
    """Choose the QoS profile with which a recorded topic is played.

    Args:
        offered: The profiles that were offered. `ros2 bag record` cannot see the history of a
            publisher and writes "unknown" and a depth of 0.
        count: Messages of the topic. A latched topic, such as /tf_static of several publishers
            with one message each, keeps all of them, up to MAX_DEPTH.

    Returns:
        The first offered profile; reliable with depth 10 if there is none.
    """
    if not offered:
        return QoSProfile(depth=10)
    profile = offered[0]

    def policy(kind: Any, value: Any, default: Any) -> Any:
        return default if value.name == "UNKNOWN" else getattr(kind, value.name, default)

    history = policy(HistoryPolicy, profile.history, HistoryPolicy.KEEP_LAST)
    durability = policy(DurabilityPolicy, profile.durability, DurabilityPolicy.VOLATILE)
    is_latched = durability == DurabilityPolicy.TRANSIENT_LOCAL
    kept = min(count, MAX_DEPTH) if is_latched else 0
    return QoSProfile(
        history=history if history == HistoryPolicy.KEEP_ALL else HistoryPolicy.KEEP_LAST,
        depth=max(profile.depth or 10, kept),
        reliability=policy(ReliabilityPolicy, profile.reliability, ReliabilityPolicy.RELIABLE),
        durability=durability,
    )


def play(
    bag: str | Path,
    *,
    rate: float,
    loop: bool,
    clock: bool,
    wait: float,
    listener: str,
    log: str | Path | None,
) -> dict[str, Any]:
    """Play a bag until its end or SIGINT, as the only thing that this process does.

    Args:
        bag: The folder of the bag.
        rate: Times the recorded speed.
        loop: Begin again at the end.
        clock: Publish /clock.
        wait: Seconds to wait for subscribers; the bag is played even if none come.
        listener: A node, as /namespace/name, that must be among the subscribers; "" for any. Only
            of a named node it is known whether it has found the publishers: others may lose the
            first messages.
        log: A file that gets a line of JSON for each message; None for none.

    Returns:
        What was sent, in plain values: bag, rate, seconds, matched, sent, skipped.

    Raises:
        ValueError: As `Player`, and for a rate that is not above 0.
    """
    if not rate > 0:
        raise ValueError(f"--rate: expected a number above 0, got {rate}")
    use_shared_memory_profile()
    rclpy.init(args=[])
    # Without parameter services, because a node that is not spun could not answer.
    node = rclpy.create_node("player", start_parameter_services=False)
    is_matched = False
    start = time.monotonic()
    try:
        player = Player(node, bag, clock)
        try:
            for topic, name in player.skipped.items():
                node.get_logger().warning(f"{topic} is skipped: {name} is not installed")
            is_matched = player.wait_for_subscribers(wait, listener)
            if not is_matched and rclpy.ok():
                who = f"{listener} has not subscribed and answered"
                if not listener:
                    who = "nobody has subscribed"
                node.get_logger().warning(f"{who} within {wait:g} s; playing anyway")
            start = time.monotonic()
            with open(log, "w") if log else nullcontext() as file:
                player.play(rate, file)
                while loop and player.sent and rclpy.ok():
                    player.play(rate, file)
            player.finish()
        except (KeyboardInterrupt, ExternalShutdownException):
            # Return what was sent until then. A terminal and a launch both send SIGINT: the second
            # one must not break that.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except RuntimeError:  # the signal came in the middle of publishing
            if rclpy.ok():
                raise
        return {
            "bag": str(bag),
            "rate": rate,
            "seconds": round(time.monotonic() - start, 3),
            "matched": is_matched,
            "sent": dict(player.sent),
            "skipped": player.skipped,
        }
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        uninstall_signal_handlers()  # else their thread wakes objects that are freed next
        node.destroy_node()
        rclpy.try_shutdown()

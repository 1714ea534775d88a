"""Publishes a rosbag2 with its timing, as the bytes it holds: no message is decoded."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, Any

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import uninstall_signal_handlers

from bev_semseg_ros.ros.bag.reader import BagReader
from bev_semseg_ros.ros.convert.message import message_class
from bev_semseg_ros.ros.dds import use_shared_memory_profile
from bev_semseg_ros.ros.input.subscriptions import node_name

SETTLED = 1.0  # seconds without a change of the subscribers after which they are taken as complete
CLOCK_PERIOD = 0.025
MOST_KEPT = 100  # messages of a topic that late subscribers still get, where it keeps them


class Player:
    """A bag's topics on a node. `sent`: messages by topic; `skipped`: topics that cannot be played -> their type.

    Raises ValueError naming the bag if it cannot be read or nothing in it can be played.
    """

    def __init__(self, node: Node, bag: str | Path, clock: bool = False) -> None:
        self._node, self._bag = node, Path(bag)
        self.sent: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self._publishers: dict[str, Any] = {}
        with BagReader(self._bag) as reader:
            counts: Counter[str] = Counter()
            for connection in reader.connections:
                counts[connection.topic] += connection.msgcount
            for connection in reader.connections:
                if connection.topic in self._publishers:
                    continue
                kind = message_class(connection.msgtype)
                if kind is None:
                    self.skipped[connection.topic] = connection.msgtype
                else:
                    self._publishers[connection.topic] = node.create_publisher(
                        kind,
                        connection.topic,
                        qos_profile(connection.ext.offered_qos_profiles, counts[connection.topic]),
                    )
        if not self._publishers:
            raise ValueError(
                f"{bag}: nothing to play; the packages of its messages are not installed: "
                + ", ".join(f"{topic} ({kind})" for topic, kind in self.skipped.items())
            )
        self._clock: Any = None
        if clock:
            from rosgraph_msgs.msg import Clock

            self._clock_type = Clock
            self._clock = node.create_publisher(Clock, "/clock", 1)

    def wait_for_subscribers(self, timeout: float, name: str = "") -> bool:
        """Wait until a topic is subscribed, by the node `name` (with its namespace) if given, and nothing has changed
        for a moment; False if nobody came in time."""
        start = changed = time.monotonic()
        counts: list[int] = []
        while (now := time.monotonic()) - start < timeout and self._node.context.ok():
            current = [
                publisher.get_subscription_count() for publisher in self._publishers.values()
            ]
            if current != counts:
                counts, changed = current, now
            if any(counts) and now - changed >= SETTLED and self._is_subscriber(name):
                return True
            time.sleep(0.02)
        return any(counts) and self._is_subscriber(name)

    def _is_subscriber(self, name: str) -> bool:
        return not name or any(
            node_name(info) == name
            for topic in self._publishers
            for info in self._node.get_subscriptions_info_by_topic(topic)
        )

    def play(self, rate: float = 1.0, log: IO[str] | None = None) -> None:
        """Once through the bag. `log` gets a line of JSON a message: topic, stamp of the bag, time.monotonic_ns."""
        first, start = None, time.monotonic()
        for topic, stamp, data in self._messages():
            first = stamp if first is None else first
            self._wait_until(start + (stamp - first) / 1e9 / rate, stamp, rate)
            if not self._node.context.ok():
                return
            now = time.monotonic_ns()
            self._publishers[topic].publish(data)
            self.sent[topic] += 1
            if log is not None:
                log.write(json.dumps({"topic": topic, "stamp": stamp, "published": now}) + "\n")

    def finish(self, timeout: float = 2.0) -> None:
        """Wait until reliable subscribers have everything, at most `timeout` seconds."""
        end = time.monotonic() + timeout
        for publisher in self._publishers.values():
            if self._node.context.ok():
                with suppress(RuntimeError):  # a middleware need not know how
                    publisher.wait_for_all_acked(Duration(seconds=max(end - time.monotonic(), 0.0)))

    def _wait_until(self, due: float, stamp: int, rate: float) -> None:
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


def qos_profile(offered: Any, count: int = 0) -> QoSProfile:
    """The first of a bag connection's offered profiles; reliable with depth 10 where it has none.

    `ros2 bag record` cannot see a publisher's history and writes "unknown" and a depth of 0. count: messages of the
    topic: one that keeps them for late subscribers (such as /tf_static, of several publishers of one message each)
    keeps all, up to MOST_KEPT.
    """
    if not offered:
        return QoSProfile(depth=10)
    profile = offered[0]

    def policy(kind: Any, value: Any, default: Any) -> Any:
        return default if value.name == "UNKNOWN" else getattr(kind, value.name, default)

    history = policy(HistoryPolicy, profile.history, HistoryPolicy.KEEP_LAST)
    durability = policy(DurabilityPolicy, profile.durability, DurabilityPolicy.VOLATILE)
    kept = min(count, MOST_KEPT) if durability == DurabilityPolicy.TRANSIENT_LOCAL else 0
    return QoSProfile(
        history=history if history == HistoryPolicy.KEEP_ALL else HistoryPolicy.KEEP_LAST,
        depth=max(profile.depth or 10, kept),
        reliability=policy(ReliabilityPolicy, profile.reliability, ReliabilityPolicy.RELIABLE),
        durability=durability,
    )


def play(
    bag: str | Path,
    rate: float = 1.0,
    loop: bool = False,
    clock: bool = False,
    wait: float = 10.0,
    listener: str = "",
    log: str | Path | None = None,
) -> dict[str, Any]:
    """Play a bag in a process of its own, until its end or SIGINT. Returns what was sent, for people and programs.

    wait: seconds to wait for subscribers before playing anyway; listener: the node, as /namespace/name, that must be
    one of them. Raises ValueError as `Player`.
    """
    if not rate > 0:
        raise ValueError(f"rate: expected a number above 0, got {rate}")
    use_shared_memory_profile()
    rclpy.init(args=[])
    node = rclpy.create_node(
        "player", start_parameter_services=False
    )  # it is not spun and could not answer
    matched, start = False, time.monotonic()
    try:
        player = Player(node, bag, clock)
        try:
            for topic, kind in player.skipped.items():
                node.get_logger().warning(f"{topic} is skipped: {kind} is not installed")
            matched = player.wait_for_subscribers(wait, listener)
            if not matched and rclpy.ok():
                who = f"{listener} has not" if listener else "nobody"
                node.get_logger().warning(f"{who} subscribed within {wait:g} s; playing anyway")
            start = time.monotonic()
            with open(log, "w") if log else nullcontext() as file:
                player.play(rate, file)
                while loop and player.sent and rclpy.ok():
                    player.play(rate, file)
            player.finish()
        except (KeyboardInterrupt, ExternalShutdownException):
            pass  # what was sent until then is the answer
        except RuntimeError:  # the signal came while a message was being published
            if rclpy.ok():
                raise
        return {
            "bag": str(bag),
            "rate": rate,
            "seconds": round(time.monotonic() - start, 3),
            "matched": matched,
            "sent": dict(player.sent),
            "skipped": player.skipped,
        }
    finally:
        uninstall_signal_handlers()  # its thread still wakes what is freed next
        node.destroy_node()
        rclpy.try_shutdown()

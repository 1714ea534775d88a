"""Plays a rosbag2 with its original timing. Messages are checked, and sent as recorded."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

import rclpy
from rclpy.duration import Duration
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.signals import uninstall_signal_handlers

from bev_semseg_ros.ros.bag.handshake import Handshake
from bev_semseg_ros.ros.bag.playback_qos import qos_profile
from bev_semseg_ros.ros.bag.reader import BagReader, Topic
from bev_semseg_ros.ros.bag.reading.payload import check_message, prepare_check
from bev_semseg_ros.ros.bag.reading.remark import Remark, left_out_in_words
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE, IMAGE, POINT_CLOUD, message_class
from bev_semseg_ros.ros.convert.undecoded import undecoded
from bev_semseg_ros.ros.dds import use_shared_memory_profile
from bev_semseg_ros.ros.input.subscriptions import node_name

SETTLED = 1.0  # seconds without a new subscriber after which no more are expected
SENSOR_TYPES = (
    POINT_CLOUD,
    IMAGE,
    COMPRESSED_IMAGE,
)
CLOCK_PERIOD = 0.025  # seconds
# Seconds. A longer gap between two messages is skipped, because one of their times is wrong, as in
# bags in which /tf_static has the time 0.
LONGEST_PAUSE = 3600.0
REPORTED_PAUSE = 10.0  # seconds; a longer pause is reported, or the player would seem to hang


class Player:
    """Publishes the topics of a bag.

    Attributes:
        bag: The bag.
        sent: Number of published messages by topic.
        skipped: Topics that cannot be played -> their type.
    """

    def __init__(self, node: Node, bag: str | Path, clock: bool = False) -> None:
        """Create a publisher for each topic.

        Args:
            node: The node that publishes.
            bag: The folder of the bag, or a recorded file.
            clock: Also publish /clock, unless the bag contains it. The /clock of a simulation
                differs from the time in the bag, and the stamps refer to it.

        Raises:
            ValueError: If the bag cannot be read, or none of its topics can be played.
        """
        self._node, self.bag = node, Path(bag)
        self.sent: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self._damaged: Counter[tuple[str, str]] = Counter()
        self._sensor_topics: list[str] = []
        self._publishers: dict[str, Any] = {}
        self._remarks: list[Remark] = []
        self._played: list[Topic] = []
        self._opened = ExitStack()
        self._reader = self._opened.enter_context(BagReader(self.bag))
        try:
            self._create_publishers(self._reader.topics)
            self._check_can_play()
        except BaseException:
            self.close()
            raise
        self._clock: Any = None
        is_recorded = any(topic.name == "/clock" and topic.count for topic in self._played)
        if clock and not is_recorded:
            from rosgraph_msgs.msg import Clock

            self._clock_type = Clock
            self._clock = node.create_publisher(Clock, "/clock", 1)

    @property
    def remarks(self) -> list[Remark]:
        """What is wrong with the bag, and why topics are skipped."""
        return [*self._reader.remarks, *self._remarks]

    @property
    def left_out(self) -> Counter[tuple[str, str]]:
        """(topic, cause) -> messages that are not published because they are damaged."""
        return self._reader.left_out + self._damaged

    def close(self) -> None:
        """Close the bag."""
        self._opened.close()

    def _create_publishers(self, topics: Sequence[Topic]) -> None:
        for topic in sorted(topics, key=lambda topic: -topic.count):
            if topic.name in self._publishers:
                self._skip(
                    topic,
                    f"another type on the same topic has more messages; {topic.count} are left out",
                )
                continue
            if "/srv/" in topic.message_type or "/action/" in topic.message_type:
                self._skip(topic, "it holds events of a service or an action, not messages")
                continue
            message_type = message_class(topic.message_type)
            if message_type is None:
                self._skip(topic, "its message package is not installed", _remedy(topic))
                continue
            is_static = topic.name.endswith("/tf_static")
            profile = qos_profile(topic.profiles, topic.count, is_static)
            try:
                publisher = self._node.create_publisher(message_type, topic.name, profile)
            except InvalidTopicNameException:
                self._skip(topic, "its name is not valid for a topic in ROS 2")
                continue
            self._publishers[topic.name] = publisher
            self._played.append(topic)
            prepare_check(topic.message_type)  # now, because it would delay the playback
            if topic.message_type in SENSOR_TYPES:
                self._sensor_topics.append(topic.name)

    def _skip(self, topic: Topic, why: str, remedy: str = "") -> None:
        self.skipped[topic.name] = topic.message_type
        text = f"{topic.name} ({topic.message_type}) is skipped: {why}"
        self._remarks.append(Remark(text, remedy))

    def _check_can_play(self) -> None:
        """Raise ValueError if there is nothing to play."""
        if not self._publishers:
            why = "; ".join(str(remark) for remark in self.remarks)
            raise ValueError(f"{self.bag}: nothing to play: {why or 'it holds no topics'}")

    def wait_for_subscribers(self, timeout: float, name: str = "") -> bool:
        """Wait until there are subscribers, and their number has not changed for SETTLED seconds.

        If the bag has clouds or images, only their subscribers count, because a node may subscribe
        to TF long before it is ready for sensor data.

        A subscriber that the player has discovered may not have discovered the player's publishers
        yet. If it is best effort, it loses what is published until then. The player can check this
        only for a named node, by a request (see `Handshake`).

        Args:
            timeout: Longest time to wait, seconds.
            name: Node that must be among the subscribers, with its namespace; "" for any.

        Returns:
            Whether there are subscribers, and the named node is one of them and has answered.
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

    def leave_out_topics_of(self, name: str) -> None:
        """Leave out what a node publishes itself, such as boxes that an earlier run recorded.

        This concerns only topics below the name of the node, because several nodes may publish on
        others, such as /diagnostics.

        Args:
            name: The node, with its namespace.
        """
        namespace, _, own = name.rpartition("/")
        with suppress(NodeNameNonExistentError):
            found = self._node.get_publisher_names_and_types_by_node(own, namespace or "/")
            published = {topic for topic, _ in found if topic.startswith(f"{name}/")}
            for topic in [each for each in self._played if each.name in published]:
                self._played.remove(topic)
                self._node.destroy_publisher(self._publishers.pop(topic.name))
                if topic.name in self._sensor_topics:
                    self._sensor_topics.remove(topic.name)
                self._skip(topic, f"{name} publishes it itself")

    def play(self, rate: float = 1.0, log: IO[str] | None = None) -> None:
        """Publish the bag once.

        Args:
            rate: Playback speed as a multiple of the recorded one.
            log: Gets a line of JSON for each message: topic, time in the bag (ns), and
                time.monotonic_ns() at its publication.
        """
        first = last = 0
        start = 0.0
        for topic, stamp, data in self._reader.messages(self._played):
            try:
                check_message(data, topic.message_type)
            except ValueError as error:
                self._damaged[topic.name, str(error)] += 1
                continue
            pause = (stamp - last) / 1e9
            if not start or not -REPORTED_PAUSE <= pause <= LONGEST_PAUSE:
                if start and pause > 0:
                    self._tell(f"a gap of {pause:.0f} s without messages is skipped")
                elif start:
                    self._tell(f"the time in the bag jumps back by {-pause:.0f} s")
                # Only now, because reading the first message takes time.
                first, start = stamp, time.monotonic()
            elif pause / rate > REPORTED_PAUSE:
                self._tell(f"the bag pauses for {pause / rate:.0f} s")
            last = stamp
            self._wait_until(start + (stamp - first) / 1e9 / rate, stamp, rate)
            if not self._node.context.ok():
                return
            now = time.monotonic_ns()
            self._publishers[topic.name].publish(data)
            self.sent[topic.name] += 1
            if log is not None:
                entry = {"topic": topic.name, "stamp": stamp, "published": now}
                log.write(json.dumps(entry) + "\n")

    def _tell(self, text: str) -> None:
        self._node.get_logger().warning(f"{self.bag}: {text}")

    def finish(self, timeout: float = 2.0) -> None:
        """Wait at most `timeout` seconds until reliable subscribers have received everything."""
        end = time.monotonic() + timeout
        for publisher in self._publishers.values():
            if self._node.context.ok():
                with suppress(RuntimeError):  # not every middleware supports it
                    publisher.wait_for_all_acked(Duration(seconds=max(end - time.monotonic(), 0.0)))

    def _wait_until(self, due: float, stamp: int, rate: float) -> None:
        """Wait until time.monotonic() is `due`, and publish /clock up to `stamp`, ns."""
        while (remaining := due - time.monotonic()) > 0 and self._node.context.ok():
            self._tick(stamp - int(remaining * rate * 1e9))
            time.sleep(min(remaining, CLOCK_PERIOD))
        self._tick(stamp)

    def _tick(self, stamp: int) -> None:
        if self._clock is not None and self._node.context.ok():
            message = self._clock_type()
            message.clock.sec, message.clock.nanosec = divmod(max(stamp, 0), 1_000_000_000)
            self._clock.publish(message)


def _remedy(topic: Topic) -> str:
    """Return what to do about a topic whose message package is not installed."""
    package = topic.message_type.partition("/")[0]
    found = undecoded(topic.name, topic.message_type)
    if found is not None:
        return found.remedy
    return f"if a node needs it, install {package} and start the player where it is sourced"


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
    """Play a bag until its end or SIGINT.

    This initializes rclpy and leaves SIGINT ignored, so the process should do nothing else.

    Args:
        bag: Folder of the bag, or a recorded file.
        rate: Playback speed as a multiple of the recorded one.
        loop: Start again at the end.
        clock: Also publish /clock, see `Player`.
        wait: Seconds to wait for subscribers; the bag is played even if none come.
        listener: Node that must be among the subscribers, as /namespace/name; "" for any. The
            player can check only for this node whether it has discovered the publishers. Other
            nodes may lose the first messages.
        log: File that gets a line of JSON for each message; None for no file.

    Returns:
        What was sent, as plain values: bag, rate, seconds, matched, sent, skipped, left_out.

    Raises:
        ValueError: If the bag cannot be played (see `Player`), no message of it can be published,
            or the rate is not above 0.
    """
    if not rate > 0:
        raise ValueError(f"--rate: expected a number above 0, got {rate}")
    use_shared_memory_profile()
    rclpy.init(args=[])
    # Without parameter services, because a node that is not spun could not answer.
    node = rclpy.create_node("player", start_parameter_services=False)
    is_matched = is_at_end = False
    start = time.monotonic()
    opened = ExitStack()
    try:
        player = opened.enter_context(closing(Player(node, bag, clock)))
        told = _warn(node, player.remarks, [])
        try:
            is_matched = player.wait_for_subscribers(wait, listener)
            if not is_matched and rclpy.ok():
                who = f"{listener} has not subscribed and answered"
                if not listener:
                    who = "nobody has subscribed"
                node.get_logger().warning(f"{who} within {wait:g} s; playing anyway")
            if is_matched and listener:
                player.leave_out_topics_of(listener)
                told = _warn(node, player.remarks, told)
            start = time.monotonic()
            with open(log, "w") if log else nullcontext() as file:
                player.play(rate, file)
                while loop and player.sent and rclpy.ok():
                    player.play(rate, file)
            is_at_end = rclpy.ok()
            player.finish()
        except (KeyboardInterrupt, ExternalShutdownException):
            # Return what has been sent. A terminal and a launch both send SIGINT; the second one
            # must not interrupt this.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except RuntimeError:  # the signal came while publishing
            if rclpy.ok():
                raise
        _warn(node, player.remarks, told)
        left_out = _left_out(player.left_out)
        for text in left_out_in_words(player.left_out):
            node.get_logger().warning(text)
        if is_at_end and not player.sent:
            raise ValueError(_why_nothing(player))
        return {
            "bag": str(bag),
            "rate": rate,
            "seconds": round(time.monotonic() - start, 3),
            "matched": is_matched,
            "sent": dict(player.sent),
            "skipped": player.skipped,
            "left_out": left_out,
        }
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        opened.close()
        uninstall_signal_handlers()  # otherwise their thread uses objects that are freed next
        node.destroy_node()
        rclpy.try_shutdown()


def _warn(node: Node, remarks: Sequence[Remark], told: Sequence[Remark]) -> Sequence[Remark]:
    """Log the remarks about a bag, except those in `told`. Return all remarks."""
    for remark in remarks:
        if remark not in told:
            node.get_logger().warning(str(remark))
    return remarks


def _left_out(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Return topic -> cause -> number of messages."""
    by_topic: dict[str, dict[str, int]] = {}
    for (topic, cause), count in counts.items():
        by_topic.setdefault(topic, {})[cause] = count
    return by_topic


def _why_nothing(player: Player) -> str:
    """Say why no message of a bag was published."""
    causes = [*left_out_in_words(player.left_out), *map(str, player.remarks)]
    return f"{player.bag}: nothing was published: {'; '.join(causes) or 'it holds no messages'}"

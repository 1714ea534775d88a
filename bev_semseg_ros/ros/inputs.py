"""Subscriptions that follow the publishers they find, and know why nothing comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

try:
    from message_filters import Subscriber as FilterSubscriber  # so that integrators can chain filters
except ImportError:  # not installed: a plain subscription does the same
    FilterSubscriber = None

SILENCE = 1.0  # seconds without a message after which a topic is spoken of


def choose_reliability(setting: str, offered: list[ReliabilityPolicy]) -> ReliabilityPolicy:
    """The reliability to ask for; `auto`: reliable if all publishers offer it, else best effort, which suits all."""
    if setting == "reliable" or (setting == "auto" and offered
                                 and all(policy == ReliabilityPolicy.RELIABLE for policy in offered)):
        return ReliabilityPolicy.RELIABLE
    return ReliabilityPolicy.BEST_EFFORT


class Input:
    """One topic: depth 1, newest wins; `follow()` subscribes anew when the publishers' QoS calls for it.

    lasts: a message holds until the next, which may never come; a publisher may offer it to late subscribers.
    received: messages so far.
    subscriber: the `message_filters.Subscriber` the messages come through, to chain filters to; it stays the same when
    the subscription changes. None where message_filters is not installed.
    """

    def __init__(self, node: Node, kind: type, topic: str, reliability: str, callback: Callable[[Any], None],
                 lasts: bool = False) -> None:
        self.topic = node.resolve_topic_name(topic)
        self._node, self._kind, self._name, self._setting, self._callback = node, kind, topic, reliability, callback
        self._lasts = lasts
        self.subscriber: Any = None
        self._type = f"sensor_msgs/msg/{kind.__name__}"
        self._subscription: Any = None
        self._reliability: ReliabilityPolicy | None = None
        self._durability = DurabilityPolicy.VOLATILE
        self._last: float | None = None
        self.received = 0
        self.follow()

    def follow(self) -> None:
        """To be called regularly, from the executor's thread."""
        offered = self._offered()
        if self._subscription is not None and not offered:
            return  # a publisher that comes back finds what it left
        reliability = choose_reliability(self._setting, [profile.reliability for profile in offered])
        is_kept = self._lasts and offered and all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
                                                  for profile in offered)
        durability = DurabilityPolicy.TRANSIENT_LOCAL if is_kept else DurabilityPolicy.VOLATILE
        if (reliability, durability) == (self._reliability, self._durability):
            return
        self.destroy()
        self._reliability, self._durability = reliability, durability
        profile = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability, durability=durability)
        if FilterSubscriber is None:
            self._subscription = self._node.create_subscription(self._kind, self._name, self._receive, profile)
        elif self.subscriber is None:
            self.subscriber = FilterSubscriber(self._node, self._kind, self._name, qos_profile=profile)
            self.subscriber.registerCallback(self._receive)
            self._subscription = self.subscriber.sub
        else:
            self._subscription = self.subscriber.sub = self._node.create_subscription(
                self._kind, self._name, self.subscriber.callback, profile)

    def destroy(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = self._reliability = None

    @property
    def age(self) -> float | None:
        """Seconds since the last message; None if none came."""
        return None if self._last is None else time.monotonic() - self._last

    @property
    def is_silent(self) -> bool:
        return self.age is None or self.age > SILENCE

    def explain(self) -> str | None:
        """Why nothing comes, in words, with what to change; None if messages come."""
        if not self.is_silent or (self._lasts and self._last is not None):
            return None
        offered = [profile.reliability for profile in self._offered()]
        if not offered:
            others = {info.topic_type for info in self._node.get_publishers_info_by_topic(self.topic)}
            return (f"{self.topic} carries {', '.join(sorted(others))}, expected {self._type}" if others
                    else f"nothing publishes {self.topic}")
        if self._reliability == ReliabilityPolicy.RELIABLE and all(p != ReliabilityPolicy.RELIABLE for p in offered):
            return (f"QoS cannot match on {self.topic}: offered best effort, asked for reliable; "
                    "set reliability to auto or best_effort")
        if self._last is None:
            return (f"nothing has come on {self.topic} yet, which has a publisher (if it is not idle, its DDS "
                    "transport cannot carry the messages: give the sender config/fastdds_shm.xml)")
        return f"{self.topic} is silent for {time.monotonic() - self._last:.1f} s"

    def _receive(self, message: Any) -> None:
        if self._subscription is None:
            return  # destroyed when this message had been taken
        self._last = time.monotonic()
        self.received += 1
        self._callback(message)

    def _offered(self) -> list[QoSProfile]:
        return [info.qos_profile for info in self._node.get_publishers_info_by_topic(self.topic)
                if info.topic_type == self._type]

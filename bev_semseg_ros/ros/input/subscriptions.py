"""Subscriptions that follow the publishers they find, and know why nothing comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from bev_semseg_ros.ros.convert.compressed_image import SUFFIX
from bev_semseg_ros.ros.input.camera_info_matcher import Intake
from bev_semseg_ros.ros.node.parameters import Parameters

try:
    from message_filters import (
        Subscriber as FilterSubscriber,  # so that integrators can chain filters
    )
except ImportError:  # not installed: a plain subscription does the same
    FilterSubscriber = None

SILENCE = 1.0  # seconds without a message after which a topic is spoken of


def choose_profile(
    setting: str, offered: Sequence[QoSProfile], lasts: bool = False, depth: int = 1
) -> QoSProfile:
    """What to ask for on a topic whose publishers offer that; newest wins.

    setting: the parameter `reliability`; auto: reliable if all publishers offer it, else best effort, which suits all.
    lasts: a message holds until the next: those that all publishers keep for late subscribers are asked for, too, and
    reliably where all offer it, whatever the setting: Fast DDS gives a best effort subscriber nothing that was kept.
    """
    follows = setting == "auto" or lasts
    is_reliable = setting == "reliable" or (
        follows
        and offered
        and all(profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered)
    )
    is_kept = (
        lasts
        and offered
        and all(profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered)
    )
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_kept else DurabilityPolicy.VOLATILE,
    )


def open_inputs(
    node: Node,
    parameters: Parameters,
    streams: tuple[str, ...],
    intake: Intake,
    guard: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> dict[str, Input]:
    """The subscriptions that `streams` ("points", "image") need, by name; guard: what every callback is put into."""
    plain = node.resolve_topic_name("image")
    raw, packed = (
        (Image, plain),
        (CompressedImage, plain + SUFFIX),
    )  # as image_transport names them: after remapping
    is_raw = parameters.image_transport == "raw"
    (image, topic), (_, other) = (raw, packed) if is_raw else (packed, raw)
    inputs = {}
    if (
        "image" in streams and parameters.intrinsics == "camera_info"
    ):  # first: to be taken before its image
        inputs["camera_info"] = Input(
            node,
            CameraInfo,
            "camera_info",
            parameters.reliability,
            guard(intake.take_camera_info),
            lasts=True,
        )
    if "points" in streams:
        inputs["points"] = Input(
            node, PointCloud2, "points", parameters.reliability, guard(intake.take_points)
        )
    if "image" in streams:
        inputs["image"] = Input(
            node,
            image,
            topic,
            parameters.reliability,
            guard(intake.take_image),
            alternatives={other: f"set image_transport to {'compressed' if is_raw else 'raw'}"},
        )
    return inputs


def node_name(publisher: Any) -> str:
    """The full name of the node that an rclpy TopicEndpointInfo is of."""
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"


class Input:
    """One topic: depth 1, newest wins; `follow()` subscribes anew when the publishers' QoS calls for it.

    lasts: a message holds until the next, which may never come; a publisher may offer it to late subscribers.
    received: messages so far. lost: those that a newer one replaced before the executor took them, or that never
    arrived, by the gaps in their publisher's numbers; rclpy does not tell publishers apart, so while there is only one.
    alternatives: topics that may carry the same in another way, each with what to do then.
    subscriber: the `message_filters.Subscriber` the messages come through, to chain filters to; it stays the same when
    the subscription changes. None where message_filters is not installed.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        reliability: str,
        callback: Callable[[Any], None],
        lasts: bool = False,
        alternatives: Mapping[str, str] | None = None,
    ) -> None:
        self.topic = node.resolve_topic_name(topic)
        self._node, self._kind, self._name, self._setting, self._callback = (
            node,
            kind,
            topic,
            reliability,
            callback,
        )
        self._lasts, self._alternatives = lasts, alternatives or {}
        self.subscriber: Any = None
        self._type = f"sensor_msgs/msg/{kind.__name__}"
        self._subscription: Any = None
        self._reliability: ReliabilityPolicy | None = None
        self._durability = DurabilityPolicy.VOLATILE
        self._last: float | None = None
        self._number: int | None = None  # that the last message's publisher gave it
        self.received = self.lost = 0
        self.follow()

    def follow(self) -> None:
        """To be called regularly, from the executor's thread."""
        offered = [publisher.qos_profile for publisher in self._publishers()]
        if self._subscription is not None and not offered:
            return  # a publisher that comes back finds what it left
        profile = choose_profile(self._setting, offered, self._lasts)
        if (profile.reliability, profile.durability) == (self._reliability, self._durability):
            return
        self.destroy()
        self._reliability, self._durability = profile.reliability, profile.durability
        if FilterSubscriber is not None and self.subscriber is None:
            self.subscriber = FilterSubscriber(
                self._node, self._kind, self._name, qos_profile=profile
            )
            self.subscriber.registerCallback(self._receive)
            self._node.destroy_subscription(
                self.subscriber.sub
            )  # it would not tell the messages' numbers
        self._subscription = self._node.create_subscription(
            self._kind, self._name, self._take, profile
        )
        if self.subscriber is not None:
            self.subscriber.sub = self._subscription

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
        """Why nothing comes, in words, with what to change; None if messages come from everybody who publishes."""
        publishers = self._publishers()
        if mismatch := self._mismatch(publishers):
            return mismatch
        if not self.is_silent or (self._lasts and self._last is not None):
            return None
        if not publishers:
            return self._why_nobody_publishes()
        if self._last is None:
            kept = " or, if it was published once before, let it be published with durability transient_local"
            return (
                f"nothing has come on {self.topic} yet, which {_names(publishers)} publishes (if it is not idle, "
                "its DDS transport cannot carry the messages: give the sender config/fastdds_shm.xml"
                f"{kept if self._lasts else ''})"
            )
        return f"{self.topic} is silent for {time.monotonic() - self._last:.1f} s"

    def _mismatch(self, publishers: list[Any]) -> str | None:
        """Reliability and durability are all that can fail to match: nothing else is asked for."""
        if self._subscription is None:
            return None
        deaf = [
            p
            for p in publishers
            if self._reliability == ReliabilityPolicy.RELIABLE
            and p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        ]
        if deaf:
            return (
                f"QoS cannot match on {self.topic}: {_names(deaf)} offers best effort, asked for is reliable; set "
                "reliability to auto or best_effort"
            )
        deaf = [
            p
            for p in publishers
            if self._durability == DurabilityPolicy.TRANSIENT_LOCAL
            and p.qos_profile.durability == DurabilityPolicy.VOLATILE
        ]
        if deaf:
            return (
                f"QoS cannot match on {self.topic}: {_names(deaf)} offers durability volatile, asked for is "
                "transient local, as others offer it; let all of them offer the same"
            )
        return None

    def _why_nobody_publishes(self) -> str:
        if others := self._node.get_publishers_info_by_topic(self.topic):
            kinds = ", ".join(sorted({publisher.topic_type for publisher in others}))
            return f"{self.topic} carries {kinds} from {_names(others)}, expected {self._type}; remap the topic"
        for topic, remedy in self._alternatives.items():
            if publishers := self._node.get_publishers_info_by_topic(topic):
                return f"nothing publishes {self.topic}, but {_names(publishers)} publishes {topic}: {remedy}"
        return f"nothing publishes {self.topic}"

    def _take(self, message: Any, info: Mapping[str, Any]) -> None:
        """Two arguments, so that rclpy gives the MessageInfo, too."""
        self._count_lost(info["publication_sequence_number"])
        if self.subscriber is None:
            self._receive(message)
        else:
            self.subscriber.callback(message)

    def _count_lost(self, number: int | None) -> None:
        """number: a publisher counts its messages; None where the middleware does not tell."""
        if number is not None and self._number is not None and number != self._number + 1:
            if len(self._publishers()) > 1:
                number = None  # perhaps another one's
            else:
                self.lost += max(number - self._number - 1, 0)  # below 0: it was started anew
        self._number = number

    def _receive(self, message: Any) -> None:
        if self._subscription is None:
            return  # destroyed when this message had been taken
        self._last = time.monotonic()
        self.received += 1
        self._callback(message)

    def _publishers(self) -> list[Any]:
        """Those of our type, as rclpy's TopicEndpointInfo."""
        return [
            info
            for info in self._node.get_publishers_info_by_topic(self.topic)
            if info.topic_type == self._type
        ]


def _names(publishers: list[Any]) -> str:
    return ", ".join(sorted({node_name(publisher) for publisher in publishers}))

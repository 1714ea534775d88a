"""Subscriptions that adapt their QoS to the publishers and explain why no messages come."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from bev_semseg_ros.data.calibration import frame_name
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE, IMAGE
from bev_semseg_ros.ros.health.health import Health, InputState
from bev_semseg_ros.ros.input.camera_info_matcher import CameraInfoMatcher
from bev_semseg_ros.ros.input.image_topics import Form, image_forms, other_forms
from bev_semseg_ros.ros.input.stamp_filter import StampFilter
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor
from bev_semseg_ros.ros.synchronizer import Arrivals

try:
    from message_filters import SimpleFilter
except ImportError:  # optional: only integrators that chain filters need it
    SimpleFilter = None

# Seconds that a publisher may be silent before its transport is suspected. A driver that is just
# starting or a paused bag publishes nothing for a while.
PATIENCE = 4.0
_UNKNOWN_NODE = "_NODE_NAME_UNKNOWN_"  # rcl's name until discovery is complete

IMAGE_CLASSES = {IMAGE: Image, COMPRESSED_IMAGE: CompressedImage}

Callback = Callable[..., Any]
Place = tuple[type, str]  # message class and topic before remapping


def choose_profile(
    reliability: str, offered: Sequence[QoSProfile], latched: bool = False, depth: int = 1
) -> QoSProfile:
    """Choose the QoS to request.

    Args:
        reliability: The parameter of that name. auto requests RELIABLE if every publisher offers
            it, and otherwise BEST_EFFORT, which matches all of them.
        offered: The profiles of the publishers.
        latched: Whether a message stays valid until the next one, like a camera_info. If so,
            request TRANSIENT_LOCAL if every publisher offers it, and treat best_effort like auto,
            because Fast DDS sends no earlier messages to late best-effort subscribers.
        depth: Depth of the queue; a newer message replaces the oldest.
    """
    all_reliable = bool(offered) and all(
        profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered
    )
    all_transient = bool(offered) and all(
        profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered
    )
    is_automatic = reliability == "auto" or latched
    is_reliable = reliability == "reliable" or (is_automatic and all_reliable)
    is_transient = latched and all_transient
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_transient else DurabilityPolicy.VOLATILE,
    )


def open_subscriptions(
    node: Node,
    parameters: Parameters,
    stamp_filter: StampFilter,
    matchers: Mapping[str, CameraInfoMatcher],
    health: Health,
    guard: Callable[[Callback], Callback],
    take_odometry: Callback | None = None,
) -> dict[str, Subscription]:
    """Subscribe to the topics of the sensors in use; after an error, to none of them.

    Args:
        node: The node to subscribe with.
        parameters: The node's parameters.
        stamp_filter: Takes the clouds.
        matchers: Take images and camera_infos, by the cameras' names.
        health: Takes the state of the subscriptions.
        guard: Wraps every callback, so that no exception reaches the executor.
        take_odometry: Takes the messages on the topic odometry; None if they are not needed.

    Returns:
        The subscriptions by name: points, image, camera_info, or NAME/points and so on, odometry.

    Raises:
        ValueError: If two inputs are remapped to one topic.
    """
    subscriptions: dict[str, Subscription] = {}
    with ExitStack() as opened:

        def subscribe(kind: type, topic: str, take: Callback, **options: Any) -> None:
            resolved = node.resolve_topic_name(topic)
            for other in subscriptions.values():
                is_shareable = (
                    other.kind is kind is CameraInfo
                )  # cameras may share their intrinsics
                if other.topic == resolved and not is_shareable:
                    both = f"{other.name} and {options.get('name', topic)}"
                    raise ValueError(f"{both} are both on {resolved}: remap each to its own topic")
            subscription = Subscription(
                node, kind, topic, parameters.reliability, guard(take), health, **options
            )
            opened.callback(subscription.destroy)
            subscriptions[subscription.name] = subscription

        sensors = parameters.sensors.used(parameters.mode)
        for camera in sensors:
            if camera.kind == "image" and parameters.intrinsics == "camera_info":
                # Before the images, so that the executor takes a camera_info before its image.
                take = matchers[camera.name].take_camera_info
                subscribe(CameraInfo, camera.camera_info, take, latched=True)
        for sensor in sensors:
            if sensor.kind == "points":
                subscribe(PointCloud2, sensor.stream, partial(stamp_filter.offer, sensor.stream))
                continue
            first, *further = image_places(node, sensor, parameters)
            subscribe(
                *first,
                matchers[sensor.name].take_image,
                name=sensor.stream,
                further=further,
                alternatives=_alternatives(node, sensor, parameters),
            )
        if take_odometry is not None:
            subscribe(Odometry, "odometry", take_odometry)
        opened.pop_all()
    return subscriptions


def image_places(node: Node, sensor: Sensor, parameters: Parameters) -> list[Place]:
    """Return the message classes and topics of a camera's images, the preferred one first.

    As in image_transport, the suffix of compressed images is added after remapping.
    """
    topic = node.resolve_topic_name(sensor.stream)
    forms = image_forms(topic, parameters.of(sensor, "image_transport"))
    return [_place(node, sensor, form) for form in forms]


def _alternatives(node: Node, sensor: Sensor, parameters: Parameters) -> dict[Place, str]:
    topic = node.resolve_topic_name(sensor.stream)
    others = other_forms(topic, parameters.of(sensor, "image_transport"), sensor)
    return {_place(node, sensor, form): remedy for form, remedy in others.items()}


def _place(node: Node, sensor: Sensor, form: Form) -> Place:
    """Return a place whose topic is not yet remapped.

    ROS would remap a remapped name again: if the topics of two cameras are swapped, to the topic of
    the other camera.
    """
    kind, topic = form
    is_stream = topic == node.resolve_topic_name(sensor.stream)
    return IMAGE_CLASSES[kind], sensor.stream if is_stream else topic


def node_name(publisher: Any) -> str:
    """Return the full name of the node of an rclpy TopicEndpointInfo."""
    if publisher.node_name == _UNKNOWN_NODE:
        return "a node that is just starting"
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"


class Subscription:
    """A subscription with depth 1 (only the newest message waits) that adapts to its publishers.

    If the publishers change their QoS, it subscribes again. It can also change to another type or
    topic: it uses the first place that has a publisher.

    It does not use `message_filters.Subscriber`, which cannot change its QoS and hides the
    MessageInfo that is needed to count lost messages. `filter` passes the messages on to filters of
    message_filters.

    Attributes:
        name: Name of the subscription in `Health`.
        kind: The message class.
        topic: Full name of the topic in use. Until a place has a publisher, that of the first one.
        received: Number of messages received.
        lost: Number of messages that a newer one replaced before the executor took them, or that
            never arrived, from gaps in the publisher's sequence numbers. They are counted only
            while the topic has one publisher, because rclpy does not tell publishers apart.
        filter: A `message_filters.SimpleFilter` that passes on every message, as the input of
            filters such as `message_filters.Cache`. It stays valid when the QoS changes. None if
            message_filters is not installed.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        reliability: str,
        callback: Callable[[Any], Any],
        health: Health,
        *,
        name: str = "",
        latched: bool = False,
        further: Sequence[Place] = (),
        alternatives: Mapping[Place, str] | None = None,
    ) -> None:
        """Subscribe.

        Args:
            node: The node to subscribe with.
            kind: The message class.
            topic: The topic before remapping.
            reliability: The parameter reliability.
            callback: Takes each message.
            health: Takes the state of the topic.
            name: Name of the subscription in `health`; empty: `topic`.
            latched: See `choose_profile`.
            further: Further places where the messages may come.
            alternatives: Places that the node does not use, each with the change that makes it use
                them. `explain` names them if messages come there.
        """
        self.name = name or topic
        self.received = self.lost = 0
        self.filter = SimpleFilter() if SimpleFilter is not None else None
        self._node, self._places = node, [(kind, topic), *further]
        self._reliability_parameter, self._callback, self._health = reliability, callback, health
        self._latched, self._alternatives = latched, alternatives or {}
        self._subscription: Any = None
        self._reliability: ReliabilityPolicy | None = None
        self._durability = DurabilityPolicy.VOLATILE
        self._last: float | None = None
        self._published_since: float | None = None
        self._sequence_number: int | None = None
        self._take_place(kind, topic)
        self.follow()

    def follow(self) -> None:
        """Subscribe again if the publishers' QoS, type or topic requires it. Call it regularly."""
        self._follow_place()
        offered = [publisher.qos_profile for publisher in self._publishers()]
        if self._subscription is not None and not offered:
            return  # a publisher that restarts is likely to offer the same QoS as before
        profile = choose_profile(self._reliability_parameter, offered, self._latched)
        if (profile.reliability, profile.durability) == (self._reliability, self._durability):
            return
        self.destroy()
        take: Callback = self._take  # rclpy passes the MessageInfo to callbacks with 2 arguments
        self._subscription = self._node.create_subscription(
            self.kind, self._unresolved_topic, take, profile
        )
        # Set last, so that the next call tries again after an error.
        self._reliability, self._durability = profile.reliability, profile.durability

    def _follow_place(self) -> None:
        """Change to the first place that has a publisher; stay if there is none."""
        for kind, topic in self._places:
            if not self._publishers_at(_type_name(kind), topic):
                continue
            if (kind, topic) != (self.kind, self._unresolved_topic):
                self.destroy()
                self._take_place(kind, topic)
                self._node.get_logger().info(f"{self.name}: {self._type} on {self.topic}")
            return

    def _take_place(self, kind: type, topic: str) -> None:
        self.kind, self._unresolved_topic = kind, topic
        self.topic = self._node.resolve_topic_name(topic)
        self._type = _type_name(kind)
        self._sequence_number = self._last = self._published_since = None
        self._arrivals = Arrivals()

    def destroy(self) -> None:
        """End the subscription."""
        if self._subscription is not None:
            subscription, self._subscription = self._subscription, None
            self._reliability = None
            self._node.destroy_subscription(subscription)

    def observe(self) -> None:
        """Write the state of the topic to health."""
        publishers = tuple(map(node_name, self._publishers()))
        problem = self.explain() or ""
        state = InputState(self.topic, self.received, self.age, self.lost, problem, publishers)
        self._health.set_input(self.name, state)

    @property
    def age(self) -> float | None:
        """Seconds since the last message; None if none came."""
        return None if self._last is None else time.monotonic() - self._last

    def explain(self) -> str | None:
        """Explain why no messages come and what to change; None if nothing is wrong."""
        publishers = self._publishers()
        if not publishers:
            self._published_since = None
        elif self._published_since is None:
            self._published_since = time.monotonic()
        if mismatch := self._mismatch(publishers):
            return mismatch
        age = self.age
        if age is not None and (age <= self._arrivals.patience / 1e9 or self._latched):
            return None
        if not publishers:
            return self._why_nobody_publishes()
        if age is not None:
            return f"{self.topic} has been silent for {age:.1f} s"
        text = f"nothing has come on {self.topic} yet, which {_names(publishers)} publishes"
        since = self._published_since
        if since is None or time.monotonic() - since < PATIENCE:
            return text
        advice = ""
        if self._latched:
            advice = (
                " or, if it was published once before, publish it with durability transient_local"
            )
        return (
            f"{text} (if it is not idle, its DDS transport cannot carry the messages: give the "
            f"sender config/fastdds_shm.xml{advice})"
        )

    def _mismatch(self, publishers: list[Any]) -> str | None:
        """Name publishers whose QoS does not match.

        Only reliability and durability can fail to match: nothing else is requested.
        """
        if self._subscription is None:
            return None
        best_effort, volatile = [], []
        for publisher in publishers:
            if publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT:
                best_effort.append(publisher)
            if publisher.qos_profile.durability == DurabilityPolicy.VOLATILE:
                volatile.append(publisher)
        if best_effort and self._reliability == ReliabilityPolicy.RELIABLE:
            return (
                f"QoS cannot match on {self.topic}: {_names(best_effort)} offers best effort, "
                "but reliable is requested; set reliability to auto or best_effort"
            )
        if volatile and self._durability == DurabilityPolicy.TRANSIENT_LOCAL:
            return (
                f"QoS cannot match on {self.topic}: {_names(volatile)} offers durability volatile, "
                "but transient local is requested, which others offer; let all of them offer the "
                "same"
            )
        return None

    def _why_nobody_publishes(self) -> str:
        for (kind, topic), remedy in self._alternatives.items():
            if publishers := self._publishers_at(_type_name(kind), topic):
                return (
                    f"nothing publishes {self.topic}, but {_names(publishers)} publishes "
                    f"{self._node.resolve_topic_name(topic)}: {remedy}"
                )
        for _, place in self._places:
            topic = self._node.resolve_topic_name(place)
            if others := self._node.get_publishers_info_by_topic(topic):
                kinds = ", ".join(sorted({publisher.topic_type for publisher in others}))
                known = [_type_name(kind) for kind, each in self._places if each == place]
                return (
                    f"{topic} carries {kinds} from {_names(others)}, expected "
                    f"{' or '.join(known)}; remap the topic"
                )
        return f"nothing publishes {self.topic}"

    def _take(self, message: Any, info: Mapping[str, Any]) -> None:
        if self._subscription is None:
            return  # it was destroyed after the executor had taken this message
        self._count_lost(info["publication_sequence_number"])
        self._last = time.monotonic()
        self._arrivals.note(round(self._last * 1e9))
        self.received += 1
        message.header.frame_id = frame_name(message.header.frame_id)
        self._callback(message)
        if self.filter is not None:
            self.filter.signalMessage(message)

    def _count_lost(self, number: int | None) -> None:
        """Count the messages missing before sequence number `number`; None if it is unknown."""
        last = self._sequence_number
        if number is not None and last is not None and number != last + 1:
            if len(self._publishers()) > 1:
                number = None  # it may be another publisher's
            else:
                self.lost += max(number - last - 1, 0)  # negative if the publisher restarted
        self._sequence_number = number

    def _publishers(self) -> list[Any]:
        """Return the publishers of the current type and topic, as rclpy's TopicEndpointInfo."""
        return self._publishers_at(self._type, self._unresolved_topic)

    def _publishers_at(self, message_type: str, topic: str) -> list[Any]:
        """Return the publishers of a type on a topic; `topic` is its name before remapping."""
        found = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(topic))
        return [info for info in found if info.topic_type == message_type]


def _type_name(kind: type) -> str:
    """Return the name of a message class, such as sensor_msgs/msg/Image."""
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"


def _names(publishers: list[Any]) -> str:
    return ", ".join(sorted({node_name(publisher) for publisher in publishers}))

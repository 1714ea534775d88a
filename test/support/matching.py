"""Whether a publisher of a test and the subscription of a node have found each other."""

from __future__ import annotations

from typing import Any

from rclpy.qos import ReliabilityPolicy


def is_matched(node: Any, publisher: Any) -> bool:
    """Return True if a reliable subscription gets the messages of a publisher.

    The node under test asks for best effort until it knows its publishers. A subscription that it
    has ended can remain in the count of Fast DDS 2.14 for longer than a test waits (seen once), so
    the count may exceed one.

    Args:
        node: The ROS node of the publisher.
        publisher: A reliable publisher.
    """
    return publisher.get_subscription_count() > 0 and any(
        info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        for info in node.get_subscriptions_info_by_topic(publisher.topic_name)
    )


def matches(node: Any, publisher: Any) -> str:
    """Say which subscriptions a publisher has, for the message of a failed test."""
    found = [
        f"{info.node_namespace.rstrip('/')}/{info.node_name} {info.qos_profile.reliability.name}"
        for info in node.get_subscriptions_info_by_topic(publisher.topic_name)
    ]
    return f"{publisher.topic_name}: {publisher.get_subscription_count()} of {found}"

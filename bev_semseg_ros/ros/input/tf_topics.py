"""The topics of TF, which may be in the namespace of a robot. Needs no rclpy."""

from __future__ import annotations

from collections.abc import Sequence

TF_MESSAGE = "tf2_msgs/msg/TFMessage"
MOVING, STATIC = "/tf", "/tf_static"


def tf_name(topic: str, message_type: str) -> str:
    """Return MOVING or STATIC if a topic is one of these in any namespace, otherwise ""."""
    name = "/" + topic.rpartition("/")[2]
    return name if message_type == TF_MESSAGE and name in (MOVING, STATIC) else ""


def tf_namespace(topic: str) -> str:
    """Return the namespace of one of TF's topics, such as /robot1; "" if it has none."""
    return topic.rpartition("/")[0]


def tf_remappings(namespace: str) -> dict[str, str]:
    """Return the remappings (old name: new name) with which tf2_ros listens in a namespace."""
    return {name: f"{namespace}{name}" for name in (MOVING, STATIC)} if namespace else {}


def explain_other_topics(published: Sequence[str], heard: Sequence[str]) -> str:
    """Explain that transforms are published where the node does not listen, and what to remap.

    Args:
        published: The topics of TF that have a publisher, in any namespace.
        heard: The topics to which the node listens.

    Returns:
        A text to append to the error; "" if there are no other transforms.
    """
    others = sorted(set(published) - set(heard))
    if not others:
        return ""
    text = f"; transforms are published on {', '.join(others)}"
    namespaces = {tf_namespace(topic) for topic in others}
    if set(published) & set(heard) or len(namespaces) > 1:
        return text
    options = [f"-r {name}:={topic}" for name, topic in tf_remappings(namespaces.pop()).items()]
    return f"{text}, and none where the node listens: start it with {' '.join(options)}"

"""On which topic, and in which type, the images of a camera come. Needs no rclpy.

The topic is the one to which `image` is remapped. As image_transport has it, the compressed images
are on the topic with SUFFIX behind. The remapped topic may also be theirs as a whole, whatever its
name is: there the type of the publisher decides.
"""

from __future__ import annotations

from bev_semseg_ros.ros.convert.compressed_image import SUFFIX
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE, IMAGE
from bev_semseg_ros.ros.node.sensors import Sensor

Form = tuple[str, str]  # message type, topic


def image_forms(topic: str, transport: str) -> list[Form]:
    """Return where the node looks for images, the place that the parameter names first.

    Args:
        topic: The topic `image` after remapping.
        transport: The parameter image_transport.
    """
    if transport == "compressed":
        return [(COMPRESSED_IMAGE, topic + SUFFIX), (COMPRESSED_IMAGE, topic)]
    return [(IMAGE, topic), (COMPRESSED_IMAGE, topic)]


def other_forms(topic: str, transport: str, sensor: Sensor) -> dict[Form, str]:
    """Return where the images may be instead -> the change with which the node takes them.

    Args:
        topic: The topic `image` after remapping.
        transport: The parameter image_transport.
        sensor: The camera.
    """
    parameter = sensor.parameter("image_transport")
    if transport == "compressed":
        others = {(IMAGE, topic): f"set {parameter} to raw"}
    else:
        others = {(COMPRESSED_IMAGE, topic + SUFFIX): f"set {parameter} to compressed"}
    plain = topic.removesuffix(SUFFIX)
    if plain not in ("", topic):
        remedy = f"remap {sensor.stream} to {plain}"
        if transport == "compressed":
            remedy += f" and set {parameter} to raw"
        others[IMAGE, plain] = remedy
    return others


def remapping(topic: str, message_type: str) -> tuple[str, str]:
    """Return the topic to which `image` is to be remapped, and the parameter image_transport.

    Args:
        topic: The topic of the images.
        message_type: Their type.
    """
    if message_type != COMPRESSED_IMAGE:
        return topic, "raw"
    return topic.removesuffix(SUFFIX) or topic, "compressed"

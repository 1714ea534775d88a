"""Topics and types of the images of a camera. Needs no rclpy.

Images come on the topic to which `image` is remapped. As in image_transport, compressed images come
on this topic plus SUFFIX. `image` may also be remapped to the full name of a topic of compressed
images, whatever that name is. The type of the publisher then decides.
"""

from __future__ import annotations

from bev_semseg_ros.ros.convert.compressed_image import SUFFIX
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE, IMAGE
from bev_semseg_ros.ros.parameters.sensors import Sensor

Form = tuple[str, str]  # message type, topic


def image_forms(topic: str, transport: str) -> list[Form]:
    """Return the types and topics on which the node expects images, the preferred one first.

    Args:
        topic: The topic `image` after remapping.
        transport: The parameter image_transport.
    """
    if transport == "compressed":
        return [(COMPRESSED_IMAGE, topic + SUFFIX), (COMPRESSED_IMAGE, topic)]
    return [(IMAGE, topic), (COMPRESSED_IMAGE, topic)]


def other_forms(topic: str, transport: str, sensor: Sensor) -> dict[Form, str]:
    """Return other types and topics that may have the images -> the change to make to use them.

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
    """Return the topic to which to remap `image`, and the value of image_transport.

    Args:
        topic: The topic of the images.
        message_type: The message type of the images.
    """
    if message_type != COMPRESSED_IMAGE:
        return topic, "raw"
    return topic.removesuffix(SUFFIX) or topic, "compressed"

"""Topics that carry the data of a lidar or a camera in a form that the node does not decode.

Examples are packets, a vendor's own message, a video and a compressed cloud. A driver or a
transport converts them to sensor_msgs/PointCloud2 or Image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bev_semseg_ros.ros.convert import message

POINTS, IMAGE = "points", "image"


@dataclass(frozen=True)
class Undecoded:
    """A topic with sensor data that the node does not decode.

    Attributes:
        topic: Its topic.
        message_type: The type of its messages.
        kind: The kind of data, "points" or "image".
        what: What its messages are.
        remedy: How to get messages that the node decodes.
    """

    topic: str
    message_type: str
    kind: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.topic} ({self.message_type}): {self.what}"


def _driver(name: str) -> str:
    """Return the remedy for messages that a lidar's driver decodes during playback."""
    return (
        f"the driver decodes them: play the bag to {name}, whose messages must be installed for "
        f"it, and use the {message.POINT_CLOUD} that it publishes, or record that"
    )


def _republish(package: str, transport: str) -> str:
    """Return the remedy for messages that a transport decodes; {topic} and {out} stay open."""
    return (
        f"{package} decodes them: `ros2 run {package} republish --ros-args "
        f"-p in_transport:={transport} -p out_transport:=raw -r in/{transport}:={{topic}} "
        "-r out:={out}`, and use {out}"
    )


_PACKETS = "packets of the lidar, not points"
_VIDEO = "packets of a video, not images"
_ANY_DRIVER = _driver("the lidar's driver")
_CAMERA_DRIVER = f"let the camera's driver publish {message.IMAGE}, and record that"
# Pattern of the type -> kind, what its messages are, remedy. The first match counts.
_TYPES: tuple[tuple[str, str, str, str], ...] = (
    (r"velodyne_msgs/.*", POINTS, _PACKETS, _driver("velodyne_pointcloud")),
    (r"ouster_(ros|msgs|sensor_msgs)/.*Packet.*", POINTS, _PACKETS, _driver("ouster_ros")),
    (r"(hesai|pandar)\w*/.*", POINTS, _PACKETS, _driver("hesai_ros_driver")),
    (r"nebula_msgs/.*", POINTS, _PACKETS, _driver("nebula_ros")),
    (r"(rslidar|robosense)\w*/.*", POINTS, _PACKETS, _driver("rslidar_sdk")),
    (
        r"livox_\w+/.*CustomMsg",
        POINTS,
        "points in Livox's own message",
        f"the driver decodes them: let livox_ros_driver2 publish {message.POINT_CLOUD} (its "
        "parameter xfer_format: 0), and record that",
    ),
    (
        r".*/CompressedPointCloud2?",
        POINTS,
        "a compressed cloud",
        _republish("point_cloud_transport", "{transport}"),
    ),
    (
        r"sensor_msgs/msg/PointCloud",
        POINTS,
        "the cloud message of ROS before PointCloud2",
        f"let the driver publish {message.POINT_CLOUD}, and record that",
    ),
    (
        r"sensor_msgs/msg/(LaserScan|MultiEchoLaserScan)",
        POINTS,
        "a scan of one plane",
        "a network for clouds of a lidar with many beams cannot use it",
    ),
    (r"theora_\w+/.*", IMAGE, _VIDEO, _republish("image_transport", "theora")),
    (r"ffmpeg_\w+/.*", IMAGE, _VIDEO, _republish("image_transport", "ffmpeg")),
    (r"foxglove\w*/.*Video", IMAGE, _VIDEO, _republish("image_transport", "foxglove")),
    (
        r"(event_camera|dvs|prophesee_event)_msgs/.*",
        IMAGE,
        "events, not images",
        "use the topic of a camera that publishes images",
    ),
    (
        r"stereo_msgs/msg/DisparityImage",
        IMAGE,
        "disparities, not colours",
        "use the topic of the left or the right image",
    ),
    (r"foxglove\w*[/.](.*[/.])?PointCloud", POINTS, "a cloud of Foxglove", _ANY_DRIVER),
    (
        r"foxglove\w*[/.](.*[/.])?(RawImage|CompressedImage)",
        IMAGE,
        "an image of Foxglove",
        _CAMERA_DRIVER,
    ),
)
# Name of a transport at the end of a topic -> what its compressed images are, remedy.
_OF_COMPRESSED_IMAGES = (
    ("/compressedDepth", "depths, not colours", "use the topic of the colour image"),
    ("/zstd", "images packed with zstd", _republish("image_transport", "zstd")),
)
# Words in the names of types and topics, for packages that are not in the table above.
_LIDAR_WORDS = r"lidar|laser|velodyne|ouster|hesai|pandar|livox|robosense|sick|innoviz|seyond|aeva"
_LIDAR_WORDS += r"|innovusion|cepton|valeo|ibeo|luminar|leishen|lslidar|vanjee|benewake|quanergy"
_CAMERA_WORDS = r"camera|\bcam\d*\b|image|video|rgbd?\b|realsense|flir|zed\b"
_CARRIERS = r"packets?|scan|custom\w*|udp\w*|raw|points?|cloud\w*|image\w*|video\w*|rgbd?"
# Transports of clouds; their topics end with the name of the transport.
_TRANSPORTS = ("draco", "zlib", "zstd", "cloudini")
_OF_ROS = (
    "std_msgs/",
    "rcl_interfaces/",
    "geometry_msgs/",
    "nav_msgs/",
    "visualization_msgs/",
    "diagnostic_msgs/",
    "tf2_msgs/",
    "sensor_msgs/",
    "rosgraph_msgs/",
)


def undecoded(topic: str, message_type: str) -> Undecoded | None:
    """Describe a topic with undecoded sensor data; None for an input or any other topic."""
    if message_type.startswith("sensor_msgs/msg/") and message_type.endswith(
        ("/PointCloud2", "/Image", "/CompressedImage", "/CameraInfo")
    ):
        return _in_compressed_images(topic, message_type)
    if "imu" in topic.lower():
        return None  # a lidar's packets of IMU data have the same type as those of points
    for pattern, kind, what, remedy in _TYPES:
        if re.fullmatch(pattern, message_type):
            return Undecoded(topic, message_type, kind, what, _filled(remedy, topic))
    return _by_name(topic, message_type)


def all_undecoded(types: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[Undecoded]:
    """Return all topics with sensor data that the node does not decode.

    Args:
        types: All topics with their message types.
    """
    pairs = types.items() if isinstance(types, Mapping) else types
    found = [undecoded(topic, message_type) for topic, message_type in pairs]
    return [each for each in found if each is not None]


def _in_compressed_images(topic: str, message_type: str) -> Undecoded | None:
    """Describe what a transport sends as compressed images that are no JPEG or PNG; else None."""
    if not message_type.endswith("/CompressedImage"):
        return None
    for suffix, what, remedy in _OF_COMPRESSED_IMAGES:
        if topic.endswith(suffix):
            return Undecoded(topic, message_type, IMAGE, what, _filled(remedy, topic))
    return None


def _filled(remedy: str, topic: str) -> str:
    """Fill the topic, its transport and the topic to publish instead into a remedy."""
    base, _, last = topic.rpartition("/")
    transport = last if last in _TRANSPORTS else "TRANSPORT"
    text = remedy.format(transport=transport, topic=topic, out=f"{base}/decoded")
    if "TRANSPORT" in text:
        text += f" (TRANSPORT is the format of the messages: {', '.join(_TRANSPORTS)})"
    return text


def _by_name(topic: str, message_type: str) -> Undecoded | None:
    """Describe a topic of an unknown package by the names of its type and topic; else None."""
    if message_type.startswith(_OF_ROS):
        return None
    package, _, name = message_type.partition("/")
    name = name.rpartition("/")[2]
    words = f"{package} {topic} {_split(name)}".lower().replace("_", " ")
    if not re.search(rf"\b({_CARRIERS})\b", _split(name).lower()):
        return None
    if re.search(_LIDAR_WORDS, words) or re.search(r"\b(points?|point cloud\d*|clouds?)\b", words):
        return Undecoded(topic, message_type, POINTS, "the lidar's own message", _ANY_DRIVER)
    if re.search(_CAMERA_WORDS, words):
        return Undecoded(topic, message_type, IMAGE, "the camera's own message", _CAMERA_DRIVER)
    return None


def _split(name: str) -> str:
    """Return the words of a name in camel case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)

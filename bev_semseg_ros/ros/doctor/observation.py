"""What the doctor saw of a vehicle's topics, in a bag or live.

Needs neither `rosbags` nor rclpy.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.ros.convert.camera_info import decode_camera, shows_rectified
from bev_semseg_ros.ros.convert.compressed_image import SUFFIX, decode_compressed
from bev_semseg_ros.ros.convert.image import decode_image
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree

# Input of the node -> its message type.
INPUT_TYPES = {
    "points": "sensor_msgs/msg/PointCloud2",
    "image": "sensor_msgs/msg/Image",
    "camera_info": "sensor_msgs/msg/CameraInfo",
}
COMPRESSED = "sensor_msgs/msg/CompressedImage"
MIN_SAMPLES = 20  # messages of a stream that are kept; fewer than twice as many
OWN_IMAGES = "/semseg/"  # in the topics of the node's own images, which a bag may hold, too
# What drivers call the intensity; the first that a cloud has is taken.
INTENSITY_FIELDS = ("intensity", "reflectivity", "reflectance", "intensities", "i", "signal")


@dataclass(frozen=True)
class Offer:
    """The QoS that a publisher offers.

    Attributes:
        publisher: Its node, or "recorded".
        reliability: "reliable" or "best_effort".
        durability: "volatile" or "transient_local".
    """

    publisher: str
    reliability: str
    durability: str


@dataclass
class Stream:
    """The messages of one of the node's inputs.

    Attributes:
        name: The input, as in INPUT_TYPES.
        topic: Its topic.
        message_type: The type of its messages.
        offers: The QoS of its publishers.
        is_rectified: Whether the images are rectified already.
        stamps: Of each message, integer nanoseconds.
        arrivals: When each message came, integer nanoseconds.
        frames: How many headers name each frame_id.
        sizes: How many images have each (width, height).
        problems: Why messages cannot be used, in the decoder's words -> how many.
        samples: Messages that can be used, spread evenly over all.
        largest_bytes: Size of the largest message.
    """

    name: str
    topic: str
    message_type: str
    offers: list[Offer] = field(default_factory=list)
    is_rectified: bool = False
    stamps: list[int] = field(default_factory=list)
    arrivals: list[int] = field(default_factory=list)
    frames: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    samples: list[Any] = field(default_factory=list)
    largest_bytes: int = 0
    _stride: int = 1

    def __len__(self) -> int:
        return len(self.stamps)

    def take(self, message: Any, arrival: int, num_bytes: int) -> None:
        """Add a message.

        Args:
            message: The message.
            arrival: When it came, integer nanoseconds.
            num_bytes: Its serialized size.
        """
        index = len(self)
        self.stamps.append(stamp_ns(message.header.stamp))
        self.arrivals.append(arrival)
        self.frames[message.header.frame_id] += 1
        self.largest_bytes = max(self.largest_bytes, num_bytes)
        try:
            self._decode(message)
        except ValueError as error:
            self.problems[str(error)] += 1
            return
        if index % self._stride == 0:
            self.samples.append(message)
        if len(self.samples) >= 2 * MIN_SAMPLES:
            self.samples, self._stride = self.samples[::2], 2 * self._stride

    def camera(self, info: Any) -> Camera:
        """Decode a camera_info, in its own frame. Raise ValueError as `decode_camera` does."""
        return decode_camera(info, np.eye(4), self.is_rectified)

    def _decode(self, message: Any) -> None:
        """Decode a message for its errors, and for the size of an image."""
        if self.name == "points":
            decode_cloud(message)
        elif self.name == "camera_info":
            self.camera(message)
        else:
            is_compressed = self.message_type == COMPRESSED
            image = decode_compressed(message) if is_compressed else decode_image(message)
            self.sizes[image.shape[1], image.shape[0]] += 1

    @property
    def frame(self) -> str:
        """The frame_id that most headers name; "" without messages."""
        return self.frames.most_common(1)[0][0] if self.frames else ""

    @property
    def rate(self) -> float:
        """Messages a second by their arrivals; 0 for fewer than two."""
        seconds = (max(self.arrivals) - min(self.arrivals)) / 1e9 if self.arrivals else 0.0
        return (len(self) - 1) / seconds if seconds > 0 else 0.0


@dataclass
class Observation:
    """Everything that the doctor looked at.

    Attributes:
        source: The bag, or "live topics".
        seconds: How long it lasted.
        is_live: Whether the topics were live.
        streams: The inputs that were found, by their names in INPUT_TYPES.
        available: Topics that could be an input -> (message type, number of messages).
        wrong: Inputs -> what is wrong with the topic that was asked for.
        transforms: /tf_static and /tf, or None if they cannot be read.
        static_offers: The QoS of the publishers of /tf_static.
        shared_memory: Bytes of the largest segment that DDS has on this machine; 0 for a bag.
    """

    source: str
    seconds: float
    is_live: bool = False
    streams: dict[str, Stream] = field(default_factory=dict)
    available: dict[str, tuple[str, int]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    transforms: TransformTree | None = None
    static_offers: list[Offer] = field(default_factory=list)
    shared_memory: int = 0


def open_streams(chosen: dict[str, str], types: dict[str, str]) -> dict[str, Stream]:
    """Make empty streams.

    Args:
        chosen: Input -> its topic.
        types: Topic -> its message type.
    """
    is_rectified = shows_rectified("auto", chosen.get("image", "").removesuffix(SUFFIX))
    return {
        name: Stream(name, topic, types[topic], is_rectified=is_rectified)
        for name, topic in chosen.items()
    }


def choose_topics(
    available: dict[str, tuple[str, int]], asked: dict[str, str], types: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Choose the topics to look at.

    Of several topics the one with most messages is chosen; of camera_infos the one beside the
    image, if there is one; of images a compressed one if none is raw.

    Args:
        available: Topics that could be an input -> (message type, number of messages).
        asked: Input -> the topic that was asked for, or "".
        types: The message types of all topics.

    Returns:
        The topics by input, and for inputs whose topic was asked for wrongly what is wrong.
    """
    chosen: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for name, message_type in INPUT_TYPES.items():
        topic = asked.get(name, "")
        if topic:
            accepted = (message_type, COMPRESSED) if name == "image" else (message_type,)
            if topic not in types:
                wrong[name] = f"there is no topic {topic}"
            elif types[topic] not in accepted:
                wrong[name] = f"{topic} carries {types[topic]}, expected {message_type}"
            else:
                chosen[name] = topic
            continue
        counts = _counts(available, message_type)
        if name == "image" and not counts:
            counts = _counts(available, COMPRESSED, SUFFIX)
        if name == "camera_info" and "image" in chosen:
            beside = chosen["image"].removesuffix(SUFFIX).rpartition("/")[0] + "/camera_info"
            if beside in counts:
                counts = {beside: counts[beside]}
        if counts:
            chosen[name] = max(counts, key=lambda topic: counts[topic])
    return chosen, wrong


def _counts(
    available: dict[str, tuple[str, int]], message_type: str, suffix: str = ""
) -> dict[str, int]:
    """Return the topics of a type that are not the node's own -> their number of messages."""
    counts = {}
    for topic, (found_type, count) in available.items():
        if found_type == message_type and topic.endswith(suffix) and OWN_IMAGES not in topic:
            counts[topic] = count
    return counts


def intensity_field(message: Any) -> str:
    """Return the field of a PointCloud2 that holds the intensity; "" if there is none."""
    names = [item.name for item in message.fields]
    return next((name for name in INTENSITY_FIELDS if name in names), "")

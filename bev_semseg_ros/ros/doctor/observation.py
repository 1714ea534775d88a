"""What was seen of a vehicle's topics for a while, in a bag or live: the doctor's material. Needs neither."""

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

KINDS = {
    "points": "sensor_msgs/msg/PointCloud2",
    "image": "sensor_msgs/msg/Image",
    "camera_info": "sensor_msgs/msg/CameraInfo",
}
COMPRESSED = "sensor_msgs/msg/CompressedImage"
SAMPLES = 20  # at least so many messages of a stream are kept whole, if it has them, and fewer than twice as many
OWN = "/semseg/"  # in the names of the node's own images, which a bag may hold, too
INTENSITY_FIELDS = ("intensity", "reflectivity", "reflectance", "intensities", "i", "signal")


@dataclass(frozen=True)
class Offer:
    """What a publisher offers. publisher: its node, or "recorded"; policies in ROS's words, in lower case."""

    publisher: str
    reliability: str
    durability: str


@dataclass
class Stream:
    """One of the node's inputs. name: of KINDS; kind: the type of its messages; stamps, arrivals: integer nanoseconds,
    one a message; sizes: (width, height) of images; problems: why messages cannot be used, in the decoder's words, with
    their number; samples: messages, spread over all; is_rectified: the images are rectified already.
    """

    name: str
    topic: str
    kind: str
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
        """A message that came at `arrival` (ns) and takes so many bytes on the wire."""
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
        if len(self.samples) >= 2 * SAMPLES:
            self.samples, self._stride = self.samples[::2], 2 * self._stride

    def camera(self, info: Any) -> Camera:
        """What a camera_info says, in its own frame. Raises ValueError as `decode_camera`."""
        return decode_camera(info, np.eye(4), self.is_rectified)

    def _decode(self, message: Any) -> None:
        if self.name == "points":
            decode_cloud(message)
        elif self.name == "camera_info":
            self.camera(message)
        else:
            image = decode_compressed(message) if self.kind == COMPRESSED else decode_image(message)
            self.sizes[image.shape[1], image.shape[0]] += 1

    @property
    def frame(self) -> str:
        """The frame_id of most messages; "" if there is none."""
        return self.frames.most_common(1)[0][0] if self.frames else ""

    @property
    def rate(self) -> float:
        """Messages a second, as they came; 0 if that cannot be said."""
        seconds = (max(self.arrivals) - min(self.arrivals)) / 1e9 if self.arrivals else 0.0
        return (len(self) - 1) / seconds if seconds > 0 else 0.0


@dataclass
class Observation:
    """streams: the inputs that were found, by their names in KINDS; available: topics of KINDS and COMPRESSED -> (kind,
    messages); wrong: inputs -> what is wrong with the topic that was asked for; transforms: None where they cannot be
    read; static_offers: of /tf_static; shared_memory: bytes of DDS's largest segment here, None for a bag.
    """

    source: str
    seconds: float
    is_live: bool = False
    streams: dict[str, Stream] = field(default_factory=dict)
    available: dict[str, tuple[str, int]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    transforms: TransformTree | None = None
    static_offers: list[Offer] = field(default_factory=list)
    shared_memory: int | None = None


def open_streams(chosen: dict[str, str], types: dict[str, str]) -> dict[str, Stream]:
    """Empty streams of the topics chosen."""
    is_rectified = shows_rectified("auto", chosen.get("image", "").removesuffix(SUFFIX))
    return {
        name: Stream(name, topic, types[topic], is_rectified=is_rectified)
        for name, topic in chosen.items()
    }


def choose_topics(
    available: dict[str, tuple[str, int]], asked: dict[str, str], types: dict[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The topics to look at, by input, and what is wrong with those that were asked for.

    available: topics -> (kind, number of messages), of which the one with most is chosen; of camera_infos the one
    beside the image, if there is one; of images a compressed one if none is raw. asked: input -> topic; types: of all.
    """
    chosen, wrong = {}, {}
    for name, kind in KINDS.items():
        if topic := asked.get(name, ""):
            if topic not in types:
                wrong[name] = f"there is no topic {topic}"
            elif types[topic] != kind and (name, types[topic]) != ("image", COMPRESSED):
                wrong[name] = f"{topic} carries {types[topic]}, expected {kind}"
            else:
                chosen[name] = topic
            continue
        found = {
            topic: weight
            for topic, (of, weight) in available.items()
            if of == kind and OWN not in topic
        }
        if name == "image" and not found:
            found = {
                topic: weight
                for topic, (of, weight) in available.items()
                if of == COMPRESSED and topic.endswith(SUFFIX) and OWN not in topic
            }
        if name == "camera_info" and "image" in chosen:
            beside = chosen["image"].removesuffix(SUFFIX).rpartition("/")[0] + "/camera_info"
            found = {beside: found[beside]} if beside in found else found
        if found:
            chosen[name] = max(found, key=found.get)
    return chosen, wrong


def intensity_field(message: Any) -> str:
    """The field of a PointCloud2 that holds the intensity, by the names drivers give it; "" if there is none."""
    names = [item.name for item in message.fields]
    return next((name for name in INTENSITY_FIELDS if name in names), "")

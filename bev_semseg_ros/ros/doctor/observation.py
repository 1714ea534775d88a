"""What the doctor observed of a vehicle's topics, in a bag or live.

Needs neither `rosbags` nor rclpy.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration import frame_name
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.ros.bag.reading.remark import Remark
from bev_semseg_ros.ros.convert.camera_info import decode_camera, shows_rectified
from bev_semseg_ros.ros.convert.compressed_image import decode_picture
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud, find_field
from bev_semseg_ros.ros.doctor.candidates import INTENSITY_FIELDS
from bev_semseg_ros.ros.doctor.topics import ONE_OF_EACH, kind_of
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree, TransformTrees
from bev_semseg_ros.ros.parameters.sensors import Sensor, Sensors

MIN_SAMPLES = 20  # a stream keeps at least so many messages, and fewer than twice as many


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

    A camera_info is decoded later, by `settle`, because the images may have to provide its size.

    Attributes:
        name: The input: points, image or camera_info. The name of the sensor and a slash precede
            it if the sensor has a name.
        topic: Its topic.
        message_type: The type of its messages.
        offers: The QoS of its publishers.
        is_rectified: Whether the images are already rectified.
        stamps: Stamp of each message, integer nanoseconds.
        arrivals: Arrival time of each message, integer nanoseconds; 0 in bags that lack it.
        frames: frame_id -> number of messages.
        sizes: (width, height) of images, pixels -> number of messages.
        image_size: (width, height) of the images of a camera_info, pixels; None if unknown.
        problems: Why messages cannot be used, in the decoder's words -> number of messages.
        notes: (what is assumed, what to do) -> number of messages; see `Note`.
        samples: Usable messages, spread evenly over the stream.
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
    image_size: tuple[int, int] | None = None
    problems: Counter[str] = field(default_factory=Counter)
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: list[Any] = field(default_factory=list)
    largest_bytes: int = 0
    _stride: int = 1
    _unsettled: list[tuple[int, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def kind(self) -> str:
        """The kind of the input: points, image or camera_info."""
        return kind_of(self.name)

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
        self.frames[frame_name(message.header.frame_id)] += 1
        self.largest_bytes = max(self.largest_bytes, num_bytes)
        if self.kind == "camera_info":
            self._unsettled.append((index, message))
        else:
            self._try(index, message)

    def settle(self, image_size: tuple[int, int] | None) -> None:
        """Decode the camera_infos that came.

        Args:
            image_size: (width, height) of the images; None if it is not known.
        """
        self.image_size = image_size
        unsettled, self._unsettled = self._unsettled, []
        for index, message in unsettled:
            self._try(index, message)

    def camera(self, info: Any) -> Camera:
        """Decode a camera_info, in its own frame. Raise ValueError as `decode_camera` does."""
        return decode_camera(info, np.eye(4), self.is_rectified, self.image_size)

    def _try(self, index: int, message: Any) -> None:
        """Decode a message to find errors, and keep some of the messages without any."""
        try:
            self._decode(message)
        except ValueError as error:
            self.problems[str(error)] += 1
            return
        if index % self._stride == 0:
            self.samples.append(message)
        if len(self.samples) >= 2 * MIN_SAMPLES:
            self.samples, self._stride = self.samples[::2], 2 * self._stride

    def _decode(self, message: Any) -> None:
        """Decode a message to find errors and its size, and note what is assumed."""
        if self.kind == "points":
            decode_cloud(message, intensity_field(message), note=self._note)
        elif self.kind == "camera_info":
            decode_camera(message, np.eye(4), self.is_rectified, self.image_size, self._note)
        else:
            image = decode_picture(message, self._note)
            self.sizes[image.shape[1], image.shape[0]] += 1

    def _note(self, text: str, remedy: str) -> None:
        self.notes[text, remedy] += 1

    @property
    def frame(self) -> str:
        """The frame_id that most headers name; "" without messages."""
        return self.frames.most_common(1)[0][0] if self.frames else ""

    @property
    def rate(self) -> float:
        """Messages per second by their arrivals; 0 for fewer than two."""
        arrivals = self.known_arrivals
        seconds = float(np.ptp(arrivals)) / 1e9 if len(arrivals) else 0.0
        return (len(arrivals) - 1) / seconds if seconds > 0 else 0.0

    @property
    def known_arrivals(self) -> np.ndarray:
        """The arrivals (N,), ascending, without those of 0, which say nothing."""
        arrivals = np.sort(np.array(self.arrivals, np.int64))
        return arrivals[arrivals > 0]


@dataclass
class Observation:
    """Everything that the doctor examines.

    Attributes:
        source: The bag, or "live topics".
        seconds: Length of the observation.
        is_live: Whether the topics were live.
        sensors: The lidars and cameras that were looked for.
        streams: The inputs that were found, by their names.
        available: Topics that could be an input -> (message type, number of messages).
        types: All topics -> the type of their messages.
        wrong: Input -> what is wrong with its topic.
        not_chosen: Input -> other candidate -> why it was not chosen.
        remarks: What is wrong with the bag.
        left_out: (topic, cause) -> number of messages of the bag that cannot be read.
        transforms: /tf_static and /tf, or None if they cannot be read.
        tf_namespace: Namespace of their topics, such as /robot1; "" without a namespace.
        static_offers: The QoS of the publishers of /tf_static.
        shared_memory: Size of DDS's largest segment on this machine, bytes; 0 for a bag.
    """

    source: str
    seconds: float
    is_live: bool = False
    sensors: Sensors = ONE_OF_EACH
    streams: dict[str, Stream] = field(default_factory=dict)
    available: dict[str, tuple[str, int]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    not_chosen: dict[str, dict[str, str]] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    transforms: TransformTree | None = None
    tf_namespace: str = ""
    static_offers: list[Offer] = field(default_factory=list)
    shared_memory: int = 0

    def messages(self, sensor: Sensor) -> Stream | None:
        """Return the clouds or images of a sensor; None if it has no topic."""
        return self.streams.get(sensor.stream)

    def camera_infos(self, sensor: Sensor) -> Stream | None:
        """Return the camera_infos of a camera; None if it has no such topic."""
        return self.streams.get(sensor.camera_info)

    def settle(self, trees: TransformTrees | None) -> None:
        """Choose the transforms, and decode the camera_infos, now that the images are known.

        Args:
            trees: All transforms; None if they cannot be read.
        """
        if trees is not None:
            seen = [each for each in self.streams.values() if each.frame]
            self.tf_namespace, self.transforms = trees.choose(
                [each.frame for each in seen], [each.topic for each in seen]
            )
        for sensor in self.sensors.cameras:
            infos, image = self.camera_infos(sensor), self.usable(sensor)
            if infos is not None:
                infos.settle(image.sizes.most_common(1)[0][0] if image is not None else None)

    def usable(self, sensor: Sensor) -> Stream | None:
        """Return the clouds or images of a sensor; None if none of them can be used."""
        stream = self.messages(sensor)
        return stream if stream is not None and stream.samples else None


def open_streams(chosen: dict[str, str], types: dict[str, str]) -> dict[str, Stream]:
    """Make empty streams.

    Args:
        chosen: Input -> its topic.
        types: Topic -> its message type.
    """
    streams = {}
    for name, topic in chosen.items():
        image = chosen.get(f"{name.removesuffix(kind_of(name))}image", "")
        is_rectified = shows_rectified("auto", image)
        streams[name] = Stream(name, topic, types[topic], is_rectified=is_rectified)
    return streams


def intensity_field(message: Any) -> str:
    """Return the field of a PointCloud2 that holds the intensity; "" if there is none."""
    return next((name for name in INTENSITY_FIELDS if find_field(message, name) is not None), "")

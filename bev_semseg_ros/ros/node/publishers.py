"""The publishers of the node. They create messages only for topics that have a subscriber."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Float64, Header

from bev_semseg_ros.frame import (
    BevMap,
    Boxes,
    Camera,
    LidarScan,
    PointClasses,
    Prediction,
)
from bev_semseg_ros.labels import LabelSet
from bev_semseg_ros.ros.convert.bev import encode_bev_cloud, encode_drivable_area
from bev_semseg_ros.ros.convert.camera_info import encode_camera
from bev_semseg_ros.ros.convert.detections import encode_detections, encode_label_info
from bev_semseg_ros.ros.convert.image import encode_image
from bev_semseg_ros.ros.convert.markers import BoxMarkers
from bev_semseg_ros.ros.convert.message import message_class, stamp_ns
from bev_semseg_ros.ros.convert.point_classes import encode_point_classes
from bev_semseg_ros.ros.health.diagnostics import OK, status
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.health.stages import STAGES
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor, Sensors

QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# The tasks whose results are published. If the network has no task bev_segmentation, its masks are
# lifted instead.
DETECTION, SEGMENTATION = "detection", "segmentation"
POINTS, BEV = "point_segmentation", "bev_segmentation"


class Topic(NamedTuple):
    """A topic that the node publishes.

    Attributes:
        kind: Message type.
        content: Content of its messages, for docs/topics.md.
        task: Task whose results it carries; empty if it is published whatever the tasks are.
        qos: QoS that is offered.
        of_camera: Whether each camera has its own topic, see `topic_of`.
        of_lidar: Whether each lidar has its own topic.
    """

    kind: str
    content: str
    task: str = ""
    qos: QoSProfile = QOS
    of_camera: bool = False
    of_lidar: bool = False


# Topics with types of vision_msgs are published only if that package is installed.
TOPICS: dict[str, Topic] = {
    "~/markers": Topic(
        "visualization_msgs/msg/MarkerArray",
        "boxes in the colours of their classes; `text` contains the class and the score",
        DETECTION,
    ),
    "~/detections": Topic(
        "vision_msgs/msg/Detection3DArray",
        "the same boxes; `class_id` is the ID of the class in `~/label_info`",
        DETECTION,
    ),
    "~/label_info": Topic(
        "vision_msgs/msg/LabelInfo",
        "names of the classes in `~/detections`; `threshold` is the lowest published score",
        DETECTION,
        LATCHED,
    ),
    "~/semseg/color": Topic(
        "sensor_msgs/msg/Image", "classes in their colours, rgb8", SEGMENTATION, of_camera=True
    ),
    "~/semseg/overlay": Topic(
        "sensor_msgs/msg/Image",
        "classes in their colours over the rectified image, rgb8",
        SEGMENTATION,
        of_camera=True,
    ),
    "~/semseg/labels": Topic(
        "sensor_msgs/msg/Image",
        "class IDs, mono8; 255 means no class",
        SEGMENTATION,
        of_camera=True,
    ),
    "~/semseg/label_info": Topic(
        "vision_msgs/msg/LabelInfo",
        "names of the classes in `~/semseg/labels`",
        SEGMENTATION,
        LATCHED,
    ),
    "~/semseg/camera_info": Topic(
        "sensor_msgs/msg/CameraInfo",
        "intrinsics of the rectified images on the other `semseg` topics",
        SEGMENTATION,
        of_camera=True,
    ),
    "~/point_segmentation": Topic(
        "sensor_msgs/msg/PointCloud2",
        "the points of the cloud in their order (height 1). Fields: x, y, z (float32), `label` "
        "(uint8: ID of the class; 255 if the network did not use the point), `score` "
        "(float32: probability of the class) and `rgb` (colour of the class)",
        POINTS,
        of_lidar=True,
    ),
    "~/point_segmentation/label_info": Topic(
        "vision_msgs/msg/LabelInfo",
        "names of the classes in `~/point_segmentation`",
        POINTS,
        LATCHED,
    ),
    "~/bev/drivable_area": Topic(
        "nav_msgs/msg/OccupancyGrid",
        "the ground seen from above: 0 is road or lane marking, 100 anything else, -1 unknown",
        BEV,
    ),
    "~/bev/points": Topic(
        "sensor_msgs/msg/PointCloud2",
        "a point on the ground at the centre of each known cell. Fields: x, y, z, `rgb` (colour of "
        "the class) and `label` (ID of the class)",
        BEV,
    ),
    "~/bev/label_info": Topic(
        "vision_msgs/msg/LabelInfo", "names of the classes in `~/bev/points`", BEV, LATCHED
    ),
    "~/timing": Topic(
        "diagnostic_msgs/msg/DiagnosticArray",
        "one message per frame: its processing times, and counters",
    ),
    "/diagnostics": Topic(
        "diagnostic_msgs/msg/DiagnosticArray",
        "one message per second while the node is active: whether all is well, and if not, why",
    ),
    **{
        f"~/debug/{stage}": Topic("std_msgs/msg/Float64", f"milliseconds of a frame: {text}")
        for stage, text in STAGES.items()
    },
}


def topic_of(topic: str, prefix: str) -> str:
    """Return a topic of one sensor, such as ~/front/semseg/color for ~/semseg/color and front/.

    Args:
        topic: A key of `TOPICS`.
        prefix: Prefix of the camera or lidar; empty if it has no name.
    """
    return topic.replace("~/", f"~/{prefix}", 1)


def unpublished(tasks: Iterable[str]) -> list[str]:
    """Return the names of the tasks whose results no topic carries."""
    published = {topic.task for topic in TOPICS.values()}
    return [name for name in tasks if name not in published]


class Publishers:
    """The publishers of a node. A message is made only if its topic has a subscriber.

    Attributes:
        absent: Topics that are not published because their message package is not installed.
    """

    def __init__(
        self,
        node: Node,
        label_sets: Mapping[str, LabelSet],
        health: Health,
        cameras: Sequence[Sensor] = Sensors().cameras,
        lidars: Sequence[Sensor] = Sensors().lidars,
    ) -> None:
        """Create the publishers.

        Args:
            node: The node to publish with.
            label_sets: Label sets by task: those of the checkpoint's tasks and of the lifted BEV
                map. Topics of other tasks are not published.
            health: Counts published messages.
            cameras: Cameras of the vehicle. Each has its own image topics.
            lidars: Lidars of the vehicle. Each has its own cloud topics.
        """
        self._lidar_prefixes = {lidar.name: lidar.prefix for lidar in lidars}
        self._prefixes = {camera.name: camera.prefix for camera in cameras}
        self._node, self._label_sets, self._health = node, label_sets, health
        self._publishers: dict[str, Any] = {}
        self.absent: list[str] = []
        for name, topic in TOPICS.items():
            if topic.task and topic.task not in label_sets:
                continue
            kind = message_class(topic.kind)
            if kind is None:
                self.absent.append(name)
                continue
            prefixes: Iterable[str] = ("",)
            if topic.of_camera:
                prefixes = self._prefixes.values()
            elif topic.of_lidar:
                prefixes = self._lidar_prefixes.values()
            for each in (topic_of(name, prefix) for prefix in prefixes):
                self._publishers[each] = node.create_publisher(kind, each, topic.qos)
        self._markers: BoxMarkers | None = None
        if DETECTION in label_sets:
            self._markers = BoxMarkers(label_sets[DETECTION])
        self._frame = ""  # frame_id of the last published boxes

    def wanted(self, topic: str) -> bool:
        """Return whether a topic is published and has a subscriber."""
        return topic in self._publishers and self._publishers[topic].get_subscription_count() > 0

    def publish(
        self,
        prediction: Prediction,
        images: Mapping[str, np.ndarray],
        header: Header,
        frame_from_ego: np.ndarray,
        image_headers: Mapping[str, Header],
        parameters: Parameters,
        bev_map: Callable[[], BevMap | None] = lambda: None,
        clouds: Mapping[str, tuple[LidarScan, Header]] | None = None,
    ) -> None:
        """Publish the boxes and the segmentations of a frame.

        Args:
            prediction: Results of the network. If its boxes are None because their input is
                missing, old markers are deleted and no detections are published.
            images: (h, w, 3) uint8 RGB input images of the network, by camera name.
            header: Header of the boxes and the BEV map. Without a frame_id, neither is published.
            frame_from_ego: (4, 4) transform from the ego frame to the frame of `header`.
            image_headers: Headers of the images, by camera name.
            parameters: The node's parameters.
            bev_map: Returns the BEV map, or None if there is none. It is called only if one of the
                map's topics has a subscriber.
            clouds: The clouds and their headers, by lidar name.
        """
        self._publish_boxes(prediction.boxes, header, frame_from_ego, parameters)
        self._publish_bev(bev_map, header, frame_from_ego)
        for name, mask in prediction.masks.items():
            if name in image_headers:
                camera, image = prediction.cameras.get(name), images.get(name)
                prefix, image_header = self._prefixes[name], image_headers[name]
                self._publish_mask(prefix, mask, camera, image, image_header, parameters)
        for name, classes in prediction.results.get(POINTS, {}).items():
            if clouds is not None and name in clouds:
                self._publish_points(self._lidar_prefixes[name], classes, *clouds[name])

    def _publish_points(
        self, prefix: str, classes: PointClasses, scan: LidarScan, header: Header
    ) -> None:
        topic = topic_of("~/point_segmentation", prefix)
        if scan.points is not None and self.wanted(topic):
            colors = self._label_sets[POINTS].colorize(classes.labels)
            self._send(topic, encode_point_classes(scan.points, classes, colors, header))

    def _publish_boxes(
        self,
        boxes: Boxes | None,
        header: Header,
        frame_from_ego: np.ndarray,
        parameters: Parameters,
    ) -> None:
        self._frame = header.frame_id
        if not header.frame_id:
            return
        if self._markers is not None and self.wanted("~/markers"):
            shown = Boxes.empty() if boxes is None else boxes
            lifetime = parameters.marker_lifetime
            self._send("~/markers", self._markers.update(shown, frame_from_ego, header, lifetime))
        if boxes is not None and self.wanted("~/detections"):
            self._send("~/detections", encode_detections(boxes, frame_from_ego, header))

    def _publish_bev(
        self, bev_map: Callable[[], BevMap | None], header: Header, frame_from_ego: np.ndarray
    ) -> None:
        wanted = {
            topic: encode
            for topic, encode in (
                ("~/bev/drivable_area", encode_drivable_area),
                ("~/bev/points", encode_bev_cloud),
            )
            if header.frame_id and self.wanted(topic)
        }
        found = bev_map() if wanted else None
        if found is not None:
            for topic, encode in wanted.items():
                self._send(topic, encode(found, frame_from_ego, header))

    def _publish_mask(
        self,
        prefix: str,
        mask: np.ndarray,
        camera: Camera | None,
        image: np.ndarray | None,
        header: Header,
        parameters: Parameters,
    ) -> None:
        color_topic, overlay_topic, labels_topic, info_topic = (
            topic_of(f"~/semseg/{name}", prefix)
            for name in ("color", "overlay", "labels", "camera_info")
        )
        wants_color, wants_overlay = self.wanted(color_topic), self.wanted(overlay_topic)
        if wants_color or wants_overlay:
            color = self._label_sets[SEGMENTATION].colorize(mask)
            if wants_color:
                self._send(color_topic, encode_image(color, "rgb8", header))
            if wants_overlay and image is not None:
                opacity = parameters.overlay_opacity
                overlay = cv2.addWeighted(
                    color, opacity, np.ascontiguousarray(image), 1 - opacity, 0
                )
                self._send(overlay_topic, encode_image(overlay, "rgb8", header))
        if self.wanted(labels_topic):
            self._send(labels_topic, encode_image(mask, "mono8", header))
        if camera is not None and self.wanted(info_topic):
            self._send(info_topic, encode_camera(camera, header))

    def publish_timing(self, header: Header, values: Mapping[str, Any]) -> None:
        """Publish the processing times of a frame.

        Args:
            header: Header of the frame.
            values: Values for ~/timing, by `diagnostics.TIMING_KEYS`. Those in `STAGES` are also
                published on topics of their own.
        """
        now = self._node.get_clock().now().nanoseconds
        age_ms = (now - stamp_ns(header.stamp)) / 1e6
        self._health.set_input_age(age_ms)
        stages = [stage for stage in STAGES if self.wanted(f"~/debug/{stage}")]
        if not stages and not self.wanted("~/timing"):
            return
        values = {**values, "input_age_ms": age_ms}
        for stage in stages:
            self._send(f"~/debug/{stage}", Float64(data=float(values[stage])))
        if self.wanted("~/timing"):
            timing = status(self._status_name("timing"), OK, str(values["mode"]), values)
            self._send("~/timing", DiagnosticArray(header=header, status=[timing]))

    def publish_diagnostics(
        self, level: int, message: str, values: Mapping[str, Any], hardware_id: str
    ) -> None:
        """Publish one DiagnosticStatus."""
        diagnosis = status(self._status_name("perception"), level, message, values, hardware_id)
        self._send("/diagnostics", DiagnosticArray(header=self._header_now(), status=[diagnosis]))

    def _status_name(self, part: str) -> str:
        """Return the name of a status as diagnostic_aggregator expects it."""
        return f"{self._node.get_fully_qualified_name().lstrip('/')}: {part}"

    def publish_label_info(self, parameters: Parameters) -> None:
        """Publish the names of the classes, for current and later subscribers."""
        for topic, task, threshold in (
            ("~/label_info", DETECTION, parameters.box_filter.lowest),
            ("~/semseg/label_info", SEGMENTATION, 0.0),
            ("~/point_segmentation/label_info", POINTS, 0.0),
            ("~/bev/label_info", BEV, 0.0),
        ):
            if topic in self._publishers:
                classes = self._label_sets[task].classes
                self._send(topic, encode_label_info(classes, threshold, self._header_now()))

    def clear(self) -> None:
        """Delete the markers that are shown."""
        if self._markers is not None:
            self._send("~/markers", self._markers.clear(self._header_now(self._frame)))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def _header_now(self, frame: str = "") -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg(), frame_id=frame)

    def _send(self, topic: str, message: Any) -> None:
        self._publishers[topic].publish(message)
        self._health.send(topic)

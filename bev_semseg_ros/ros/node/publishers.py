"""What the node publishes, each with its sensor's stamp and frame, and only what somebody listens to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Float64, Header

from bev_semseg_ros.frame import Boxes, Prediction
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.ros.convert.camera_info import encode_camera
from bev_semseg_ros.ros.convert.detections import encode_detections, encode_label_info
from bev_semseg_ros.ros.convert.image import encode_image
from bev_semseg_ros.ros.convert.markers import BoxMarkers
from bev_semseg_ros.ros.convert.message import message_class, stamp_ns
from bev_semseg_ros.ros.health.diagnostics import status
from bev_semseg_ros.ros.health.stages import STAGES
from bev_semseg_ros.ros.node.parameters import Parameters
from bev_semseg_ros.taxonomy import DETECTION_CLASSES, SEGMENTATION_CLASSES, colorize

QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Topic(NamedTuple):
    kind: str
    content: str
    qos: QoSProfile = QOS


# All that is published; what is of vision_msgs only where that is installed.
TOPICS: dict[str, Topic] = {
    "~/markers": Topic(
        "visualization_msgs/msg/MarkerArray",
        "boxes in class colours in output_frame; `text` holds class and score",
    ),
    "~/detections": Topic(
        "vision_msgs/msg/Detection3DArray",
        "the same boxes; `class_id` is the number that `~/label_info` names; none for a frame in "
        "which the network could not look for any (no cloud)",
    ),
    "~/label_info": Topic(
        "vision_msgs/msg/LabelInfo",
        "names of the classes in `~/detections`; threshold: the lowest score published",
        LATCHED,
    ),
    "~/semseg/color": Topic("sensor_msgs/msg/Image", "classes in their colours, rgb8"),
    "~/semseg/overlay": Topic("sensor_msgs/msg/Image", "the same over the rectified image, rgb8"),
    "~/semseg/labels": Topic("sensor_msgs/msg/Image", "class numbers, mono8, 255: none"),
    "~/semseg/label_info": Topic(
        "vision_msgs/msg/LabelInfo", "names of the classes in `~/semseg/labels`", LATCHED
    ),
    "~/semseg/camera_info": Topic(
        "sensor_msgs/msg/CameraInfo", "of the rectified image at the size of these"
    ),
    "~/timing": Topic("diagnostic_msgs/msg/DiagnosticArray", "one a frame: what it cost, counters"),
    "/diagnostics": Topic(
        "diagnostic_msgs/msg/DiagnosticArray", "one a second while active: is all well, and why not"
    ),
    **{
        f"~/debug/{stage}": Topic("std_msgs/msg/Float64", f"of a frame: {text}")
        for stage, text in STAGES.items()
    },
}


class Outputs:
    """The publishers of a node.

    sent: messages by topic since the node was activated; input_age_ms: from the last frame's stamp to its results, by
    the node's clock; absent: topics that are not published because their message package is not installed.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publishers = {
            name: node.create_publisher(kind, name, qos)
            for name, (kind_name, _, qos) in TOPICS.items()
            if (kind := message_class(kind_name)) is not None
        }
        self._markers = BoxMarkers(load_label_set("boxes_4"))
        self._frame = ""  # of the boxes published last
        self.sent: Counter[str] = Counter()
        self.input_age_ms: float | None = None
        self.absent = [topic for topic in TOPICS if topic not in self._publishers]

    def wanted(self, topic: str) -> bool:
        return topic in self._publishers and self._publishers[topic].get_subscription_count() > 0

    def publish(
        self,
        prediction: Prediction,
        image: np.ndarray | None,
        header: Header,
        frame_from_ego: np.ndarray,
        image_header: Header | None,
        parameters: Parameters,
    ) -> None:
        """Boxes and segmentation of a frame; `image` is the one the network saw.

        Where nobody looked for boxes, old markers are deleted and no detections say that the street is empty.
        header: of the boxes, to whose frame `frame_from_ego` (4, 4) takes them; without a name it is nowhere.
        """
        self._frame = header.frame_id
        if header.frame_id and self.wanted("~/markers"):
            shown = Boxes.empty() if prediction.boxes is None else prediction.boxes
            self._send(
                "~/markers",
                self._markers.update(shown, frame_from_ego, header, parameters.marker_lifetime),
            )
        if header.frame_id and prediction.boxes is not None and self.wanted("~/detections"):
            self._send("~/detections", encode_detections(prediction.boxes, frame_from_ego, header))
        if prediction.mask is None or image_header is None:
            return
        wants_color, wants_overlay = self.wanted("~/semseg/color"), self.wanted("~/semseg/overlay")
        color = colorize(prediction.mask) if wants_color or wants_overlay else None
        if wants_color:
            self._send("~/semseg/color", encode_image(color, "rgb8", image_header))
        if wants_overlay:
            opacity = parameters.overlay_opacity
            overlay = cv2.addWeighted(color, opacity, np.ascontiguousarray(image), 1 - opacity, 0)
            self._send("~/semseg/overlay", encode_image(overlay, "rgb8", image_header))
        if self.wanted("~/semseg/labels"):
            self._send("~/semseg/labels", encode_image(prediction.mask, "mono8", image_header))
        if self.wanted("~/semseg/camera_info"):
            self._send("~/semseg/camera_info", encode_camera(prediction.camera, image_header))

    def publish_timing(self, header: Header, values: Mapping[str, Any]) -> None:
        """What a frame cost: one DiagnosticStatus with `values`, and each stage of it on a topic of its own."""
        self.input_age_ms = (
            self._node.get_clock().now().nanoseconds - stamp_ns(header.stamp)
        ) / 1e6
        stages = [stage for stage in STAGES if self.wanted(f"~/debug/{stage}")]
        if not stages and not self.wanted("~/timing"):
            return
        values = {**values, "input_age_ms": self.input_age_ms}
        for stage in stages:
            self._send(f"~/debug/{stage}", Float64(data=float(values[stage])))
        if self.wanted("~/timing"):
            timing = status(
                f"{self._node.get_fully_qualified_name()}: timing", 0, str(values["mode"]), values
            )
            self._send("~/timing", DiagnosticArray(header=header, status=[timing]))

    def publish_diagnostics(
        self, level: int, message: str, values: Mapping[str, Any], hardware_id: str
    ) -> None:
        """One DiagnosticStatus, named as diagnostic_aggregator expects it."""
        name = f"{self._node.get_fully_qualified_name().lstrip('/')}: perception"
        self._send(
            "/diagnostics",
            DiagnosticArray(
                header=Header(stamp=self._node.get_clock().now().to_msg()),
                status=[status(name, level, message, values, hardware_id)],
            ),
        )

    def publish_label_info(self, parameters: Parameters) -> None:
        """What the class numbers mean, for now and for those who listen later."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        for topic, names, threshold in (
            ("~/label_info", DETECTION_CLASSES, parameters.box_filter.lowest),
            ("~/semseg/label_info", SEGMENTATION_CLASSES, 0.0),
        ):
            if topic in self._publishers:
                self._send(topic, encode_label_info(names, threshold, header))

    def clear(self) -> None:
        """Delete the markers shown and count anew."""
        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id=self._frame)
        self._send("~/markers", self._markers.clear(header))
        self.sent.clear()
        self.input_age_ms = None

    def destroy(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def _send(self, topic: str, message: Any) -> None:
        self.sent[topic] += 1
        self._publishers[topic].publish(message)

"""What the node publishes, each with its sensor's stamp and frame, and only what somebody listens to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from bev_semseg_ros.frame import Prediction
from bev_semseg_ros.ros.markers import BoxMarkers
from bev_semseg_ros.ros.messages import encode_camera, encode_image
from bev_semseg_ros.ros.parameters import Parameters
from bev_semseg_ros.taxonomy import colorize

QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE)

TOPICS: dict[str, tuple[type, str]] = {
    "~/markers": (MarkerArray, "boxes in class colours in output_frame; `text` holds class and score"),
    "~/semseg/color": (Image, "classes in their colours, rgb8"),
    "~/semseg/overlay": (Image, "the same over the rectified image, rgb8"),
    "~/semseg/labels": (Image, "class numbers, mono8, 255: none"),
    "~/semseg/camera_info": (CameraInfo, "of the rectified image at the size of these"),
    "~/timing": (DiagnosticArray, "one a frame: stamp, mode, network_ms, overhead_ms, counters"),
}


class Outputs:
    """The publishers of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publishers = {topic: node.create_publisher(kind, topic, QOS) for topic, (kind, _) in TOPICS.items()}
        self._markers = BoxMarkers()
        self._frame = ""  # of the boxes published last

    def wanted(self, topic: str) -> bool:
        return self._publishers[topic].get_subscription_count() > 0

    def publish(self, prediction: Prediction, image: np.ndarray | None, header: Header, frame_from_model: np.ndarray,
                image_header: Header | None, parameters: Parameters) -> None:
        """Boxes and segmentation of a frame; `image` is the one the network saw.

        header: of the boxes, to whose frame `frame_from_model` (4, 4) takes them; without a name it is nowhere.
        """
        self._frame = header.frame_id
        if header.frame_id and self.wanted("~/markers"):
            self._send("~/markers", self._markers.update(prediction.boxes, frame_from_model, header,
                                                         parameters.marker_lifetime))
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
        """One DiagnosticStatus with `values`, numbers as text."""
        if not self.wanted("~/timing"):
            return
        pairs = [KeyValue(key=key, value=f"{value:.3f}" if isinstance(value, float) else str(value))
                 for key, value in values.items()]
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{self._node.get_fully_qualified_name()}: timing",
                                  message=str(values["mode"]), values=pairs)
        self._send("~/timing", DiagnosticArray(header=header, status=[status]))

    def clear(self) -> None:
        """Delete the markers shown."""
        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id=self._frame)
        self._send("~/markers", self._markers.clear(header))

    def destroy(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def _send(self, topic: str, message: Any) -> None:
        self._publishers[topic].publish(message)

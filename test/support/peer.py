"""The other side of a node's topics: it plays the sensors and collects the results."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from support.matching import is_matched, matches
from visualization_msgs.msg import MarkerArray

from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.ros.convert.camera_info import encode_camera
from bev_semseg_ros.ros.convert.image import encode_image
from bev_semseg_ros.ros.convert.markers import boxes_from_markers
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.convert.point_cloud import encode_cloud

LABELS = load_label_set("boxes_4")  # of the boxes of the node under test

REPEAT_AFTER = 5.0  # seconds without an answer
PATIENCE = 90.0  # seconds; only failing tests wait this long, and a busy machine may be slow


class Peer:
    """The other side of a node's topics, in this process.

    Messages and results are identified by their stamp, in nanoseconds.

    Attributes:
        namespace: Namespace of the node under test.
        node: The ROS node of this peer.
        received: Messages of the node by topic, such as "markers".
        publishers: Publishers of points, image and camera_info.
        reference: The markers that the node should publish for every pair; None if unknown.
    """

    def __init__(self, calibration, namespace: str = "") -> None:
        self._calibration, self.namespace = calibration, namespace
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node("peer", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.received: dict[str, list] = {}
        for topic, kind in (
            ("markers", MarkerArray),
            ("timing", DiagnosticArray),
            ("semseg/color", Image),
            ("semseg/overlay", Image),
            ("semseg/labels", Image),
            ("semseg/camera_info", CameraInfo),
        ):
            self.received[topic] = []
            self.node.create_subscription(
                kind, f"{namespace}/perception/{topic}", self.received[topic].append, 10
            )
        self.publishers = {
            topic: self.node.create_publisher(kind, f"{namespace}/{topic}", 1)
            for topic, kind in (
                ("points", PointCloud2),
                ("image", Image),
                ("camera_info", CameraInfo),
            )
        }
        self.stamp = 1_000_000_000
        self.reference: MarkerArray | None = None

    def spin_until(
        self, condition, timeout: float = PATIENCE, what: str | Callable[[], str] = "a message"
    ) -> None:
        """Collect results until the condition holds; fail if `what` does not come in time."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                pytest.fail(
                    f"{what() if callable(what) else what} did not come within {timeout} s; came: "
                    f"{ {topic: len(messages) for topic, messages in self.received.items()} }"
                )
            self._executor.spin_once(timeout_sec=0.05)

    def spin_until_time(self, end: float, condition: Callable[[], Any] = lambda: False) -> None:
        """Collect results until `time.monotonic()` reaches `end` or the condition holds."""
        while (left := end - time.monotonic()) > 0 and not condition():
            self._executor.spin_once(timeout_sec=left)

    def connect(self, *topics: str) -> None:
        """Wait until both sides have found each other and the node has chosen its final QoS."""
        publishers = [self.publishers[topic] for topic in topics or self.publishers]
        self.spin_until(
            lambda: all(is_matched(self.node, publisher) for publisher in publishers),
            what=lambda: f"the node's subscription ({[matches(self.node, p) for p in publishers]})",
        )
        self.spin_until(
            lambda: self.node.count_publishers(f"{self.namespace}/perception/timing") == 1,
            what="the node's publisher",
        )
        self.wait_until_known()

    def wait_until_known(self) -> None:
        """Wait until the node has found the subscriptions of this peer.

        Until then, its first results would not arrive. DDS announces the endpoints of a process in
        the order of their creation, so a node whose answer arrives has found all earlier ones.
        """
        self.call(GetParameters, "get_parameters", GetParameters.Request(), repeat=True)

    def header(self, frame: str):
        header = Header(frame_id=frame)
        header.stamp.sec, header.stamp.nanosec = divmod(self.stamp, 1_000_000_000)
        return header

    def next_stamp(self) -> int:
        self.stamp += 100_000_000
        return self.stamp

    def call(self, kind: type, name: str, request, timeout: float = PATIENCE, repeat: bool = False):
        """Call a service of the node and return its response.

        Args:
            kind: Type of the service.
            name: Name of the service.
            request: The request.
            timeout: Seconds after which the test fails.
            repeat: Call again every few seconds, for requests that change nothing: a response is
                lost if the node has not found this client yet.
        """
        client = self.node.create_client(kind, f"{self.namespace}/perception/{name}")
        self.spin_until(client.service_is_ready, timeout, name)
        futures = [client.call_async(request)]

        def is_answered() -> bool:
            if repeat and time.monotonic() > begun + len(futures) * REPEAT_AFTER:
                futures.append(client.call_async(request))
            return any(future.done() for future in futures)

        begun = time.monotonic()
        self.spin_until(is_answered, timeout, f"the answer of {name}")
        self.node.destroy_client(client)
        return next(future.result() for future in futures if future.done())

    def set_parameters(self, **values):
        """Set all of these parameters at once and return the node's answer."""
        parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        return self.call(
            SetParametersAtomically,
            "set_parameters_atomically",
            SetParametersAtomically.Request(parameters=parameters),
        ).result

    def cloud(self, points: np.ndarray | None = None):
        if points is None:
            points = (
                np.random.default_rng(1)
                .uniform((2, -8, -1.8, 0), (18, 8, 0, 1), (500, 4))
                .astype(np.float32)
            )
        return encode_cloud(points, self.header("roof"))

    def image(self, encoding: str = "rgb8"):
        width, height = self._calibration.camera.size
        channels = {"rgb8": 3, "mono8": 1}.get(encoding, 3)
        pixels = np.random.default_rng(2).integers(0, 255, (height, width, channels), np.uint8)
        return encode_image(pixels, encoding, self.header("front"))

    def info(self):
        return encode_camera(self._calibration.camera, self.header("front"))

    def make(self, topic: str):
        """Return the message of a good drive on a topic, with the current stamp."""
        return {"points": self.cloud, "image": self.image, "camera_info": self.info}[topic]()

    def send(self, cloud=None, image=None, info=True) -> int:
        """Publish the messages of one moment; call `next_stamp` before you make them."""
        if info and image is not None:
            self.publishers["camera_info"].publish(self.info())
        if cloud is not None:
            self.publishers["points"].publish(cloud)
        if image is not None:
            self.publishers["image"].publish(image)
        return self.stamp

    def result(self, topic: str, stamp: int, timeout: float = PATIENCE):
        """Return the message of `topic` with that stamp."""

        def stamp_of(message) -> int | None:
            if not hasattr(message, "markers"):
                return stamp_ns(message.header.stamp)
            return stamp_ns(message.markers[0].header.stamp) if message.markers else None

        self.spin_until(
            lambda: any(stamp_of(m) == stamp for m in self.received[topic]),
            timeout,
            f"{topic} of {stamp}",
        )
        return next(m for m in self.received[topic] if stamp_of(m) == stamp)

    def timing(self, stamp: int) -> dict[str, str]:
        return {value.key: value.value for value in self.result("timing", stamp).status[0].values}

    def timing_of(self, stamp: int) -> dict[str, str] | None:
        """Return the same as `timing`, or None if it has not come yet."""
        found = next(
            (
                message
                for message in self.received["timing"]
                if stamp_ns(message.header.stamp) == stamp
            ),
            None,
        )
        return found and {value.key: value.value for value in found.status[0].values}

    def compare_with_reference(self, stamp: int) -> None:
        """Assert that the boxes of a result are those of `reference`."""
        if self.reference is None:
            return
        expected, found = (
            boxes_from_markers(self.reference, LABELS),
            boxes_from_markers(self.result("markers", stamp), LABELS),
        )
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_allclose(found.centers, expected.centers, atol=1e-2)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

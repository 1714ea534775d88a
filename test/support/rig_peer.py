"""The other side of the topics of a node with several lidars and cameras."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from support.matching import is_matched, matches
from visualization_msgs.msg import MarkerArray

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.ros.convert.camera_info import encode_camera
from bev_semseg_ros.ros.convert.image import encode_image
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.convert.point_cloud import encode_cloud

PATIENCE = 90.0  # seconds; only failing tests wait this long, and a busy machine may be slow


class RigPeer:
    """Plays the sensors of a calibration and collects the results of a node.

    Attributes:
        streams: NAME/points of every lidar, then NAME/image of every camera.
        received: Messages of the node by topic.
        speed: Speed of the vehicle in the odometry of each moment, m/s; None: send no odometry.
    """

    speed: float | None = 0.0

    def __init__(self, calibration: Calibration, namespace: str) -> None:
        self._calibration, self._namespace = calibration, namespace
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node("rig_peer", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.streams = [f"{name}/points" for name in calibration.lidars]
        self.streams += [f"{name}/image" for name in calibration.cameras]
        kinds = {"points": PointCloud2, "image": Image, "camera_info": CameraInfo}
        topics = self.streams + [f"{name}/camera_info" for name in calibration.cameras]
        self._publishers = {
            topic: self.node.create_publisher(
                kinds[topic.partition("/")[2]], f"{namespace}/{topic}", 1
            )
            for topic in topics
        }
        self._publishers["odometry"] = self.node.create_publisher(
            Odometry, f"{namespace}/odometry", 1
        )
        outputs: dict[str, type] = {"markers": MarkerArray, "timing": DiagnosticArray}
        outputs |= {f"{name}/semseg/labels": Image for name in calibration.cameras}
        self.received: dict[str, list[Any]] = {topic: [] for topic in outputs}
        for topic, kind in outputs.items():
            self.node.create_subscription(
                kind, f"{namespace}/perception/{topic}", self.received[topic].append, 100
            )
        self._stamp = 1_000_000_000

    def spin_until(self, condition: Callable[[], Any], what: str | Callable[[], str]) -> None:
        """Collect results until the condition holds; fail if `what` does not come in time."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                counts = {topic: len(found) for topic, found in self.received.items()}
                missing = what() if callable(what) else what
                pytest.fail(f"{missing} did not come within {PATIENCE} s; came: {counts}")
            self._executor.spin_once(timeout_sec=0.05)

    def connect(self) -> None:
        """Wait until both sides have found each other and the node has chosen its final QoS."""
        publishers = self._publishers.values()
        self.spin_until(
            lambda: all(is_matched(self.node, publisher) for publisher in publishers),
            lambda: f"the node's subscription ({[matches(self.node, p) for p in publishers]})",
        )
        for topic in self.received:
            name = f"{self._namespace}/perception/{topic}"
            self.spin_until(lambda name=name: self.node.count_publishers(name) == 1, name)

    def next_stamp(self) -> int:
        """Return the stamp of the next moment, 0.1 s later."""
        self._stamp += 100_000_000
        return self._stamp

    def send(self, stamp: int, streams: Iterable[str], size: tuple[int, int] | None = None) -> None:
        """Publish the messages of a moment, and the odometry.

        Args:
            stamp: The moment, nanoseconds.
            streams: Streams to send.
            size: (width, height) of the images; default: that of the calibration.
        """
        if self.speed is not None:
            odometry = Odometry(header=_header(stamp, "odom"), child_frame_id="base_link")
            odometry.twist.twist.linear.x = self.speed
            self._publishers["odometry"].publish(odometry)
        for stream in streams:
            name, _, kind = stream.partition("/")
            if kind == "points":
                self._publishers[stream].publish(self.cloud(name, stamp))
            else:
                info, image = self.image(name, stamp, size)
                self._publishers[f"{name}/camera_info"].publish(info)
                self._publishers[stream].publish(image)

    def cloud(self, name: str, stamp: int) -> PointCloud2:
        """Return a cloud of a lidar: points ahead of the vehicle, in the lidar's frame."""
        mount = self._calibration.lidars[name]
        rng = np.random.default_rng(len(name))
        ego = rng.uniform((2, -8, 0.1, 0), (18, 8, 1.9, 1), (400, 4))
        lidar_from_ego = np.linalg.inv(mount.ego_from_lidar)
        ego[:, :3] = ego[:, :3] @ lidar_from_ego[:3, :3].T + lidar_from_ego[:3, 3]
        return encode_cloud(ego.astype(np.float32), _header(stamp, mount.frame_id))

    def image(
        self, name: str, stamp: int, size: tuple[int, int] | None = None
    ) -> tuple[CameraInfo, Image]:
        """Return camera_info and image of a camera."""
        mount = self._calibration.cameras[name]
        camera = mount.camera if size is None else mount.camera.rectified(size)
        width, height = camera.size
        coarse = np.random.default_rng(len(name)).integers(0, 255, (height // 8, width // 8, 3))
        pixels = coarse.astype(np.uint8).repeat(8, 0).repeat(8, 1)
        header = _header(stamp, mount.frame_id)
        return encode_camera(camera, header), encode_image(pixels, "rgb8", header)

    def settle(self) -> None:
        """Wait until the node has taken all messages: newer ones would replace them."""
        name = f"{self._namespace}/perception/get_parameters"
        client = self.node.create_client(GetParameters, name)
        self.spin_until(client.service_is_ready, name)
        for _ in range(2):  # the first answer may come before the messages of the same moment
            future = client.call_async(GetParameters.Request(names=["mode"]))
            self.spin_until(future.done, f"the answer of {name}")
        self.node.destroy_client(client)

    def timing(self, stamp: int) -> dict[str, str]:
        """Wait for the timing of a frame and return it."""
        self.spin_until(lambda: self._timing_of(stamp), f"the timing of {stamp}")
        return {pair.key: pair.value for pair in self._timing_of(stamp).status[0].values}

    def _timing_of(self, stamp: int) -> Any:
        messages = self.received["timing"]
        return next((each for each in messages if stamp_ns(each.header.stamp) == stamp), None)

    def labels(self, name: str, stamp: int) -> np.ndarray:
        """Wait for the mask of a camera and return it."""
        topic = f"{name}/semseg/labels"

        def found() -> Any:
            messages = self.received[topic]
            return next((each for each in messages if stamp_ns(each.header.stamp) == stamp), None)

        self.spin_until(found, topic)
        message = found()
        return np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)

    def close(self) -> None:
        """Close the ROS node of this peer."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


def _header(stamp: int, frame: str) -> Header:
    header = Header(frame_id=frame)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp, 1_000_000_000)
    return header

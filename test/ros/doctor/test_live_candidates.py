"""Several live topics for one input are compared like those of a bag."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.ros


@pytest.fixture
def node():
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("camera_drivers", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_a_compressed_topic_at_full_rate_is_preferred_to_a_throttled_raw_one(node) -> None:
    """A grey image and a depth image come as often as the compressed one."""
    import cv2
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import CompressedImage
    from std_msgs.msg import Header

    from bev_semseg_ros.ros.convert.image import encode_image
    from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE
    from bev_semseg_ros.ros.doctor import live
    from bev_semseg_ros.ros.doctor.topics import INPUT_TYPES, choose_topics
    from bev_semseg_ros.ros.parameters.sensors import Sensors

    colors = np.random.default_rng(1).integers(0, 256, (32, 64, 3), np.uint8)
    header = Header(frame_id="camera")
    jpeg = CompressedImage(header=header, format="rgb8; jpeg compressed bgr8")
    jpeg.data.frombytes(cv2.imencode(".jpg", colors)[1].tobytes())
    depth = encode_image(np.zeros((32, 64), np.uint8), "mono8", header)
    depth.encoding, depth.width, depth.step = "16UC1", 32, 64
    messages = {
        "/a/image": encode_image(colors, "rgb8", header),
        "/a/image/compressed": jpeg,
        "/grey/image": encode_image(np.full((32, 64), 9, np.uint8), "mono8", header),
        "/depth/image": depth,
    }
    publishers = {
        topic: node.create_publisher(type(message), topic, 10)
        for topic, message in messages.items()
    }
    ticks = 0

    def publish() -> None:
        nonlocal ticks
        for topic, message in messages.items():
            if topic != "/a/image" or ticks % 10 == 0:
                publishers[topic].publish(message)
        ticks += 1

    node.create_timer(0.02, publish)
    types = dict.fromkeys(messages, INPUT_TYPES["image"]) | {
        "/a/image/compressed": COMPRESSED_IMAGE
    }
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    try:
        available, candidates = live._compare(node, executor, types, Sensors())
    finally:
        executor.shutdown()
    choice = choose_topics(available, {}, types, Sensors(), candidates)
    assert choice.chosen["image"] == "/a/image/compressed"
    assert "messages" in choice.why["image"]["/a/image"]
    assert choice.why["image"]["/grey/image"] == "no colours"
    assert "16UC1" in candidates["/depth/image"].problem

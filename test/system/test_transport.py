"""Images of realistic size get through DDS, whose defaults would silently drop them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from bev_semseg_ros.data.calibration import Calibration, save_calibration
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.ros.convert.image import encode_image
from bev_semseg_ros.ros.convert.message import stamp_ns

NAMESPACE = "/large"
SIZE = (1920, 1208)
COUNT = 8
QUESTIONS = 5  # to the node after an image without a result
PAUSE = 1.0  # seconds before each question; only lost or late images take so long


@pytest.fixture(scope="module")
def large(start_node, peers, calibration, tmp_path_factory):
    """(process, peer) of a node whose camera has 1920 x 1208 pixels."""
    camera = Camera(
        [[1500, 0, 959.5], [0, 1500, 603.5], [0, 0, 1]], SIZE, calibration.camera.camera_from_ego
    )
    path = tmp_path_factory.mktemp("large") / "calibration.yaml"
    save_calibration(Calibration.of(calibration.ego_from_lidar, camera), path)
    process = start_node(
        "-r", f"__ns:={NAMESPACE}", calibration=path, mode="camera_only", intrinsics="calibration"
    )
    process.wait_for("READY")
    return process, peers(NAMESPACE)


def test_best_effort_images_of_full_size_come_through(large):
    """Without the profile, or with one that Fast DDS cannot read, few of them do."""
    process, peer = large
    pixels = np.zeros((*SIZE[::-1], 3), np.uint8)
    publisher = peer.node.create_publisher(
        Image, f"{NAMESPACE}/image", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    peer.spin_until(
        lambda: (
            publisher.get_subscription_count()
            and peer.node.count_publishers(f"{NAMESPACE}/perception/timing")
        ),
        what="the node",
    )
    peer.spin_until(lambda: comes_through(peer, publisher, pixels), what="the first image")
    lost = sum(not comes_through(peer, publisher, pixels) for _ in range(COUNT))
    peer.node.destroy_publisher(publisher)
    assert not process.has_ended
    assert lost <= 1 and not any("XMLPARSER" in line for line in process.lines)


def comes_through(peer, publisher, pixels: np.ndarray) -> bool:
    """Publish an image; return False if it is lost.

    It is lost if its result is missing although the node has answered QUESTIONS requests that were
    sent later. A busy machine delays both.
    """
    stamp = peer.next_stamp()
    publisher.publish(encode_image(pixels, "rgb8", peer.header("front")))

    def is_answered() -> bool:
        return any(stamp_ns(message.header.stamp) == stamp for message in peer.received["timing"])

    for _ in range(QUESTIONS):
        peer.spin_until_time(time.monotonic() + PAUSE, is_answered)
        if is_answered():
            return True
        peer.call(GetParameters, "get_parameters", GetParameters.Request(), repeat=True)
    return is_answered()

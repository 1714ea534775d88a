"""What is published, over real DDS within one process: only what somebody listens to is even computed."""

from __future__ import annotations

import numpy as np
import pytest
import rclpy
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from bev_semseg_ros.frame import Boxes, Prediction
from bev_semseg_ros.ros.outputs import TOPICS, Outputs
from bev_semseg_ros.ros.parameters import Parameters

MASK = np.zeros((4, 8), np.uint8)
IMAGE = np.zeros((4, 8, 3), np.uint8)
BOXES = Boxes([[5, 0, 1]], [[4, 2, 1.5]], [0.3], [0], [0.9])


@pytest.fixture
def outputs(peer):
    """(the outputs of a node, their messages by topic, subscribe(topic)) of the peer's context."""
    node = rclpy.create_node("outputs", context=peer.node.context)
    outputs, received, subscriptions = Outputs(node), {}, []

    def subscribe(topic: str) -> None:
        received[topic] = []
        subscriptions.append(peer.node.create_subscription(
            TOPICS[topic][0], topic.replace("~", "/outputs"), received[topic].append, QoSProfile(depth=10)))
        peer.spin_until(lambda: outputs.wanted(topic), what=f"the subscription of {topic}")

    yield outputs, received, subscribe
    for subscription in subscriptions:
        peer.node.destroy_subscription(subscription)
    outputs.destroy()
    node.destroy_node()


def prediction(calibration, topic: str) -> tuple[Prediction, np.ndarray | None]:
    """(prediction, image) that lack whatever `topic` does not need: using it would be an error."""
    return Prediction(BOXES if topic == "~/markers" else None, MASK,
                      calibration.camera if topic == "~/semseg/camera_info" else None, "fused", 1.0), (
                          IMAGE if topic == "~/semseg/overlay" else None)


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic != "~/timing"])
def test_only_what_somebody_listens_to_is_computed(outputs, peer, calibration, topic):
    publisher, received, subscribe = outputs
    subscribe(topic)
    found, image = prediction(calibration, topic)
    publisher.publish(found, image, Header(frame_id="roof"), np.eye(4), Header(frame_id="front"), Parameters())
    peer.spin_until(lambda: received[topic], what=topic)


def test_without_listeners_nothing_is_computed(outputs, calibration):
    found, _ = prediction(calibration, "")
    outputs[0].publish(found, None, Header(frame_id="roof"), np.eye(4), Header(frame_id="front"), Parameters())
    outputs[0].publish_timing(Header(), {})


def test_timing_is_published_to_those_who_listen(outputs, peer):
    publisher, received, subscribe = outputs
    subscribe("~/timing")
    publisher.publish_timing(Header(frame_id="roof"), {"mode": "fused", "network_ms": 1.0})
    peer.spin_until(lambda: received["~/timing"], what="the timing")
    assert {pair.key: pair.value for pair in received["~/timing"][0].status[0].values} == {
        "mode": "fused", "network_ms": "1.000"}

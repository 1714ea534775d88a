"""Publishers over real DDS within one process: messages without a subscriber are not made."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import rclpy
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from bev_semseg_ros.frame import CAMERA, BevMap, Boxes, Prediction
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.ros.convert.message import message_class
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.node.publishers import LATCHED, TOPICS, Publishers
from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters
from bev_semseg_ros.ros.parameters.parameters import Parameters

LABEL_SETS = {
    "detection": load_label_set("boxes_4"),
    "segmentation": load_label_set("driving_13"),
    "bev_segmentation": load_label_set("bev_8"),
}
MASK = np.zeros((4, 8), np.uint8)
IMAGE = np.zeros((4, 8, 3), np.uint8)
OF_BOXES = ("~/markers", "~/detections")
OF_FRAMES = (
    *OF_BOXES,
    *(
        name
        for name, topic in TOPICS.items()
        if topic.task == "segmentation" and topic.qos is not LATCHED
    ),
)
BOXES = Boxes([[5, 0, 1]], [[4, 2, 1.5]], [0.3], [0], [0.9])


@pytest.fixture
def outputs(peer):
    """(publishers of a node, their messages by topic, subscribe(topic)) in the peer's context."""
    node = rclpy.create_node("outputs", context=peer.node.context)
    outputs, received, subscriptions = Publishers(node, LABEL_SETS, Health()), {}, []

    def subscribe(topic: str) -> None:
        received[topic] = []
        if (kind := message_class(TOPICS[topic].kind)) is None:
            pytest.skip(f"{TOPICS[topic].kind} is not installed")
        qos = QoSProfile(depth=10, durability=TOPICS[topic].qos.durability)
        subscriptions.append(
            peer.node.create_subscription(
                kind, topic.replace("~", "/outputs"), received[topic].append, qos
            )
        )
        peer.spin_until(lambda: outputs.wanted(topic), what=f"the subscription of {topic}")

    yield outputs, received, subscribe
    for subscription in subscriptions:
        peer.node.destroy_subscription(subscription)
    outputs.destroy()
    node.destroy_node()


def prediction(calibration, topic: str) -> tuple[Prediction, np.ndarray | None]:
    """Return (prediction, image) without what `topic` does not need: using that would fail."""
    return Prediction.of(
        BOXES if topic in OF_BOXES else None,
        MASK,
        calibration.camera if topic == "~/semseg/camera_info" else None,
        "fused",
        1.0,
    ), (IMAGE if topic == "~/semseg/overlay" else None)


@pytest.mark.parametrize("topic", OF_FRAMES)
def test_only_outputs_with_a_subscriber_are_computed(outputs, peer, calibration, topic):
    publisher, received, subscribe = outputs
    subscribe(topic)
    found, image = prediction(calibration, topic)
    publisher.publish(
        found,
        {} if image is None else {CAMERA: image},
        Header(frame_id="roof"),
        np.eye(4),
        {CAMERA: Header(frame_id="front")},
        Parameters(),
    )
    peer.spin_until(lambda: received[topic], what=topic)


@pytest.mark.parametrize("topic", ["~/bev/drivable_area", "~/bev/points"])
def test_a_map_is_made_only_for_a_subscriber(outputs, peer, topic):
    publisher, received, subscribe = outputs
    made = []

    def make() -> BevMap | None:
        made.append(None if len(made) else BevMap(np.zeros((2, 3), np.uint8), 0, 0, 1.0))
        return made[-1]

    def publish() -> None:
        nothing = Prediction.of(None, None, None, "fused", 1.0)
        publisher.publish(nothing, {}, Header(frame_id="roof"), np.eye(4), {}, Parameters(), make)

    publish()
    assert not made
    subscribe(topic)
    publish()
    peer.spin_until(lambda: received[topic], what=topic)
    publish()  # there is no map: nothing is sent
    assert len(made) == 2 and received[topic][0].header.frame_id == "roof"


def test_nothing_is_computed_without_subscribers(outputs, calibration):
    found, _ = prediction(calibration, "")
    outputs[0].publish(
        found,
        {},
        Header(frame_id="roof"),
        np.eye(4),
        {CAMERA: Header(frame_id="front")},
        Parameters(),
    )
    outputs[0].publish_timing(Header(), {})


def test_timing_is_published_to_its_subscribers(outputs, peer):
    publisher, received, subscribe = outputs
    subscribe("~/timing")
    publisher.publish_timing(Header(frame_id="roof"), {"mode": "fused", "network_ms": 1.0})
    peer.spin_until(lambda: received["~/timing"], what="the timing")
    values = {pair.key: pair.value for pair in received["~/timing"][0].status[0].values}
    assert float(values.pop("input_age_ms")) > 0 and values == {
        "mode": "fused",
        "network_ms": "1.000",
    }


def test_a_stage_is_published_even_if_the_timing_lacks_the_others(outputs, peer):
    publisher, received, subscribe = outputs
    subscribe("~/debug/network_ms")
    publisher.publish_timing(Header(), {"network_ms": 12.5})
    peer.spin_until(lambda: received["~/debug/network_ms"], what="the stage")
    assert received["~/debug/network_ms"][0].data == 12.5


@pytest.mark.parametrize(
    ("topic", "names"),
    [
        ("~/label_info", LABEL_SETS["detection"].classes),
        ("~/semseg/label_info", LABEL_SETS["segmentation"].classes),
        ("~/bev/label_info", LABEL_SETS["bev_segmentation"].classes),
    ],
)
def test_label_info_reaches_late_subscribers(outputs, peer, topic, names):
    publisher, received, subscribe = outputs
    by_class = ClassParameters.defaults(LABEL_SETS["detection"].classes)
    publisher.publish_label_info(Parameters(score_threshold=0.25, by_class=by_class))
    subscribe(topic)
    peer.spin_until(lambda: received[topic], what=topic)
    info = received[topic][0]
    assert [(entry.class_id, entry.class_name) for entry in info.class_map] == list(
        enumerate(names)
    )
    assert info.threshold == (0.25 if topic == "~/label_info" else 0)


def test_topics_of_missing_packages_are_absent_and_the_rest_is_published(outputs, monkeypatch):
    monkeypatch.setitem(sys.modules, "vision_msgs", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "vision_msgs.msg", None)
    node = rclpy.create_node("without_vision_msgs", context=outputs[0]._node.context)
    bare = Publishers(node, LABEL_SETS, Health())
    bare.publish_label_info(Parameters())
    bare.publish(
        Prediction.of(BOXES, None, None, "lidar_only", 1.0),
        {},
        Header(frame_id="roof"),
        np.eye(4),
        {},
        Parameters(),
    )
    absent, is_wanted = bare.absent, bare.wanted("~/detections")
    bare.destroy()
    node.destroy_node()
    expected = [
        name
        for name, topic in TOPICS.items()
        if "vision_msgs" in topic.kind and (not topic.task or topic.task in LABEL_SETS)
    ]
    assert absent == expected and "~/label_info" in absent
    assert not is_wanted


@pytest.mark.parametrize(
    ("task", "absent"),
    [("detection", "semseg"), ("segmentation", "markers"), ("segmentation", "bev")],
)
def test_a_checkpoint_without_a_task_has_no_topics_for_it(outputs, task, absent):
    node = rclpy.create_node(f"only_{task}", context=outputs[0]._node.context)
    publishers = Publishers(node, {task: LABEL_SETS[task]}, Health())
    publishers.publish_label_info(Parameters())
    publishers.publish(
        Prediction.of(None, MASK, None, "camera_only", 1.0),
        {CAMERA: IMAGE},
        Header(frame_id="roof"),
        np.eye(4),
        {CAMERA: Header(frame_id="front")},
        Parameters(),
    )
    publishers.clear()
    names = [publisher.topic_name for publisher in node.publishers]
    publishers.destroy()
    node.destroy_node()
    assert f"/only_{task}/timing" in names
    assert not any(absent in name for name in names)

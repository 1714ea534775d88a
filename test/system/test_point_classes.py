"""The classes of points that the node publishes are those of the predictor, cloud by cloud."""

from __future__ import annotations

import time

import numpy as np
import pytest
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from support.point_clouds import ROOF, points_predictor, turn

from bev_semseg_ros.frame import Frame, LidarScan
from bev_semseg_ros.geometry import rotation_z, transform
from bev_semseg_ros.ros.convert.point_classes import encode_point_classes
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud, encode_cloud, read_fields
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.extrinsics import FixedExtrinsics
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue, Work
from bev_semseg_ros.ros.node import publishers as publishers_module
from bev_semseg_ros.ros.node.pipeline import Pipeline
from bev_semseg_ros.ros.node.publishers import Publishers
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.synchronizer import Match, Synchronizer

POSES = {"roof": ROOF, "rear": transform(rotation_z(3.0), (-1, 0, 1.5))}


def clouds() -> dict[str, np.ndarray]:
    """Return the clouds of two lidars, one of them with points that are not finite."""
    roof, rear = turn(reach=50), turn(columns=40, reach=50, seed=1)
    roof[::7, :3] = np.nan
    return {"roof": roof, "rear": rear}


@pytest.fixture
def node(peer):
    """(process(messages), subscribe(topic) -> its messages) of a node's inference thread."""
    node = rclpy.create_node("outputs", context=peer.node.context)
    predictor, health = points_predictor(), Health()
    parameters = Parameters(lidars=tuple(POSES), mode="lidar_only")
    sensors = parameters.sensors
    publishers = Publishers(node, predictor.label_sets, health, sensors.cameras, sensors.lidars)
    streams = tuple(f"{name}/points" for name in POSES)
    pipeline = Pipeline(
        predictor,
        FixedExtrinsics(POSES, {}, "roof", {}),
        LatestPairQueue(Synchronizer(0, 10**9, streams=streams), health),
        publishers,
        health,
        lambda: parameters,
    )
    subscriptions = []

    def subscribe(topic: str) -> list:
        received: list = []
        name = f"/outputs/{topic}"
        subscription = peer.node.create_subscription(
            PointCloud2, name, received.append, QoSProfile(depth=10)
        )
        subscriptions.append(subscription)
        peer.spin_until(lambda: publishers.wanted(f"~/{topic}"), what=f"the subscription of {name}")
        return received

    def process(messages: dict[str, PointCloud2]) -> None:
        parts = {f"{name}/points": (message, None) for name, message in messages.items()}
        pipeline.process(Work(Match(parts), time.monotonic_ns()))

    yield process, subscribe
    for subscription in subscriptions:
        peer.node.destroy_subscription(subscription)
    publishers.destroy()
    node.destroy_node()


def test_published_classes_equal_the_predictors_in_the_order_and_frame_of_each_cloud(node, peer):
    process, subscribe = node
    messages = {
        name: encode_cloud(cloud, Header(frame_id=f"{name}_lidar"))
        for name, cloud in clouds().items()
    }
    received = {name: subscribe(f"{name}/point_segmentation") for name in messages}
    process(messages)
    peer.spin_until(lambda: all(received.values()), what="the classes of both clouds")
    frame = Frame(
        0, {name: LidarScan(decode_cloud(messages[name]), POSES[name]) for name in messages}
    )
    expected = points_predictor().predict(frame, "lidar_only").results["point_segmentation"]
    for name, (message,) in received.items():
        assert message.header.frame_id == f"{name}_lidar"
        np.testing.assert_array_equal(decode_cloud(message)[:, :3], clouds()[name][:, :3])
        found = read_fields(message, ["label", "score"])[0]
        np.testing.assert_array_equal(found["label"], expected[name].labels)
        np.testing.assert_allclose(found["score"], expected[name].scores, atol=1e-6)
    assert (expected["roof"].labels[::7] == 255).all()


def test_no_message_is_made_for_a_lidar_without_a_subscriber(node, peer, monkeypatch):
    process, subscribe = node
    made = []

    def recorded(points, classes, colors, header):
        made.append(header.frame_id)
        return encode_point_classes(points, classes, colors, header)

    monkeypatch.setattr(publishers_module, "encode_point_classes", recorded)
    received = subscribe("rear/point_segmentation")
    process({name: encode_cloud(cloud, Header(frame_id=name)) for name, cloud in clouds().items()})
    peer.spin_until(lambda: received, what="the classes of the rear cloud")
    assert made == ["rear"] and len(received) == 1

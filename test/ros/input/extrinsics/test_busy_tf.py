"""A busy /tf delays no frames: its listener has a thread of its own and stops when it can."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.executors import SingleThreadedExecutor
from support.vehicle_poses import GROUND, S, at, header, poses, transform_message

from bev_semseg_ros.ros.input import transforms
from bev_semseg_ros.ros.input.extrinsics import TfExtrinsics
from bev_semseg_ros.ros.input.extrinsics.tf import from_tf
from bev_semseg_ros.ros.input.tf_listener import TfListener
from bev_semseg_ros.ros.input.transforms import MissingTransform, Transforms
from bev_semseg_ros.ros.parameters.parameters import Parameters

SENSORS = ("lidar", "camera")


class Listeners:
    """Counts how often listening began and how often it ended."""

    def __init__(self) -> None:
        self.begun = self.ended = 0

    def __call__(self):
        self.begun += 1
        return SimpleNamespace(close=self._end)

    def _end(self) -> None:
        self.ended += 1


@pytest.fixture
def listeners() -> Listeners:
    return Listeners()


def source(buffer, listeners, output_frame: str = "", is_stamped: bool = False) -> TfExtrinsics:
    return TfExtrinsics(
        Transforms(buffer, listeners),
        "base_link",
        GROUND,
        output_frame,
        is_stamped,
        *SENSORS,
        sensors=SENSORS,
    )


@pytest.mark.parametrize("output_frame", ["", "lidar", "base_link"])
def test_the_node_stops_listening_to_tf_once_all_poses_are_known(buffer, listeners, output_frame):
    extrinsics = source(buffer, listeners, output_frame)
    at(extrinsics, header("lidar"))
    assert (listeners.begun, listeners.ended) == (1, 0)  # the camera may still come
    first = at(extrinsics, header("lidar"), header("camera"))
    assert (listeners.begun, listeners.ended) == (1, 1)
    again = at(extrinsics, header("lidar", 2 * S), header("camera", 2 * S))
    assert (first.ego_from_lidar["lidar"] == again.ego_from_lidar["lidar"]).all()
    assert (listeners.begun, listeners.ended) == (1, 1)


def test_a_vehicle_that_uses_its_lidar_alone_does_not_wait_for_the_pose_of_a_camera(
    buffer, listeners, monkeypatch
):
    monkeypatch.setattr(transforms, "TfListener", lambda *_: listeners())
    monkeypatch.setattr(transforms.tf2_ros, "Buffer", lambda *_: buffer)
    values = Parameters(extrinsics="tf", mode="lidar_only")
    extrinsics = from_tf(None, values, ["lidar"], ["camera"])
    at(extrinsics, header("lidar"))
    assert (listeners.begun, listeners.ended) == (1, 1)


def test_the_node_listens_again_when_a_driver_restarts_with_another_frame(buffer, listeners):
    extrinsics = source(buffer, listeners)
    poses(extrinsics)
    with pytest.raises(MissingTransform, match="velodyne"):
        at(extrinsics, header("velodyne"), header("camera"))
    assert (listeners.begun, listeners.ended) == (2, 1)
    buffer.set_transform_static(transform_message("base_link", "velodyne", np.eye(4)), "test")
    at(extrinsics, header("velodyne"), header("camera"))
    assert (listeners.begun, listeners.ended) == (2, 2)


@pytest.mark.parametrize(("output_frame", "is_stamped"), [("mast", False), ("", True)])
def test_the_node_keeps_listening_to_transforms_that_may_change(
    buffer, listeners, output_frame, is_stamped
):
    poses(source(buffer, listeners, output_frame, is_stamped))
    assert (listeners.begun, listeners.ended) == (1, 0)


def test_listening_does_not_start_again_after_close(buffer, listeners):
    extrinsics = source(buffer, listeners)
    extrinsics.close()
    with pytest.raises(MissingTransform):
        at(extrinsics, header("velodyne"))
    assert (listeners.begun, listeners.ended) == (1, 1)


class Listener:
    """A stand-in for tf2_ros.TransformListener: no wheel contains it or its messages."""

    def __init__(self, buffer: list, node) -> None:
        self.node, self.buffer = node, buffer
        self.subscription = node.create_subscription(TransformStamped, "/tf", self._take, 10)

    def _take(self, message) -> None:
        self.buffer.append((message.child_frame_id, threading.current_thread().name))

    def unregister(self) -> None:
        self.node.destroy_subscription(self.subscription)


@pytest.mark.parametrize(
    ("arguments", "topic"),
    [
        ((), "/tf"),
        (("-r", "__node:=front", "-r", "__ns:=/car"), "/tf"),
        (("-r", "__ns:=/car", "-r", "/tf:=tf"), "/car/tf"),
    ],
)
def test_a_thread_of_its_own_handles_the_transforms_of_the_remapped_topic(arguments, topic):
    context = rclpy.Context()
    rclpy.init(context=context, args=["test", "--ros-args", *arguments])
    node = rclpy.create_node("perception", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    seen: list = []
    listener = TfListener(SimpleNamespace(TransformListener=Listener), seen, node, "tf")
    publisher = node.create_publisher(TransformStamped, topic, 10)
    for _ in range(1000):
        publisher.publish(TransformStamped(child_frame_id="lidar"))
        executor.spin_once(timeout_sec=0.02)
        if seen:
            break
    assert seen[0] == ("lidar", "tf")
    names = [name for name, _ in node.get_node_names_and_namespaces()]
    assert names.count(node.get_name()) == 1, "the listener must not have the node's own name"
    listener.close()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ("settings", "may_lag"),
    [
        ({}, True),
        ({"output_frame": "base_link"}, True),
        ({"output_frame": "map"}, False),
        ({"tf_lookup": "stamped"}, False),
    ],
)
def test_transforms_may_lag_while_the_network_loads_unless_they_may_change(
    buffer, monkeypatch, settings, may_lag
):
    """Otherwise, 20 transforms at 200 Hz would extend the loading from 0.6 s to 24 s."""
    made = []
    monkeypatch.setattr(transforms, "TfListener", lambda *arguments: made.append(arguments))
    monkeypatch.setattr(transforms, "tf2_ros", SimpleNamespace(Buffer=lambda *_: buffer))
    from_tf(None, Parameters(extrinsics="tf", **settings), ["lidar"], ["camera"])
    assert made[0][-1] is may_lag

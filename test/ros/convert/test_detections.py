"""Boxes as messages of vision_msgs.

The tests use stand-ins with the same fields, and also the real messages if they are installed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import Pose, PoseWithCovariance, Vector3
from std_msgs.msg import Header

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, invert, rotation_rpy, transform
from bev_semseg_ros.ros.convert.detections import encode_detections, encode_label_info
from bev_semseg_ros.ros.convert.message import message_class

BOXES = Boxes(
    [[10, 2, 0.8], [20, -3, 0.9]],
    [[4.2, 1.8, 1.5], [0.8, 0.7, 1.8]],
    [0.3, -2.5],
    [0, 2],
    [0.9, 0.8],
)
CLOUD_FROM_EGO = invert(transform(rotation_rpy(0.1, -0.2, 1.2), (1.0, 2.0, 1.9)))


# The fields of vision_msgs 4.1.1; slots refuse any other.
@dataclass(slots=True)
class ObjectHypothesis:
    class_id: str = ""
    score: float = 0.0


@dataclass(slots=True)
class ObjectHypothesisWithPose:
    hypothesis: ObjectHypothesis = field(default_factory=ObjectHypothesis)
    pose: PoseWithCovariance = field(default_factory=PoseWithCovariance)


@dataclass(slots=True)
class BoundingBox3D:
    center: Pose = field(default_factory=Pose)
    size: Vector3 = field(default_factory=Vector3)


@dataclass(slots=True)
class Detection3D:
    header: Header = field(default_factory=Header)
    results: list[ObjectHypothesisWithPose] = field(default_factory=list)
    bbox: BoundingBox3D = field(default_factory=BoundingBox3D)
    id: str = ""


@dataclass(slots=True)
class Detection3DArray:
    header: Header = field(default_factory=Header)
    detections: list[Detection3D] = field(default_factory=list)


@dataclass(slots=True)
class VisionClass:
    class_id: int = 0
    class_name: str = ""


@dataclass(slots=True)
class LabelInfo:
    header: Header = field(default_factory=Header)
    class_map: list[VisionClass] = field(default_factory=list)
    threshold: float = 0.0


STAND_INS = (ObjectHypothesisWithPose, Detection3D, Detection3DArray, VisionClass, LabelInfo)


@pytest.fixture(params=["stand-ins", "vision_msgs"], autouse=True)
def messages(request, monkeypatch) -> None:
    if request.param == "vision_msgs":
        if message_class("vision_msgs/msg/LabelInfo") is None:
            pytest.skip("vision_msgs is not installed")
    else:
        package, module = ModuleType("vision_msgs"), ModuleType("vision_msgs.msg")
        vars(module).update({kind.__name__: kind for kind in STAND_INS})
        monkeypatch.setitem(sys.modules, "vision_msgs", package)
        monkeypatch.setitem(sys.modules, "vision_msgs.msg", module)


@pytest.fixture
def message():
    return encode_detections(BOXES, CLOUD_FROM_EGO, Header(frame_id="lidar"))


def test_every_box_is_a_detection_with_its_class_and_score(message):
    assert [
        [(r.hypothesis.class_id, r.hypothesis.score) for r in d.results] for d in message.detections
    ] == [[("0", 0.9)], [("2", 0.8)]]


def test_detections_carry_the_header_of_the_cloud(message):
    assert {
        message.header.frame_id,
        *(detection.header.frame_id for detection in message.detections),
    } == {"lidar"}


def test_a_box_lies_in_the_frame_of_a_lidar_in_any_orientation(message):
    for index, detection in enumerate(message.detections):
        pose, size = detection.bbox.center, detection.bbox.size
        position = [pose.position.x, pose.position.y, pose.position.z]
        np.testing.assert_allclose(position, apply(CLOUD_FROM_EGO, BOXES.centers[index]))
        q = pose.orientation
        rotation = quaternion_matrix(q.x, q.y, q.z, q.w)
        np.testing.assert_allclose(
            rotation, CLOUD_FROM_EGO[:3, :3] @ rotation_rpy(0, 0, BOXES.yaws[index]), atol=1e-9
        )
        np.testing.assert_allclose([size.x, size.y, size.z], BOXES.sizes[index])


def quaternion_matrix(x: float, y: float, z: float, w: float) -> np.ndarray:
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_the_pose_of_the_hypothesis_is_the_centre_of_the_box(message):
    assert all(
        detection.results[0].pose.pose == detection.bbox.center for detection in message.detections
    )


def test_no_boxes_give_a_message_without_detections():
    message = encode_detections(Boxes.empty(), np.eye(4), Header(frame_id="lidar"))
    assert message.header.frame_id == "lidar" and not message.detections


def test_label_info_maps_numbers_to_classes():
    info = encode_label_info(("car", "truck"), 0.25, Header())
    assert [(entry.class_id, entry.class_name) for entry in info.class_map] == [
        (0, "car"),
        (1, "truck"),
    ]
    assert info.threshold == 0.25


# Stand-ins cannot be serialised.
@pytest.mark.parametrize("messages", ["vision_msgs"], indirect=True)
def test_real_messages_survive_serialization(message):
    from rclpy.serialization import deserialize_message, serialize_message

    assert deserialize_message(serialize_message(message), type(message)) == message

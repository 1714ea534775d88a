"""Classified points as messages that RViz and PCL read."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg")
from std_msgs.msg import Header

from bev_semseg_ros.frame import PointClasses
from bev_semseg_ros.ros.convert.point_classes import encode_point_classes
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud, read_fields

pytestmark = pytest.mark.ros


def test_every_point_has_its_position_class_score_and_colour():
    points = np.array([[1, 2, 3, 0.5], [np.nan, 0, 0, 0], [-4, 5, 6, 1]], np.float32)
    classes = PointClasses(np.array([9, 255, 0], np.uint8), np.array([0.75, 0, 1], np.float32))
    colors = np.array([[0, 0, 200], [0, 0, 0], [128, 64, 127]], np.uint8)
    message = encode_point_classes(points, classes, colors, Header(frame_id="roof"))
    assert message.header.frame_id == "roof" and (message.height, message.width) == (1, 3)
    assert [field.name for field in message.fields] == ["x", "y", "z", "rgb", "score", "label"]
    assert not message.is_dense and len(message.data) == 3 * message.point_step
    np.testing.assert_array_equal(decode_cloud(message)[:, :3], points[:, :3])
    found = read_fields(message, ["label", "score", "rgb"])[0]
    assert found["label"].tolist() == [9, 255, 0] and found["score"].tolist() == [0.75, 0, 1]
    packed = np.ascontiguousarray(found["rgb"]).view(np.uint32)
    assert packed.tolist() == [200, 0, 128 << 16 | 64 << 8 | 127]


def test_a_cloud_without_points_has_a_message_without_points():
    classes = PointClasses.unseen(0)
    colors, points = np.zeros((0, 3), np.uint8), np.zeros((0, 4), np.float32)
    message = encode_point_classes(points, classes, colors, Header())
    assert message.width == 0 and not message.data and message.is_dense

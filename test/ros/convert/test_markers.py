"""Boxes as markers: their positions, headings and deletion."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import invert, rotation_rpy, transform, wrap_angle
from bev_semseg_ros.labels import LabelSet, load_label_set
from bev_semseg_ros.ros.convert.markers import BoxMarkers, boxes_from_markers

LABELS = load_label_set("boxes_4")
BOXES = Boxes(
    [[10, 2, 0.8], [20, -3, 0.9], [6, 0, 0.9]],
    [[4.2, 1.8, 1.5], [0.8, 0.7, 1.8], [4, 1.7, 1.4]],
    [0.3, -2.5, 3.1],
    [0, 2, 0],
    [0.9, 0.8, 0.456],
)
CLOUD_FROM_EGO = invert(transform(rotation_rpy(0.1, -0.2, 1.2), (1.0, 2.0, 1.9)))


def markers(boxes: Boxes, maker: BoxMarkers | None = None) -> list[Marker]:
    maker = maker or BoxMarkers(LABELS)
    return maker.update(boxes, CLOUD_FROM_EGO, Header(frame_id="lidar"), 0.5).markers


@pytest.mark.parametrize(
    "angles",
    [(0.1, -0.2, 1.2), (np.pi, 0, 0), (0, np.pi / 2, 0), (-2.8, 0.9, -2.5), (np.pi / 2, 0, np.pi)],
)
def test_boxes_come_back_from_a_lidar_in_any_orientation(angles):
    cloud_from_ego = invert(transform(rotation_rpy(*angles), (1.0, 2.0, 1.9)))
    message = BoxMarkers(LABELS).update(BOXES, cloud_from_ego, Header(), 0.5)
    back = boxes_from_markers(message, LABELS, invert(cloud_from_ego))
    np.testing.assert_allclose(back.centers, BOXES.centers, atol=1e-9)
    np.testing.assert_allclose(back.sizes, BOXES.sizes, atol=1e-9)
    np.testing.assert_allclose(wrap_angle(back.yaws - BOXES.yaws), 0, atol=1e-9)
    assert back.labels.tolist() == [0, 2, 0] and back.scores.tolist() == [0.9, 0.8, 0.456]


def test_a_box_has_a_body_a_heading_and_a_text():
    kinds = [marker.type for marker in markers(BOXES[:1])]
    assert kinds == [Marker.CUBE, Marker.ARROW, Marker.TEXT_VIEW_FACING]


def test_the_text_stands_above_its_box_however_the_lidar_is_tilted():
    body, _, text = (marker.pose.position for marker in markers(BOXES[:1]))
    offset = np.array([text.x - body.x, text.y - body.y, text.z - body.z])
    x, y, z = CLOUD_FROM_EGO[:3, :3].T @ offset
    np.testing.assert_allclose([x, y], 0, atol=1e-9)
    assert z > BOXES.sizes[0, 2] / 2


def test_text_holds_class_and_score():
    assert {marker.text for marker in markers(BOXES[1:2])} == {"pedestrian 0.800"}


def test_a_class_is_a_namespace_and_ids_are_unique_in_it():
    keys = [(marker.ns, marker.id) for marker in markers(BOXES)]
    assert {ns for ns, _ in keys} == {"car", "pedestrian"} and len(set(keys)) == len(keys)


def test_markers_vanish_without_an_update():
    assert all((m.lifetime.sec, m.lifetime.nanosec) == (0, 500_000_000) for m in markers(BOXES))


def test_stale_markers_are_deleted():
    maker = BoxMarkers(LABELS)
    markers(BOXES, maker)
    deleted = {(m.ns, m.id) for m in markers(BOXES[:1], maker) if m.action == Marker.DELETE}
    assert deleted == {
        ("car", 3),
        ("car", 4),
        ("car", 5),
        ("pedestrian", 0),
        ("pedestrian", 1),
        ("pedestrian", 2),
    }


def test_deleted_markers_are_not_deleted_again():
    maker = BoxMarkers(LABELS)
    markers(BOXES, maker)
    markers(BOXES[:0], maker)
    assert markers(BOXES[:0], maker) == []


def test_clear_deletes_everything():
    assert [m.action for m in BoxMarkers(LABELS).clear(Header()).markers] == [Marker.DELETEALL]


def test_any_number_of_classes_keeps_its_names_and_colors():
    classes = ("ice cream van", "tram", *(f"class {number}" for number in range(9)))
    colors = np.random.default_rng(0).integers(0, 256, (len(classes), 3), np.uint8)
    labels = LabelSet("own", classes, colors)
    boxes = Boxes(
        np.tile([10.0, 0, 1], (11, 1)), np.ones((11, 3)), np.zeros(11), np.arange(11), np.ones(11)
    )
    message = BoxMarkers(labels).update(boxes, np.eye(4), Header(), 0.5)
    assert {marker.ns for marker in message.markers} == set(classes)
    tram = next(marker for marker in message.markers if marker.ns == "tram").color
    np.testing.assert_allclose([tram.r, tram.g, tram.b], colors[1] / 255, atol=1e-6)
    assert boxes_from_markers(message, labels).labels.tolist() == list(range(11))


def test_a_box_of_another_label_set_is_refused_with_the_classes():
    message = BoxMarkers(LABELS).update(BOXES, np.eye(4), Header(), 0.5)
    other = LabelSet("own", ("tram", "van"), np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"got 'car 0.900'; the classes of own are tram, van"):
        boxes_from_markers(message, other)

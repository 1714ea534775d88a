"""The boxes of A2D2's label3D files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.a2d2 import A2D2Dataset, read_boxes
from bev_semseg_ros.labels import BOX_IGNORED, load_label_set

FOUR = load_label_set("boxes_4")


def test_heading_follows_the_axis_not_the_angle_alone(root):
    _, annotation = A2D2Dataset(root)[0]
    np.testing.assert_allclose(annotation.boxes.yaws[:2], [-0.5, 0.25], atol=1e-12)


def test_boxes_lie_in_the_ego_frame(root):
    _, annotation = A2D2Dataset(root)[0]
    np.testing.assert_allclose(annotation.boxes.centers[0], [10, 1, 0.8], atol=1e-12)


def test_vehicles_without_a_class_are_ignored_and_bicycles_give_no_box(root):
    annotation = A2D2Dataset(root)[0][1].with_labels(box_labels=FOUR)
    assert annotation.boxes.labels.tolist() == [0, BOX_IGNORED]
    assert annotation.ignored.tolist() == [False, True]


def test_unknown_box_class_is_named_with_its_box(root):
    path = tiny_data.a2d2_file(root, "boxes")
    content = json.loads(path.read_text())
    content["box_1"]["class"] = "Spaceship"
    path.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=rf"{path.name}: box_1: unknown class 'Spaceship' of .*VanSUV"
    ):
        read_boxes(path, np.eye(4))


@pytest.mark.parametrize(
    "key, value",
    [
        ("center", None),
        ("size", [1.0, 2.0]),
        ("size", [4.0, 0.0, 2.0]),
        ("size", [4.0, 2.0, -2.0]),
        ("axis", [0.0, 0.0, 0.0]),
        ("rot_angle", "left"),
        ("rot_angle", 28.6),
    ],
)
def test_wrong_value_of_a_box_is_named(root, key, value):
    path = tiny_data.a2d2_file(root, "boxes")
    content = json.loads(path.read_text())
    content["box_0"][key] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"{path.name}: box_0.{key}: expected"):
        read_boxes(path, np.eye(4))

"""Ground truth: impossible boxes and classes are refused, and label sets can be changed."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.frame import Annotation, Boxes
from bev_semseg_ros.labels import BOX_IGNORED, load_label_set


def boxes(**changed) -> Boxes:
    values = {
        "centers": [[5.0, 0, 1], [9, 1, 1]],
        "sizes": [[4.0, 2, 2], [1, 1, 1]],
        "yaws": [0.0, 1],
        "labels": [0, 1],
        "scores": [1.0, 1],
    }
    return Boxes(**{name: np.array(each) for name, each in (values | changed).items()})


def test_boxes_with_sizes_are_accepted():
    assert len(Annotation(boxes()).boxes) == 2
    assert len(Annotation(Boxes.empty()).boxes) == 0 and Annotation().boxes is None


def test_boxes_can_be_iterated():
    assert [box.centers.tolist() for box in boxes()] == [[[5, 0, 1]], [[9, 1, 1]]]
    assert boxes()[-1].labels.tolist() == [1] and len(boxes()[np.array([], int)]) == 0


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sizes", lambda: boxes(sizes=[[4.0, 2], [1, 1]])),
        ("scores", lambda: boxes(scores=[1.0])),
        ("ignored", lambda: Annotation(boxes(), ignored=np.zeros(3, bool))),
        ("mask of 'front'", lambda: Annotation(masks={"front": np.zeros((4, 6, 3), np.uint8)})),
        (
            "points of 'roof'",
            lambda: Annotation(point_classes={"roof": np.zeros((9, 1), np.uint8)}),
        ),
    ],
)
def test_an_array_with_another_shape_is_named(name, make):
    with pytest.raises(ValueError, match=rf"{name}.* (has|have) the shape \(.*expected"):
        make()


@pytest.mark.parametrize(
    "changed",
    [
        {"sizes": [[4.0, 2, 2], [1, 0, 1]]},
        {"sizes": [[4.0, 2, 2], [-1, 1, 1]]},
        {"sizes": [[4.0, 2, 2], [np.nan, 1, 1]]},
        {"sizes": [[4.0, 2, 2], [np.inf, 1, 1]]},
        {"centers": [[5.0, 0, 1], [9, np.nan, 1]]},
        {"yaws": [0, np.nan]},
    ],
)
def test_an_impossible_box_is_refused_with_its_number_and_the_remedy(changed):
    with pytest.raises(ValueError, match=r"annotation: box 1 .*correct the box or leave"):
        Annotation(boxes(**changed))


def test_boxes_ignored_by_another_label_set_are_added_to_those_already_ignored():
    kitti, four = load_label_set("kitti_boxes"), load_label_set("boxes_4")
    names = ["Car", "Van", "Person_sitting", "Tram"]
    labels = np.array([*(kitti.index(name) for name in names), BOX_IGNORED])
    found = Annotation(
        Boxes(np.zeros((5, 3)), np.ones((5, 3)), np.zeros(5), labels, np.ones(5)),
        ignored=np.array([False, True, False, False, False]),
        box_labels=kitti,
    ).with_labels(box_labels=four)
    car, pedestrian = four.index("car"), four.index("pedestrian")
    assert found.boxes.labels.tolist() == [car, car, pedestrian, BOX_IGNORED, BOX_IGNORED]
    assert found.ignored.tolist() == [False, True, True, True, True]


def test_the_last_class_of_a_label_set_and_ignored_values_are_accepted():
    classes = np.array([[12, 255]], np.uint8)
    Annotation(boxes(labels=[3, -1]), masks={"camera": classes}, point_classes={"l": classes[0]})


@pytest.mark.parametrize(
    ("what", "values", "labels"),
    [
        ("the boxes", {"boxes": boxes(labels=[0, 4])}, "boxes_4 has 4"),
        ("the mask of 'front'", {"masks": {"front": np.full((2, 2), 13)}}, "driving_13 has 13"),
        ("the points of 'roof'", {"point_classes": {"roof": np.array([40])}}, "driving_13 has 13"),
    ],
)
def test_a_class_outside_the_label_set_is_refused(what, values, labels):
    with pytest.raises(ValueError, match=rf"a class of {what} is .* label set {labels} classes"):
        Annotation(**values)

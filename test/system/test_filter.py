"""The box filter changes while a node runs: all parameters of a set apply, or none."""

from __future__ import annotations

import numpy as np
import pytest
from support.peer import LABELS

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import bev_iou
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.ros.convert.markers import boxes_from_markers

CLASSES = load_label_set("boxes_4").classes
ALL = {
    "classes": list(CLASSES),
    "score_threshold": 0.01,
    "nms_iou_threshold": 1.0,
    "distance_bands": [20.0, 40.0],
    **{f"score_threshold_{name}": [0.0] for name in CLASSES},
}


@pytest.fixture(scope="module")
def lidar(start_node, peers):
    """Return the peer of a node that uses only clouds."""
    process, peer = start_node("-r", "__ns:=/filtered", mode="lidar_only"), peers("/filtered")
    process.wait_for("READY")
    peer.connect("points")
    return peer


@pytest.fixture
def tuned(lidar):
    """Return the same peer; after the test, the parameters are set back to publish all boxes."""
    yield lidar
    assert lidar.set_parameters(**ALL).successful


@pytest.fixture
def boxes(tuned, calibration):
    """boxes() -> what the node now publishes for a cloud that is always the same."""

    def see() -> Boxes:
        tuned.next_stamp()
        stamp = tuned.send(tuned.cloud())
        if tuned.timing(stamp)["boxes"] == "0":
            return Boxes.empty()
        return boxes_from_markers(
            tuned.result("markers", stamp), LABELS, calibration.ego_from_lidar
        )

    return see


def test_only_the_classes_asked_for_are_published(tuned, boxes):
    found = boxes().labels
    kept = int(found[0])
    assert tuned.set_parameters(classes=[CLASSES[kept]]).successful
    assert boxes().labels.tolist() == [kept] * int((found == kept).sum())


def test_a_class_has_its_own_threshold_in_each_band_of_distance(tuned, boxes):
    everything = boxes()
    distance = np.hypot(*everything.centers[:, :2].T)
    label = int(everything.labels[np.argmax(distance)])
    edge = float(np.median(distance[everything.labels == label]))
    thresholds = {f"score_threshold_{CLASSES[label]}": [1.0, 0.0]}
    assert tuned.set_parameters(distance_bands=[edge], **thresholds).successful
    found = boxes()
    of_class = found.labels == label
    assert (
        len(found[of_class]) and (np.hypot(*found[of_class].centers[:, :2].T) >= edge - 1e-3).all()
    )
    assert len(found[~of_class]) == (everything.labels != label).sum()


def test_a_class_may_have_a_lower_threshold_than_the_others(tuned, boxes):
    everything = boxes()
    name = CLASSES[everything.labels[0]]
    assert tuned.set_parameters(
        **{"score_threshold": 1.0, f"score_threshold_{name}": [0.01]}
    ).successful
    assert len(boxes()) == (everything.labels == everything.labels[0]).sum()


def test_only_the_best_of_overlapping_boxes_are_published(tuned, boxes):
    everything = boxes()
    assert tuned.set_parameters(nms_iou_threshold=0.05).successful
    found = boxes()
    assert 0 < len(found) < len(everything)
    better, worse = np.triu_indices(len(found), 1)
    assert (bev_iou(found[better], found[worse]) <= 0.051).all()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"nms_iou_threshold": 1.5}, "range"),
        ({"distance_bands": [30.0, 10.0]}, "do not rise"),
        ({"score_threshold_car": [0.1, 0.2]}, "score_threshold_car: 2 values"),
        ({"classes": ["car", "tram"]}, "'tram' is not one of car, truck, pedestrian, cyclist"),
    ],
)
def test_no_parameter_of_a_set_with_a_wrong_value_is_changed(tuned, boxes, wrong, reason):
    before = len(boxes())
    answer = tuned.set_parameters(score_threshold=1.0, **wrong)
    assert not answer.successful and reason in answer.reason
    assert len(boxes()) == before > 0

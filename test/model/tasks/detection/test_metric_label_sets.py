"""Detection scores of networks and ground truth of different label sets."""

from __future__ import annotations

import numpy as np
import pytest
from support.detections import (
    CAR,
    LABELS,
    TRUCK,
    boxes,
    frame_with_points_in,
    new_metric,
    predicted_as,
    score,
)

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Annotation
from bev_semseg_ros.labels import LabelSet, load_label_set
from bev_semseg_ros.model.tasks.detection.metric import DetectionMetric

A2D2, KITTI = load_label_set("a2d2_boxes"), load_label_set("kitti_boxes")


def of(labels, *names):
    return np.array([labels.index(name) for name in names])


def test_a_network_is_scored_on_its_own_classes_and_on_every_coarser_set():
    truth = boxes((10, 0), (20, 5), (30, -5), labels=of(A2D2, "Car", "VanSUV", "Trailer"))
    result = score(truth, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["labels"] == "a2d2_boxes"
    assert list(result["by_labels"]) == ["a2d2_boxes", "boxes_4"]
    classes = result["classes"]
    assert classes["VanSUV"]["ap"] == classes["Trailer"]["ap"] == result["map"] == 1
    coarse = result["by_labels"]["boxes_4"]
    assert coarse["classes"]["car"]["ap"] == 1 and coarse["classes"]["car"]["num_truth"] == 2
    assert coarse["classes"]["truck"]["ap"] is None


def test_confusing_two_members_costs_nothing_on_the_coarser_set():
    truth = boxes((10, 0), labels=of(A2D2, "Car"))
    found = boxes((10, 0), labels=of(A2D2, "VanSUV"))
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["classes"]["Car"]["ap"] == 0
    assert result["by_labels"]["boxes_4"]["classes"]["car"]["ap"] == 1


def test_only_the_better_of_two_members_at_one_place_counts_on_the_coarser_set():
    truth = boxes((10, 0), (20, 0), labels=of(A2D2, "Car", "Car"))
    found = boxes(
        (10, 0), (10.3, 0), (20, 0), labels=of(A2D2, "Car", "VanSUV", "Car"), scores=[0.9, 0.8, 0.7]
    )
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["by_labels"]["boxes_4"]["classes"]["car"]["ap"] == 1


def test_the_better_of_two_members_counts_in_any_order():
    truth = boxes((10, 0), labels=of(A2D2, "VanSUV"))
    found = boxes((11.4, 0), (10, 0), labels=of(A2D2, "Car", "VanSUV"), scores=[0.5, 0.9])
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["by_labels"]["boxes_4"]["classes"]["car"]["ap"] == 1


def test_objects_that_the_coarser_set_ignores_count_neither_way_there():
    truth = boxes((10, 0), (20, 0), labels=of(A2D2, "Car", "Trailer"))
    found = boxes((20, 0), (10, 0), labels=of(A2D2, "Car", "Car"), scores=[0.9, 0.8])
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["classes"]["Car"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)
    assert result["by_labels"]["boxes_4"]["classes"]["car"]["ap_2m"] == 1


def test_classes_that_are_no_objects_in_the_coarser_set_are_absent_there():
    truth = boxes((10, 0), (20, 0), labels=of(A2D2, "Cyclist", "Bicycle"))
    found = boxes((20, 0), (10, 0), labels=of(A2D2, "Cyclist", "Cyclist"), scores=[0.9, 0.8])
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    coarse = result["by_labels"]["boxes_4"]["classes"]["cyclist"]
    assert coarse["num_truth"] == 1
    assert coarse["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)


def test_predictions_of_classes_that_the_coarser_set_ignores_are_left_out_there():
    truth = boxes((10, 0), labels=of(A2D2, "Car"))
    found = boxes((30, 0), (10, 0), labels=of(A2D2, "Trailer", "Car"), scores=[0.9, 0.8])
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["by_labels"]["boxes_4"]["classes"]["car"]["ap"] == 1


def test_a_network_of_the_coarser_set_is_scored_only_on_that_set():
    truth = boxes((10, 0), (20, 0), (30, 0), labels=of(A2D2, "VanSUV", "Bus", "Trailer"))
    found = boxes((10, 0), (20, 0), (30, 0), labels=[CAR, TRUCK, CAR], scores=[0.8, 0.8, 0.9])
    result = score(found, truth, box_labels="a2d2_boxes")
    assert result["labels"] == "boxes_4" and list(result["by_labels"]) == ["boxes_4"]
    assert result["classes"]["car"]["ap_2m"] == 1 and result["classes"]["truck"]["ap_2m"] == 1
    assert result["classes"]["car"]["num_truth"] == 1


def test_network_and_ground_truth_of_different_sets_are_scored_on_a_third_set():
    truth = boxes((10, 0), (20, 0), labels=of(KITTI, "Van", "Tram"))
    found = boxes((20, 0), (10, 0), labels=of(A2D2, "Car", "Car"), scores=[0.9, 0.8])
    result = score(found, truth, labels="a2d2_boxes", box_labels="kitti_boxes")
    assert result["labels"] == "boxes_4"
    assert result["classes"]["car"]["ap_2m"] == 1 and result["classes"]["car"]["num_truth"] == 1


def test_frames_of_several_label_sets_are_scored_on_their_shared_set():
    metric = new_metric("a2d2_boxes")
    found = boxes((10, 0), labels=of(A2D2, "Car"))
    for labels, name in ((A2D2, "VanSUV"), (LABELS, "car"), (KITTI, "Van")):
        truth = boxes((10, 0), labels=of(labels, name))
        annotation = Annotation(boxes=truth, box_labels=labels)
        metric.add(frame_with_points_in(truth), annotation, predicted_as(found), "fused")
    result = metric.result()
    assert result["labels"] == "boxes_4" and result["num_frames"] == 3
    assert result["classes"]["car"]["ap"] == 1
    assert result["by_labels"]["a2d2_boxes"]["num_frames"] == 1
    assert result["by_labels"]["a2d2_boxes"]["classes"]["VanSUV"]["ap"] == 0


def test_a_network_of_a_user_defined_set_is_scored_only_on_sets_that_both_map_to():
    own = LabelSet("own", ("sedan", "wagon"), np.zeros((2, 3)))
    data = LabelSet(
        "data",
        ("auto",),
        np.zeros((1, 3)),
        coarser={"boxes_4": ("car",)},
        finer={"own": {"sedan": "auto", "wagon": "auto"}},
    )
    metric = DetectionMetric(own, GridConfig())
    truth = boxes((10, 0), labels=0)
    annotation = Annotation(boxes=truth, box_labels=data)
    found = predicted_as(boxes((10, 0), labels=1))
    metric.add(frame_with_points_in(truth), annotation, found, "fused")
    assert list(metric.result()["by_labels"]) == ["data"]
    assert metric.result()["classes"]["auto"]["ap"] == 1


def test_the_table_names_every_set_and_class_and_the_headline_every_class_of_the_main_one():
    truth = boxes((10, 0), labels=of(A2D2, "Car"))
    result = score(truth, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    text = "\n".join(DetectionMetric.table(result))
    assert all(name in text for name in (*A2D2.classes, *LABELS.classes, "a2d2_boxes", "boxes_4"))
    headline = DetectionMetric.headline(result)
    assert set(headline) == {"map", *(f"ap_{name}" for name in A2D2.classes)}
    assert headline["map"] == headline["ap_Car"] == 1


@pytest.mark.parametrize("name", ["map", "labels", "num_frames", "num_skipped", "by_labels"])
def test_a_class_may_have_the_name_of_a_figure(name):
    own = LabelSet("own", (name, "other"), np.zeros((2, 3)))
    truth, found = boxes((10, 0), (20, 0), labels=[0, 1]), boxes((10, 0), labels=[0])
    metric = DetectionMetric(own, GridConfig())
    annotation = Annotation(boxes=truth, box_labels=own)
    metric.add(frame_with_points_in(truth), annotation, predicted_as(found), "fused")
    result = metric.result()
    assert result["classes"][name]["ap"] == 1 and result["classes"]["other"]["ap"] == 0
    assert (result["map"], result["num_frames"], result["num_skipped"]) == (0.5, 1, 0)
    assert result["labels"] == "own" and list(result["by_labels"]) == ["own"]
    assert DetectionMetric.headline(result) == {"map": 0.5, f"ap_{name}": 1, "ap_other": 0}
    assert any(line.split()[:2] == [name, "1"] for line in DetectionMetric.table(result))

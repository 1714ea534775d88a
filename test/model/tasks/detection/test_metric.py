"""Detection scores on cases computed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import (
    Annotation,
    Boxes,
    Camera,
    CameraImage,
    Frame,
    LidarScan,
    Prediction,
)
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_z, transform
from bev_semseg_ros.labels import BOX_IGNORED, LabelSet, load_label_set
from bev_semseg_ros.model.tasks.detection.metric import DetectionMetric, in_dont_care

LABELS = load_label_set("boxes_4")
CAR, TRUCK = LABELS.index("car"), LABELS.index("truck")
CAMERA = Camera(
    [[500, 0, 320], [0, 500, 200], [0, 0, 1]],
    (640, 400),
    OPTICAL_FROM_VIEW @ invert(transform(None, (0, 0, 1.5))),
)


def boxes(*centers: tuple[float, float], labels=CAR, scores=None) -> Boxes:
    count = len(centers)
    return Boxes(
        [[x, y, 1] for x, y in centers],
        np.tile([4, 2, 2], (count, 1)),
        np.zeros(count),
        np.broadcast_to(labels, count),
        np.ones(count) if scores is None else scores,
    )


def frame_with_points_in(truth: Boxes, num_points: int = 10, camera: Camera | None = None) -> Frame:
    points = np.repeat(truth.centers, num_points, 0)
    return Frame.of(
        0,
        np.column_stack([points, np.zeros(len(points))]).astype(np.float32),
        np.eye(4),
        None,
        camera,
        name="f",
    )


def predicted_as(boxes: Boxes | None, mode: str = "fused") -> Prediction:
    return Prediction.of(boxes, None, None, mode, 1.0)


def new_metric(labels: str = "boxes_4") -> DetectionMetric:
    return DetectionMetric(load_label_set(labels), GridConfig())


def score(
    predicted: Boxes,
    truth: Boxes,
    num_points: int = 10,
    camera: Camera | None = None,
    labels: str = "boxes_4",
    box_labels: str = "boxes_4",
    **annotation,
) -> dict:
    """The figures of one frame; labels: of the network, box_labels: of the ground truth."""
    metric = new_metric(labels)
    metric.add(
        frame_with_points_in(truth, num_points, camera),
        Annotation(boxes=truth, box_labels=load_label_set(box_labels), **annotation),
        predicted_as(predicted),
        "fused",
    )
    return metric.result()


def score_car(predicted: Boxes, truth: Boxes, **options) -> dict:
    """The figures of the cars of one frame; options: as of `score`."""
    return score(predicted, truth, **options)["classes"]["car"]


def test_perfect_predictions_score_one():
    truth = boxes((10, 0), (20, 5), (30, -5))
    result = score(truth, truth)
    assert result["map"] == result["classes"]["car"]["ap"] == 1
    assert result["classes"]["car"]["num_truth"] == 3


def test_one_of_two_missed():
    # Recall 0.5 at precision 1: samples .10 to .50 count 1 of 91 each.
    result = score_car(boxes((10, 0)), boxes((10, 0), (20, 0)))
    assert result["ap_2m"] == pytest.approx(41 / 91)


def test_false_alarm_before_the_hit_halves_precision():
    result = score(boxes((40, 10), (10, 0), scores=[0.9, 0.8]), boxes((10, 0)))
    assert result["classes"]["car"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)


def test_false_alarm_after_the_hit_costs_nothing():
    result = score_car(boxes((40, 10), (10, 0), scores=[0.1, 0.8]), boxes((10, 0)))
    assert result["ap_2m"] == 1


def test_second_prediction_of_a_claimed_object_is_false():
    result = score(
        boxes((10, 0), (10.2, 0), (20, 0), scores=[0.9, 0.8, 0.7]), boxes((10, 0), (20, 0))
    )
    # Precision 1 up to recall .5, then 2/3.
    expected = (41 * 0.9 + 50 * (2 / 3 - 0.1)) / 0.9 / 91
    assert result["classes"]["car"]["ap_2m"] == pytest.approx(expected)


def test_distance_decides_by_threshold():
    result = score_car(boxes((11.5, 0)), boxes((10, 0)))
    assert [result[key] for key in ("ap_0.5m", "ap_1m", "ap_2m", "ap_4m")] == [0, 0, 1, 1]
    assert result["ap"] == 0.5


def test_ignored_truth_is_neither_found_nor_missed():
    truth = boxes((10, 0), (20, 0))
    ignored = np.array([False, True])
    assert score_car(boxes((10, 0)), truth, ignored=ignored)["ap"] == 1
    found = score_car(boxes((20, 0), (10, 0), scores=[0.9, 0.8]), truth, ignored=ignored)
    assert found["ap"] == 1 and found["num_truth"] == 1


def test_truth_with_nine_points_is_ignored():
    assert score_car(boxes(), boxes((10, 0)), num_points=9) == score_car(boxes(), boxes())


@pytest.mark.parametrize("label", [BOX_IGNORED, TRUCK])
def test_a_car_on_another_vehicle_is_dropped(label):
    truth = Boxes.concatenate([boxes((10, 0)), boxes((20, 0), labels=label)])
    assert score_car(boxes((20, 0), (10, 0), scores=[0.9, 0.8]), truth)["ap_2m"] == 1


def test_a_truck_on_a_car_is_a_false_alarm():
    truth = Boxes.concatenate([boxes((10, 0)), boxes((20, 0), labels=TRUCK)])
    predicted = boxes((10, 0), (20, 0), labels=TRUCK, scores=[0.9, 0.8])
    assert score(predicted, truth)["classes"]["truck"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)


@pytest.mark.parametrize(
    "center", [(51, 0), (45, 25), (5, 20)], ids=["beyond 50 m", "beyond 50 m askew", "off image"]
)
def test_outside_of_range_or_image_nothing_counts(center):
    truth = boxes((10, 0), center)
    alone = score(boxes((10, 0), center, scores=[0.5, 0.9]), boxes((10, 0)), camera=CAMERA)
    assert alone["classes"]["car"]["ap"] == 1
    assert score_car(boxes((10, 0)), truth, camera=CAMERA)["num_truth"] == 1


def test_prediction_in_dont_care_area_is_dropped():
    truth, predicted = boxes((10, 0)), boxes((30, 8), (10, 0), scores=[0.9, 0.8])
    bounds = np.array([[320 - 150 - 40, 150, 320 - 150 + 80, 250.0]])
    assert score_car(predicted, truth, camera=CAMERA)["ap_2m"] < 1
    assert score_car(predicted, truth, camera=CAMERA, dont_care={"camera": bounds})["ap_2m"] == 1


def test_dont_care_needs_more_than_half_of_the_box():
    box = boxes((20, 0))
    left, right = 320 - 500 / 18, 320 + 500 / 18  # the near face is 18 m away and 2 m wide
    for share, dropped in ((0.4, False), (0.6, True)):
        area = np.array([[left, 0, left + share * (right - left), 400]])
        assert in_dont_care(box, area, CAMERA)[0] == dropped


def test_without_truth_everything_is_null():
    result = score(boxes((10, 0)), boxes())
    assert (
        result["map"] is None
        and result["classes"]["car"]["ap"] is None
        and result["classes"]["car"]["interval_2m"] is None
    )
    assert result["classes"]["car"]["num_truth"] == 0


def test_truth_without_predictions_scores_zero():
    assert score_car(boxes(), boxes((10, 0))) == {
        "ap": 0,
        "ap_0.5m": 0,
        "ap_1m": 0,
        "ap_2m": 0,
        "ap_4m": 0,
        "num_truth": 1,
        "interval_2m": [0, 0],
    }


def test_no_frames_at_all():
    result = new_metric().result()
    assert result["map"] is None and result["num_frames"] == 0
    assert set(LABELS.classes) == set(result["classes"])


def test_an_unlabelled_frame_is_neither_scored_nor_skipped():
    metric = new_metric()
    frame = frame_with_points_in(boxes())
    metric.add(frame, Annotation(), predicted_as(boxes((10, 0))), "fused")
    assert metric.result()["num_frames"] == metric.result()["num_skipped"] == 0


@pytest.mark.parametrize(
    "prediction", [None, predicted_as(None), predicted_as(boxes((10, 0)), "lidar_only")]
)
def test_a_frame_in_which_nobody_looked_for_boxes_is_skipped(prediction):
    metric, truth = new_metric(), boxes((10, 0))
    metric.add(frame_with_points_in(truth), Annotation(boxes=truth), prediction, "fused")
    result = metric.result()
    assert result["num_skipped"] == 1 and result["num_frames"] == 0
    assert result["classes"]["car"]["ap"] is None
    assert "1 more frames with boxes" in metric.table(result)[-1]


def test_predictions_match_only_in_their_own_frame():
    metric = new_metric()
    for truth, predicted in ((boxes((10, 0)), boxes()), (boxes((30, 0)), boxes((10, 0)))):
        frame = frame_with_points_in(truth)
        metric.add(frame, Annotation(boxes=truth), predicted_as(predicted), "fused")
    assert metric.result()["classes"]["car"]["ap"] == 0


def test_interval_holds_the_figure_and_narrows_with_frames():
    def interval(count: int) -> list[float]:
        metric, truth = new_metric(), boxes((10, 0), (20, 0))
        for index in range(count):
            found = boxes((10, 0), (20, 0)) if index % 2 else boxes((10, 0))
            frame = frame_with_points_in(truth)
            metric.add(frame, Annotation(boxes=truth), predicted_as(found), "fused")
        result = metric.result()["classes"]["car"]
        assert result["interval_2m"][0] <= result["ap_2m"] <= result["interval_2m"][1]
        return result["interval_2m"]

    few, many = interval(6), interval(60)
    assert many[1] - many[0] < few[1] - few[0]


# Networks and ground truth of different label sets.

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


def test_of_two_members_at_one_place_only_the_better_counts_on_the_coarser_set():
    truth = boxes((10, 0), (20, 0), labels=of(A2D2, "Car", "Car"))
    found = boxes(
        (10, 0), (10.3, 0), (20, 0), labels=of(A2D2, "Car", "VanSUV", "Car"), scores=[0.9, 0.8, 0.7]
    )
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["by_labels"]["boxes_4"]["classes"]["car"]["ap"] == 1


def test_the_better_of_two_members_counts_in_whatever_order_they_come():
    truth = boxes((10, 0), labels=of(A2D2, "VanSUV"))
    found = boxes((11.4, 0), (10, 0), labels=of(A2D2, "Car", "VanSUV"), scores=[0.5, 0.9])
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["by_labels"]["boxes_4"]["classes"]["car"]["ap"] == 1


def test_what_the_coarser_set_ignores_counts_neither_way_there():
    truth = boxes((10, 0), (20, 0), labels=of(A2D2, "Car", "Trailer"))
    found = boxes((20, 0), (10, 0), labels=of(A2D2, "Car", "Car"), scores=[0.9, 0.8])
    result = score(found, truth, labels="a2d2_boxes", box_labels="a2d2_boxes")
    assert result["classes"]["Car"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)
    assert result["by_labels"]["boxes_4"]["classes"]["car"]["ap_2m"] == 1


def test_what_is_no_object_in_the_coarser_set_is_absent_there():
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


def test_a_network_of_the_coarser_set_is_scored_on_that_alone():
    truth = boxes((10, 0), (20, 0), (30, 0), labels=of(A2D2, "VanSUV", "Bus", "Trailer"))
    found = boxes((10, 0), (20, 0), (30, 0), labels=[CAR, TRUCK, CAR], scores=[0.8, 0.8, 0.9])
    result = score(found, truth, box_labels="a2d2_boxes")
    assert result["labels"] == "boxes_4" and list(result["by_labels"]) == ["boxes_4"]
    assert result["classes"]["car"]["ap_2m"] == 1 and result["classes"]["truck"]["ap_2m"] == 1
    assert result["classes"]["car"]["num_truth"] == 1


def test_network_and_ground_truth_of_two_makers_meet_in_a_third_set():
    truth = boxes((10, 0), (20, 0), labels=of(KITTI, "Van", "Tram"))
    found = boxes((20, 0), (10, 0), labels=of(A2D2, "Car", "Car"), scores=[0.9, 0.8])
    result = score(found, truth, labels="a2d2_boxes", box_labels="kitti_boxes")
    assert result["labels"] == "boxes_4"
    assert result["classes"]["car"]["ap_2m"] == 1 and result["classes"]["car"]["num_truth"] == 1


def test_frames_of_several_sets_are_scored_on_the_set_that_all_share():
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


def test_a_network_of_ones_own_set_is_scored_on_what_both_map_to_and_no_further():
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


# Several lidars and cameras.


def rig_of(truth: Boxes, per_lidar: int) -> Frame:
    """A camera that looks ahead, one that looks to the left, and two lidars."""
    left = replace(
        CAMERA, camera_from_ego=CAMERA.camera_from_ego @ transform(rotation_z(-np.pi / 2))
    )
    points = np.repeat(truth.centers, per_lidar, 0)
    scan = LidarScan(np.column_stack([points, np.zeros(len(points))]).astype(np.float32), np.eye(4))
    cameras = {"front": CameraImage(None, CAMERA), "left": CameraImage(None, left)}
    return Frame(0, {"a": scan, "b": scan}, cameras)


def test_what_any_of_the_images_shows_is_counted():
    truth = boxes((20, 0), (0.5, 20), (0.5, -20))  # ahead, to the left, to the right
    metric = new_metric()
    metric.add(rig_of(truth, 10), Annotation(boxes=truth), predicted_as(truth), "fused")
    assert metric.result()["classes"]["car"]["num_truth"] == 2


def test_points_of_all_lidars_count():
    truth = boxes((20, 0))
    for per_lidar, expected in ((5, 1), (4, 0)):
        metric = new_metric()
        metric.add(rig_of(truth, per_lidar), Annotation(boxes=truth), predicted_as(truth), "fused")
        assert metric.result()["classes"]["car"]["num_truth"] == expected

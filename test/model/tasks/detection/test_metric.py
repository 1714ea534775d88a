"""Detection scores on cases computed by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.detections import (
    CAMERA,
    CAR,
    LABELS,
    TRUCK,
    boxes,
    frame_with_points_in,
    new_metric,
    predicted_as,
    score,
    score_car,
)

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Annotation, Boxes, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import apply, invert, rotation_z, transform
from bev_semseg_ros.labels import BOX_IGNORED
from bev_semseg_ros.model.tasks.detection.metric import (
    DetectionMetric,
    DetectionScores,
    in_dont_care,
    in_image,
    scorable,
)


def test_perfect_predictions_score_one():
    truth = boxes((10, 0), (20, 5), (30, -5))
    result = score(truth, truth)
    assert result["map"] == result["classes"]["car"]["ap"] == 1
    assert result["classes"]["car"]["num_truth"] == 3


def test_one_of_two_objects_missed_limits_recall_to_one_half():
    # Recall 0.5 at precision 1: samples .10 to .50 count 1 of 91 each.
    result = score_car(boxes((10, 0)), boxes((10, 0), (20, 0)))
    assert result["ap_2m"] == pytest.approx(41 / 91)


def test_false_alarm_before_the_hit_halves_precision():
    result = score(boxes((40, 10), (10, 0), scores=[0.9, 0.8]), boxes((10, 0)))
    assert result["classes"]["car"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)


def test_false_alarm_after_the_hit_costs_nothing():
    result = score_car(boxes((40, 10), (10, 0), scores=[0.1, 0.8]), boxes((10, 0)))
    assert result["ap_2m"] == 1


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_the_prediction_with_the_higher_score_claims_an_object_in_any_order(order):
    predicted = boxes((10.8, 0), (10, 0), scores=[0.9, 0.8])[np.array(order)]
    result = score_car(predicted, boxes((10, 0)))
    assert result["ap_1m"] == 1 and result["ap_0.5m"] == pytest.approx((0.5 - 0.1) / 0.9)


def test_second_prediction_of_a_claimed_object_is_false():
    result = score(
        boxes((10, 0), (10.2, 0), (20, 0), scores=[0.9, 0.8, 0.7]), boxes((10, 0), (20, 0))
    )
    # Precision 1 up to recall .5, then 2/3.
    expected = (41 * 0.9 + 50 * (2 / 3 - 0.1)) / 0.9 / 91
    assert result["classes"]["car"]["ap_2m"] == pytest.approx(expected)


def test_each_threshold_limits_the_distance_of_a_match():
    result = score_car(boxes((11.5, 0)), boxes((10, 0)))
    assert [result[key] for key in ("ap_0.5m", "ap_1m", "ap_2m", "ap_4m")] == [0, 0, 1, 1]
    assert result["ap"] == 0.5


def test_height_differences_do_not_matter():
    truth = boxes((10, 0))
    higher = replace(truth, centers=truth.centers + np.array([0, 0, 5]))
    assert score_car(higher, truth)["ap"] == 1


def test_ignored_truth_is_neither_found_nor_missed():
    truth = boxes((10, 0), (20, 0))
    ignored = np.array([False, True])
    assert score_car(boxes((10, 0)), truth, ignored=ignored)["ap"] == 1
    found = score_car(boxes((20, 0), (10, 0), scores=[0.9, 0.8]), truth, ignored=ignored)
    assert found["ap"] == 1 and found["num_truth"] == 1


def test_truth_with_nine_points_is_ignored():
    assert score_car(boxes(), boxes((10, 0)), num_points=9) == score_car(boxes(), boxes())


@pytest.mark.parametrize("label", [BOX_IGNORED, TRUCK])
def test_a_car_predicted_at_another_vehicle_is_dropped(label):
    truth = Boxes.concatenate([boxes((10, 0)), boxes((20, 0), labels=label)])
    assert score_car(boxes((20, 0), (10, 0), scores=[0.9, 0.8]), truth)["ap_2m"] == 1
    assert score_car(boxes((20, 0)), truth)["ap_2m"] == 0


def test_a_truck_predicted_at_a_car_is_a_false_alarm():
    truth = Boxes.concatenate([boxes((10, 0)), boxes((20, 0), labels=TRUCK)])
    predicted = boxes((10, 0), (20, 0), labels=TRUCK, scores=[0.9, 0.8])
    assert score(predicted, truth)["classes"]["truck"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)


@pytest.mark.parametrize(
    "center", [(51, 0), (45, 25), (5, 20)], ids=["beyond 50 m", "beyond 50 m askew", "off image"]
)
def test_nothing_outside_the_range_or_the_image_counts(center):
    truth = boxes((10, 0), center)
    alone = score(boxes((10, 0), center, scores=[0.5, 0.9]), boxes((10, 0)), camera=CAMERA)
    assert alone["classes"]["car"]["ap"] == 1
    assert score_car(boxes((10, 0)), truth, camera=CAMERA)["num_truth"] == 1


def test_only_boxes_within_all_borders_of_the_grid_count():
    grid = GridConfig(x_min=-3.2, x_max=25.6, y_min=-12.8, y_max=6.4)
    inside = [(-3.2, 0), (25.5, 0), (0, -12.8), (0, 6.3)]
    outside = [(-3.3, 0), (25.6, 0), (0, -12.9), (0, 6.4)]
    counts = scorable(boxes(*inside, *outside).centers, grid, ())
    assert counts.tolist() == [True] * 4 + [False] * 4


def test_an_image_extends_to_the_outer_borders_of_its_pixels():
    def shown(column: float, row: float, depth: float = 10) -> bool:
        centre = [depth, (320 - column) / 500 * depth, 1.5 + (200 - row) / 500 * depth]
        return bool(in_image(np.array([centre]), CAMERA)[0])

    # The centre of the first pixel is (0, 0), and the image has 640 x 400 pixels.
    assert shown(-0.4, 200) and shown(639.4, 200) and shown(320, -0.4) and shown(320, 399.4)
    assert not any((shown(-0.6, 200), shown(639.6, 200), shown(320, -0.6), shown(320, 399.6)))
    assert not shown(320, 200, -10)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_prediction_in_dont_care_area_is_dropped(order):
    truth = boxes((10, 0))
    predicted = boxes((30, 8), (10, 0), scores=[0.9, 0.8])[np.array(order)]
    bounds = np.array([[320 - 150 - 40, 150, 320 - 150 + 80, 250.0]])
    assert score_car(predicted, truth, camera=CAMERA)["ap_2m"] < 1
    assert score_car(predicted, truth, camera=CAMERA, dont_care={"camera": bounds})["ap_2m"] == 1


def test_a_labelled_object_in_front_of_a_dont_care_area_is_found():
    truth = boxes((30, 8), (10, 0))
    bounds = np.array([[320 - 150 - 40, 150, 320 - 150 + 80, 250.0]])
    result = score_car(truth, truth, camera=CAMERA, dont_care={"camera": bounds})
    assert result["num_truth"] == 2 and result["ap_2m"] == 1


def test_dont_care_needs_more_than_half_of_the_box():
    box = boxes((20, 0))
    left, right = 320 - 500 / 18, 320 + 500 / 18  # the near face is 18 m away and 2 m wide
    for share, dropped in ((0.4, False), (0.6, True)):
        area = np.array([[left, 0, left + share * (right - left), 400]])
        assert in_dont_care(box, area, CAMERA)[0] == dropped


def test_a_box_is_in_a_dont_care_area_if_it_is_in_one_of_them():
    ahead, behind = boxes((20, 0)), boxes((-20, 0))
    around, elsewhere = [290, 180, 350, 240], [0, 0, 50, 50]
    assert in_dont_care(ahead, np.array([elsewhere, around]), CAMERA)[0]
    assert not in_dont_care(ahead, np.array([elsewhere]), CAMERA)[0]
    assert not in_dont_care(behind, np.array([[0, 0, 639, 399]]), CAMERA)[0]


def test_only_the_visible_part_of_a_box_decides_whether_it_is_in_a_dont_care_area():
    box = boxes((6, 4.3))  # most of it is left of the image
    assert in_dont_care(box, np.array([[0, 0, 200, 399]]), CAMERA)[0]
    assert not in_dont_care(box, np.array([[0, 0, 10, 399]]), CAMERA)[0]


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


def test_the_table_shows_the_figures_and_the_interval_of_a_class():
    truth = boxes((10, 0))
    lines = DetectionMetric.table(score(truth, truth))
    assert lines[0] == "boxes, boxes_4: 1 frames, mAP 1.000"
    expected = ["car", "1", *["1.000"] * 5, "1.000-1.000"]
    assert expected in [line.split() for line in lines]


def test_without_frames_the_map_is_null():
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
def test_a_frame_without_predicted_boxes_of_the_mode_is_skipped(prediction):
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


def test_predictions_of_all_frames_are_ranked_by_their_scores():
    metric, truth = new_metric(), boxes((10, 0))
    for predicted in (boxes((40, 10), scores=[0.2]), boxes((10, 0), scores=[0.9])):
        frame = frame_with_points_in(truth)
        metric.add(frame, Annotation(boxes=truth), predicted_as(predicted), "fused")
    # One of two objects is found, before the false alarm.
    assert metric.result()["classes"]["car"]["ap_2m"] == pytest.approx(41 / 91)


def test_the_interval_contains_the_figure_and_narrows_with_more_frames():
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


def test_a_resample_scores_like_a_data_set_of_its_frames():
    truth = boxes((10, 0), (20, 0))
    found = [
        boxes((10, 0), (20, 0), scores=[0.4, 0.1]),
        boxes((10, 0), scores=[0.3]),
        boxes((15, 0), scores=[0.2]),
    ]
    all_frames, two_frames = DetectionScores(LABELS), DetectionScores(LABELS)
    for index, predicted in enumerate(found):
        all_frames.add(predicted, truth, np.ones(2, bool))
        for _ in range((0, 1, 2)[index]):
            two_frames.add(predicted, truth, np.ones(2, bool))
    resampled = all_frames.resampled_map(np.array([[1, 1, 1], [0, 1, 2]]))
    expected = [all_frames.result()["map"], two_frames.result()["map"]]
    np.testing.assert_allclose(resampled, expected)
    assert 0 < expected[1] < expected[0] < 1


def test_a_resample_without_an_object_of_a_class_has_no_figure():
    scores = DetectionScores(LABELS)
    for label in (CAR, TRUCK):
        truth = boxes((10, 0), labels=label)
        scores.add(truth, truth, np.ones(1, bool))
    times = np.array([[1, 1], [2, 0]])
    np.testing.assert_array_equal(scores.resampled_map(times), [1, np.nan])


# Several lidars and cameras.


def rig_of(truth: Boxes, per_lidar: int) -> Frame:
    """Return a frame of a front camera, a camera that looks left, and two lidars."""
    left = replace(
        CAMERA, camera_from_ego=CAMERA.camera_from_ego @ transform(rotation_z(-np.pi / 2))
    )
    points = np.repeat(truth.centers, per_lidar, 0)
    lidars = {}
    for name, pose in (("a", np.eye(4)), ("b", transform(rotation_z(np.pi), (-2, 1, 0.5)))):
        measured = np.column_stack([apply(invert(pose), points), np.zeros(len(points))])
        lidars[name] = LidarScan(measured.astype(np.float32), pose)
    cameras = {"front": CameraImage(None, CAMERA), "left": CameraImage(None, left)}
    return Frame(0, lidars, cameras)


def test_objects_in_any_of_the_images_count():
    truth = boxes((20, 0), (0.5, 20), (0.5, -20))  # ahead, to the left, to the right
    metric = new_metric()
    metric.add(rig_of(truth, 10), Annotation(boxes=truth), predicted_as(truth), "fused")
    assert metric.result()["classes"]["car"]["num_truth"] == 2


def test_dont_care_areas_of_every_image_count():
    truth, whole = boxes((20, 0)), np.array([[0, 0, 639, 399]])
    false_alarms = boxes((30, 8), (-4, 20), scores=[0.9, 0.8])  # ahead, to the left
    grid = GridConfig(x_min=-12.8)
    for seen, false in ((("front", "left"), 0), (("front",), 1), (("left",), 1), ((), 2)):
        metric = DetectionMetric(LABELS, grid)
        predicted = Boxes.concatenate([false_alarms, boxes((20, 0), scores=[0.7])])
        annotation = Annotation(boxes=truth, dont_care=dict.fromkeys(seen, whole))
        metric.add(rig_of(truth, 10), annotation, predicted_as(predicted), "fused")
        expected = (1 / (1 + false) - 0.1) / 0.9
        assert metric.result()["classes"]["car"]["ap_2m"] == pytest.approx(expected)


def test_points_of_all_lidars_count():
    truth = boxes((20, 0))
    for per_lidar, expected in ((5, 1), (4, 0)):
        metric = new_metric()
        metric.add(rig_of(truth, per_lidar), Annotation(boxes=truth), predicted_as(truth), "fused")
        assert metric.result()["classes"]["car"]["num_truth"] == expected


def test_scores_can_be_restored_from_plain_values_of_each_frame():
    metric = new_metric()
    for predicted, truth in (
        (boxes((40, 10), (10, 0), scores=[0.82, 0.81]), boxes((10, 0))),
        (boxes((11.2, 0), labels=TRUCK), boxes((10, 0), labels=TRUCK)),
        (boxes((40, 10), scores=[0.83]), boxes((20, 5))),
    ):
        metric.add(frame_with_points_in(truth), Annotation(truth), predicted_as(predicted), "fused")
    stored = json.loads(json.dumps(metric.scores.evidence()))
    assert len(stored) == 3
    assert DetectionScores.of_evidence(LABELS, stored).result() == metric.scores.result()
    first = DetectionScores.of_evidence(LABELS, stored[:1]).result()
    assert first["classes"]["car"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)

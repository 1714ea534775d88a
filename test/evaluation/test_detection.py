"""Detection scores on cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from bev_semseg_ros.evaluation.detection import DetectionScores, average_precision, in_dont_care

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Annotation, Boxes, Camera, Frame
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform
from bev_semseg_ros.taxonomy import DETECTION_CLASSES, IGNORED_VEHICLE

CAR, TRUCK = DETECTION_CLASSES.index("car"), DETECTION_CLASSES.index("truck")
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
    return Frame(
        0,
        np.column_stack([points, np.zeros(len(points))]).astype(np.float32),
        np.eye(4),
        None,
        camera,
        "f",
    )


def score(
    predicted: Boxes, truth: Boxes, num_points: int = 10, camera: Camera | None = None, **annotation
) -> dict:
    scores = DetectionScores(GridConfig())
    scores.add(
        frame_with_points_in(truth, num_points, camera),
        Annotation(boxes=truth, **annotation),
        predicted,
    )
    return scores.result()


def test_perfect_predictions_score_one():
    truth = boxes((10, 0), (20, 5), (30, -5))
    result = score(truth, truth)
    assert result["car"]["ap"] == 1 and result["map"] == 1 and result["car"]["num_truth"] == 3


def test_one_of_two_missed():
    # Recall 0.5 at precision 1: samples .10 to .50 count 1 of 91 each.
    assert score(boxes((10, 0)), boxes((10, 0), (20, 0)))["car"]["ap_2m"] == pytest.approx(41 / 91)


def test_false_alarm_before_the_hit_halves_precision():
    result = score(boxes((40, 10), (10, 0), scores=[0.9, 0.8]), boxes((10, 0)))
    assert result["car"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)


def test_false_alarm_after_the_hit_costs_nothing():
    assert score(boxes((40, 10), (10, 0), scores=[0.1, 0.8]), boxes((10, 0)))["car"]["ap_2m"] == 1


def test_second_prediction_of_a_claimed_object_is_false():
    result = score(
        boxes((10, 0), (10.2, 0), (20, 0), scores=[0.9, 0.8, 0.7]), boxes((10, 0), (20, 0))
    )
    # Precision 1 up to recall .5, then 2/3.
    assert result["car"]["ap_2m"] == pytest.approx((41 * 0.9 + 50 * (2 / 3 - 0.1)) / 0.9 / 91)


def test_distance_decides_by_threshold():
    result = score(boxes((11.5, 0)), boxes((10, 0)))["car"]
    assert [result[key] for key in ("ap_0.5m", "ap_1m", "ap_2m", "ap_4m")] == [0, 0, 1, 1]
    assert result["ap"] == 0.5


def test_ignored_truth_is_neither_found_nor_missed():
    truth = boxes((10, 0), (20, 0))
    ignored = np.array([False, True])
    assert score(boxes((10, 0)), truth, ignored=ignored)["car"]["ap"] == 1
    found = score(boxes((20, 0), (10, 0), scores=[0.9, 0.8]), truth, ignored=ignored)["car"]
    assert found["ap"] == 1 and found["num_truth"] == 1


def test_truth_with_nine_points_is_ignored():
    assert score(boxes(), boxes((10, 0)), num_points=9)["car"] == score(boxes(), boxes())["car"]


@pytest.mark.parametrize("label", [IGNORED_VEHICLE, TRUCK])
def test_a_car_on_another_vehicle_is_dropped(label):
    truth = Boxes.concatenate([boxes((10, 0)), boxes((20, 0), labels=label)])
    assert score(boxes((20, 0), (10, 0), scores=[0.9, 0.8]), truth)["car"]["ap_2m"] == 1


def test_a_truck_on_a_car_is_a_false_alarm():
    truth = Boxes.concatenate([boxes((10, 0)), boxes((20, 0), labels=TRUCK)])
    predicted = boxes((10, 0), (20, 0), labels=TRUCK, scores=[0.9, 0.8])
    assert score(predicted, truth)["truck"]["ap_2m"] == pytest.approx((0.5 - 0.1) / 0.9)


@pytest.mark.parametrize(
    "center", [(51, 0), (45, 25), (5, 20)], ids=["beyond 50 m", "beyond 50 m askew", "off image"]
)
def test_outside_of_range_or_image_nothing_counts(center):
    truth = boxes((10, 0), center)
    alone = score(boxes((10, 0), center, scores=[0.5, 0.9]), boxes((10, 0)), camera=CAMERA)
    assert alone["car"]["ap"] == 1
    assert score(boxes((10, 0)), truth, camera=CAMERA)["car"]["num_truth"] == 1


def test_prediction_in_dont_care_area_is_dropped():
    truth, predicted = boxes((10, 0)), boxes((30, 8), (10, 0), scores=[0.9, 0.8])
    bounds = np.array([[320 - 150 - 40, 150, 320 - 150 + 80, 250.0]])
    assert score(predicted, truth, camera=CAMERA)["car"]["ap_2m"] < 1
    assert score(predicted, truth, camera=CAMERA, dont_care=bounds)["car"]["ap_2m"] == 1


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
        and result["car"]["ap"] is None
        and result["car"]["interval_2m"] is None
    )
    assert result["car"]["num_truth"] == 0


def test_truth_without_predictions_scores_zero():
    assert score(boxes(), boxes((10, 0)))["car"] == {
        "ap": 0,
        "ap_0.5m": 0,
        "ap_1m": 0,
        "ap_2m": 0,
        "ap_4m": 0,
        "num_truth": 1,
        "interval_2m": [0, 0],
    }


def test_no_frames_at_all():
    assert DetectionScores(GridConfig()).result()["map"] is None


def test_unlabelled_frame_is_refused_by_name():
    with pytest.raises(ValueError, match="frame f"):
        DetectionScores(GridConfig()).add(frame_with_points_in(boxes()), Annotation(), boxes())


def test_predictions_match_only_in_their_own_frame():
    scores = DetectionScores(GridConfig())
    scores.add(frame_with_points_in(boxes((10, 0))), Annotation(boxes=boxes((10, 0))), boxes())
    scores.add(
        frame_with_points_in(boxes((30, 0))), Annotation(boxes=boxes((30, 0))), boxes((10, 0))
    )
    assert scores.result()["car"]["ap"] == 0


def test_interval_holds_the_figure_and_narrows_with_frames():
    def interval(count: int) -> list[float]:
        scores = DetectionScores(GridConfig())
        truth = boxes((10, 0), (20, 0))
        for index in range(count):
            found = boxes((10, 0), (20, 0)) if index % 2 else boxes((10, 0))
            scores.add(frame_with_points_in(truth), Annotation(boxes=truth), found)
        result = scores.result()["car"]
        assert result["interval_2m"][0] <= result["ap_2m"] <= result["interval_2m"][1]
        return result["interval_2m"]

    few, many = interval(6), interval(60)
    assert many[1] - many[0] < few[1] - few[0]


def test_weighting_a_frame_twice_is_repeating_it():
    found = np.array([True, False, True])
    weighted = average_precision(found, np.array([[2.0, 1, 1]]), np.array([3]))
    repeated = average_precision(
        np.array([True, True, False, True]), np.ones((1, 4)), np.array([3])
    )
    assert weighted == pytest.approx(repeated)

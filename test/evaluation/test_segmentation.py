"""Segmentation scores on cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from bev_semseg_ros.evaluation.segmentation import (
    SegmentationScores,
    confusion,
    intersection_over_union,
)

from bev_semseg_ros.frame import Annotation, Camera, Frame
from bev_semseg_ros.taxonomy import GROUPS, IGNORE, SEGMENTATION_CLASSES

ROAD, SIDEWALK, CAR, SKY = (
    SEGMENTATION_CLASSES.index(name) for name in ("road", "sidewalk", "car", "sky")
)


def frame(width: int, height: int) -> Frame:
    camera = Camera(
        np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]),
        (width, height),
        np.eye(4),
    )
    return Frame(0, None, np.eye(4), np.zeros((height, width, 3), np.uint8), camera, "f")


def score(truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray | None = None) -> dict:
    scores = SegmentationScores()
    scores.add(
        frame(truth.shape[1], truth.shape[0]), Annotation(mask=truth, group_mask=groups), predicted
    )
    return scores.result()


def test_confusion_counts_truth_by_rows_and_leaves_out_ignored():
    truth = np.array([[0, 0, 1, IGNORE]], np.uint8)
    predicted = np.array([[0, 1, 1, 0]], np.uint8)
    np.testing.assert_array_equal(confusion(truth, predicted, 2), [[1, 1], [0, 1]])


def test_iou_of_a_class_that_only_the_prediction_has_is_unknown():
    iou = intersection_over_union(np.array([[3, 1], [0, 0]]))
    assert iou[0] == 0.75 and np.isnan(iou[1])


def test_perfect_mask_scores_one_and_absent_classes_are_null():
    mask = np.full((8, 8), ROAD, np.uint8)
    mask[:4] = SKY
    result = score(mask, mask)
    assert result["miou"] == 1 and result["iou"]["car"] is None and result["group_miou"] == 1


def test_half_of_the_road_called_car():
    truth = np.full((4, 8), ROAD, np.uint8)
    predicted = truth.copy()
    predicted[:2] = CAR
    result = score(truth, predicted)
    assert result["iou"]["road"] == 0.5 and result["miou"] == 0.5


def test_prediction_is_brought_to_the_resolution_of_the_truth():
    truth = np.full((40, 60), ROAD, np.uint8)
    truth[:20] = SKY
    predicted = np.full((20, 30), ROAD, np.uint8)
    predicted[:10] = SKY
    assert score(truth, predicted)["miou"] == 1


def test_groups_forgive_confusions_inside_a_group():
    truth = np.full((4, 8), SIDEWALK, np.uint8)
    predicted = np.full((4, 8), SEGMENTATION_CLASSES.index("pole"), np.uint8)
    result = score(truth, predicted)
    assert result["miou"] == 0 and result["group_iou"]["other"] == 1


def test_the_truth_of_groups_may_differ_from_that_of_the_classes():
    truth = np.full((4, 8), SEGMENTATION_CLASSES.index("two_wheeler"), np.uint8)
    groups = np.full((4, 8), GROUPS.index("vehicle"), np.uint8)
    result = score(truth, truth, groups)
    assert result["group_iou"]["vehicle"] == 0 and result["group_iou"]["other"] is None


def test_pixels_of_all_frames_make_one_confusion():
    scores = SegmentationScores()
    small, large = np.full((2, 2), ROAD, np.uint8), np.full((6, 6), ROAD, np.uint8)
    scores.add(frame(2, 2), Annotation(mask=small), np.full((2, 2), CAR, np.uint8))
    scores.add(frame(6, 6), Annotation(mask=large), large)
    result = scores.result()
    assert result["iou"]["road"] == pytest.approx(36 / 40)
    assert result["group_interval"][0] <= result["group_miou"] <= result["group_interval"][1]


def test_without_frames_everything_is_null():
    result = SegmentationScores().result()
    assert result["num_frames"] == 0 and result["miou"] is None and result["group_interval"] is None


def test_unlabelled_frame_is_refused_by_name():
    with pytest.raises(ValueError, match="frame f"):
        SegmentationScores().add(frame(4, 4), Annotation(), np.zeros((4, 4), np.uint8))

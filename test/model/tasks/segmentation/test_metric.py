"""Segmentation scores on cases computed by hand."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bev_semseg_ros.frame import CAMERA, Annotation, Camera, CameraImage, Frame, Prediction
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set
from bev_semseg_ros.model.tasks.segmentation.metric import (
    SegmentationMetric,
    confusion,
    intersection_over_union,
)
from bev_semseg_ros.rectification import rectify

DRIVING, A2D2, CAMVID, GROUPS = (
    load_label_set(name) for name in ("driving_13", "a2d2_38", "camvid_11", "groups_6")
)
ROAD, SIDEWALK, CAR, SKY = (DRIVING.index(name) for name in ("road", "sidewalk", "car", "sky"))


def frame(width: int, height: int) -> Frame:
    camera = Camera(
        np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]),
        (width, height),
        np.eye(4),
    )
    return Frame.of(0, None, np.eye(4), np.zeros((height, width, 3), np.uint8), camera, name="f")


def add(metric, truth, predicted, labels=DRIVING):
    """Score a predicted mask against ground truth of a label set."""
    seen = frame(truth.shape[1], truth.shape[0])
    prediction = Prediction.of(None, predicted, seen.camera, "fused", 1.0)
    metric.add(seen, Annotation(masks={CAMERA: truth}, mask_labels=labels), prediction, "fused")


def score(truth, predicted, network=DRIVING, labels=DRIVING) -> dict:
    metric = SegmentationMetric(network)
    add(metric, truth, predicted, labels)
    return metric.result()


def filled(labels, name, shape=(4, 8)):
    return np.full(shape, labels.index(name), np.uint8)


def test_confusion_has_ground_truth_in_rows_and_leaves_out_ignored_pixels():
    truth = np.array([[0, 0, 1, MASK_IGNORED]], np.uint8)
    predicted = np.array([[0, 1, 1, 0]], np.uint8)
    np.testing.assert_array_equal(confusion(truth, predicted, 2), [[1, 1, 0], [0, 1, 0]])


def test_pixels_without_a_predicted_class_are_missed_but_are_no_false_alarms():
    truth = np.array([[0, 0, 0, 1]], np.uint8)
    predicted = np.array([[0, 0, MASK_IGNORED, 1]], np.uint8)
    counts = confusion(truth, predicted, 2)
    np.testing.assert_array_equal(counts, [[2, 0, 1], [0, 1, 0]])
    assert intersection_over_union(counts).tolist() == [pytest.approx(2 / 3), 1]


def test_iou_of_a_class_that_only_the_prediction_has_is_unknown():
    iou = intersection_over_union(np.array([[3, 1, 0], [0, 0, 0]]))
    assert iou[0] == 0.75 and np.isnan(iou[1])


def test_perfect_mask_scores_one_and_absent_classes_are_null():
    mask = np.full((8, 8), ROAD, np.uint8)
    mask[:4] = SKY
    result = score(mask, mask)
    assert result["miou"] == 1 and result["iou"]["car"] is None and result["group_miou"] == 1


def test_half_of_the_road_predicted_as_car_halves_the_iou_of_road():
    truth = np.full((4, 8), ROAD, np.uint8)
    predicted = truth.copy()
    predicted[:2] = CAR
    result = score(truth, predicted)
    assert result["iou"]["road"] == 0.5 and result["miou"] == 0.5


def test_the_prediction_is_resized_to_the_ground_truth():
    truth = np.full((40, 60), ROAD, np.uint8)
    truth[:20] = SKY
    predicted = np.full((20, 30), ROAD, np.uint8)
    predicted[:10] = SKY
    assert score(truth, predicted)["miou"] == 1


def test_the_ground_truth_is_rectified_like_the_image():
    width, height = 60, 40
    matrix = [[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]]
    camera = Camera(matrix, (width, height), np.eye(4), (-0.3, 0.1, 0, 0, 0), "plumb_bob")
    truth = np.full((height, width), ROAD, np.uint8)
    truth[:, ::2] = SKY  # a linear interpolation would invent classes in between
    seen = Frame.of(0, None, np.eye(4), np.zeros((height, width, 3), np.uint8), camera)
    shown = rectify(truth, camera, camera.size, cv2.INTER_NEAREST)
    for mask, is_right in ((shown, True), (truth, False)):
        metric = SegmentationMetric(DRIVING)
        prediction = Prediction.of(None, mask, None, "fused")
        metric.add(seen, Annotation(masks={CAMERA: truth}), prediction, "fused")
        assert (metric.result()["miou"] == 1) == is_right


def test_the_masks_of_all_cameras_count_as_one_frame():
    seen, road, sky = frame(8, 4), filled(DRIVING, "road"), filled(DRIVING, "sky")
    camera = seen.cameras[CAMERA].camera
    left = CameraImage(np.zeros((4, 8, 3), np.uint8), camera)
    both = replace(seen, cameras={**seen.cameras, "left": left})
    masks = {CAMERA: road, "left": sky}
    prediction = replace(Prediction.of(None, road, camera, "fused"), masks=masks)
    metric = SegmentationMetric(DRIVING)
    metric.add(both, Annotation(masks={CAMERA: road, "left": road}), prediction, "fused")
    result = metric.result()
    assert result["num_frames"] == 1 and result["iou"]["road"] == 0.5


def test_groups_forgive_confusions_inside_a_group():
    result = score(filled(DRIVING, "sidewalk"), filled(DRIVING, "pole"))
    assert result["miou"] == 0 and result["group_iou"]["other"] == 1
    assert result["by_labels"]["driving_13"]["interval"] == [0, 0]
    assert result["group_interval"] == [1, 1]


def test_groups_of_the_ground_truth_come_from_its_own_classes():
    # Small vehicles are two-wheelers among the classes, and vehicles among the groups.
    truth, predicted = filled(A2D2, "Small vehicles"), filled(DRIVING, "two_wheeler")
    result = score(truth, predicted, labels=A2D2)
    assert result["iou"]["two_wheeler"] == 1
    assert result["group_iou"]["vehicle"] == 0 and result["group_iou"]["other"] is None


def test_the_pixels_of_all_frames_are_counted_in_one_confusion_matrix():
    metric = SegmentationMetric(DRIVING)
    large = filled(DRIVING, "road", (6, 6))
    add(metric, filled(DRIVING, "road", (2, 2)), filled(DRIVING, "car", (2, 2)))
    add(metric, large, large)
    result = metric.result()
    assert result["iou"]["road"] == pytest.approx(36 / 40)
    (counts,) = metric.frame_counts().values()
    assert counts.sum((1, 2)).tolist() == [4, 36]
    assert counts[:, ROAD, ROAD].tolist() == [0, 36]
    assert result["group_interval"][0] <= result["group_miou"] <= result["group_interval"][1]


def test_a_frame_without_a_labelled_pixel_changes_no_figure():
    metric, nothing = SegmentationMetric(DRIVING), np.full((4, 8), MASK_IGNORED, np.uint8)
    road = filled(DRIVING, "road")
    add(metric, nothing, road)
    assert metric.result()["miou"] is None and metric.result()["group_interval"] is None
    add(metric, road, road)
    assert metric.result()["miou"] == 1 and metric.result()["group_interval"] == [1, 1]


def test_without_frames_everything_is_null():
    result = SegmentationMetric(DRIVING).result()
    assert result["num_frames"] == 0 and result["miou"] is None
    assert result["group_interval"] is None
    assert list(result["by_labels"]) == ["driving_13", "camvid_11", "groups_6"]
    assert result["labels"] == "driving_13" and result["group_labels"] == "groups_6"


@pytest.mark.parametrize("lacking", ["mask", "image", "prediction", "predicted mask"])
def test_a_frame_that_lacks_an_input_of_the_metric_is_skipped(lacking):
    mask = filled(DRIVING, "road")
    seen = frame(8, 4)
    if lacking == "image":
        seen = seen.without_images()
    prediction = Prediction.of(None, mask, seen.camera, "fused", 1.0)
    if lacking == "predicted mask":
        prediction = replace(prediction, masks={})
    metric = SegmentationMetric(DRIVING)
    metric.add(
        seen,
        Annotation(masks={} if lacking == "mask" else {CAMERA: mask}),
        None if lacking == "prediction" else prediction,
        "fused",
    )
    assert metric.result()["num_frames"] == 0


# Networks and ground truth of different label sets.


def a2d2_names(*names):
    """A mask with a row of four pixels for each class."""
    return np.repeat(np.array([[A2D2.index(name)] for name in names], np.uint8), 4, 1)


def test_a_network_is_scored_on_its_own_classes_and_on_every_coarser_set():
    truth = a2d2_names("Car", "Truck", "Zebra crossing", "Sky", "Poles", "Buildings")
    found = a2d2_names("Car", "Tractor", "Solid line", "Sky", "Traffic sign", "Buildings")
    result = score(truth, found, A2D2, A2D2)
    by_labels = result["by_labels"]
    assert list(by_labels) == ["a2d2_38", "driving_13", "camvid_11", "groups_6"]
    assert by_labels["a2d2_38"]["iou"]["Truck"] == 0
    assert by_labels["driving_13"]["iou"]["truck"] == 1
    assert by_labels["driving_13"]["iou"]["pole"] == 0
    assert by_labels["camvid_11"]["iou"]["car"] == 1
    assert by_labels["groups_6"]["iou"]["other"] == 1
    means = [by_labels[name]["miou"] for name in by_labels]
    assert means == [pytest.approx(3 / 6), pytest.approx(5 / 6), pytest.approx(4 / 5), 1]
    assert result["labels"] == "a2d2_38" and result["group_labels"] == "groups_6"
    assert result["miou"] == means[0] and result["group_miou"] == means[-1]
    assert list(result["iou"]) == list(A2D2.classes)
    assert list(result["group_iou"]) == list(GROUPS.classes)


@pytest.mark.parametrize(
    "labels, expected",
    [
        (A2D2, ["a2d2_38", "driving_13", "camvid_11", "groups_6"]),
        (DRIVING, ["driving_13", "camvid_11", "groups_6"]),
        (CAMVID, ["camvid_11", "groups_6"]),
        (GROUPS, ["groups_6"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_ground_truth_is_scored_on_its_own_set_and_the_coarser_ones(labels, expected):
    name = {"a2d2_38": "Sky"}.get(labels.name, "sky")
    for network in (A2D2, labels):
        predicted = filled(network, {"a2d2_38": "Sky"}.get(network.name, "sky"))
        result = score(filled(labels, name), predicted, network, labels)
        assert list(result["by_labels"]) == expected
        assert all(scores["miou"] == 1 for scores in result["by_labels"].values())


def test_frames_of_several_label_sets_are_scored_on_their_shared_set():
    metric = SegmentationMetric(A2D2)
    add(metric, filled(A2D2, "Car"), filled(A2D2, "Car"), A2D2)
    add(metric, filled(DRIVING, "truck"), filled(A2D2, "Truck"), DRIVING)
    add(metric, filled(CAMVID, "sky"), filled(A2D2, "Sky"), CAMVID)
    result = metric.result()
    counts = {name: scores["num_frames"] for name, scores in result["by_labels"].items()}
    assert counts == {"a2d2_38": 1, "driving_13": 2, "camvid_11": 3, "groups_6": 3}
    assert result["labels"] == "camvid_11" and result["num_frames"] == 3
    assert result["group_labels"] == "groups_6"
    assert result["iou"]["car"] == result["iou"]["sky"] == 1
    assert result["group_iou"]["vehicle"] == 1


def test_pixels_of_a_class_that_the_coarser_set_ignores_do_not_count_there():
    truth = a2d2_names("Sky", "Rain dirt")
    result = score(truth, a2d2_names("Sky", "Sky"), A2D2, A2D2)
    assert result["iou"]["Sky"] == 0.5 and result["iou"]["Rain dirt"] == 0
    assert result["by_labels"]["driving_13"]["iou"]["sky"] == 1


def test_pixels_predicted_as_a_class_that_the_coarser_set_ignores_are_missed():
    truth, found = a2d2_names("Sky", "Sky"), a2d2_names("Sky", "Rain dirt")
    result = score(truth, found, A2D2, A2D2)
    assert {name: each["miou"] for name, each in result["by_labels"].items()} == {
        "a2d2_38": 0.5,
        "driving_13": 0.5,
        "camvid_11": 0.5,
        "groups_6": 0.5,
    }


def test_a_coarser_network_is_scored_on_finer_ground_truth_in_its_own_classes():
    truth = a2d2_names("Car", "Tractor", "Ego car")
    found = np.repeat(np.array([[CAR], [DRIVING.index("truck")], [SKY]], np.uint8), 4, 1)
    result = score(truth, found, DRIVING, A2D2)
    assert result["labels"] == "driving_13"
    assert result["iou"]["car"] == result["iou"]["truck"] == 1 and result["iou"]["sky"] is None


def test_a_network_of_a_user_defined_set_is_scored_only_on_sets_that_both_map_to():
    own = LabelSet("own", ("tarmac", "hut", "air"), np.zeros((3, 3)))
    data = LabelSet(
        "data",
        ("ground", "sky"),
        np.zeros((2, 3)),
        coarser={"groups_6": ("road", "sky")},
        finer={"own": {"tarmac": "ground", "hut": "ground", "air": "sky"}},
    )
    result = score(filled(data, "ground"), filled(own, "hut"), own, data)
    assert list(result["by_labels"]) == ["data"] and result["iou"]["ground"] == 1


def test_the_table_names_every_set_and_class_and_the_headline_both_means():
    result = score(filled(A2D2, "Car"), filled(A2D2, "Car"), A2D2, A2D2)
    text = "\n".join(SegmentationMetric.table(result))
    for labels in (A2D2, DRIVING, CAMVID, GROUPS):
        assert labels.name in text and all(name in text for name in labels.classes)
    assert SegmentationMetric.headline(result) == {"miou": 1, "group_miou": 1}

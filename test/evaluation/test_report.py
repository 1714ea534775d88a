"""The report of a data set, from frames to JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.memory_dataset import TINY, TinyDataset

from bev_semseg_ros.evaluation.report import Report, evaluate, spaced, table
from bev_semseg_ros.frame import Boxes, Prediction
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.taxonomy import DETECTION_CLASSES, GROUPS, SEGMENTATION_CLASSES


def perfect(dataset: TinyDataset, mode: str = "fused", ran: str = "fused") -> dict:
    report = Report(TINY.grid, mode)
    for index in range(len(dataset)):
        frame, annotation = dataset[index]
        boxes = Boxes.empty() if annotation.boxes is None else annotation.boxes
        report.add(frame, annotation, Prediction(boxes, annotation.mask, frame.camera, ran, 1.0))
    return report.result()


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.from_network(Network(TINY), TINY)


def test_truth_as_prediction_scores_one():
    result = perfect(TinyDataset())
    assert result["detection"]["map"] == 1 and result["segmentation"]["miou"] == 1


def test_layout_of_the_json():
    result = json.loads(json.dumps(perfect(TinyDataset())))
    assert {"mode", "num_frames", "segmentation", "detection"} <= set(result)
    assert {"num_frames", "miou", "iou", "group_miou", "group_iou"} <= set(result["segmentation"])
    assert list(result["segmentation"]["iou"]) == list(SEGMENTATION_CLASSES)
    assert list(result["segmentation"]["group_iou"]) == list(GROUPS)
    keys = {"ap", "ap_0.5m", "ap_1m", "ap_2m", "ap_4m", "num_truth", "interval_2m"}
    assert all(set(result["detection"][name]) == keys for name in DETECTION_CLASSES)


def test_frames_without_a_box_file_are_not_scored_for_detection():
    result = perfect(TinyDataset(missing="boxes"))
    assert result["detection"]["num_frames"] == 2 and result["segmentation"]["num_frames"] == 4


def test_frames_without_a_mask_are_not_scored_for_segmentation():
    result = perfect(TinyDataset(missing="mask"))
    assert result["segmentation"]["num_frames"] == 2 and result["detection"]["num_frames"] == 4


def test_boxes_made_without_a_sensor_of_the_mode_are_not_scored():
    result = perfect(TinyDataset(), mode="fused", ran="lidar_only")
    assert result["detection"]["num_frames"] == 0 and result["detection"]["num_skipped"] == 4
    assert result["detection"]["map"] is None


@pytest.mark.parametrize("mode", ["fused", "lidar_only", "camera_only"])
def test_an_untrained_network_is_scored_in_every_mode(predictor, mode):
    result = evaluate(predictor, TinyDataset(), mode)
    assert result["mode"] == mode and result["num_frames"] == 4
    assert (result["segmentation"]["num_frames"] == 0) == (mode == "lidar_only")
    assert result["detection"]["num_frames"] == (0 if mode == "camera_only" else 4)


def test_boxes_that_nobody_looked_for_are_not_scored_as_missed(predictor):
    result = evaluate(predictor, TinyDataset(), "camera_only")
    assert result["detection"]["num_skipped"] == 4 and result["detection"]["car"]["ap"] is None


@pytest.mark.parametrize(("mode", "missing"), [("lidar_only", "points"), ("camera_only", "image")])
def test_a_frame_with_nothing_for_the_mode_is_passed_over(predictor, mode, missing):
    result = evaluate(predictor, TinyDataset(missing=missing), mode)
    scored = "detection" if mode == "lidar_only" else "segmentation"
    assert result["num_frames"] == 4 and result[scored]["num_frames"] == 2


def test_table_names_every_class_and_survives_nulls():
    text = table(perfect(TinyDataset(missing="mask")))
    assert all(name in text for name in (*DETECTION_CLASSES, *SEGMENTATION_CLASSES, *GROUPS))

    class Bare(TinyDataset):
        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            return frame, replace(annotation, boxes=None, ignored=None, mask=None)

    assert "mIoU -" in table(perfect(Bare()))


def test_limited_frames_are_spread_evenly():
    assert spaced(10, 5) == [0, 2, 4, 6, 8]
    assert spaced(3, None) == spaced(3, 10) == [0, 1, 2]
    assert np.all(np.diff(spaced(1000, 7)) > 100)

"""The report of a data set, from frames to JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.memory_dataset import TINY, TinyDataset, with_car_at

from bev_semseg_ros.config import Config
from bev_semseg_ros.evaluation.report import Report, evaluate, spaced
from bev_semseg_ros.frame import CAMERA, Boxes, Prediction
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.build import build_network, build_tasks

pytestmark = pytest.mark.slow

BOXES, CLASSES, CAMVID, GROUPS = (
    load_label_set(name).classes for name in ("boxes_4", "driving_13", "camvid_11", "groups_6")
)


def perfect(
    dataset: TinyDataset, mode: str = "fused", ran: str = "fused", config: Config = TINY
) -> Report:
    """Return the report of a network that predicts the ground truth."""
    report = Report(build_tasks(config), mode)
    for index in range(len(dataset)):
        frame, annotation = dataset[index]
        boxes = Boxes.empty() if annotation.boxes is None else annotation.boxes
        report.add(frame, annotation, Prediction.of(boxes, annotation.mask, frame.camera, ran, 1.0))
    return report


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.from_network(build_network(TINY), TINY)


def test_the_ground_truth_as_prediction_scores_one():
    result = perfect(TinyDataset()).result()
    assert result["detection"]["map"] == 1 and result["segmentation"]["miou"] == 1


def test_the_json_has_the_expected_keys():
    result = json.loads(json.dumps(perfect(TinyDataset()).result()))
    assert {"mode", "num_frames", "segmentation", "detection"} <= set(result)
    segmentation, detection = result["segmentation"], result["detection"]
    assert {"num_frames", "miou", "iou", "group_miou", "group_iou"} <= set(segmentation)
    assert {"labels", "group_labels", "group_interval", "by_labels"} <= set(segmentation)
    assert {"num_frames", "num_skipped", "map", "classes", "labels", "by_labels"} <= set(detection)
    assert list(segmentation["iou"]) == list(CLASSES)
    assert list(segmentation["group_iou"]) == list(GROUPS)
    keys = {"ap", "ap_0.5m", "ap_1m", "ap_2m", "ap_4m", "num_truth", "interval_2m"}
    assert list(detection["classes"]) == list(BOXES)
    assert all(set(row) == keys for row in detection["classes"].values())


def test_frames_without_a_box_file_are_not_scored_for_detection():
    result = perfect(TinyDataset(missing="boxes")).result()
    assert result["detection"]["num_frames"] == 2 and result["segmentation"]["num_frames"] == 4


def test_frames_without_a_mask_are_not_scored_for_segmentation():
    result = perfect(TinyDataset(missing="mask")).result()
    assert result["segmentation"]["num_frames"] == 2 and result["detection"]["num_frames"] == 4


def test_boxes_made_without_a_sensor_of_the_mode_are_not_scored():
    result = perfect(TinyDataset(), mode="fused", ran="lidar_only").result()
    assert result["detection"]["num_frames"] == 0 and result["detection"]["num_skipped"] == 4
    assert result["detection"]["map"] is None


@pytest.mark.parametrize("mode", ["fused", "lidar_only", "camera_only"])
def test_an_untrained_network_is_scored_in_every_mode(predictor, mode):
    result = evaluate(predictor, TinyDataset(), mode).result()
    assert result["mode"] == mode and result["num_frames"] == 4
    assert (result["segmentation"]["num_frames"] == 0) == (mode == "lidar_only")
    assert result["detection"]["num_frames"] == (0 if mode == "camera_only" else 4)


def test_objects_are_not_scored_as_missed_if_the_mode_detects_no_boxes(predictor):
    result = evaluate(predictor, TinyDataset(), "camera_only").result()
    assert result["detection"]["num_skipped"] == 4
    assert result["detection"]["classes"]["car"]["ap"] is None


@pytest.mark.parametrize(("mode", "missing"), [("lidar_only", "points"), ("camera_only", "image")])
def test_a_frame_without_the_sensor_of_the_mode_is_skipped(predictor, mode, missing):
    result = evaluate(predictor, TinyDataset(missing=missing), mode).result()
    scored = "detection" if mode == "lidar_only" else "segmentation"
    assert result["num_frames"] == 4 and result[scored]["num_frames"] == 2


def test_a_network_that_uses_no_images_is_scored_on_frames_without_any():
    config = replace(TINY, model=replace(TINY.model, fusion="none", tasks=("detection",)))
    blind = Predictor.from_network(build_network(config), config)
    result = evaluate(blind, TinyDataset(missing="image")).result()
    assert (result["mode"], result["detection"]["num_frames"]) == ("lidar_only", 4)


def test_a_mask_counts_without_a_lidar_and_boxes_do_not(predictor):
    result = evaluate(predictor, TinyDataset(missing="points")).result()
    assert result["segmentation"]["num_frames"] == 4
    assert (result["detection"]["num_frames"], result["detection"]["num_skipped"]) == (2, 2)


def test_boxes_are_scored_down_to_a_low_score_or_to_the_given_threshold():
    data = TinyDataset()

    class Unsure(Predictor):
        """Finds every box, with a score of 0.1."""

        def predict(self, frame, mode="fused", score_threshold=None):
            boxes = data[int(frame.name.removeprefix("frame"))][1].boxes
            assert boxes is not None and score_threshold is not None
            boxes = replace(boxes, scores=np.full(len(boxes), 0.1))
            return Prediction.of(boxes[boxes.scores >= score_threshold], None, None, mode)

    unsure = Unsure.from_network(build_network(TINY), TINY)
    assert evaluate(unsure, data).result()["detection"]["map"] == 1
    assert evaluate(unsure, data, score_threshold=0.2).result()["detection"]["map"] == 0


def test_a_limit_and_a_region_are_respected(predictor):
    report = evaluate(predictor, TinyDataset(), limit=2, region="grid")
    result = report.result()
    assert (result["num_frames"], result["region"]) == (2, "grid")
    assert report.table(result).startswith("2 frames, mode fused, scored on the whole grid\n")


def test_the_region_grid_includes_objects_that_no_image_shows():
    class Behind(TinyDataset):
        """The car of each frame stands beside the vehicle, where no image shows it."""

        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            shift = np.array([-11.0 - 2 * (index % 4), 6.0, 0.0])
            return with_car_at(frame, annotation, annotation.boxes.centers[0] + shift)

    data = Behind()
    for region, expected in (("images", 0), ("grid", len(data))):
        report = Report(build_tasks(TINY), region=region)
        for index in range(len(data)):
            frame, annotation = data[index]
            mask = annotation.mask
            prediction = Prediction.of(annotation.boxes, mask, frame.camera, "fused", 1.0)
            report.add(frame, annotation, prediction)
        result = report.result()
        assert result["region"] == region
        assert result["detection"]["classes"]["car"]["num_truth"] == expected
        assert result["segmentation"]["num_frames"] == len(data)


def table(report: Report) -> str:
    return report.table(report.result())


def test_the_table_names_every_class_and_survives_nulls():
    text = table(perfect(TinyDataset(missing="mask")))
    assert all(name in text for name in (*BOXES, *CLASSES, *CAMVID, *GROUPS))

    class Bare(TinyDataset):
        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            return frame, replace(annotation, boxes=None, ignored=None, masks={})

    text = table(perfect(Bare()))
    assert "mIoU -" in text and "mAP -" in text
    assert all(name in text for name in (*BOXES, *CLASSES, *GROUPS))


def test_the_headline_holds_the_figures_of_every_task():
    headline = perfect(TinyDataset()).headline()
    assert headline == {
        "map": 1,
        "ap_car": 1,
        "ap_truck": None,
        "ap_pedestrian": None,
        "ap_cyclist": None,
        "miou": 1,
        "group_miou": 1,
    }


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_a_network_of_one_task_is_scored_in_that_alone(task):
    config = replace(TINY, model=replace(TINY.model, tasks=(task,)))
    predictor = Predictor.from_network(build_network(config), config)
    result = evaluate(predictor, TinyDataset()).result()
    assert set(result) == {"mode", "region", "num_frames", task}
    assert result[task]["num_frames"] == 4


def test_a_network_of_finer_labels_is_scored_on_the_classes_of_the_data():
    labels = {"detection": "a2d2_boxes", "segmentation": "a2d2_38"}
    config = replace(TINY, labels=labels)
    predictor = Predictor.from_network(build_network(config), config)
    result = evaluate(predictor, TinyDataset()).result()
    assert result["detection"]["labels"] == "boxes_4"
    assert result["segmentation"]["labels"] == "driving_13"
    assert list(result["segmentation"]["iou"]) == list(CLASSES)
    json.dumps(result)


def test_data_of_finer_labels_is_scored_on_the_classes_of_the_network():
    fine = load_label_set("a2d2_38"), load_label_set("a2d2_boxes")

    class Fine(TinyDataset):
        def __getitem__(self, index):
            frame, annotation = super().__getitem__(index)
            mask = np.full_like(annotation.mask, fine[0].index("Nature object"))
            return frame, replace(
                annotation, masks={CAMERA: mask}, mask_labels=fine[0], box_labels=fine[1]
            )

    data = Fine()
    report = Report(build_tasks(TINY))
    for index in range(len(data)):
        frame, annotation = data[index]
        mask = np.full_like(annotation.mask, CLASSES.index("vegetation"))
        report.add(
            frame, annotation, Prediction.of(annotation.boxes, mask, frame.camera, "fused", 1.0)
        )
    result = report.result()
    assert result["segmentation"]["labels"] == "driving_13"
    assert result["segmentation"]["iou"]["vegetation"] == 1
    assert result["detection"]["labels"] == "boxes_4"
    assert result["detection"]["classes"]["car"]["ap"] == 1


def test_limited_frames_are_spread_evenly():
    assert spaced(10, 5) == [0, 2, 4, 6, 8]
    assert spaced(3, None) == spaced(3, 10) == [0, 1, 2]
    assert np.all(np.diff(spaced(1000, 7)) > 100)
    for limit in (0, -3):  # `visualize --limit -3` must say why it draws no picture
        with pytest.raises(ValueError, match=f"limit: expected at least 1 frame, got {limit}"):
            spaced(10, limit)

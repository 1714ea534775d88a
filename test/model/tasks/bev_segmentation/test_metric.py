"""Scores of BEV maps on cases computed by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.memory_dataset import TINY, RigDataset, TinyDataset, with_training

from bev_semseg_ros.evaluation.report import Report
from bev_semseg_ros.frame import CAMERA, LIDAR, Annotation, BevMap, Boxes, Frame, Prediction
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set
from bev_semseg_ros.model.build import build_tasks
from bev_semseg_ros.model.tasks.bev_segmentation.metric import BevSegmentationMetric, cells_in_view
from bev_semseg_ros.model.tasks.segmentation.metric import intersection_over_union

PIXELS, BEV = load_label_set("driving_13"), load_label_set("bev_8")
ROAD, MARKING, SIDEWALK, VEHICLE = 0, 1, 2, 6


def a_map(classes: np.ndarray | list, observed: np.ndarray | None = None) -> BevMap:
    """Return a map of 1 m cells, usually 2 m wide, that begins at the vehicle."""
    return BevMap(np.asarray(classes, np.uint8), 0, -1, 1, BEV, observed)


def scored(truth: BevMap, found: BevMap) -> dict:
    """Return the result of a learned map in a frame without cameras."""
    metric = BevSegmentationMetric(BEV, TINY)
    prediction = replace(
        Prediction.of(None, None, None, "lidar_only"), results={"bev_segmentation": found}
    )
    metric.add(Frame.of(0, None, np.eye(4)), Annotation(bev=truth), prediction, "fused")
    result = metric.result()
    assert metric.table(result)
    assert json.loads(json.dumps(result)) == result
    return result


def test_observed_cells_and_all_cells_are_scored_separately() -> None:
    truth = a_map([[ROAD, SIDEWALK]] * 4, np.array([[True, True]] + [[False, False]] * 3))
    result = scored(truth, a_map([[ROAD, SIDEWALK]] + [[ROAD, ROAD]] * 3))
    learned = result["learned"]
    assert learned["observed"]["miou"] == 1
    assert learned["in_view"]["iou"]["road"] == pytest.approx(4 / 7)
    assert learned["in_view"]["miou"] == pytest.approx((4 / 7 + 1 / 4) / 2)
    assert BevSegmentationMetric.headline(result) == {"bev_miou": learned["in_view"]["miou"]}


def test_a_lane_marking_predicted_as_road_is_drivable_and_an_unknown_cell_is_missed() -> None:
    truth = a_map([[ROAD, MARKING], [ROAD, SIDEWALK]])
    scores = scored(truth, a_map([[ROAD, ROAD], [MASK_IGNORED, ROAD]]))["learned"]["in_view"]
    assert scores["drivable_iou"] == pytest.approx(2 / 4)
    assert scores["iou"]["lane_marking"] == 0 and scores["iou"]["road"] == pytest.approx(1 / 4)
    assert scores["iou"]["building"] is None


def test_cells_out_of_range_or_out_of_view_or_ignored_do_not_count() -> None:
    frame, _ = TinyDataset()[0]
    truth = a_map(np.zeros((50, 2)))
    in_view = cells_in_view(truth, frame)
    assert not in_view[:5].any() and in_view[7:39].all() and not in_view[40:].any()
    assert cells_in_view(truth, replace(frame, cameras={}))[0].all()
    truth.classes[:, 0] = MASK_IGNORED
    result = scored(truth, a_map(np.zeros((50, 2))))
    assert result["learned"]["in_view"]["miou"] == 1


def test_cells_in_any_of_the_images_count() -> None:
    frame, _ = RigDataset()[0]
    truth = BevMap(np.zeros((30, 30), np.uint8), -15, -15, 1, BEV)
    ahead, left = (
        cells_in_view(truth, replace(frame, cameras={name: frame.cameras[name]}))
        for name in (CAMERA, "left")
    )
    assert ahead.any() and left.any() and not (ahead & left).any()
    np.testing.assert_array_equal(cells_in_view(truth, frame), ahead | left)


def test_a_network_of_finer_classes_is_scored_in_the_classes_of_the_true_map() -> None:
    metric = BevSegmentationMetric(PIXELS, TINY)
    truth = a_map([[ROAD, BEV.index("vehicle")], [BEV.index("barrier"), SIDEWALK]])
    names = (("road", "truck"), ("pole", "road"))
    found = replace(a_map([[PIXELS.index(name) for name in row] for row in names]), labels=PIXELS)
    prediction = replace(
        Prediction.of(None, None, None, "lidar_only"), results={"bev_segmentation": found}
    )
    metric.add(Frame.of(0, None, np.eye(4)), Annotation(bev=truth), prediction, "fused")
    result = metric.result()
    iou = result["learned"]["in_view"]["iou"]
    assert result["labels"] == "bev_8"
    assert {name: value for name, value in iou.items() if value is not None} == {
        "road": 0.5,
        "sidewalk": 0,
        "barrier": 1,
        "vehicle": 1,
    }


def predicted(frame: Frame, mask: np.ndarray, learned: BevMap | None = None) -> Prediction:
    """Return a prediction with a mask, as a predictor makes it."""
    camera = frame.cameras[CAMERA].camera
    results = {} if learned is None else {"bev_segmentation": learned}
    found = Prediction.of(None, mask, camera, "fused")
    return replace(found, results=results, label_sets={"segmentation": PIXELS})


def test_the_lifted_map_is_scored_in_addition_to_the_learned_one() -> None:
    frame, annotation = TinyDataset()[0]
    metric = BevSegmentationMetric(BEV, TINY)
    truth = BevMap(np.full((50, 40), ROAD, np.uint8), 0, -8, 0.4)
    wrong = BevMap(np.full((50, 40), SIDEWALK, np.uint8), 0, -8, 0.4)
    annotation = replace(annotation, bev=truth)
    metric.add(frame, annotation, predicted(frame, annotation.mask, wrong), "fused")
    result = metric.result()
    assert result["learned"]["in_view"]["miou"] == 0
    assert 0.1 < result["lifted"]["in_view"]["miou"] < 1  # unknown between its points
    assert result["lifted_filled"]["in_view"]["miou"] == 1
    assert result["lifted"]["observed"]["miou"] > result["lifted"]["in_view"]["miou"]
    assert result["gain"]["in_view"] == {"miou": -1, "interval": [-1, -1]}
    assert any(
        line.endswith("mIoU 0.000 (0.000 to 0.000), drivable 0.000")
        for line in metric.table(result)
    )


def test_the_gain_over_an_equal_map_is_zero_in_every_resample() -> None:
    metric = BevSegmentationMetric(BEV, TINY)
    frame, annotation = TinyDataset()[0]
    for name in ("road", "sidewalk"):
        mask = np.full_like(annotation.mask, PIXELS.index(name))
        truth = BevMap(np.full((50, 40), ROAD, np.uint8), 0, -8, 0.4)
        learned = BevMap(np.full((50, 40), BEV.index(name), np.uint8), 0, -8, 0.4)
        metric.add(frame, replace(annotation, bev=truth), predicted(frame, mask, learned), "fused")
    result = metric.result()
    low, high = result["learned"]["in_view"]["interval"]
    assert low < high
    assert result["gain"]["in_view"] == {"miou": 0, "interval": [0, 0]}


@pytest.mark.parametrize(("score", "refined"), [(1.0, 1), (0.01, 0)])
def test_refined_maps_are_scored_beside_the_original_ones(score: float, refined: int) -> None:
    assert 0.01 < TINY.postprocess.score_threshold < 1
    metric = BevSegmentationMetric(BEV, TINY)
    frame, annotation = TinyDataset()[0]
    truth = BevMap(np.full((50, 40), VEHICLE, np.uint8), 0, -8, 0.4)
    learned = replace(truth, classes=np.full_like(truth.classes, ROAD))
    chances = np.eye(len(BEV), dtype=np.float32)[ROAD][:, None, None]
    learned = replace(learned, probabilities=np.tile(chances, (1, 50, 40)))
    everywhere = Boxes(
        np.array([[10.0, 0, 1]]),
        np.array([[60.0, 60, 2]]),
        np.zeros(1),
        np.zeros(1, int),
        np.array([score]),
    )
    found = predicted(frame, annotation.mask, learned)
    labels = {**found.label_sets, "detection": load_label_set("boxes_4")}
    found = replace(found, boxes=everywhere, label_sets=labels)
    metric.add(frame, replace(annotation, bev=truth), found, "fused")
    result = metric.result()
    assert result["learned"]["in_view"]["miou"] == 0
    for method in ("learned", "lifted", "lifted_filled"):
        assert result["refined"][method]["in_view"]["miou"] == refined
    assert result["gain"]["in_view"]["miou"] == result["refined"]["gain"]["in_view"]["miou"] == 0
    assert sum("refined" in line for line in metric.table(result)) == 8


def test_without_a_true_map_the_labelled_points_are_the_ground_truth() -> None:
    frame, annotation = TinyDataset()[0]
    metric = BevSegmentationMetric(BEV, TINY)
    sidewalk = np.full_like(annotation.mask, PIXELS.index("sidewalk"))
    metric.add(frame, annotation, predicted(frame, annotation.mask), "fused")
    assert metric.result()["lifted"]["points"]["miou"] == 1
    metric.add(frame, annotation, predicted(frame, sidewalk), "fused")
    points = metric.result()["lifted"]["points"]
    assert points["num_frames"] == 2 and 0 < points["miou"] < 1
    counts = metric.frame_counts()["lifted.points"]  # from which other figures can be resampled
    assert np.nanmean(intersection_over_union(counts.sum(0))) == pytest.approx(points["miou"])
    metric.add(frame, Annotation(), predicted(frame, sidewalk), "fused")  # nothing to score
    assert metric.result()["lifted"]["points"]["num_frames"] == 2


def test_with_a_true_map_of_unrelated_classes_the_labelled_points_are_the_ground_truth() -> None:
    groups = {name: "road" if name == "road" else "other" for name in PIXELS.classes}
    own = LabelSet("own", ("road", "other"), [[1, 2, 3], [4, 5, 6]], finer={PIXELS.name: groups})
    metric = BevSegmentationMetric(own, TINY)
    frame, annotation = TinyDataset()[0]
    annotation = replace(annotation, bev=BevMap(np.full((50, 40), ROAD, np.uint8), 0, -8, 0.4))
    metric.add(frame, annotation, predicted(frame, annotation.mask), "fused")
    result = metric.result()
    assert result["labels"] == "own" and result["lifted"]["points"]["miou"] == 1


def test_labelled_points_take_precedence_over_masks() -> None:
    frame, annotation = TinyDataset()[0]
    sidewalk = np.full(500, PIXELS.index("sidewalk"), np.uint8)
    known = replace(annotation, point_classes={LIDAR: sidewalk})
    grid = TINY.grid
    learned = BevMap(
        np.full(grid.output_shape, SIDEWALK, np.uint8), grid.x_min, grid.y_min, grid.output_cell
    )
    for carry_masks in (False, True):
        metric = BevSegmentationMetric(BEV, with_training(carry_masks=carry_masks))
        metric.add(frame, known, predicted(frame, annotation.mask, learned), "fused")
        result = metric.result()
        assert result["learned"]["points"]["miou"] == 1
        assert metric.headline(result) == {"bev_miou": 1}


def test_without_anything_to_score_the_result_has_no_figures() -> None:
    metric = BevSegmentationMetric(BEV, TINY)
    frame, annotation = TinyDataset()[0]
    unrelated = replace(annotation, mask_labels=load_label_set("camvid_11"))
    metric.add(frame, annotation, None, "fused")
    metric.add(frame, unrelated, predicted(frame, annotation.mask), "fused")
    result = metric.result()
    assert result["learned"] == result["lifted"] == result["gain"] == {}
    assert "no frame with ground truth and a map" in " ".join(metric.table(result))
    assert metric.headline(result) == {"bev_miou": None}


def test_lifted_masks_of_a_network_without_the_task_are_scored_if_there_is_a_true_map() -> None:
    frame, annotation = TinyDataset()[0]
    report = Report(build_tasks(TINY))
    report.add(frame, annotation, predicted(frame, annotation.mask))
    assert "bev_segmentation" not in report.result()
    truth = BevMap(np.full((50, 40), ROAD, np.uint8), 0, -8, 0.4)
    classes = np.full(500, PIXELS.index("road"), np.uint8)
    known = replace(annotation, bev=truth, point_classes={LIDAR: classes})
    report.add(frame, known, predicted(frame, annotation.mask))
    result = report.result()
    assert result["bev_segmentation"]["lifted_filled"]["in_view"]["miou"] == 1
    assert "bird's-eye view, bev_8" in report.table(result)
    around = Report(build_tasks(TINY), region="grid")
    around.add(frame, known, predicted(frame, annotation.mask))
    in_images, in_grid = (
        each.metrics["bev_segmentation"].frame_counts()["lifted.in_view"].sum()
        for each in (report, around)
    )
    assert in_images < in_grid == 50 * 40


def test_cells_outside_the_grid_of_a_learned_map_do_not_count() -> None:
    frame, annotation = TinyDataset()[0]
    all_around = BevMap(np.full((300, 300), ROAD, np.uint8), -60, -60, 0.4)
    metric = BevSegmentationMetric(BEV, TINY)
    blind = replace(frame, cameras={})  # so that every cell within 40 m is in view
    grid = TINY.grid
    learned = BevMap(
        np.full(grid.output_shape, ROAD, np.uint8), grid.x_min, grid.y_min, grid.output_cell
    )
    found = replace(predicted(frame, annotation.mask), results={"bev_segmentation": learned})
    metric.add(blind, replace(annotation, bev=all_around), found, "fused")
    assert metric.result()["learned"]["in_view"]["miou"] == 1

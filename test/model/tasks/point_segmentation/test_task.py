"""Point segmentation as a task: targets, loss and metric."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.point_clouds import ROOF, points_config
from torch.nn import functional as F

from bev_semseg_ros.data.example import make_example
from bev_semseg_ros.frame import (
    CAMERA,
    Annotation,
    Camera,
    CameraImage,
    Frame,
    LidarScan,
    PointClasses,
    Prediction,
)
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set
from bev_semseg_ros.model.tasks.point_segmentation.task import PointSegmentationTask

LABELS, GROUPS = load_label_set("driving_13"), load_label_set("groups_6")
ROAD, CAR, TRUCK = (LABELS.index(name) for name in ("road", "car", "truck"))
SIZE = (128, 64)
CAMERA_POSE = OPTICAL_FROM_VIEW @ invert(transform(None, (0, 0, 1.5)))
SEEN_BY = Camera([[64, 0, 64], [0, 64, 32], [0, 0, 1]], SIZE, CAMERA_POSE)
# Three points in the image, of which the last is far outside the grid, and one behind.
CLOUD = np.array([[10, 1, 0, 0], [12, -2, 0, 0], [-9, 0, 0, 0], [300, 150, 0, 0]], np.float32)


def frame() -> Frame:
    image = CameraImage(np.zeros((*SIZE[::-1], 3), np.uint8), SEEN_BY)
    return Frame(0, {"roof": LidarScan(CLOUD, ROOF)}, {CAMERA: image})


def labelled(*classes: int) -> Annotation:
    return Annotation(point_classes={"roof": np.array(classes, np.uint8)})


def task() -> PointSegmentationTask:
    return PointSegmentationTask(points_config(), LABELS)


def prediction(*classes: int) -> Prediction:
    found = PointClasses(np.array(classes, np.uint8), np.ones(len(classes), np.float32))
    results = {"point_segmentation": {"roof": found}}
    return Prediction(None, {}, {}, "lidar_only", 0.0, results)


def targets(*annotations: Annotation):
    examples = [make_example(frame(), each, points_config(), True) for each in annotations]
    return task().collate([task().encode(each) for each in examples])


def test_targets_of_a_batch_have_the_indices_of_their_points():
    found = targets(Annotation(), labelled(ROAD, MASK_IGNORED, CAR, ROAD))
    assert list(found) == [LABELS]
    assert found[LABELS]["points"].tolist() == [4, 6, 7]  # after the four points of the first frame
    assert found[LABELS]["classes"].tolist() == [ROAD, CAR, ROAD]
    assert targets(Annotation(), Annotation()) is None


def test_points_of_a_lidar_without_labels_have_no_targets():
    both = {"front": LidarScan(CLOUD, np.eye(4)), "roof": LidarScan(CLOUD, ROOF)}
    example = make_example(Frame(0, both), labelled(ROAD, CAR, CAR, ROAD), points_config(), True)
    found = task().collate([task().encode(example)])
    assert found[LABELS]["points"].tolist() == [4, 5, 6, 7]
    assert found[LABELS]["classes"].tolist() == [ROAD, CAR, CAR, ROAD]


def test_labels_of_a_coarser_set_accept_any_member_of_their_class():
    vehicle = GROUPS.index("vehicle")
    coarse = replace(labelled(vehicle, *[MASK_IGNORED] * 3), mask_labels=GROUPS)
    found = targets(coarse)
    logits = torch.zeros(4, 13)
    undecided = task().losses({"logits": logits}, found)["point_segmentation"]
    for right in (CAR, TRUCK):
        certain = logits.clone()
        certain[0, right] = 20
        assert task().losses({"logits": certain}, found)["point_segmentation"] < 1e-3 < undecided


def test_labels_of_a_finer_set_are_mapped_to_the_classes_of_the_network():
    fine = load_label_set("a2d2_38")
    names = ("Car", "Zebra crossing", "Ego car", "Tractor")
    classes = np.array([fine.index(name) for name in names], np.uint8)
    found = targets(Annotation(point_classes={"roof": classes}, mask_labels=fine))
    assert list(found) == [LABELS]
    assert found[LABELS]["points"].tolist() == [0, 1, 3]  # the ego vehicle is ignored
    expected = [LABELS.index(name) for name in ("car", "lane_marking", "truck")]
    assert found[LABELS]["classes"].tolist() == expected


def test_the_result_has_the_best_class_and_its_probability():
    sample = make_example(frame(), Annotation(), points_config(), True).sample
    logits = torch.randn(4, len(LABELS), generator=torch.Generator().manual_seed(0)) * 5
    found = task().postprocess({"logits": logits}, sample)["roof"]
    expected = logits.softmax(1).max(1)
    assert found.labels.tolist() == expected.indices.tolist()
    np.testing.assert_allclose(found.scores, expected.values, rtol=1e-5)


def test_the_loss_is_the_mean_over_the_labelled_points_times_its_weight():
    config = points_config()
    weighted = replace(config, loss=replace(config.loss, point_segmentation_weight=0.4))
    logits = torch.randn(4, 13, generator=torch.Generator().manual_seed(0))
    loss = PointSegmentationTask(weighted, LABELS).losses(
        {"logits": logits}, targets(labelled(ROAD, MASK_IGNORED, CAR, ROAD))
    )["point_segmentation"]
    expected = F.cross_entropy(logits[[0, 2, 3]], torch.tensor([ROAD, CAR, ROAD]))
    assert float(loss) == pytest.approx(0.4 * float(expected), rel=1e-5)


def test_rare_classes_weigh_more():
    taught = task()
    taught.observe(make_example(frame(), labelled(ROAD, ROAD, ROAD, CAR), points_config(), True))
    counts = taught.statistics()["class_points"]
    assert counts[ROAD] == 3 and counts[CAR] == 1 and sum(counts) == 4
    taught.begin_training({"class_points": [1000 if n == ROAD else 10 for n in range(13)]})
    wrong_car, wrong_road = torch.zeros(4, 13), torch.zeros(4, 13)
    wrong_car[3, ROAD], wrong_road[0, CAR] = 5, 5
    found = targets(labelled(ROAD, ROAD, ROAD, CAR))
    losses = [
        taught.losses({"logits": each}, found)["point_segmentation"]
        for each in (wrong_car, wrong_road)
    ]
    assert losses[0] > losses[1]


def test_points_that_no_camera_sees_are_also_scored_separately():
    metric = task().metric()
    truth, found = labelled(ROAD, CAR, CAR, ROAD), prediction(ROAD, CAR, TRUCK, ROAD)
    metric.add(frame(), truth, found, "lidar_only")
    result = metric.result()
    assert {part: result[part]["num_points"] for part in result} == {
        "all": 4,
        "seen": 3,
        "unseen": 1,
    }
    assert result["seen"]["miou"] == 1
    assert result["unseen"]["miou"] == 0
    assert result["unseen"]["group_miou"] == 1  # a truck is a vehicle, too
    assert result["all"]["miou"] == pytest.approx(0.75)
    assert metric.headline(result) == {
        "point_miou": result["all"]["miou"],
        "point_group_miou": result["all"]["group_miou"],
    }
    counts = {part: each.sum() for part, each in metric.frame_counts().items()}
    assert counts == {"all": 4, "seen": 3, "unseen": 1}
    titles = [line for line in metric.table(result) if not line.startswith(" ")]
    assert titles == ["all points: 4", "seen by a camera: 3", "seen by no camera: 1"]


def test_points_with_nan_do_not_change_the_scores_of_other_points():
    metric = task().metric()
    cloud = CLOUD.copy()
    cloud[1, 0] = np.nan
    lidars = {"roof": LidarScan(cloud, ROOF)}
    truth, found = labelled(ROAD, CAR, CAR, TRUCK), prediction(ROAD, MASK_IGNORED, CAR, TRUCK)
    metric.add(replace(frame(), lidars=lidars), truth, found, "lidar_only")
    result = metric.result()["all"]
    assert result["num_points"] == 3 and result["miou"] == 1


def test_masks_are_the_ground_truth_of_points_without_labels():
    metric = task().metric()
    annotation = Annotation(masks={CAMERA: np.full(SIZE[::-1], ROAD, np.uint8)})
    metric.add(frame(), annotation, prediction(ROAD, CAR, CAR, ROAD), "lidar_only")
    result = metric.result()
    assert result["all"]["num_points"] == result["seen"]["num_points"] == 3
    assert result["unseen"]["num_points"] == 0 and result["unseen"]["miou"] is None
    assert "seen by no camera: no labelled points" in metric.table(result)


def test_frames_without_ground_truth_or_point_classes_are_not_scored():
    metric = task().metric()
    metric.add(frame(), Annotation(), prediction(ROAD, ROAD, ROAD, ROAD), "fused")
    metric.add(frame(), labelled(ROAD, ROAD, ROAD, ROAD), None, "fused")
    blind = Prediction(None, {}, {}, "camera_only", 0.0)
    metric.add(frame(), labelled(ROAD, ROAD, ROAD, ROAD), blind, "camera_only")
    assert metric.result()["all"]["num_points"] == 0
    assert metric.headline(metric.result()) == {"point_miou": None, "point_group_miou": None}


def test_a_task_without_a_label_set_is_refused():
    with pytest.raises(ValueError, match=r"labels\.point_segmentation: .*needs a label set"):
        PointSegmentationTask(points_config(), None)

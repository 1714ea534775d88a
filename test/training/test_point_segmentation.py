"""Point segmentation is trained on prepared frames and initialized from checkpoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.memory_dataset import ROAD, TINY, TinyDataset, with_training

from bev_semseg_ros.config import Config
from bev_semseg_ros.evaluation.report import evaluate
from bev_semseg_ros.frame import LIDAR, Annotation, Frame
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.engine import torch_threads
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.training.cache import Cache, build
from bev_semseg_ros.training.description import describe
from bev_semseg_ros.training.initialization import load_checkpoints
from bev_semseg_ros.training.loader import Loader
from bev_semseg_ros.training.trainer import Trainer

CAR = load_label_set("driving_13").index("car")
MODEL = {
    "tasks": ("point_segmentation",),
    "point_encoder": "range_view",
    "point_channels": 8,
    "fusion": "none",
}
QUIET = replace(
    TINY.augmentation,
    flip=0,
    rotation=0,
    scale=0,
    height=0,
    point_drop=0,
    ring_drop=0,
    intensity_zero=0,
)


def points_config(**model) -> Config:
    settings = {**MODEL, **model}
    config = replace(TINY, model=replace(TINY.model, **settings), augmentation=QUIET)
    return with_training(config, learning_rate=2e-2, epochs=5)


class LabelledPoints(TinyDataset):
    """The points of the car have the class car, all others road. Two are outside the grid."""

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        frame, annotation = super().__getitem__(index)
        scan = frame.lidars[LIDAR]
        points = scan.points.copy()
        points[-2:, 0] = (-20, 60)
        classes = np.where(np.arange(len(points)) < 200, CAR, ROAD).astype(np.uint8)
        frame = replace(frame, lidars={LIDAR: replace(scan, points=points)})
        return frame, replace(annotation, point_classes={LIDAR: classes})


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Cache:
    folder = tmp_path_factory.mktemp("points") / "tiny"
    build(LabelledPoints(2), points_config(), folder)
    return Cache(folder)


def test_prepared_frames_keep_points_outside_the_grid_with_their_rays_and_classes(cache):
    frame, _ = LabelledPoints()[1]
    expected = prepare(frame, points_config(), whole_clouds=True)
    example = cache[1]
    assert len(example.sample.points) == 500
    assert np.array_equal(example.sample.points, expected.points)
    assert np.array_equal(example.sample.rays.points, expected.rays.points)
    assert np.array_equal(example.sample.rays.units, expected.rays.units)
    assert np.bincount(example.point_classes)[[ROAD, CAR]].tolist() == [300, 200]


def test_the_description_counts_points_inside_the_grid_as_the_node_does(cache):
    info = describe([cache], build_network(points_config()).tasks)
    assert info["points_per_frame_percentiles"] == [498.0] * 5


def test_points_without_classes_get_those_of_the_masks_but_not_the_sky(tmp_path):
    build(TinyDataset(1), points_config(), tmp_path / "carried")
    classes = Cache(tmp_path / "carried")[0].point_classes
    found = np.bincount(classes, minlength=256)
    assert found[ROAD] >= 50 and found[ROAD] + found[255] == 500


@pytest.mark.slow
def test_training_with_the_lidar_alone_gives_weights_for_another_training(cache, tmp_path):
    config = points_config()
    torch.manual_seed(0)
    network = build_network(config)
    loader = Loader([cache], network, config)
    assert not loader.uses_camera
    trainer = Trainer(config, network, loader, tmp_path / "run")
    trainer.info |= describe([cache], network.tasks)
    assert sum(trainer.info["class_points"]) == 1000
    trainer.begin([])
    with torch_threads(1):
        network.train()
        losses = [
            trainer.train_step(next(loader.batches(step)))["point_segmentation"]
            for step in range(8)
        ]
        assert losses[-1] < 0.7 * losses[0]
        predictor = Predictor.from_network(network, config, "cpu")
        report = evaluate(predictor, LabelledPoints(2), trainer._mode())
    result = report.result()
    assert result["mode"] == "lidar_only"
    figures = result["point_segmentation"]
    assert figures["all"]["num_points"] == 1000 > figures["seen"]["num_points"] > 0
    assert figures["all"]["miou"] is not None and "seen by no camera" in report.table(result)
    _check_that_another_begins_from(network, config, tmp_path / "points.pt", trainer.info)


def _check_that_another_begins_from(network, config, path, info):
    checkpoint.save(path, network, config, info)
    wanted = points_config(tasks=("detection", "point_segmentation"), point_features_to_bev=True)
    said: list[str] = []
    load_checkpoints(build_network(wanted), [path], said.append)
    report = "\n".join(said)
    assert "point encoder: taken" in report and "head of point_segmentation: taken" in report
    assert "BEV backbone: newly initialised" in report
    assert "camera encoder: newly initialised" in report


def test_point_features_can_be_added_to_a_network_trained_without_them(tmp_path):
    boxes = points_config(tasks=("detection",), point_encoder="none", fusion="projective")
    config = points_config(tasks=("detection",), fusion="projective", point_features_to_bev=True)
    before, after = build_network(boxes), build_network(config)
    info = {"tasks": ["detection"], "uses_both_sensors": True}
    checkpoint.save(tmp_path / "boxes.pt", before, boxes, info)
    load_checkpoints(after, [tmp_path / "boxes.pt"], [].append)
    weight, known = (each.lidar_encoder.linear.weight for each in (after, before))
    assert torch.equal(weight[:, : known.shape[1]], known)
    assert weight.shape[1] == known.shape[1] + 8 and not weight[:, known.shape[1] :].any()

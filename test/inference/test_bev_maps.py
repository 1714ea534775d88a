"""The predictor returns learned and lifted BEV maps, and `visualize` draws them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.memory_dataset import TINY, TinyDataset

from bev_semseg_ros.bev_lifting import lift
from bev_semseg_ros.frame import BevMap, Frame, Prediction
from bev_semseg_ros.geometry import rotation_z, transform
from bev_semseg_ros.inference.around import pass_config
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.tasks.bev_segmentation.refinement import refine_learned
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.visualization.pictures import write_pictures

pytestmark = pytest.mark.slow

TASKS = ("detection", "segmentation", "bev_segmentation")


def new_predictor(tasks: tuple[str, ...], grid: str = "forward") -> Predictor:
    """Return a predictor with random weights whose outputs differ from cell to cell."""
    config = replace(TINY, model=replace(TINY.model, tasks=tasks))
    torch.manual_seed(0)
    network = build_network(pass_config(config) if grid == "around" else config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("logits.weight"):
                parameter.normal_(std=20.0)
    return Predictor(
        network, config, device="cpu", precision="fp32", engine="torch", num_threads=1, grid=grid
    )


@pytest.fixture(scope="module")
def learned() -> Predictor:
    return new_predictor(TASKS)


@pytest.fixture(scope="module")
def lifted() -> Predictor:
    return new_predictor(("segmentation",))


def map_of(predictor: Predictor, frame: Frame, mode: str = "fused") -> BevMap | None:
    """Return what the node would publish."""
    sample = prepare(frame, predictor.config)
    return predictor.bev_map(sample, predictor.predict_sample(sample, mode))


def lift_map(predictor: Predictor, frame: Frame, prediction: Prediction) -> BevMap | None:
    sample = prepare(frame, predictor.config)
    labels = predictor.label_sets["bev_segmentation"]
    return lift(sample.points, prediction, TINY.grid, labels, sample.main_origin)


def test_a_learned_map_has_unknown_cells_where_its_confidence_is_low(learned):
    frame, _ = TinyDataset()[0]
    prediction = learned.predict(frame)
    raw = prediction.results["bev_segmentation"]
    assert raw.classes.shape == TINY.grid.output_shape and raw.classes.max() < 8
    found = refine_learned(raw, lift_map(learned, frame, prediction), prediction)
    assert not np.array_equal(found.classes, raw.classes)
    shown = map_of(learned, frame)
    unsure = found.confidence < TINY.postprocess.bev_confidence
    assert unsure.any() and not unsure.all()
    assert np.array_equal(shown.classes, np.where(unsure, MASK_IGNORED, found.classes))
    assert map_of(learned, frame, "lidar_only") is not None
    assert map_of(learned, frame, "camera_only") is None  # it uses points alone
    assert learned.output_labels["bev_segmentation"].name == "bev_8"


def test_a_network_without_the_task_has_its_masks_lifted_onto_the_points(lifted):
    frame, _ = TinyDataset()[0]
    found = map_of(lifted, frame)
    assert 0 < (found.classes != MASK_IGNORED).sum() < found.observed.sum() + 1000
    assert lifted.output_labels["bev_segmentation"] == found.labels
    assert "bev_segmentation" not in lifted.label_sets
    assert np.array_equal(lifted.bev_map(frame, lifted.predict(frame)).classes, found.classes)
    for mode in ("lidar_only", "camera_only"):
        assert map_of(lifted, frame, mode) is None


def test_a_network_without_masks_gives_no_map():
    predictor = new_predictor(("detection",))
    frame, _ = TinyDataset()[0]
    assert predictor.bev_labels is None and "bev_segmentation" not in predictor.output_labels
    assert map_of(predictor, frame) is None


def test_the_map_of_a_turned_vehicle_is_the_turned_map():
    predictor = new_predictor(("bev_segmentation",), "around")
    frame, _ = TinyDataset()[0]
    half_turn = transform(rotation_z(np.pi))
    lidars = {
        name: replace(scan, ego_from_lidar=half_turn @ scan.ego_from_lidar)
        for name, scan in frame.lidars.items()
    }
    found, turned = (
        predictor.predict(each, "lidar_only").results["bev_segmentation"]
        for each in (frame, replace(frame, lidars=lidars))
    )
    assert found.classes.shape == predictor.config.grid.output_shape
    assert (turned.classes[::-1, ::-1] == found.classes).mean() > 0.99


def test_visualize_draws_a_learned_map_and_on_request_a_lifted_one(learned, lifted, tmp_path):
    import cv2

    data = TinyDataset(1)
    pictures = []
    for name, predictor, lifts in (
        ("a", learned, False),
        ("b", lifted, False),
        ("c", lifted, True),
    ):
        assert write_pictures(predictor, data, tmp_path / name, lifts_masks=lifts) == 1
        (path,) = (tmp_path / name).glob("*.png")
        pictures.append(cv2.imread(str(path)))
    drawn, plain, asked = pictures
    assert len(asked) > len(plain)  # the legend names the classes of the map
    assert len(drawn) > len(plain)

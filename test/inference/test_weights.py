"""The shipped weights keep what the model card promises, on simulated scenes and on real frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.paths import ROOT

from bev_semseg_ros.data.dataset import Dataset, Subset, open_dataset
from bev_semseg_ros.evaluation.report import evaluate
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.sim.generate import generate

WEIGHTS = ROOT / "weights" / "bev_semseg.pt"
SEEDS = {"a2d2": 400_000, "kitti": 300_000}  # trained on 100000 and 200000
SCENES = 60


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load(WEIGHTS)


@pytest.fixture(scope="module", params=sorted(SEEDS))
def simulated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Dataset]:
    out = tmp_path_factory.mktemp(request.param)
    generate(out / "data", request.param, SCENES, 1, SEEDS[request.param], progress=False)
    return request.param, open_dataset(out / "data")


@pytest.fixture(scope="module")
def reports(predictor: Predictor, simulated: tuple[str, Dataset]) -> dict[str, dict]:
    return {
        mode: evaluate(predictor, simulated[1], mode).result() for mode in ("fused", "lidar_only")
    }


def test_the_weights_are_small_enough_to_ship() -> None:
    assert WEIGHTS.stat().st_size <= 16e6


def test_simulated_segmentation_keeps_its_floor(reports: dict[str, dict]) -> None:
    segmentation = reports["fused"]["segmentation"]
    assert segmentation["labels"] == "driving_13" and segmentation["miou"] >= 0.62


def test_simulated_segmentation_knows_every_class(reports: dict[str, dict]) -> None:
    iou = reports["fused"]["segmentation"]["iou"]
    assert tuple(iou) == load_label_set("driving_13").classes
    assert [name for name, value in iou.items() if value is not None and not value > 0] == []


def test_simulated_cars_keep_their_floor(
    simulated: tuple[str, Dataset], reports: dict[str, dict]
) -> None:
    assert reports["fused"]["detection"]["car"]["ap"] >= {"a2d2": 0.60, "kitti": 0.75}[simulated[0]]


def test_every_detection_class_is_found(reports: dict[str, dict]) -> None:
    detection = reports["fused"]["detection"]
    counted = [
        name
        for name in ("car", "truck", "pedestrian", "cyclist")
        if detection[name]["num_truth"] >= 10
    ]
    assert counted and [name for name in counted if not detection[name]["ap"] > 0] == []


def test_the_image_helps_the_boxes_or_does_not_hurt(reports: dict[str, dict]) -> None:
    assert reports["fused"]["detection"]["map"] >= reports["lidar_only"]["detection"]["map"]


def test_one_checkpoint_segments_with_and_without_a_lidar(
    predictor: Predictor, simulated: tuple[str, Dataset]
) -> None:
    for frame, _ in (simulated[1][index] for index in range(3)):
        masks = [predictor.predict(frame, mode).mask for mode in ("fused", "camera_only")]
        assert (masks[0] == masks[1]).mean() > 0.999


def test_another_frames_image_changes_boxes_and_lowers_ap(
    predictor: Predictor, simulated: tuple[str, Dataset], reports: dict[str, dict], monkeypatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from fusion import Shuffled

    shuffled = Shuffled(simulated[1])
    assert not np.array_equal(
        predictor.predict(shuffled[0][0], score_threshold=0.05).boxes.scores,
        predictor.predict(simulated[1][0][0], score_threshold=0.05).boxes.scores,
    )
    assert (
        evaluate(predictor, shuffled).result()["detection"]["map"]
        < reports["fused"]["detection"]["map"]
    )


@pytest.mark.parametrize("mode", ["fused", "lidar_only"])
def test_real_kitti_cars_keep_their_floor(predictor: Predictor, real_data: Path, mode: str) -> None:
    result = evaluate(predictor, open_dataset(real_data / "kitti"), mode).result()
    assert result["detection"]["car"]["ap_2m"] >= 0.80


@pytest.mark.parametrize(("mode", "frames"), [("fused", 3), ("lidar_only", 5)])
def test_real_a2d2_cars_keep_their_floor(
    predictor: Predictor, real_data: Path, mode: str, frames: int
) -> None:
    report = evaluate(predictor, open_dataset(real_data / "a2d2"), mode)
    detection = report.result()["detection"]
    assert detection["num_frames"] == frames
    assert detection["car"]["ap_2m"] >= 0.70


@pytest.mark.parametrize("name", ["kitti", "a2d2"])
def test_on_real_frames_the_image_does_not_hurt_the_cars(
    predictor: Predictor, real_data: Path, name: str
) -> None:
    dataset = open_dataset(real_data / name)
    both = Subset(
        dataset,
        [
            i
            for i in range(len(dataset))
            if dataset[i][0].points is not None and dataset[i][0].image is not None
        ],
    )
    fused, lidar_only = (
        evaluate(predictor, both, mode).result()["detection"] for mode in ("fused", "lidar_only")
    )
    assert fused["car"]["num_truth"] == lidar_only["car"]["num_truth"]
    assert fused["car"]["ap_2m"] >= lidar_only["car"]["ap_2m"] - 0.02


def test_real_a2d2_segmentation_keeps_its_floor(predictor: Predictor, real_data: Path) -> None:
    report = evaluate(predictor, open_dataset(real_data / "a2d2"), "camera_only")
    segmentation = report.result()["segmentation"]
    assert segmentation["group_labels"] == "groups_6"
    assert segmentation["num_frames"] == 6
    assert segmentation["group_miou"] >= 0.70

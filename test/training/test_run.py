"""Training runs: what `train` refuses, and how it uses data sets."""

from __future__ import annotations

import json
import math
import resource
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from support import tiny_data
from support.memory_dataset import TINY, with_training
from support.paths import ROOT

from bev_semseg_ros.config import Config, load, with_settings
from bev_semseg_ros.data.dataset import ConcatDataset, open_dataset
from bev_semseg_ros.evaluation.report import evaluate
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.training.run import train

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("tasks=[driving]", r"training\.tasks: 'driving'.*detection, segmentation"),
        ("epochs=0", r"training\.epochs: is 0.*training\.max_steps"),
        ("validation_split=val", r"training\.validation_split"),
    ],
)
def test_settings_with_which_no_training_is_possible_are_named(tmp_path, setting, reason):
    config = with_settings(TINY, [f"training.{setting}"])
    with pytest.raises(ValueError, match=reason):
        train(config, [tmp_path], tmp_path / "run")


def test_a_task_for_which_no_frame_has_labels_is_named_and_does_not_count_as_trained(
    tmp_path, capsys
):
    tiny_data.write_kitti_frame(tmp_path / "data", "000000")  # has boxes and no mask
    config = with_training(max_steps=1, batch_size=1)
    path = train(config, [tmp_path / "data"], tmp_path / "run")
    reason = "warning: segmentation is not trained: no frame has an image and a mask"
    assert reason in capsys.readouterr().err
    assert checkpoint.load(path).info["tasks"] == ["detection"]


def test_masks_in_which_all_pixels_are_ignored_are_refused(tmp_path):
    tiny_data.write_kitti_frame(tmp_path / "data", "000000")
    training = tmp_path / "data" / "training"
    height, width, _ = cv2.imread(str(training / "image_2" / "000000.png")).shape
    tiny_data.write_png(
        training / "semantic" / "000000.png", np.full((height, width), 255, np.uint8)
    )
    config = with_training(max_steps=1, batch_size=1)
    with pytest.raises(ValueError, match="segmentation: all labels that were examined are ignored"):
        train(config, [tmp_path / "data"], tmp_path / "run")
    others = with_training(max_steps=1, batch_size=1, tasks=("detection",))
    assert train(others, [tmp_path / "data"], tmp_path / "boxes").exists()


def test_a_finished_run_is_not_overwritten(tmp_path):
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(ValueError, match="--resume"):
        train(TINY, [tmp_path], tmp_path)


@pytest.mark.parametrize("choice", [{"resume": True}, {"init": ["checkpoint.pt"]}])
def test_a_checkpoint_that_is_not_there_is_named_before_frames_are_prepared(tmp_path, choice):
    with pytest.raises(FileNotFoundError, match=r"checkpoint\.pt: no such checkpoint"):
        train(TINY, [tmp_path / "nowhere"], tmp_path / "run", **choice)


def test_the_configuration_for_a2d2_trains_on_real_frames(real_data, tmp_path):
    config = load(ROOT / "config" / "a2d2.yaml")
    config = with_training(config, max_steps=3, batch_size=2, crop=(128, 96), validation_frames=1)
    path = train(config, [real_data / "a2d2"], tmp_path / "run")
    assert checkpoint.load(path).info["steps"] == 3
    assert (
        json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"][-1]["validation"]
        is not None
    )


def test_validation_follows_every_epoch(real_data, tmp_path):
    model = replace(TINY.model, fusion="none")
    config = with_training(
        replace(TINY, model=model), tasks=("detection",), epochs=1, validation_frames=2
    )
    train(config, [real_data / "a2d2"], tmp_path / "run", validation=[real_data / "kitti"])
    validation = json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"][0][
        "validation"
    ]
    assert validation["ap_car"] is not None and validation["miou"] is None


def test_training_uses_one_split_and_validation_the_other_one_or_further_data(tmp_path):
    data, further = tmp_path / "data", tmp_path / "further"
    for index in range(6):  # without a table of scenes, each frame is a scene
        tiny_data.write_kitti_frame(data, f"{index:06d}")
    learnt = open_dataset(data, "train")
    for index in range(len(learnt)):  # the other frames have no mask, so they have no score
        name = learnt[index][0].name
        mask = np.zeros(tiny_data.KITTI_SIZE[::-1], np.uint8)
        tiny_data.write_png(data / "training" / "semantic" / f"{name}.png", mask)
    tiny_data.write_kitti_drive(further, 1)
    config = with_training(split="train", validation_split="val", batch_size=1, max_steps=1)

    def miou(config: Config, **options: Any) -> float | None:
        train(config, [data], tmp_path / "run", **options)
        epochs = json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"]
        return epochs[-1]["validation"]["miou"]

    assert miou(config) is None
    saved = checkpoint.load(tmp_path / "run" / "checkpoint.pt")
    assert saved.info["num_frames"] == len(learnt) < 6
    longer = with_training(config, max_steps=2)
    assert miou(longer, resume=True, validation=[further]) is not None


def test_labels_for_validation_that_fit_no_task_are_named_before_the_first_step(tmp_path):
    for name in ("data", "own"):
        tiny_data.write_kitti_drive(tmp_path / name, 2)
    labels = tmp_path / "own" / "training" / "label_2" / "labels.yaml"
    labels.write_text("classes:\n  Car: {color: [1, 2, 3]}\n  Van: {color: [4, 5, 6]}\n")
    with pytest.raises(ValueError, match=r"--val .*/own: labels of the set own_boxes cannot"):
        train(TINY, [tmp_path / "data"], tmp_path / "run", validation=[tmp_path / "own"])
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_run_continues_after_an_unreadable_frame_for_validation(tmp_path):
    for name in ("data", "further"):
        tiny_data.write_kitti_drive(tmp_path / name, 2)
    image = tmp_path / "further" / "training" / "image_2" / "000001.png"
    intact = image.read_bytes()
    image.write_bytes(b"x")
    options = {"validation": [tmp_path / "further"]}
    config = with_training(epochs=2)
    reason = r"--val .*/further: .*000001\.png: .*correct the data.*--resume"
    for resume in (False, True):
        with pytest.raises(ValueError, match=reason):
            train(config, [tmp_path / "data"], tmp_path / "run", resume=resume, **options)
    image.write_bytes(intact)
    train(config, [tmp_path / "data"], tmp_path / "run", resume=True, **options)
    epochs = json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"]
    assert [entry["validation"] is None for entry in epochs] == [False, False]


def test_validation_on_the_data_that_are_trained_on_is_refused(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "data", 1)
    same = tmp_path / "data" / ".." / "data"
    with pytest.raises(ValueError, match=r"--val .*is also trained on; give other frames"):
        train(TINY, [tmp_path / "data"], tmp_path / "run", validation=[same])


def test_a_full_disk_is_named_with_the_run_and_leaves_no_empty_configuration(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    config = with_training(max_steps=1)
    train(config, [tmp_path / "data"], tmp_path / "first")  # prepares the frames
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match=r"/run: the run cannot be written .*; make space"):
            train(config, [tmp_path / "data"], tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list((tmp_path / "run").iterdir())


def test_the_same_seed_gives_the_same_weights_and_the_run_folder_has_the_configuration(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    weights = []
    for number, seed in enumerate((1, 1, 2)):
        torch.manual_seed(number)
        config = with_training(replace(TINY, seed=seed), max_steps=1)
        path = train(config, [tmp_path / "data"], tmp_path / str(number))
        assert load(path.with_name("config.yaml")) == config
        weights.append(checkpoint.load(path).weights)
    first, second, other = weights
    for name, value in first.items():
        torch.testing.assert_close(second[name], value)
    assert any(not torch.equal(other[name], value) for name, value in first.items())


def test_a_network_of_a2d2_classes_also_learns_from_data_of_other_label_sets(tmp_path):
    tiny_data.write_a2d2_rig(tmp_path / "a2d2")
    for number in (7, 8):
        tiny_data.write_a2d2_frame(tmp_path / "a2d2", number=number)
    tiny_data.write_kitti_drive(tmp_path / "kitti", 2)
    config = with_training(
        replace(TINY, labels=TINY.labels | {"segmentation": "a2d2_38"}), epochs=1, batch_size=4
    )
    data = [tmp_path / "a2d2", tmp_path / "kitti"]
    path = train(config, data, tmp_path / "run")
    loaded = checkpoint.load(path)
    assert loaded.label_sets["segmentation"].name == "a2d2_38"
    assert loaded.info["data"] == ["a2d2", "kitti"]
    assert len(loaded.info["class_pixels"]) == 38
    assert math.isfinite(
        json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"][0]["loss"][
            "segmentation"
        ]
    )
    predictor = Predictor.load(path, "cpu", engine="torch", precision="fp32", num_threads=1)
    both = ConcatDataset([open_dataset(folder) for folder in data])
    report = evaluate(predictor, both)
    segmentation = report.result()["segmentation"]
    frames = {name: each["num_frames"] for name, each in segmentation["by_labels"].items()}
    assert frames == {"a2d2_38": 2, "driving_13": 4, "camvid_11": 4, "groups_6": 4}
    # The main figures are those of the label set on which every frame was scored.
    assert segmentation["labels"] == "driving_13" and segmentation["num_frames"] == 4
    assert segmentation["group_labels"] == "groups_6"
    assert all(f"masks, {name}: " in report.table(report.result()) for name in frames)
    detection = report.result()["detection"]
    assert detection["labels"] == "boxes_4" and detection["num_frames"] == 4


def test_a_run_resumes_with_the_label_sets_of_its_checkpoint(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "classes:\n  road: {color: [1, 2, 3]}\n"
        "finer:\n  driving_13: {road: [road], ignored: "
        "[lane_marking, sidewalk, building, barrier, pole, sign, vegetation, sky, car, truck, "
        "pedestrian, two_wheeler]}\n"
    )
    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    labels = TINY.labels | {"segmentation": str(own)}
    config = with_training(replace(TINY, labels=labels), epochs=1)
    train(config, [tmp_path / "data"], tmp_path / "run")
    own.unlink()
    longer = with_training(config, epochs=2)
    path = train(longer, [tmp_path / "data"], tmp_path / "run", resume=True)
    assert checkpoint.load(path).label_sets["segmentation"].classes == ("road",)


def test_a_run_is_not_resumed_with_other_data(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    train(with_training(epochs=1), [tmp_path / "data"], tmp_path / "run")
    tiny_data.write_kitti_drive(tmp_path / "data", 3)
    with pytest.raises(
        ValueError,
        match=r"checkpoint\.pt: --data was data \(2 frames\) and is now data \(3 frames\)",
    ):
        train(with_training(epochs=2), [tmp_path / "data"], tmp_path / "run", resume=True)


def test_a_run_with_several_cameras_is_not_resumed_with_the_reference_camera_alone(tmp_path):
    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    train(with_training(epochs=1), [tmp_path / "data"], tmp_path / "run", cameras=["all"])
    with pytest.raises(ValueError, match=r"checkpoint\.pt: --cameras was all and is now not given"):
        train(with_training(epochs=2), [tmp_path / "data"], tmp_path / "run", resume=True)

"""Checkpoints of version 0.1: `load` refuses them, and `bev-semseg convert` converts them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bev_semseg_ros import config as configuration
from bev_semseg_ros.cli.main import main
from bev_semseg_ros.config import Config
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.build import build_network

FORMER_NAMES = (  # of this version -> of version 0.1
    ("camera.neck.", "camera.decoder."),
    ("camera.heads.segmentation.", "camera.segmentation."),
    ("camera.fusion.", "camera.context."),
    ("lidar_encoder.", "pillars."),
    ("bev.heads.detection.", "bev.head."),
    ("bev.fusion.", "bev.attention."),
)


def former_name(key: str) -> str:
    for name, former in FORMER_NAMES:
        if key.startswith(name):
            return former + key.removeprefix(name)
    return key


def small(fusion: str = "projective") -> Config:
    values = {
        "name": "old",
        "grid": {"x_max": 25.6, "y_min": -12.8, "y_max": 12.8, "cell": 0.4},
        "model": {
            "camera_encoder": "residual",
            "neck_channels": 16,
            "bev_channels": [16, 16, 16],
            "bev_blocks": [1, 1, 1],
            "head_channels": 16,
            "pillar_channels": 16,
            "fusion_channels": 8,
            "fusion": fusion,
        },
    }
    return configuration.from_dict(values)


def former_content(network_config: Config, **changes: object) -> dict:
    """Return what version 0.1 stored for a network of this configuration."""
    torch.manual_seed(3)
    weights = build_network(network_config).state_dict()
    values = configuration.to_dict(network_config)
    del values["labels"], values["model"]["tasks"]
    model = values["model"]
    model["decoder"], model["fpn_channels"] = model.pop("neck"), model.pop("neck_channels")
    values["loss"]["heatmap_sigma"] = [1.5, 2.0, 0.9, 1.1]
    values["decoding"] = values.pop("postprocess")
    values["decoding"]["suppression_radius"] = [1.6, 2.5, 0.4, 0.7]
    values["training"]["tasks"] = ["detection", "segmentation"]
    boxes, masks = load_label_set("boxes_4"), load_label_set("driving_13")
    content = {
        "format": "bev_semseg_ros/1",
        "config": values,
        "detection_classes": list(boxes.classes),
        "segmentation_classes": list(masks.classes),
        "detection_colors": boxes.colors.tolist(),
        "segmentation_colors": (255 - masks.colors).tolist(),
        "image_mean": 127 / 255,
        "image_std": 128 / 255,
        "info": {"seed": 1, "num_frames": 7},
        "weights": {
            former_name(key): (value.half() if value.dim() > 1 else value).contiguous()
            for key, value in weights.items()
        },
    }
    return content | changes


def save(path: Path, content: dict) -> Path:
    torch.save(content, path)
    return path


def test_a_checkpoint_of_version_0_1_is_refused_with_the_command_that_converts_it(tmp_path):
    path = save(tmp_path / "old.pt", former_content(small()))
    with pytest.raises(ValueError, match=rf"old\.pt: .*0\.1.*bev-semseg convert {path} --out"):
        checkpoint.load(path)


@pytest.mark.parametrize("fusion", ["projective", "cross_attention", "none"])
def test_a_converted_checkpoint_has_the_same_weights_to_the_bit(tmp_path, fusion, capsys):
    content = former_content(small(fusion))
    path = save(tmp_path / "old.pt", content)
    assert main(["convert", str(path), "--out", str(tmp_path / "new.pt")]) == 0
    assert "new.pt" in capsys.readouterr().out
    stored = torch.load(tmp_path / "new.pt", weights_only=True)
    assert stored["format"] == checkpoint.FORMAT
    assert {former_name(key) for key in stored["weights"]} == set(content["weights"])
    for key, value in stored["weights"].items():
        former = content["weights"][former_name(key)]
        assert value.dtype == former.dtype and torch.equal(value, former), key
    loaded = checkpoint.load(tmp_path / "new.pt")
    assert loaded.config == small(fusion) and loaded.info == {"seed": 1, "num_frames": 7}
    loaded.build()


def test_class_settings_move_into_the_label_sets(tmp_path):
    path = save(tmp_path / "old.pt", former_content(small()))
    assert main(["convert", str(path), "--out", str(tmp_path / "new.pt")]) == 0
    label_sets = checkpoint.load(tmp_path / "new.pt").label_sets
    assert label_sets["detection"] == replace(
        load_label_set("boxes_4"),
        heatmap_sigma=(1.5, 2.0, 0.9, 1.1),
        suppression_radius=(1.6, 2.5, 0.4, 0.7),
    )
    masks = load_label_set("driving_13")
    assert label_sets["segmentation"] == replace(masks, colors=255 - masks.colors)


def test_conversion_keeps_the_trained_task_and_leaves_out_the_training_state(tmp_path):
    content = former_content(small(), training={"step": 3})
    content["config"]["training"]["tasks"] = ["detection"]
    path = save(tmp_path / "old.pt", content)
    assert main(["convert", str(path), "--out", str(tmp_path / "new.pt")]) == 0
    assert checkpoint.load(tmp_path / "new.pt").config.training.tasks == ("detection",)
    with pytest.raises(ValueError, match=r"new\.pt: holds weights only"):
        checkpoint.load(tmp_path / "new.pt").training_state()


def test_converting_twice_says_that_there_is_nothing_to_convert(tmp_path, capsys):
    path = save(tmp_path / "old.pt", former_content(small()))
    assert main(["convert", str(path), "--out", str(tmp_path / "new.pt")]) == 0
    assert main(["convert", str(tmp_path / "new.pt"), "--out", str(tmp_path / "newer.pt")]) == 2
    error = capsys.readouterr().err
    assert "new.pt" in error and "nothing to convert" in error
    assert not (tmp_path / "newer.pt").exists()


def test_a_checkpoint_is_not_converted_onto_itself(tmp_path, capsys):
    path = save(tmp_path / "old.pt", former_content(small()))
    before = path.read_bytes()
    assert main(["convert", str(path), "--out", str(tmp_path / "." / "old.pt")]) == 2
    assert (
        "old.pt: is read by this command" in capsys.readouterr().err and path.read_bytes() == before
    )


@pytest.mark.parametrize("command", [checkpoint.load, None])
def test_a_checkpoint_of_another_version_is_refused_with_a_remedy(tmp_path, capsys, command):
    path = save(tmp_path / "future.pt", former_content(small(), format="bev_semseg_ros/9"))
    reason = r"future\.pt: .*bev_semseg_ros/9.*another version of bev_semseg_ros: use that one"
    if command is not None:
        with pytest.raises(ValueError, match=reason):
            command(path)
        return
    assert main(["convert", str(path), "--out", str(tmp_path / "new.pt")]) == 2
    assert "another version of bev_semseg_ros" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"weights": None}, "weights"),
        ({"config": None}, "damaged checkpoint of version 0.1"),
        ({"config": {"model": 3}}, "old.pt"),
        ({"config": {"grid": {"cells": 1}}}, "grid.cells"),
        ({"config": {"loss": {"heatmap_sigma": [1.0]}}}, "heatmap_sigma: 1 values for 4 classes"),
        ({"config": {"loss": {"heatmap_sigma": 1.0}}}, "old.pt"),
        ({"info": None}, "old.pt"),
        ({"detection_classes": ["car", "ufo"]}, "ufo"),
        ({"segmentation_colors": [[1, 2]]}, "old.pt"),
        ({"detection_colors": 5}, "old.pt"),
    ],
)
def test_a_damaged_checkpoint_of_version_0_1_is_named(tmp_path, capsys, changes, reason):
    path = save(tmp_path / "old.pt", former_content(small(), **changes))
    assert main(["convert", str(path), "--out", str(tmp_path / "new.pt")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "old.pt" in error and reason in error, error
    assert not (tmp_path / "new.pt").exists()


def test_the_shipped_weights_are_of_this_version():
    from bev_semseg_ros.resources import shipped_checkpoint

    label_sets = checkpoint.load(shipped_checkpoint()).label_sets
    assert {task: labels.name for task, labels in label_sets.items()} == {
        "detection": "boxes_4",
        "segmentation": "driving_13",
    }

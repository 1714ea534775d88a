"""Initialization: what is taken from a checkpoint, what is newly initialised, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.memory_dataset import TINY, with_training
from torch import Tensor

from bev_semseg_ros.config import Config
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.encoders.residual import ResidualEncoder
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.training.initialization import load_checkpoints, load_pretrained

BOTH = {"tasks": ["detection", "segmentation"], "uses_both_sensors": True}
LINEAR = "lidar_encoder.linear.weight"
CLASS_LAYERS = {
    "detection": "bev.heads.detection.heatmap.",
    "segmentation": "camera.heads.segmentation.logits.",
}


class EncoderWithWeights(ResidualEncoder):
    """A user-defined camera encoder with pretrained weights and a module named heads."""

    path = ""

    def __init__(self) -> None:
        super().__init__()
        self.heads = torch.nn.Linear(2, 2)

    def pretrained_file(self) -> str:
        return self.path

    def load_pretrained(self, state: Mapping[str, Tensor]) -> None:
        self.load_state_dict(state)


def with_model(config: Config = TINY, **settings: object) -> Config:
    return replace(config, model=replace(config.model, **settings))


def with_labels(**labels: str) -> Config:
    return replace(TINY, labels=TINY.labels | labels)


def random_network(config: Config, seed: int) -> Network:
    """Return a network whose weights, biases and statistics are all random."""
    torch.manual_seed(seed)
    network = build_network(config)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.5, 1.5)
    return network


def saved(folder: Path, config: Config, info: dict | None = None, name: str = "a.pt") -> Path:
    checkpoint.save(
        folder / name, random_network(config, 1), config, BOTH if info is None else info
    )
    return folder / name


def begun(
    config: Config, *paths: Path
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[str], bool]:
    """Return weights before and after, the report, and whether the camera encoder was taken."""
    network = random_network(config, 2)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    lines: list[str] = []
    has_trunk, infos = load_checkpoints(network, paths, lines.append)
    assert len(infos) == len(paths)
    return before, network.state_dict(), lines, has_trunk


def kept(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """Return the weights that a checkpoint did not change."""
    floats = [key for key, value in before.items() if value.is_floating_point()]
    return {key for key in floats if torch.equal(before[key], after[key])}


def line_of(part: str, lines: list[str]) -> str:
    (found,) = (line.strip() for line in lines if line.strip().startswith(f"{part}:"))
    return found


@pytest.mark.parametrize(
    "fusion", ["projective", "painted", "cross_attention", "semantic_cross_attention", "none"]
)
def test_all_weights_of_the_same_network_are_taken_and_reported_by_part(tmp_path, fusion):
    config = with_model(fusion=fusion)
    path = saved(tmp_path, config)
    before, after, lines, has_trunk = begun(config, path)
    given = checkpoint.load(path).weights
    assert all(torch.equal(after[key], given[key]) for key in before) and has_trunk
    assert lines[0] == f"{path}:" and not any("newly" in line for line in lines)
    parts = {
        "camera encoder",
        "neck",
        "lidar encoder",
        "BEV backbone",
        "head of detection",
        "head of segmentation",
    }
    if fusion != "none":
        parts |= {"fusion, image part"}
    if fusion == "painted":
        parts |= {"fusion"}
    if "cross_attention" in fusion:
        parts |= {"fusion, BEV part"}
    assert {line.strip().partition(":")[0] for line in lines[1:]} == parts
    assert all(": taken, " in line for line in lines[1:])


@pytest.mark.parametrize(
    ("task", "labels"), [("segmentation", "a2d2_38"), ("detection", "kitti_boxes")]
)
def test_with_another_label_set_only_the_class_layers_are_newly_initialised(tmp_path, task, labels):
    before, after, lines, _ = begun(with_labels(**{task: labels}), saved(tmp_path, TINY))
    assert kept(before, after) == {key for key in before if key.startswith(CLASS_LAYERS[task])}
    line = line_of(f"head of {task}", lines)
    assert "weights taken; newly initialised: " in line and "(its classes differ)" in line
    assert not any("newly" in each for each in lines if each.strip() != line)


def test_class_layers_are_newly_initialised_for_equally_many_other_classes(tmp_path):
    file = tmp_path / "own.yaml"
    names = "\n".join(f"  thing{i}: {{color: [{i}, 0, 0]}}" for i in range(13))
    file.write_text(f"classes:\n{names}\n")
    before, after, lines, _ = begun(with_labels(segmentation=str(file)), saved(tmp_path, TINY))
    layers = {key for key in before if key.startswith(CLASS_LAYERS["segmentation"])}
    assert len(layers) == 2 and kept(before, after) == layers
    assert "its classes differ" in line_of("head of segmentation", lines)


def test_a_lidar_encoder_trained_without_images_gets_new_inputs_of_weight_zero(tmp_path):
    path = saved(tmp_path, with_model(fusion="none"))
    before, after, lines, _ = begun(TINY, path)
    given = checkpoint.load(path).weights[LINEAR]
    inputs = given.shape[1]
    assert torch.equal(after[LINEAR][:, :inputs], given) and not after[LINEAR][:, inputs:].any()
    new = after[LINEAR].shape[1] - inputs
    line = line_of("lidar encoder", lines)
    assert new > 0 and f"linear.weight: {new} new inputs begin at zero" in line
    assert line.startswith("lidar encoder: taken")
    # The checkpoint has no weights of a fusion.
    fusion = line_of("fusion, image part", lines)
    assert "newly initialised" in fusion
    assert "(model.fusion is none in the checkpoint, projective in this network)" in fusion
    assert kept(before, after) == {key for key in before if key.startswith("camera.fusion.")}


def test_a_network_without_images_takes_weights_of_one_with_images(tmp_path):
    path = saved(tmp_path, TINY)
    before, after, lines, _ = begun(with_model(fusion="none"), path)
    given = checkpoint.load(path).weights[LINEAR]
    assert torch.equal(after[LINEAR], given[:, :10]) and kept(before, after) == set()
    line = line_of("lidar encoder", lines)
    assert line.startswith("lidar encoder: taken")
    assert f"linear.weight: {given.shape[1] - 10} inputs not used" in line
    unused = line_of("fusion, image part", lines)
    assert "not used" in unused and "this network has no such part" in unused


def test_painted_fusion_takes_the_weights_of_projective_fusion(tmp_path):
    path = saved(tmp_path, TINY)
    before, after, lines, _ = begun(with_model(fusion="painted"), path)
    given = checkpoint.load(path).weights
    inputs = given[LINEAR].shape[1]
    assert torch.equal(after[LINEAR][:, :inputs], given[LINEAR])
    assert after[LINEAR].shape[1] == inputs + 13 and not after[LINEAR][:, inputs:].any()
    assert kept(before, after) == {"fusion.unseen"}
    assert "linear.weight: 13 new inputs begin at zero" in line_of("lidar encoder", lines)
    assert line_of("fusion, image part", lines) == "fusion, image part: taken, 2 weights"
    assert "newly initialised, 1 weights (not in the checkpoint)" in line_of("fusion", lines)


def test_painted_fusion_takes_the_lidar_encoder_of_a_network_without_fusion(tmp_path):
    config = with_model(fusion="none", tasks=("detection",))
    path = saved(tmp_path, config, {"tasks": ["detection"]})
    _, after, lines, _ = begun(with_model(fusion="painted"), path)
    given = checkpoint.load(path).weights[LINEAR]
    assert torch.equal(after[LINEAR][:, : given.shape[1]], given)
    assert f"{8 + 1 + 13} new inputs begin at zero" in line_of("lidar encoder", lines)


def test_painted_fusion_with_more_features_takes_only_the_geometry_weights(tmp_path):
    path = saved(tmp_path, with_model(fusion_channels=4))
    _, after, lines, _ = begun(with_model(fusion="painted"), path)
    assert torch.equal(after[LINEAR][:, :10], checkpoint.load(path).weights[LINEAR][:, :10])
    assert not after[LINEAR][:, 10:].any()
    assert "newly initialised" in line_of("fusion, image part", lines)


def test_painted_fusion_with_other_classes_takes_the_weights_independent_of_them(tmp_path):
    file = tmp_path / "own.yaml"
    names = "\n".join(f"  thing{i}: {{color: [{i}, 0, 0]}}" for i in range(13))
    file.write_text(f"classes:\n{names}\n")
    painted = with_model(fusion="painted")
    path = saved(tmp_path, painted)
    for labels in ("a2d2_38", str(file)):  # more classes, and as many others
        config = replace(painted, labels=TINY.labels | {"segmentation": labels})
        before, after, lines, _ = begun(config, path)
        known = 10 + 8 + 1
        given = checkpoint.load(path).weights[LINEAR]
        assert torch.equal(after[LINEAR][:, :known], given[:, :known])
        assert not after[LINEAR][:, known:].any()
        assert torch.equal(after["fusion.unseen"], before["fusion.unseen"])
        assert "its classes differ" in line_of("fusion", lines)


def test_semantic_cross_attention_takes_the_weights_of_cross_attention(tmp_path):
    path = saved(tmp_path, with_model(fusion="cross_attention"))
    before, after, lines, _ = begun(with_model(fusion="semantic_cross_attention"), path)
    assert kept(before, after) == {"camera.fusion.classes.weight"}
    line = line_of("fusion, image part", lines)
    assert "2 of 3 weights taken; newly initialised: classes.weight (not in the checkpoint)" in line
    assert "fusion, BEV part: taken" in line_of("fusion, BEV part", lines)


def test_a_fusion_takes_no_weights_from_one_that_extends_it(tmp_path):
    path = saved(tmp_path, with_model(fusion="painted"))
    _, _, lines, _ = begun(TINY, path)
    reason = "model.fusion is painted in the checkpoint, projective in this network"
    assert reason in line_of("fusion, image part", lines)


def test_weights_of_another_number_of_features_become_zero_and_are_not_shifted(tmp_path):
    path = saved(tmp_path, with_model(fusion_channels=4))
    _, after, lines, _ = begun(TINY, path)
    given, new = checkpoint.load(path).weights[LINEAR], after[LINEAR]
    assert torch.equal(new[:, :10], given[:, :10]) and not new[:, 10:].any()
    counts = f"{new.shape[1] - 10} new inputs begin at zero, {given.shape[1] - 10} inputs not used"
    assert f"linear.weight: {counts}" in line_of("lidar encoder", lines)


def test_two_checkpoints_each_give_the_parts_that_they_were_trained_for(tmp_path):
    camera = with_training(TINY, tasks=("segmentation",))
    lidar = with_training(with_model(fusion="none"), tasks=("detection",))
    first = saved(tmp_path, camera, {"tasks": ["segmentation"]}, "camera.pt")
    second = tmp_path / "lidar.pt"
    checkpoint.save(second, random_network(lidar, 3), lidar, {"tasks": ["detection"]})
    before, after, lines, has_trunk = begun(TINY, first, second)
    of_camera, of_lidar = checkpoint.load(first).weights, checkpoint.load(second).weights
    assert has_trunk
    for key in before:
        if key.startswith("camera.fusion."):
            assert torch.equal(after[key], before[key]), key  # neither checkpoint trained it
        elif key.startswith("camera."):
            assert torch.equal(after[key], of_camera[key]), key
        elif key != LINEAR:
            assert torch.equal(after[key], of_lidar[key]), key
    split = lines.index(f"{second}:")
    untaught = "(the checkpoint was not trained for it)"
    for part in ("BEV backbone", "head of detection", "fusion, image part"):
        line = line_of(part, lines[:split])
        assert "newly initialised" in line and untaught in line
    for part in ("camera encoder", "head of segmentation"):
        line = line_of(part, lines[split:])
        assert "kept from an earlier checkpoint" in line and "newly" not in line
    line = line_of("fusion, image part", lines[split:])  # neither checkpoint gives it
    assert "newly initialised" in line and "kept" not in line


def test_a_checkpoint_trained_with_the_lidar_alone_gives_no_camera_weights(tmp_path):
    path = saved(tmp_path, TINY, {"tasks": ["detection"], "uses_both_sensors": False})
    before, after, _, has_trunk = begun(TINY, path)
    assert not has_trunk
    floats = {key for key, value in before.items() if value.is_floating_point()}
    assert kept(before, after) == {key for key in floats if key.startswith("camera.")}


def test_a_detection_checkpoint_trained_with_both_sensors_gives_camera_weights(tmp_path):
    path = saved(tmp_path, TINY, {"tasks": ["detection"], "uses_both_sensors": True})
    before, after, _, has_trunk = begun(TINY, path)
    assert has_trunk
    begun_anew = {key.rpartition(".hidden.")[0] or key for key in kept(before, after)}
    assert all(key.startswith("camera.heads.segmentation") for key in begun_anew)


def test_a_part_that_this_network_lacks_is_reported_as_not_used(tmp_path):
    config = with_model(tasks=("segmentation",), fusion="none")
    before, after, lines, _ = begun(config, saved(tmp_path, TINY))
    line = line_of("head of detection", lines)
    assert "not used" in line and "this network has no such part" in line
    assert kept(before, after) == set()


def test_another_camera_encoder_is_newly_initialised_and_the_former_not_used(tmp_path):
    config = with_model(camera_encoder="efficientnet_lite0")
    before, after, lines, has_trunk = begun(config, saved(tmp_path, TINY))
    assert not has_trunk  # so training initializes it from ImageNet
    trunk = {
        key
        for key, value in before.items()
        if key.startswith("camera.encoder.") and value.is_floating_point()
    }
    assert trunk <= kept(before, after)
    of_trunk = [line for line in lines if line.strip().startswith("camera encoder:")]
    assert "newly initialised" in of_trunk[0] and "not used" in of_trunk[1]


def test_a_checkpoint_none_of_whose_weights_fit_is_refused_by_name(tmp_path):
    path = saved(tmp_path, TINY, {"tasks": ["segmentation"]})
    config = with_model(tasks=("detection",), camera_encoder="efficientnet_lite0", neck_channels=24)
    network, lines = random_network(config, 2), []
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=r"a\.pt: none of its weights fits.*--init"):
        load_checkpoints(network, [path], lines.append)
    assert lines  # the report says why
    floats = {key for key, value in before.items() if value.is_floating_point()}
    assert kept(before, network.state_dict()) == floats


def test_a_user_defined_camera_encoder_gets_its_own_pretrained_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(EncoderWithWeights, "path", str(tmp_path / "weights.pt"))
    name = f"{EncoderWithWeights.__module__}:{EncoderWithWeights.__name__}"
    first, second = (random_network(with_model(camera_encoder=name), seed) for seed in (1, 2))
    wanted = first.camera.encoder.state_dict()
    torch.save(wanted, tmp_path / "weights.pt")
    assert load_pretrained(second)
    for key, value in second.camera.encoder.state_dict().items():
        assert torch.equal(value, wanted[key]), key


def test_a_module_named_heads_in_a_user_defined_part_is_no_head_of_a_task(tmp_path):
    config = with_model(
        camera_encoder=f"{EncoderWithWeights.__module__}:{EncoderWithWeights.__name__}"
    )
    before, after, _, has_trunk = begun(config, saved(tmp_path, config))
    assert has_trunk and not kept(before, after)


def test_an_encoder_without_pretrained_weights_keeps_its_own():
    network = random_network(TINY, 2)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert not load_pretrained(network)
    floats = {key for key, value in before.items() if value.is_floating_point()}
    assert kept(before, network.state_dict()) == floats


def test_the_report_is_printed_by_default(tmp_path, capsys):
    load_checkpoints(random_network(TINY, 2), [saved(tmp_path, TINY)])
    assert "BEV backbone: taken" in capsys.readouterr().out

"""Settings: read, overridden, refused with a reason, written."""

from __future__ import annotations

import pytest
from support.paths import ROOT

from bev_semseg_ros import config as configuration
from bev_semseg_ros.config import Config, GridConfig


def test_a_file_overrides_and_the_rest_keeps_its_default(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("name: mine\ntraining: {epochs: 3, crop: [64, 32]}\n")
    config = configuration.load(path)
    assert (
        config.name == "mine" and config.training.epochs == 3 and config.training.crop == (64, 32)
    )
    assert (
        config.grid == GridConfig() and config.training.batch_size == Config().training.batch_size
    )


def test_an_empty_file_is_the_default(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("# nothing\n")
    assert configuration.load(path) == Config()


def test_a_saved_configuration_reads_back_the_same(tmp_path):
    config = configuration.with_settings(
        Config(), ["grid.cell=0.1", "model.bev_channels=[8, 16, 32]"]
    )
    configuration.save(config, tmp_path / "c.yaml")
    assert configuration.load(tmp_path / "c.yaml") == config


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("training: {epoch: 3}", "unknown setting training.epoch; known here: epochs, batch_size"),
        ("training: {epochs: many}", "training.epochs"),
        ("training: {crop: [64]}", "training.crop"),
        ("a: [", "damaged YAML: line 1: expected"),
        ("[]", "configuration: expected a mapping, got list"),
        ("training: {epochs: 3, epochs: 4}", "line 1: the key 'epochs' occurs twice"),
        ("seed: 2\nname: a\nseed: 3", "line 3: the key 'seed' occurs twice"),
        ("grid: &g {}\nimage: *g", "line 2: aliases .* are not read; write the value itself"),
        ("training: {epochs: true}", "training.epochs"),
        ("training: 3", "training: "),
        ("training: {learning_rate: fast}", "training.learning_rate"),
        ("training: {warmup: .nan}", "training.warmup"),
        (
            "training: {gradient_clip: .inf}",
            "training.gradient_clip: input should be a finite number",
        ),
        ("model: {bev_blocks: [1, 2]}", "model: bev_blocks: expected 3 values"),
        ("grid: {cell: 0.0}", "grid.cell: "),
        ("grid: {x_max: -1.0}", "grid: "),
        ("grid: {cell: 0.001}", "at most 4096"),
        (
            "grid: {x_max: 57.8}",
            "289 x 288 pillars of 0.2 m, .*; change the limits of x and y, or cell",
        ),
        ("grid: {output_stride: 4}", "grid: output_stride"),
    ],
)
def test_a_wrong_setting_is_named_with_the_file(tmp_path, text, reason):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s)wrong\.yaml: .*{reason}"):
        configuration.load(path)


NONSENSE = {
    "name=''": "name: string should have at least 1 character",
    "seed=-1": "seed: input should be greater than or equal to 0, got -1",
    "seed=5000000000": "seed: input should be less than or equal to 4294967295",
    "grid.cell=-0.2": "grid.cell: input should be greater than 0, got -0.2",
    "grid.z_min=5.0": "grid: expected each minimum below its maximum",
    "image.max_width=0": "image.max_width: input should be greater than 0, got 0",
    "model.neck_channels=0": "model.neck_channels: input should be greater than 0, got 0",
    "model.tasks=[]": "model.tasks: tuple should have at least 1 item",
    "loss.regression_weight=-1": "loss.regression_weight: .* greater than or equal to 0, got -1",
    "loss.class_weight_min=5.0": "loss: class_weight_min: expected at most class_weight_max, "
    "which is 4.0, got 5.0",
    "augmentation.flip=1.5": "augmentation.flip: input should be less than or equal to 1, got 1.5",
    "augmentation.rotation=-1": "augmentation.rotation: .* greater than or equal to 0, got -1",
    "augmentation.rotation=90.0": "augmentation.rotation: .* less than or equal to 3.14.*got 90",
    "augmentation.scale=1": "augmentation.scale: input should be less than 1, got 1",
    "augmentation.height=-0.1": "augmentation.height: .* greater than or equal to 0, got -0.1",
    "augmentation.intensity_gain=-1": "augmentation.intensity_gain: .* or equal to 0, got -1",
    "augmentation.intensity_gain=1000": "augmentation.intensity_gain: .* or equal to 5, got 1000",
    "augmentation.image_zoom_min=0": "augmentation.image_zoom_min: .* or equal to 0.01, got 0",
    "augmentation.image_zoom_min=3.0": "augmentation: image_zoom_min: expected at most "
    "image_zoom_max, which is 2.0, got 3.0",
    "augmentation.image_aspect=-1": "augmentation.image_aspect: .* or equal to 0, got -1",
    "augmentation.image_rotation=-1": "augmentation.image_rotation: .* or equal to 0, got -1",
    "augmentation.camera_drop=0.96": "augmentation: camera_drop and lidar_drop: expected a sum of "
    "at most 1.*got 0.96 and 0.05",
    "training.learning_rate=-1": "training.learning_rate: input should be greater than 0, got -1",
    "training.learning_rate=2": "training.learning_rate: .* less than or equal to 1, got 2",
    "training.trunk_learning_rate=-1": "training.trunk_learning_rate: .* or equal to 0, got -1",
    "training.weight_decay=-1": "training.weight_decay: .* or equal to 0, got -1",
    "training.gradient_clip=0": "training.gradient_clip: input should be greater than 0, got 0",
    "training.precision=fp16": "training.precision: input should be 'auto', 'bf16' or 'fp32', "
    "got 'fp16'",
    "training.split=test": "training.split: input should be '', 'train' or 'val', got 'test'",
    "training.max_minutes=-1": "training.max_minutes: .* or equal to 0, got -1",
    "training.batch_size=0": "training.batch_size: .* greater than or equal to 1, got 0",
    "trainng.epochs=3": "unknown setting trainng; known here: name, .* training, postprocess",
    "training.tasks=detection": r"training.tasks: .* got 'detection'; write \[detection\]$",
    "training.crop=[100, 64]": "training: crop: expected multiples of 32",
    "training.crop=[64, 0]": "training: crop: expected multiples of 32",
    "training.crop=[32000000, 32]": "training: crop: expected at most 16777216 pixels",
    "postprocess.score_threshold=2": "postprocess.score_threshold: .* or equal to 1, got 2",
}


@pytest.mark.parametrize("setting", NONSENSE)
def test_a_value_out_of_range_is_refused_with_the_setting_and_the_reason(setting):
    with pytest.raises(ValueError, match=f"^{NONSENSE[setting]}"):
        configuration.with_settings(Config(), [setting])


@pytest.mark.parametrize(
    "settings",
    [
        ["augmentation.rotation=0", "augmentation.scale=0", "augmentation.height=0"],
        ["augmentation.image_zoom_min=1.0", "augmentation.image_zoom_max=1.0"],
        ["augmentation.camera_drop=1.0", "augmentation.lidar_drop=0.0"],
        ["loss.class_weight_min=1.0", "loss.class_weight_max=1.0"],
        ["training.trunk_learning_rate=0", "training.weight_decay=0", "training.crop=[0, 0]"],
        ["training.precision=bf16"],
    ],
)
def test_a_value_at_the_limit_is_accepted(settings):
    configuration.with_settings(Config(), settings)


def test_a_setting_of_the_command_line_overrides_the_configuration():
    config = configuration.with_settings(
        Config(), ["training.max_minutes=2", "training.tasks=[detection]"]
    )
    assert config.training.max_minutes == 2.0 and config.training.tasks == ("detection",)


def test_a_number_with_an_exponent_and_no_decimal_point_is_a_number():
    # YAML 1.1 reads it as text.
    assert (
        configuration.with_settings(
            Config(), ["training.learning_rate=4e-3"]
        ).training.learning_rate
        == 0.004
    )


@pytest.mark.parametrize(
    "setting", ["training.max_minutes", "nothing.here=1", "training.epochs=x", "name.first=a"]
)
def test_a_wrong_setting_of_the_command_line_is_refused(setting):
    with pytest.raises(ValueError, match=setting.split("=")[0].split(".")[0]):
        configuration.with_settings(Config(), [setting])


@pytest.mark.parametrize("name", ["synthetic", "a2d2"])
def test_the_shipped_configurations_are_valid(name):
    assert configuration.load(ROOT / "config" / f"{name}.yaml").name == name


def test_grid_counts_its_cells():
    grid = GridConfig()
    assert (
        grid.shape == (288, 288)
        and grid.output_shape == (144, 144)
        and grid.output_cell == pytest.approx(0.4)
    )

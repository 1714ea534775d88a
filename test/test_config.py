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


def test_what_is_written_reads_back_the_same(tmp_path):
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
        ("a: [", "expected"),
        ("training: {epochs: true}", "training.epochs"),
        ("training: 3", "training: "),
        ("training: {learning_rate: fast}", "training.learning_rate"),
        ("training: {warmup: .nan}", "training.warmup"),
        (
            "training: {learning_rate: .inf}",
            "training.learning_rate: input should be a finite number",
        ),
        ("model: {bev_blocks: [1, 2]}", "model: bev_blocks: 2 values for the 3"),
        ("grid: {cell: 0.0}", "grid.cell: "),
        ("grid: {x_max: -1.0}", "grid: "),
        ("grid: {cell: 0.001}", "at most 4096"),
        ("grid: {x_max: 57.8}", "289 x 288 pillars"),
        ("grid: {output_stride: 4}", "grid: output_stride"),
    ],
)
def test_a_wrong_setting_is_named_with_the_file(tmp_path, text, reason):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"(?s)wrong\.yaml: .*{reason}"):
        configuration.load(path)


def test_a_setting_of_the_command_line_replaces_one_of_the_file():
    config = configuration.with_settings(
        Config(), ["training.max_minutes=2", "training.tasks=[detection]"]
    )
    assert config.training.max_minutes == 2.0 and config.training.tasks == ("detection",)


def test_a_number_without_a_point_but_with_an_exponent_is_a_number():
    # YAML 1.1 takes it for text
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
def test_the_configurations_that_come_along_are_valid(name):
    assert configuration.load(ROOT / "config" / f"{name}.yaml").name == name


def test_grid_counts_its_cells():
    grid = GridConfig()
    assert (
        grid.shape == (288, 288)
        and grid.output_shape == (144, 144)
        and grid.output_cell == pytest.approx(0.4)
    )

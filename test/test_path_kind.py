"""Errors for a path of the wrong kind say what is there and what to give instead."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support import tiny_data
from support.memory_dataset import TINY
from support.street_data import write_street

from bev_semseg_ros import config
from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.model.build import build_network


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run, a data set, a bag, and archives of the data set."""
    root = tmp_path_factory.mktemp("things")
    write_street(root / "street", 2)
    run = root / "run"
    checkpoint.save(run / "checkpoint.pt", build_network(TINY), TINY, {}, training={"step": 1})
    config.save(TINY, run / "config.yaml")
    for name in ("weights_a.pt", "weights_b.pt"):
        (root / "weights").mkdir(exist_ok=True)
        shutil.copy(run / "checkpoint.pt", root / "weights" / name)
    assert main(["bag", "--data", str(root / "street"), "--out", str(root / "bag")]) == 0
    with tarfile.open(root / "street.tar", "w") as archive:
        archive.add(root / "street", "street")
    with tarfile.open(root / "street.tar.gz", "w:gz") as archive:
        archive.add(root / "street", "street")
    with zipfile.ZipFile(root / "street.zip", "w") as archive:
        archive.writestr("street/readme.txt", "text")
    (root / "street.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))
    (root / "weights.pt.gz").write_bytes(gzip.compress(b"weights"))
    (root / "page.pt").write_text("<!DOCTYPE html><html>Sign in</html>")
    (root / "pointer.pt").write_text("version https://git-lfs.github.com/spec/v1\n")
    (root / "empty").mkdir()
    (root / "nothing.pt").write_bytes(b"")
    return root


def test_the_error_for_the_folder_of_a_run_names_its_checkpoint(things):
    with pytest.raises(ValueError, match="the folder of a training run: give ") as error:
        checkpoint.load(things / "run")
    assert str(error.value).startswith(f"{things / 'run'}: expected a checkpoint")
    assert checkpoint.load(str(error.value).rpartition("give ")[2])  # as the remedy says


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("weights", r"a folder with checkpoints: give one of its files, such as .*weights_a\.pt"),
        # The node gives this error, too, and has no option --config.
        (
            "run/config.yaml",
            r"a YAML file: .* `bev-semseg train --config`; the weights are in checkpoint\.pt",
        ),
        ("street.tar", r"a tar archive: unpack it with `tar xf (.*)/street\.tar -C \1`"),
        ("street.zip", r"a zip archive: unpack it with `unzip (.*)/street\.zip -d \1`"),
        (
            "weights.pt.gz",
            r"packed with gzip: unpack it with `gzip -dc .*weights\.pt\.gz > .*weights\.pt`",
        ),
        ("page.pt", "a web page, as a failed download leaves it: download the file again"),
        ("pointer.pt", "a pointer of Git LFS, not the file itself: .* `git lfs pull`"),
        ("nothing.pt", r"an empty file \(0 bytes\)"),
        ("street/training/image_2/000000.png", "a picture"),
        ("street", "the folder of a data set"),
        ("bag", "the folder of a bag"),
    ],
)
def test_other_paths_instead_of_a_checkpoint_are_refused_with_a_remedy(name, expected, things):
    with pytest.raises(ValueError, match=expected):
        checkpoint.load(things / name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("run", "the folder of a training run: that belongs to --checkpoint"),
        ("run/checkpoint.pt", "a checkpoint: that belongs to --checkpoint"),
        ("weights", "a folder with checkpoints: that belongs to --checkpoint"),
        ("bag", "the folder of a bag: .* `bev-semseg doctor .*/bag`.* `bev-semseg play .*/bag`"),
        ("bag/bag.mcap", r"the file of a bag: .* `bev-semseg doctor .*/bag\.mcap`"),
        (
            "street.tar",
            r"a tar archive: unpack .* `tar xf .*\.tar -C .*` and give the unpacked",
        ),
        ("street.tar.gz", r"packed with gzip: unpack .* `tar xf .*` and give the unpacked folder"),
        (
            "street.zip",
            r"a zip archive: unpack .* `unzip .*\.zip -d .*` and .* unpacked folder, or mount",
        ),
        ("street.7z", r"a 7z archive: unpack it with `7z x (.*)/street\.7z -o\1` and give the"),
        ("empty", "the folder is empty; looked for A2D2"),
        ("street/training/calib/000000.txt", "give the folder of the data set, such as .*/street"),
    ],
)
def test_other_paths_instead_of_a_data_set_are_refused_with_a_remedy(name, expected, things):
    with pytest.raises(ValueError, match=expected):
        open_dataset(things / name)


@pytest.mark.parametrize("name", ["street.tar", "street.tar.gz"])
def test_the_archive_unpacks_beside_itself_as_the_message_says(things, tmp_path, name):
    shutil.copy(things / name, tmp_path)
    with pytest.raises(ValueError, match="unpack") as error:
        open_dataset(tmp_path / name)
    command = re.search(r"`([^`]+)`", str(error.value))
    assert command is not None
    subprocess.run(shlex.split(command[1]), check=True)
    assert len(open_dataset(tmp_path / "street")) == 2


def test_the_error_for_a_file_in_a_data_set_names_the_folder_to_give(things):
    with pytest.raises(ValueError, match="give the folder") as error:
        open_dataset(things / "street" / "training" / "velodyne" / "000000.bin")
    assert len(open_dataset(str(error.value).rpartition("such as ")[2])) == 2


def test_the_error_for_a_mistyped_path_suggests_an_existing_one(things):
    with pytest.raises(ValueError, match=r"stret: no such folder; did you mean .*/street\?"):
        open_dataset(things / "stret")
    with pytest.raises(FileNotFoundError, match=r"no such checkpoint; did you mean .*checkpoint"):
        checkpoint.load(things / "run" / "checkpont.pt")
    with pytest.raises(FileNotFoundError, match=r"no such checkpoint; .*/runs does not exist"):
        checkpoint.load(things / "runs" / "a" / "checkpoint.pt")


@pytest.mark.parametrize("name", ["run", "run/checkpoint.pt", "street"])
def test_other_paths_instead_of_settings_are_refused(name, things, capsys):
    arguments = ["train", "--config", str(things / name), "--data", str(things / "street")]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "expected a YAML file of settings" in error
    if name == "run":
        assert error.rstrip().endswith(f"give {things / 'run' / 'config.yaml'}")
        assert config.load(things / "run" / "config.yaml") == TINY


def test_other_paths_instead_of_a_label_set_are_refused(things, tmp_path):
    folder = tmp_path / "mine.yaml"
    folder.mkdir()
    with pytest.raises(ValueError, match="expected a YAML file of a label set, but it is an empty"):
        load_label_set(folder)
    with pytest.raises(ValueError, match="expected a YAML file of a label set, but it is a check"):
        load_label_set(things / "run" / "checkpoint.pt")
    with pytest.raises(FileNotFoundError, match=r"own\.yaml: no such label set"):
        load_label_set(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("run", "no calibration found in the folder of a training run; looked for"),
        ("empty", "no calibration found in an empty folder; looked for"),
        ("run/checkpoint.pt", "a checkpoint: give a YAML, A2D2's cams_lidars.json or a .txt"),
        ("street.zip", "a zip archive: unpack it"),
        ("bag/bag.mcap", "the file of a bag: give a YAML"),
    ],
)
def test_other_paths_instead_of_a_calibration_are_refused(name, expected, things):
    with pytest.raises((ValueError, FileNotFoundError), match=expected):
        load_calibration(things / name)


def test_a_calibration_is_read_from_the_folder_of_a_bag_or_a_data_set(things):
    assert load_calibration(things / "bag").camera is not None
    assert load_calibration(things / "street").camera is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--checkpoint", "run/checkpoint.pt", "--data", "street", "--json", "empty"],
        ["statistics", "--data", "street", "--out", "empty"],
        ["statistics", "--data", "street", "--out", "p.html", "--json", "empty"],
        ["check-data", "street", "--json", "empty"],
        ["export", "--checkpoint", "run/checkpoint.pt", "--out", "empty"],
        ["convert", "run/checkpoint.pt", "--out", "empty"],
        ["doctor", "bag", "--json", "empty"],
        ["doctor", "bag", "--params", "empty"],
        ["play", "bag", "--log", "empty"],
    ],
)
def test_a_folder_as_output_file_is_refused_before_any_work(arguments, things, monkeypatch, capsys):
    if arguments[0] == "play":
        pytest.importorskip("rclpy")
    monkeypatch.chdir(things)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("bev-semseg: error: empty: is a folder; give the file to write")
    assert list((things / "empty").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--checkpoint", "run/checkpoint.pt", "--data", "street", "--json"],
        ["statistics", "--data", "street", "--out"],
        ["check-data", "street", "--json"],
        ["doctor", "bag", "--json"],
    ],
)
def test_an_output_file_that_cannot_be_written_is_refused_before_any_work(
    arguments, things, monkeypatch, capsys
):
    monkeypatch.chdir(things)
    assert main([*arguments, "/proc/file"]) == 2  # not even root can create files there
    captured = capsys.readouterr()
    assert captured.err.startswith("bev-semseg: error: /proc/file: cannot be written")
    assert captured.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--config", "run/config.yaml", "--data", "street", "--out", "/proc/run"],
        ["visualize", "--checkpoint", "run/checkpoint.pt", "--data", "street", "--out", "/proc/a"],
        ["bag", "--data", "street", "--out", "/proc/bag"],
        ["extract", "bag", "--out", "/proc/own"],
        pytest.param(
            ["synth", "/proc/a", "--rig", "kitti", "--scenes", "1", "--frames", "1", "--seed", "1"],
            marks=pytest.mark.slow,  # it loads numba
        ),
    ],
)
def test_an_output_folder_that_cannot_be_written_is_refused_before_any_work(
    arguments, things, monkeypatch, capsys
):
    monkeypatch.chdir(things)
    assert main(arguments) == 2  # not even root can create files there
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"bev-semseg: error: /proc/\w+: cannot be written .*give another folder", error)


def test_the_doctor_writes_to_a_folder_that_does_not_exist_yet(things, tmp_path):
    report, parameters = tmp_path / "a" / "b" / "out.json", tmp_path / "c" / "params.yaml"
    files = ["--json", str(report), "--params", str(parameters)]
    main(["doctor", str(things / "bag"), "--no-speed", *files])
    assert report.is_file() and parameters.is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--config", "run/config.yaml", "--data", "street", "--out", "nothing.pt"],
        ["visualize", "--checkpoint", "run/checkpoint.pt", "--data", "street", "--out", "page.pt"],
        ["bag", "--data", "street", "--out", "page.pt/bag"],
        pytest.param(["demo", "--out", "page.pt"], marks=pytest.mark.slow),
        pytest.param(
            ["synth", "page.pt", "--rig", "kitti", "--scenes", "1", "--frames", "1", "--seed", "1"],
            marks=pytest.mark.slow,  # it loads numba
        ),
    ],
)
def test_a_file_as_output_folder_is_refused_before_any_work(arguments, things, monkeypatch, capsys):
    monkeypatch.chdir(things)
    assert main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "is a file; give a folder" in error


def test_the_error_for_frames_of_only_another_camera_names_its_option(tmp_path):
    root = tmp_path / "a2d2"
    tiny_data.write_a2d2_rig(root)
    tiny_data.write_a2d2_frame(root, camera="side_left")
    with pytest.raises(ValueError, match="--cameras side_left"):
        open_dataset(root)
    assert len(open_dataset(root, None, ["side_left"])) == 1
    kitti = tmp_path / "kitti"
    tiny_data.write_kitti_frame(kitti, "000000")
    (kitti / "training" / "image_2").rename(kitti / "training" / "image_3")
    (kitti / "training" / "velodyne" / "000000.bin").unlink()
    with pytest.raises(ValueError, match="--cameras image_03"):
        open_dataset(kitti)
    drive = tiny_data.write_kitti_raw(tmp_path / "raw")
    (drive / "image_02").rename(drive / "image_03")
    shutil.rmtree(drive / "velodyne_points")
    (drive / "image_02" / "data").mkdir(parents=True)
    with pytest.raises(ValueError, match="--cameras image_03"):
        open_dataset(drive)


def test_resuming_in_a_folder_without_a_run_is_refused(things, capsys):
    arguments = ["train", "--config", str(things / "run" / "config.yaml"), "--resume"]
    assert main([*arguments, "--data", str(things / "street"), "--out", str(things / "empty")]) == 2
    assert "checkpoint.pt: no such checkpoint" in capsys.readouterr().err


def test_initial_weights_are_checked_before_the_data_are_prepared(things, capsys):
    arguments = ["train", "--config", str(things / "run" / "config.yaml")]
    arguments += ["--data", str(things / "street"), "--out", str(things / "new")]
    assert main([*arguments, "--init", str(things / "run")]) == 2
    assert f"give {things / 'run' / 'checkpoint.pt'}" in capsys.readouterr().err
    assert not (things / "new").exists() and not np.any(list(things.glob("cache")))

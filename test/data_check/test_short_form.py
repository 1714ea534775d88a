"""What `train`, `evaluate`, `bag` and others print about their data before they start."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support import tiny_data
from support.data_reports import finding

from bev_semseg_ros.cli.arguments import print_file_check
from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.data_check import check_files

GOOD = "street (kitti): 4 frames in 1 scene, 4 image, 4 lidar"


def commands(folder: Path, data: Path) -> dict[str, list[str]]:
    """Return commands that read labelled data; those with a checkpoint stop after the check."""
    settings = folder / "c.yaml"
    settings.write_text("name: small")
    (folder / "run").mkdir()
    (folder / "run" / "checkpoint.pt").write_bytes(b"old")
    network = ["--checkpoint", str(folder / "nowhere.pt"), "--data", str(data)]
    return {
        "train": ["--config", str(settings), "--data", str(data), "--out", str(folder / "run")],
        "evaluate": [*network, "--json", str(folder / "scores.json")],
        "visualize": [*network, "--out", str(folder / "pictures")],
        "bag": ["--data", str(data), "--out", str(folder / "bag")],
        "statistics": ["--data", str(data), "--out", str(folder / "p.html"), "--no-pictures"],
    }


@pytest.mark.parametrize("name", ["train", "evaluate", "visualize", "bag", "statistics"])
def test_a_command_prints_one_line_about_its_data(name, street, tmp_path, capsys):
    main([name, *commands(tmp_path, street)[name]])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(GOOD)
    assert not any(line.startswith("  ") for line in lines)


@pytest.mark.parametrize("name", ["train", "evaluate", "bag"])
def test_a_command_names_what_is_missing_and_continues(name, street, tmp_path, capsys):
    (street / "training" / "image_2" / "000001.png").unlink()
    main([name, *commands(tmp_path, street)[name]])
    captured = capsys.readouterr()
    warning = "  warning: image: missing in 1 of 4 frames (25 %), such as the frame of"
    assert captured.err.splitlines()[1].startswith(warning)
    if name == "bag":
        assert "4 frames, 4 clouds, 3 images" in captured.out


def test_training_on_a_single_drive_warns_that_the_validation_split_is_empty(
    street, tmp_path, capsys
):
    arguments = commands(tmp_path, street)["train"]
    settings = ["--set", "training.split=train", "training.validation_split=val"]
    main(["train", *arguments, *settings])
    _, warning, _ = capsys.readouterr().err.splitlines()
    assert "no frames of the split 'val'" in warning and "--val" in warning
    table = street / "training" / "frames.csv"
    table.write_text(table.read_text().replace("000003,drive_a", "000003,drive_b"))
    main(["train", *arguments, *settings])
    assert "no frames of the split" not in capsys.readouterr().err


def test_data_without_a_calibration_are_a_fault(street, tmp_path):
    shutil.rmtree(street / "training" / "calib")
    report = check_files(open_dataset(street), street)
    assert [each.item for each in report.wrong] == ["calib"]
    assert report.count("fault") == 1


def test_resized_images_are_recognised_by_their_headers(street):
    for path in (street / "training" / "image_2").iterdir():
        header = bytearray(path.read_bytes())
        header[16:24] = (256).to_bytes(4, "big") + (128).to_bytes(4, "big")
        path.write_bytes(header[:40])  # no image data is left
    report = check_files(open_dataset(street), street)
    assert [each.item for each in report.wrong] == ["calibration"]


def test_neither_pictures_nor_clouds_are_opened(street):
    for path in (street / "training" / "image_2").iterdir():
        path.write_bytes(path.read_bytes()[:40])
    tiny_data.truncate(street / "training" / "velodyne" / "000001.bin")
    assert check_files(open_dataset(street), street).wrong == []


def test_a_percentage_just_below_100_has_a_decimal(street):
    (street / "training" / "frames.csv").unlink()
    clouds = street / "training" / "velodyne"
    for number in range(4, 800):
        shutil.copy(clouds / "000000.bin", clouds / f"{number:06d}.bin")
    lines = check_files(open_dataset(street), street).lines()
    assert any("image: missing in 796 of 800 frames (99.5 %)" in line for line in lines)


def test_the_frames_of_the_other_split_are_not_unused_files(tmp_path):
    for index in range(8):
        tiny_data.write_kitti_frame(tmp_path, f"{index:06d}")
    report = check_files(open_dataset(tmp_path, "val"), tmp_path)
    assert report.wrong == [] and 0 < report.inventory.num_frames < 8


def test_images_of_only_another_camera_are_reported_with_the_option(street):
    training = street / "training"
    (training / "image_2").rename(training / "image_3")
    shutil.rmtree(training / "semantic")
    report = check_files(open_dataset(street), street)
    (found,) = report.wrong
    assert found.item == "image" and found.remedy.endswith("--cameras image_03")
    for path in (training / "calib").iterdir():  # the tiny calibration has only the left camera
        path.write_text(path.read_text().replace("P2:", "P3:"))
    assert check_files(open_dataset(street, None, ["image_03"]), street).wrong == []


def test_clouds_in_an_unknown_format_are_a_fault(street, check):
    rng = np.random.default_rng(0)
    for path in (street / "training" / "velodyne").iterdir():
        path.write_bytes(rng.bytes(16_000))
    (found,) = check_files(open_dataset(street), street).wrong
    assert (found.level, found.item) == ("fault", "unreadable")
    assert "coordinates or intensities make no sense" in found.text
    status, report = check(street)
    assert status == 1 and finding(report, "unreadable")["count"] == 4


def test_notes_of_the_reader_are_printed_for_a_split_too(tmp_path):
    for index in range(8):
        tiny_data.write_kitti_frame(tmp_path, f"{index:06d}")
        points = np.random.default_rng(index).uniform((5, -10, -1.7), (40, 10, 0), (500, 3))
        path = tmp_path / "training" / "velodyne" / f"{index:06d}.bin"
        path.write_bytes(points.astype(np.float32).tobytes())
    for split in (None, "val"):
        lines = check_files(open_dataset(tmp_path, split), tmp_path).lines()
        assert "  note: velodyne: no intensity: it is taken as 0" in lines


def test_a_custom_reader_without_file_information_causes_no_failure(tmp_path, capsys):
    class Bare:
        name = "bare"

        def __len__(self):
            return 3

    print_file_check(Bare(), tmp_path)
    assert f"{tmp_path}: not checked: AttributeError" in capsys.readouterr().err

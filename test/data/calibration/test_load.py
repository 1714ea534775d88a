"""Calibrations of data sets are read in place of our own YAML; other files are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.calibration import load_calibration, save_calibration
from bev_semseg_ros.data.dataset import open_dataset


def test_missing_file_and_empty_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such calibration file"):
        load_calibration(tmp_path / "rig.yaml")
    with pytest.raises(FileNotFoundError, match=r"looked for calibration.yaml, cams_lidars.json"):
        load_calibration(tmp_path)


def test_unknown_format_is_refused(tmp_path):
    (tmp_path / "rig.ini").write_text("")
    with pytest.raises(ValueError, match="unknown calibration format"):
        load_calibration(tmp_path / "rig.ini")


def write_each_layout(root) -> dict[str, Path]:
    tiny_data.write_a2d2_rig(root / "a2d2")
    tiny_data.write_a2d2_frame(root / "a2d2")
    tiny_data.write_kitti_frame(root / "kitti", "000000")
    tiny_data.write_kitti_raw(root / "kitti_raw")
    return {
        "a2d2": root / "a2d2" / "cams_lidars.json",
        "kitti": root / "kitti" / "training" / "calib" / "000000.txt",
        "kitti_raw": root / "kitti_raw" / "2011_09_26" / "calib_cam_to_cam.txt",
    }


@pytest.mark.parametrize("name", ["a2d2", "kitti", "kitti_raw"])
@pytest.mark.parametrize("as_folder", [False, True])
def test_the_calibration_of_a_data_set_is_that_of_its_frames(tmp_path, name, as_folder):
    file = write_each_layout(tmp_path)[name]
    frame, _ = open_dataset(tmp_path / name)[0]
    read = load_calibration(file.parent if as_folder else file)
    np.testing.assert_array_equal(read.ego_from_lidar, frame.ego_from_lidar)
    np.testing.assert_array_equal(read.camera.image_from_ego, frame.camera.image_from_ego)
    assert read.camera.size == frame.camera.size


def test_units_in_the_a2d2_calibration_have_the_numbers_of_the_frames(tmp_path):
    file = write_each_layout(tmp_path)["a2d2"]
    content = json.loads(file.read_text())
    view = {"origin": [1.5, 0.6, 1.1], "x-axis": [0, -1, 0], "y-axis": [1, 0, 0]}
    content["lidars"] = {"rear": content["cameras"]["front_center"], "front_left": {"view": view}}
    file.write_text(json.dumps(content))
    frame, _ = open_dataset(tmp_path / "a2d2")[0]
    save_calibration(load_calibration(file), tmp_path / "rig.yaml")
    for read in (load_calibration(file), load_calibration(tmp_path / "rig.yaml")):
        (poses,) = read.units.values()
        assert list(poses) == list(frame.lidar.lidar_from_unit) == [0, 1]
        for number, pose in poses.items():
            np.testing.assert_array_equal(pose, frame.lidar.lidar_from_unit[number])


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("a2d2", ('"Telecam"', '"Pinhole"'), "front_center.Lens: expected Telecam or Fisheye"),
        ("a2d2", ('"front_center"', '"front"'), "no camera 'front_center'"),
        ("a2d2", ("[64, 40]", "[64]"), "Resolution: expected shape"),
        ("kitti", ("P2:", "P9:"), "expected P2 with 12 numbers, but it is missing"),
        ("kitti", ("R0_rect: 1", "R0_rect:"), "expected R0_rect with 9 numbers, but it has 8"),
        ("kitti", ("P2: 700", "P2: 0"), "P2: expected a camera matrix"),
        ("kitti", ("P2: 700", "P2: nan"), "expected finite numbers in P2"),
        ("kitti_raw", ("R_rect_00: 1", "R_rect_00: 0"), "R_rect_00: expected a rigid transform"),
        ("kitti_raw", ("S_rect_02", "S_rect_09"), "expected S_rect_02"),
        ("kitti_raw", ("S_rect_02: 64", "S_rect_02: inf"), "expected finite numbers in S_rect_02"),
    ],
)
def test_wrong_data_set_calibration_is_named(tmp_path, name, change, message):
    file = write_each_layout(tmp_path)[name]
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(ValueError, match=rf"{file.name}: .*{message}"):
        load_calibration(file)


def test_kitti_without_its_image_needs_a_known_focal_length(tmp_path):
    file = write_each_layout(tmp_path)["kitti"]
    (tmp_path / "kitti" / "training" / "image_2" / "000000.png").unlink()
    with pytest.raises(ValueError, match="image size is unknown"):
        load_calibration(file)
    file.write_text(file.read_text().replace("P2: 700", "P2: 721.5377"))
    assert load_calibration(file).camera.size == (1242, 375)


def test_known_focal_lengths_give_the_sizes_of_the_real_images(real_data, tmp_path):
    for frame, _ in open_dataset(real_data / "kitti"):
        (tmp_path / "lone.txt").write_text(
            (real_data / "kitti/training/calib" / f"{frame.name}.txt").read_text()
        )
        assert load_calibration(tmp_path / "lone.txt").camera.size == frame.camera.size


def test_the_error_for_a_bag_without_a_calibration_names_the_setting_for_tf(tmp_path):
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {}")
    with pytest.raises(FileNotFoundError, match=r"has no calibration.yaml: .*extrinsics:=tf"):
        load_calibration(tmp_path)

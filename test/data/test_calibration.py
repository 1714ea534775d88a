"""Calibration files: our YAML, A2D2's and KITTI's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from support import tiny_data
from support.paths import ROOT

from bev_semseg_ros.data.calibration import Calibration, load_calibration, save_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import rotation_rpy, transform

ALIASES = "a0: &a0 [1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 13)
)
EXAMPLE = ROOT / "config" / "calibration_example.yaml"


def calibration(model: str, count: int) -> Calibration:
    pose = transform(rotation_rpy(0.01, -0.02, 0.3), (0.1, 0.2, 1.7))
    camera = Camera(
        np.array([[600.5, 0, 320.25], [0, 610.5, 200], [0, 0, 1]]),
        (640, 400),
        pose,
        np.linspace(-0.3, 0.1, count),
        model,
        np.array([[580.0, 0, 321], [0, 590, 201], [0, 0, 1]]),
    )
    return Calibration(transform(translation=(0, 0, 2.1)), camera, "velodyne_top", "cam0_optical")


@pytest.mark.parametrize(
    "model, count", [("none", 5), ("plumb_bob", 5), ("rational_polynomial", 8), ("equidistant", 4)]
)
def test_yaml_round_trip_is_exact(tmp_path, model, count):
    written = calibration(model, count)
    save_calibration(written, tmp_path / "rig.yaml")
    read = load_calibration(tmp_path / "rig.yaml")
    np.testing.assert_array_equal(read.ego_from_lidar, written.ego_from_lidar)
    for name in (
        "matrix",
        "size",
        "camera_from_ego",
        "distortion",
        "distortion_model",
        "rectified_matrix",
    ):
        np.testing.assert_array_equal(getattr(read.camera, name), getattr(written.camera, name))
    assert (read.lidar_frame, read.camera_frame) == ("velodyne_top", "cam0_optical")


def test_rig_without_a_camera_round_trips(tmp_path):
    save_calibration(Calibration(np.eye(4)), tmp_path / "rig.yaml")
    assert load_calibration(tmp_path / "rig.yaml").camera is None


def test_example_is_a_valid_calibration():
    read = load_calibration(EXAMPLE)
    assert read.camera.size == (1242, 375) and read.ego_from_lidar[2, 3] == 1.73


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda tree: tree.pop("lidar"), "missing lidar"),
        (lambda tree: tree["camera"].pop("matrix"), "camera: missing matrix"),
        (lambda tree: tree["camera"].update(fov=90), "camera: unknown key fov"),
        (
            lambda tree: tree["camera"].update(width=0),
            "camera.width: expected a number of pixels, got 0",
        ),
        (lambda tree: tree["camera"].update(width="wide"), "camera.width"),
        (
            lambda tree: tree["camera"].update(matrix=[[1, 2], [3, 4]]),
            r"camera.matrix: expected shape \(3, 3\)",
        ),
        (
            lambda tree: tree["camera"].update(matrix=np.zeros((3, 3)).tolist()),
            "camera.matrix: expected a camera matrix",
        ),
        (lambda tree: tree["camera"].update(distortion=[1, 2]), "camera.distortion"),
        (
            lambda tree: tree["camera"].update(distortion=[1, 2, 3, float("nan")]),
            "camera.distortion: expected finite",
        ),
        (
            lambda tree: tree["camera"].update(distortion_model="magic"),
            "camera: unknown distortion model 'magic'",
        ),
        (
            lambda tree: tree["lidar"].update(ego_from_lidar=(2 * np.eye(4)).tolist()),
            "lidar.ego_from_lidar: .*rigid",
        ),
        (
            lambda tree: tree["lidar"].update(ego_from_lidar="up"),
            "lidar.ego_from_lidar: expected numbers",
        ),
    ],
)
def test_wrong_yaml_names_file_and_setting(tmp_path, change, message):
    tree = yaml.safe_load(EXAMPLE.read_text())
    change(tree)
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ValueError, match=rf"rig.yaml: .*{message}"):
        load_calibration(tmp_path / "rig.yaml")


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: [", "damaged YAML"),
        ("- 1", "expected a mapping"),
        ("lidar: !!python/object/apply:os.getcwd []", "damaged"),
        ("x" * 1_000_001, "at most 1000000"),
        (ALIASES, "aliases .* are not read"),
        ("lidar: &a [*a]", "aliases .* are not read"),
        ("lidar: {}\nlidar: {}", "the key 'lidar' stands there twice"),
    ],
)
def test_files_that_are_no_calibration_are_refused(tmp_path, text, message):
    (tmp_path / "rig.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"rig.yaml: .*{message}"):
        load_calibration(tmp_path / "rig.yaml")


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
def test_data_sets_calibration_is_that_of_their_frames(tmp_path, name, as_folder):
    file = write_each_layout(tmp_path)[name]
    frame, _ = open_dataset(tmp_path / name)[0]
    read = load_calibration(file.parent if as_folder else file)
    np.testing.assert_array_equal(read.ego_from_lidar, frame.ego_from_lidar)
    np.testing.assert_array_equal(read.camera.image_from_ego, frame.camera.image_from_ego)
    assert read.camera.size == frame.camera.size


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("a2d2", ('"Telecam"', '"Pinhole"'), "front_center.Lens: expected Telecam or Fisheye"),
        ("a2d2", ('"front_center"', '"front"'), "no camera 'front_center'"),
        ("a2d2", ("[64, 40]", "[64]"), "Resolution: expected shape"),
        ("kitti", ("P2:", "P9:"), "expected P2 with 12 numbers, it is missing"),
        ("kitti", ("R0_rect: 1", "R0_rect:"), "expected R0_rect with 9 numbers, it has 8"),
        ("kitti", ("P2: 700", "P2: 0"), "P2: expected a camera matrix"),
        ("kitti", ("P2: 700", "P2: nan"), "expected finite numbers in P2"),
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


def test_a_calibration_of_version_0_1_is_still_read(tmp_path):
    text = EXAMPLE.read_text()
    former = text.replace("ego_from_lidar:", "model_from_lidar:").replace(
        "camera_from_ego:", "camera_from_model:"
    )
    assert former != text
    (tmp_path / "calibration.yaml").write_text(former)
    read, wanted = load_calibration(tmp_path), load_calibration(EXAMPLE)
    np.testing.assert_array_equal(read.ego_from_lidar, wanted.ego_from_lidar)
    np.testing.assert_array_equal(read.camera.camera_from_ego, wanted.camera.camera_from_ego)

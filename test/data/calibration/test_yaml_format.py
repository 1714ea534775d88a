"""Calibrations in our own YAML, of one lidar and at most one camera."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from support.calibrations import calibration
from support.paths import ROOT

from bev_semseg_ros.data.calibration import Calibration, load_calibration, save_calibration
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, rotation_z, transform

ALIASES = "a0: &a0 [1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 13)
)
EXAMPLE = ROOT / "config" / "calibration_example.yaml"

# What `save_calibration` must write for one lidar, and for one lidar and one camera.
LIDAR_ALONE = """\
# Calibration of bev_semseg_ros: metres, pixels; a_from_b takes points of b to a.
# The ego frame is x forward, y left, z up with its origin on the ground below the lidar.
lidar:
  frame_id: velodyne_top
  ego_from_lidar:
  - [1.0, 0.0, 0.0, 0.0]
  - [0.0, 1.0, 0.0, 0.0]
  - [0.0, 0.0, 1.0, 2.1]
  - [0.0, 0.0, 0.0, 1.0]
"""
AND_CAMERA = """\
camera:
  frame_id: cam0_optical
  width: 640
  height: 400
  matrix:
  - [600.5, 0.0, 320.25]
  - [0.0, 610.5, 200.0]
  - [0.0, 0.0, 1.0]
  distortion_model: plumb_bob
  distortion: [-0.3, 0.0, 0.25, 0.5, 1.0]
  rectified_matrix:
  - [580.0, 0.0, 321.0]
  - [0.0, 590.0, 201.0]
  - [0.0, 0.0, 1.0]
  camera_from_ego:
  - [0.0, -1.0, 0.0, 0.5]
  - [0.0, 0.0, -1.0, 1.5]
  - [1.0, 0.0, 0.0, 0.0]
  - [0.0, 0.0, 0.0, 1.0]
"""


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


def test_coefficients_in_a_file_are_not_used_with_the_model_none(tmp_path):
    save_calibration(calibration("plumb_bob", 5), tmp_path / "rig.yaml")
    text = (tmp_path / "rig.yaml").read_text()
    (tmp_path / "rig.yaml").write_text(text.replace("plumb_bob", "none"))
    camera = load_calibration(tmp_path / "rig.yaml").camera
    assert camera.distortion_model == "none" and not camera.distortion.any()


def test_rig_without_a_camera_round_trips(tmp_path):
    save_calibration(Calibration.of(np.eye(4)), tmp_path / "rig.yaml")
    assert load_calibration(tmp_path / "rig.yaml").camera is None


def test_poses_of_the_units_of_a_cloud_round_trip_exactly(tmp_path):
    poses = {0: transform(rotation_z(0.3), (1, 2, 0.1)), 7: transform(rotation_z(-1), (0, -2, 0))}
    save_calibration(Calibration.of(np.eye(4), lidar_from_unit=poses), tmp_path / "rig.yaml")
    read = load_calibration(tmp_path / "rig.yaml").units["lidar"]
    assert list(read) == [0, 7]
    for number, pose in poses.items():
        np.testing.assert_array_equal(read[number], pose)


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
        (
            lambda tree: tree["camera"].update(distortion_model="plumb_bob", distortion=[1, 2]),
            "camera: plumb_bob with 2 coefficients, expected 4 or 5",
        ),
        (lambda tree: tree["camera"].update(distortion=0.1), "camera.distortion: expected a list"),
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
        (
            lambda tree: tree["lidar"].update(lidar_from_unit=[np.eye(4).tolist()]),
            "lidar.lidar_from_unit: expected a mapping from the number of each unit",
        ),
        (
            lambda tree: tree["lidar"].update(lidar_from_unit={"left": np.eye(4).tolist()}),
            "lidar.lidar_from_unit: expected the numbers .*, got 'left'",
        ),
        (
            lambda tree: tree["lidar"].update(lidar_from_unit={1: (2 * np.eye(4)).tolist()}),
            "lidar.lidar_from_unit.1: .*rigid",
        ),
    ],
)
def test_wrong_yaml_names_file_and_setting(tmp_path, change, message):
    tree = yaml.safe_load(EXAMPLE.read_text())
    change(tree)
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ValueError, match=rf"rig.yaml: .*{message}"):
        load_calibration(tmp_path / "rig.yaml")


def test_the_format_for_one_lidar_and_one_camera_is_unchanged(tmp_path):
    camera = Camera(
        np.array([[600.5, 0, 320.25], [0, 610.5, 200], [0, 0, 1]]),
        (640, 400),
        transform(OPTICAL_FROM_VIEW[:3, :3], (0.5, 1.5, 0)),
        np.array([-0.3, 0, 0.25, 0.5, 1]),
        "plumb_bob",
        np.array([[580.0, 0, 321], [0, 590, 201], [0, 0, 1]]),
    )
    pose = transform(translation=(0, 0, 2.1))
    for seen, text in ((None, LIDAR_ALONE), (camera, LIDAR_ALONE + AND_CAMERA)):
        written = Calibration.of(pose, seen, "velodyne_top", "cam0_optical")
        save_calibration(written, tmp_path / "rig.yaml")
        assert (tmp_path / "rig.yaml").read_text() == text


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: [", "damaged YAML"),
        ("- 1", "expected a mapping"),
        ("lidar: !!python/object/apply:os.getcwd []", "damaged"),
        ("x" * 1_000_001, "at most 1000000"),
        (ALIASES, "aliases .* are not read"),
        ("lidar: &a [*a]", "aliases .* are not read"),
        ("lidar: {}\nlidar: {}", "the key 'lidar' occurs twice"),
    ],
)
def test_files_that_are_not_calibrations_are_refused(tmp_path, text, message):
    (tmp_path / "rig.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"rig.yaml: .*{message}"):
        load_calibration(tmp_path / "rig.yaml")


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

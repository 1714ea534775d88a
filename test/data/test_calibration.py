"""Calibration files: our YAML, A2D2's and KITTI's."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from support import tiny_data
from support.paths import ROOT

from bev_semseg_ros.data.calibration import (
    Calibration,
    CameraMount,
    LidarMount,
    load_calibration,
    save_calibration,
)
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import CAMERA, LIDAR, Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_rpy, transform

ALIASES = "a0: &a0 [1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 13)
)
EXAMPLE = ROOT / "config" / "calibration_example.yaml"
RIG_EXAMPLE = ROOT / "config" / "calibration_rig_example.yaml"


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
    return Calibration.of(
        transform(translation=(0, 0, 2.1)), camera, "velodyne_top", "cam0_optical"
    )


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
    save_calibration(Calibration.of(np.eye(4)), tmp_path / "rig.yaml")
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


# --- several lidars and cameras

# What `save_calibration` wrote when a calibration was of one lidar and at most one camera.
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


def test_one_lidar_and_one_camera_are_written_as_ever(tmp_path):
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


def test_example_of_a_rig_is_a_valid_calibration_in_a_level_ego_frame():
    read = load_calibration(RIG_EXAMPLE)
    assert (list(read.lidars), list(read.cameras)) == (["roof", "rear"], ["front", "left", "right"])
    reference = read.lidars["roof"].ego_from_lidar
    np.testing.assert_array_equal(reference, transform(translation=(0, 0, reference[2, 3])))
    directions = {}
    for name, mount in read.cameras.items():
        ego_from_camera = invert(mount.camera.camera_from_ego)
        x, y, z = ego_from_camera[:3, 2]  # where it looks
        directions[name] = round(np.degrees(np.arctan2(y, x)))
        assert abs(z) < 1e-6 and 1 < ego_from_camera[2, 3] < 2
    assert directions == {"front": 0, "left": 60, "right": -60}


def rig(lidars: tuple[str, ...], cameras: tuple[str, ...]) -> Calibration:
    """A rig whose sensors all sit elsewhere and have frames called after them."""
    camera = calibration("plumb_bob", 5).known_camera
    return Calibration(
        {
            name: LidarMount(transform(translation=(index, 0, 1.9)), f"{name}_frame")
            for index, name in enumerate(lidars)
        },
        {
            name: CameraMount(
                replace(camera, camera_from_ego=transform(translation=(0, index, 1.5))),
                f"{name}_optical",
            )
            for index, name in enumerate(cameras)
        },
    )


@pytest.mark.parametrize(
    "lidars, cameras, sections",
    [
        (("roof", "rear"), ("front", "left", "right"), ["lidars", "cameras"]),
        ((LIDAR,), (CAMERA, "left"), ["lidar", "cameras"]),
        ((LIDAR, "rear"), (CAMERA,), ["lidars", "camera"]),
        (("roof",), ("front",), ["lidars", "cameras"]),
        (("roof", "rear"), (), ["lidars"]),
        (("front", "rear"), ("front", "rear"), ["lidars", "cameras"]),
    ],
)
def test_rig_of_several_sensors_round_trips_with_names_and_order(
    tmp_path, lidars, cameras, sections
):
    written = rig(lidars, cameras)
    save_calibration(written, tmp_path / "rig.yaml")
    assert list(yaml.safe_load((tmp_path / "rig.yaml").read_text())) == sections
    read = load_calibration(tmp_path / "rig.yaml")
    assert (tuple(read.lidars), tuple(read.cameras)) == (lidars, cameras)
    for name, mount in written.lidars.items():
        assert read.lidars[name].frame_id == mount.frame_id
        np.testing.assert_array_equal(read.lidars[name].ego_from_lidar, mount.ego_from_lidar)
    for name, mount in written.cameras.items():
        found, expected = read.cameras[name].camera, mount.camera
        assert read.cameras[name].frame_id == mount.frame_id
        np.testing.assert_array_equal(found.camera_from_ego, expected.camera_from_ego)
        np.testing.assert_array_equal(found.distortion, expected.distortion)


@pytest.mark.parametrize("name", ["ego_from_lidar", "lidar_frame"])
def test_what_is_short_for_one_lidar_names_the_lidars_of_several(name):
    with pytest.raises(ValueError, match=r"several lidars \(roof, rear\)"):
        getattr(rig(("roof", "rear"), ("front",)), name)
    assert getattr(rig(("roof",), ("front", "left")), name) is not None


@pytest.mark.parametrize("name", ["camera", "camera_frame", "known_camera"])
def test_what_is_short_for_one_camera_names_the_cameras_of_several(name):
    with pytest.raises(ValueError, match=r"several cameras \(front, left\)"):
        getattr(rig(("roof",), ("front", "left")), name)
    assert getattr(rig(("roof", "rear"), ("front",)), name) is not None


def test_known_camera_must_be_there():
    with pytest.raises(ValueError, match="has no camera"):
        _ = rig(("roof",), ()).known_camera


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda tree: tree.update(lidar=None), "has both lidar and lidars; move"),
        (
            lambda tree: tree.update(camera=deepcopy(tree["cameras"]["left"])),
            "has both camera and cameras; move what is in camera to cameras, below a name",
        ),
        (lambda tree: tree.pop("lidars"), r"missing lidar \(lidars, if there are several\)"),
        (lambda tree: tree.update(lidars={}), "lidars: expected a mapping .* got {}"),
        (lambda tree: tree.update(cameras=None), "cameras: expected a mapping .* got None"),
        (lambda tree: tree.update(cameras=[1]), r"cameras: expected a mapping .* got \[1\]"),
        (
            lambda tree: tree["cameras"].update(left={}),
            "cameras.left: missing frame_id, width, height",
        ),
        (
            lambda tree: tree["cameras"].update(left=7),
            "cameras.left: expected a mapping with frame_id, .*, got int",
        ),
        (lambda tree: tree["cameras"]["left"].pop("matrix"), "cameras.left: missing matrix"),
        (
            lambda tree: tree["cameras"]["left"].update(width=0),
            "cameras.left.width: expected a number of pixels, got 0",
        ),
        (
            lambda tree: tree["cameras"]["left"].update(distortion_model="magic"),
            "cameras.left: unknown distortion model 'magic'",
        ),
        (
            lambda tree: tree["lidars"]["rear"].update(ego_from_lidar=(2 * np.eye(4)).tolist()),
            "lidars.rear.ego_from_lidar: .*rigid",
        ),
        (
            lambda tree: tree["lidars"]["rear"].update(frame_id="roof_frame"),
            "lidars.rear.frame_id: 'roof_frame' is the frame of lidars.roof too",
        ),
        (
            lambda tree: tree["cameras"]["left"].update(frame_id="roof_frame"),
            "cameras.left.frame_id: 'roof_frame' is the frame of lidars.roof too",
        ),
    ],
)
def test_wrong_yaml_of_a_rig_names_file_section_and_sensor(tmp_path, change, message):
    save_calibration(rig(("roof", "rear"), ("front", "left")), tmp_path / "rig.yaml")
    tree = yaml.safe_load((tmp_path / "rig.yaml").read_text())
    change(tree)
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    with pytest.raises(ValueError, match=rf"rig.yaml: .*{message}"):
        load_calibration(tmp_path / "rig.yaml")


@pytest.mark.parametrize("section", ["lidars", "cameras"])
@pytest.mark.parametrize(
    "name", ["front-left", "front left", "2nd", "_front", "", "/roof", "süd", 7, "a\n"]
)
def test_names_that_no_topic_can_have_are_refused(tmp_path, section, name):
    save_calibration(rig(("roof", "rear"), ("front", "left")), tmp_path / "rig.yaml")
    tree = yaml.safe_load((tmp_path / "rig.yaml").read_text())
    tree[section][name] = tree[section].popitem()[1]
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(tree, allow_unicode=True))
    reason = (
        f"rig.yaml: {section}: {re.escape(repr(name))} cannot be the name of a sensor: .*digits"
    )
    with pytest.raises(ValueError, match=reason):
        load_calibration(tmp_path / "rig.yaml")


def test_a_calibration_in_memory_has_valid_names_and_a_lidar_too():
    with pytest.raises(ValueError, match="cameras: 'front-left' cannot be the name"):
        rig(("roof",), ("front-left",))
    with pytest.raises(ValueError, match="expected at least one lidar"):
        rig((), ("front",))


# --- files that are no calibration


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

"""Calibrations of several lidars and cameras, in our own YAML."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import yaml
from support.calibrations import calibration
from support.paths import ROOT

from bev_semseg_ros.data.calibration import (
    Calibration,
    CameraMount,
    LidarMount,
    load_calibration,
    save_calibration,
)
from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.geometry import invert, transform

RIG_EXAMPLE = ROOT / "config" / "calibration_rig_example.yaml"


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
    """Return a rig whose sensors have different poses, and frames named after them."""
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
def test_the_shorthand_for_one_lidar_fails_and_names_the_lidars_of_several(name):
    with pytest.raises(ValueError, match=r"several lidars \(roof, rear\)"):
        getattr(rig(("roof", "rear"), ("front",)), name)
    assert getattr(rig(("roof",), ("front", "left")), name) is not None


@pytest.mark.parametrize("name", ["camera", "camera_frame", "known_camera"])
def test_the_shorthand_for_one_camera_fails_and_names_the_cameras_of_several(name):
    with pytest.raises(ValueError, match=r"several cameras \(front, left\)"):
        getattr(rig(("roof",), ("front", "left")), name)
    assert getattr(rig(("roof", "rear"), ("front",)), name) is not None


def test_known_camera_fails_without_a_camera():
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
def test_names_that_are_invalid_in_topics_are_refused(tmp_path, section, name):
    save_calibration(rig(("roof", "rear"), ("front", "left")), tmp_path / "rig.yaml")
    tree = yaml.safe_load((tmp_path / "rig.yaml").read_text())
    tree[section][name] = tree[section].popitem()[1]
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(tree, allow_unicode=True))
    reason = (
        f"rig.yaml: {section}: {re.escape(repr(name))} cannot be the name of a sensor: .*digits"
    )
    with pytest.raises(ValueError, match=reason):
        load_calibration(tmp_path / "rig.yaml")


def test_a_calibration_in_memory_also_needs_valid_names_and_a_lidar():
    with pytest.raises(ValueError, match="cameras: 'front-left' cannot be the name"):
        rig(("roof",), ("front-left",))
    with pytest.raises(ValueError, match="expected at least one lidar"):
        rig((), ("front",))

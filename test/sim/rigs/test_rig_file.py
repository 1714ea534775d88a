"""The rig of a calibration file is simulated, and its data set reads back unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.paths import ROOT

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import Beams, load_calibration
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.geometry import (
    OPTICAL_FROM_VIEW,
    apply,
    invert,
    points_in_boxes,
    rotation_rpy,
    transform,
)
from bev_semseg_ros.sim import generate as module
from bev_semseg_ros.sim.generate import generate
from bev_semseg_ros.sim.rigs.lidar_models import MODELS, beam_pattern
from bev_semseg_ros.sim.rigs.rig_file import load_rig
from bev_semseg_ros.sim.sensors.lidar import sees_an_image

EXAMPLE = ROOT / "config" / "calibration_example.yaml"
RIG_EXAMPLE = ROOT / "config" / "calibration_rig_example.yaml"
Change = Callable[[dict], object]


def changed(tmp_path: Path, change: Change, example: Path = EXAMPLE) -> Path:
    """Write an example with a change of its content, and return its path."""
    tree = yaml.safe_load(example.read_text())
    change(tree)
    path = tmp_path / "vehicle.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def test_sensors_have_the_poses_of_the_file():
    rig, file = load_rig(RIG_EXAMPLE), load_calibration(RIG_EXAMPLE)
    assert [lidar.name for lidar in rig.lidars] == ["velodyne", "rear"]
    for lidar, mount in zip(rig.lidars, file.lidars.values(), strict=True):
        np.testing.assert_array_equal(lidar.ego_from_lidar, mount.ego_from_lidar)
    assert list(rig.cameras) == ["image_02", "image_03", "image_04"]
    for camera, mount in zip(rig.cameras.values(), file.cameras.values(), strict=True):
        np.testing.assert_array_equal(camera.camera_from_ego, mount.camera.camera_from_ego)
        # The network sees the rectified image, whose field of view is the same at any size.
        recorded = mount.camera.rectified_matrix[0, 0] / mount.camera.size[0]
        assert camera.is_rectified and camera.matrix[0, 0] / camera.size[0] == pytest.approx(
            recorded
        )
        assert 200_000 < camera.size[0] * camera.size[1] < 300_000


def test_given_settings_override_those_of_the_lidar_model(tmp_path):
    beams = {"model": "os1 64", "azimuth_step": 0.7, "azimuths": [-60, 60], "max_range": 90}
    lidar = load_rig(changed(tmp_path, lambda tree: tree["lidar"].update(beams=beams))).lidars[0]
    np.testing.assert_allclose(np.degrees(lidar.elevations), MODELS["OS1-64"].elevations)
    assert np.degrees(lidar.azimuth_step) == pytest.approx(0.7) and lidar.max_range == 90
    np.testing.assert_allclose(np.degrees(lidar.azimuths), (-60, 60))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_simulated(name):
    pattern = beam_pattern(Beams(name), "")
    assert len(set(pattern.elevations)) == len(pattern.elevations)
    assert len(pattern.heights) in (0, len(pattern.elevations))
    numbers = [int(number) for number in re.findall(r"\d+", name)]
    is_a_count = any(16 <= number <= 128 for number in numbers)
    if is_a_count:
        assert len(pattern.elevations) in numbers
    first, last = pattern.azimuths
    shots = len(pattern.elevations) * (last - first) / pattern.azimuth_step
    assert 15_000 < shots < 400_000 and 40 < pattern.max_range <= 350


def no_camera(tree: dict) -> None:
    del tree["camera"]


def on_the_ground(tree: dict) -> None:
    tree["lidar"]["ego_from_lidar"][2][3] = 0.0


def below(tree: dict) -> None:
    tree["camera"]["camera_from_ego"][1][3] = -1.5


def wide(tree: dict) -> None:
    tree["camera"]["rectified_matrix"][0][0] = 100.0


def on_its_side(tree: dict) -> None:
    turn_camera(tree, rotation_rpy(np.pi / 2, 0.0, 0.0))


def not_optical(tree: dict) -> None:
    tree["camera"]["camera_from_ego"] = invert(transform(translation=(0.5, 0.0, 1.6))).tolist()


def turn_camera(tree: dict, rotation: np.ndarray) -> None:
    """Orient the camera: its view (x forward, z up) gets this rotation in the ego frame."""
    view = transform(rotation, (0.5, 0.0, 1.6))
    tree["camera"]["camera_from_ego"] = (OPTICAL_FROM_VIEW @ invert(view)).tolist()


def without_beams(tree: dict) -> None:
    del tree["lidar"]["beams"]


def with_beams(**beams: object) -> Change:
    return lambda tree: tree["lidar"].update(beams=beams)


def with_units(tree: dict) -> None:
    tree["lidar"]["lidar_from_unit"] = {0: np.eye(4).tolist()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            without_beams,
            r"lidar: no beams, .*add the model \(beams: \{model: VLP-16\}\) or .*measures",
        ),
        (with_beams(azimuth_step=0.2), "lidar.beams: missing elevations, max_range; add the model"),
        (
            with_beams(model="VLP-17"),
            "lidar.beams.model: unknown lidar 'VLP-17'; known: VLP-16, .*add",
        ),
        (no_camera, "no camera, .*add the section camera"),
        (on_the_ground, r"lidar.ego_from_lidar: the sensor is 0.00 m above the ground, expected"),
        (below, "camera.camera_from_ego: the sensor is -1.50 m above the ground"),
        (on_its_side, "camera.camera_from_ego: the image lies on its side, .* lose the headings"),
        (not_optical, "camera.camera_from_ego: .* lacks the rotation to the optical frame"),
        (wide, "camera.rectified_matrix: the rectified image shows more than 151 degrees"),
        (lambda tree: tree["camera"].pop("width"), "camera: missing width"),
        (with_units, "lidar.lidar_from_unit: the simulator .* list the units as lidars"),
    ],
)
def test_the_error_for_an_unsuitable_file_names_the_setting(change, message, tmp_path):
    with pytest.raises(ValueError, match=rf"vehicle.yaml: {message}"):
        load_rig(changed(tmp_path, change))


def test_an_error_names_the_section_of_its_lidar(tmp_path):
    def rename(tree: dict) -> None:
        tree["lidars"]["lidar"] = tree["lidars"].pop("rear")
        del tree["lidars"]["lidar"]["beams"]

    with pytest.raises(ValueError, match=r"vehicle.yaml: lidars.lidar: no beams"):
        load_rig(changed(tmp_path, rename, RIG_EXAMPLE))


def test_a_second_lidar_cannot_have_the_name_that_the_first_one_gets(tmp_path):
    def rename(tree: dict) -> None:
        tree["lidars"]["velodyne"] = tree["lidars"].pop("rear")

    with pytest.raises(ValueError, match=r"vehicle.yaml: lidars.velodyne: .*give it another name"):
        load_rig(changed(tmp_path, rename, RIG_EXAMPLE))


def test_rigs_that_are_not_calibration_files_are_refused(tmp_path, capsys):
    (tmp_path / "cams_lidars.json").write_text("{}")
    command = ["synth", str(tmp_path / "set"), "--scenes", "1", "--frames", "1", "--seed", "1"]
    assert main([*command, "--rig", str(tmp_path / "cams_lidars.json")]) == 2
    assert "expected a calibration YAML" in capsys.readouterr().err
    assert main([*command, "--rig", str(tmp_path / "none.yaml")]) == 2
    assert "no such calibration file" in capsys.readouterr().err
    assert main([*command, "--rig", "waymo"]) == 2
    assert "or a calibration YAML" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_a_few_beams_in_a_flat_image_are_found(tmp_path):
    def look_ahead_with_a_flat_image(tree: dict) -> None:
        tree["lidar"]["beams"] = {"model": "OS0-128"}
        focal, width, height = 5444.0, 1920, 600  # 20 degrees wide, 6 degrees high
        matrix = [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]]
        tree["camera"].update(width=width, height=height, rectified_matrix=matrix)
        view = transform(translation=(0.5, 0.0, tree["lidar"]["ego_from_lidar"][2][3]))
        tree["camera"]["camera_from_ego"] = (OPTICAL_FROM_VIEW @ invert(view)).tolist()

    assert sees_an_image(load_rig(changed(tmp_path, look_ahead_with_a_flat_image)))


def test_lidars_without_beams_in_the_images_are_refused_before_frames_are_written(
    tmp_path,
):
    def look_back(tree: dict) -> None:
        turn_camera(tree, rotation_rpy(0.0, 0.0, np.pi))
        tree["lidar"]["beams"] = {"model": "Livox-HAP"}

    path = changed(tmp_path, look_back)
    with pytest.raises(ValueError, match=r"no lidar beam falls within an image.*camera_from_ego"):
        generate(tmp_path / "set", str(path), 1, 1, 4, workers=1, progress=False)
    assert not (tmp_path / "set").exists()


@pytest.fixture(scope="module", autouse=True)
def shared_library():
    """Build the library of a seed once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "Library", cache(module.Library))
        yield


def tilted(tree: dict) -> None:
    """Tilt the lidars and the cameras of the rig, and give the lidars few beams."""
    for name, lidar in tree["lidars"].items():
        pose = np.array(lidar["ego_from_lidar"]) @ transform(rotation_rpy(0.03, -0.04, 0.2))
        lidar["ego_from_lidar"] = pose.tolist()
        lidar["beams"] = {"model": "VLP-16", "azimuth_step": 0.4 if name == "rear" else 0.2}
    for number, camera in enumerate(tree["cameras"].values()):
        view = transform(rotation_rpy(0.02, 0.1, 1.2 * number + 0.1), (0.4, 0.1, 1.6))
        camera["camera_from_ego"] = (OPTICAL_FROM_VIEW @ invert(view)).tolist()


@pytest.mark.slow
def test_a_simulated_rig_is_read_back_as_in_its_file(kernels, tmp_path):
    path = changed(tmp_path, tilted, RIG_EXAMPLE)
    out, size = tmp_path / "set", (160, 96)
    generate(out, str(path), 1, 1, 4, size, workers=1, progress=False)
    frame, annotation = open_dataset(out, cameras="all")[0]
    rig, file = load_rig(path), load_calibration(path)
    assert frame.missing == () and list(frame.lidars) == ["velodyne", "rear"]
    assert list(frame.cameras) == list(annotation.masks) == ["image_02", "image_03", "image_04"]
    for seen, mount in zip(frame.cameras.values(), file.cameras.values(), strict=True):
        expected = mount.camera.rectified(size)
        np.testing.assert_allclose(seen.camera.matrix, expected.matrix, atol=1e-6)
        np.testing.assert_allclose(seen.camera.camera_from_ego, expected.camera_from_ego, atol=1e-9)
    points = [apply(scan.ego_from_lidar, scan.points[:, :3]) for scan in frame.lidars.values()]
    for cloud, lidar in zip(points, rig.lidars, strict=True):
        local = apply(invert(lidar.ego_from_lidar), cloud)
        elevations = np.degrees(np.arctan2(local[:, 2], np.hypot(local[:, 0], local[:, 1])))
        off = np.abs(elevations[:, None] - np.arange(-15, 16, 2)).min(1)
        assert len(cloud) > 300 and np.percentile(off, 99) < 0.15
    inside = points_in_boxes(np.concatenate(points), annotation.boxes).any(1)
    # Every labelled object has a point on it. A box with a wrong pose would not contain it.
    assert len(inside) >= 3 and inside.mean() > 0.9


@pytest.mark.slow
def test_a_folder_made_from_another_file_of_the_same_name_is_refused(kernels, tmp_path):
    path = changed(tmp_path, with_beams(model="VLP-16"))
    generate(tmp_path / "set", str(path), 1, 1, 4, (160, 96), workers=1, progress=False)
    changed(tmp_path, with_beams(model="VLP-16", max_range=60))
    with pytest.raises(ValueError, match=r"holds another data set .*the rig's sensors"):
        generate(tmp_path / "set", str(path), 2, 1, 4, (160, 96), workers=1, progress=False)

"""The doctor measures the beams of a lidar, and writes them into a calibration file."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from support.broken_bag import CALIBRATION, Entry, scan, write
from support.clouds import PLAIN, cloud
from support.paths import ROOT, WEIGHTS
from support.rig_bag import RIG
from support.simple_scene import street

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import Beams, load_calibration, save_calibration
from bev_semseg_ros.frame import LIDAR
from bev_semseg_ros.geometry import apply, invert, rotation_rpy, transform
from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.beams import measure_beams
from bev_semseg_ros.ros.doctor.diagnose import diagnose
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.sim.rigs.kitti import KITTI_RIG
from bev_semseg_ros.sim.rigs.lidar_models import MODELS, model_like
from bev_semseg_ros.sim.rigs.rig import Lidar
from bev_semseg_ros.sim.sensors.lidar import Scan
from bev_semseg_ros.sim.sensors.lidar import scan as simulate

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kernels")]

EXAMPLE = ROOT / "config" / "calibration_example.yaml"
NUM_CLOUDS = 3


@cache
def simulated(model: str) -> tuple[Lidar, list[Scan]]:
    """Return a tilted lidar of this model, 2.6 m above a street with a wall, and its scans."""
    pattern = MODELS[model]
    lidar = Lidar(
        "velodyne",
        transform(rotation_rpy(0.02, -0.03, 0.1), (0, 0, 2.6)),
        np.radians(pattern.elevations),
        np.zeros(len(pattern.elevations)),
        np.radians(pattern.azimuth_step),
    )
    rig = replace(KITTI_RIG, lidars=(lidar,), body=(), max_range=pattern.max_range)
    views = [street((8.0, "wall"), seed) for seed in range(NUM_CLOUDS)]
    return lidar, [simulate(view, rig, full_turn=True) for view in views]


def clouds(model: str, ring_field: str | None, ring_type: str = "u2") -> list:
    """Return the clouds of a simulated lidar in its own frame, with the points shuffled.

    If `ring_type` is a floating-point type, the ring of the first point is NaN.
    """
    lidar, scans = simulated(model)
    messages = []
    for ordered in scans:
        mixed = ordered[np.random.default_rng(1).permutation(len(ordered))]
        local = apply(invert(lidar.ego_from_lidar), mixed.positions)
        values = {"x": local[:, 0], "y": local[:, 1], "z": local[:, 2]}
        values["intensity"] = mixed.intensities
        kinds = dict(PLAIN)
        if ring_field is not None:
            values[ring_field], kinds[ring_field] = mixed.rings.astype(ring_type), ring_type
            if ring_type.startswith("f"):
                values[ring_field][0] = np.nan
        messages.append(cloud(values, kinds))
    return messages


@pytest.mark.parametrize("ring_field", ["ring", None])
@pytest.mark.parametrize("model", ["VLP-16", "VLP-32C", "OS1-64"])
def test_beams_of_a_simulated_lidar_are_measured_to_a_tenth_of_a_degree(model, ring_field):
    measured = measure_beams(clouds(model, ring_field))
    lidar, scans = simulated(model)
    seen = np.unique(np.concatenate([each.rings for each in scans]))
    expected = np.sort(np.degrees(lidar.elevations))
    distances = np.abs(np.array(measured.elevations)[:, None] - expected).min(1)
    assert distances.max() < 0.1
    assert 0.75 * len(seen) <= len(measured.elevations) <= len(seen)
    assert abs(measured.azimuth_step - np.degrees(lidar.azimuth_step)) < 0.01
    assert measured.azimuths is None


def test_rings_with_a_nan_are_not_used():
    assert measure_beams(clouds("VLP-16", "ring", "f4")) == measure_beams(clouds("VLP-16", None))


def test_all_beams_of_a_16_beam_lidar_are_measured_and_its_model_is_recognized():
    measured = measure_beams(clouds("VLP-16", None))
    np.testing.assert_allclose(measured.elevations, np.arange(-15, 16, 2), atol=0.1)
    assert model_like(np.array(measured.elevations)) == "VLP-16"
    assert measured.max_range >= 20


def test_rows_of_an_organized_cloud_are_beams_and_a_sector_is_measured():
    points = scan(40).astype(np.float64)
    values = {name: points[:, column] for column, name in enumerate(PLAIN)}
    measured = measure_beams([cloud(values, PLAIN, height=40)])
    np.testing.assert_allclose(measured.elevations, np.linspace(-25, 2, 40), atol=0.01)
    assert measured.azimuth_step == pytest.approx(0.2, abs=0.005)
    assert measured.azimuths == (-45, 45)


@pytest.mark.parametrize("name", ["ring", "channel", "line"])
def test_the_ring_may_have_any_name_that_the_node_reads(name):
    points = scan(90).astype(np.float64)
    horizontal = np.hypot(points[:, 0], points[:, 1])
    noise = np.radians(np.random.default_rng(0).uniform(-0.17, 0.17, len(points)))
    points[:, 2] += horizontal * noise  # no gaps are left between the elevations of the beams
    values = {axis: points[:, column] for column, axis in enumerate("xyz")}
    kinds = dict.fromkeys("xyz", "f4")
    assert measure_beams([cloud(values, kinds)]) is None
    values[name] = np.arange(len(points)) // (len(points) // 90)
    assert len(measure_beams([cloud(values, kinds | {name: "u1"})]).elevations) == 90


def test_no_beams_are_found_in_points_at_random_elevations():
    generator = np.random.default_rng(0)
    points = generator.uniform(-30, 30, (20_000, 3)) * (1, 1, 0.2)
    values = {name: points[:, column] for column, name in enumerate("xyz")}
    assert measure_beams([cloud(values, dict.fromkeys("xyz", "f4"))]) is None
    assert measure_beams([]) is None


def examined(path: Path) -> Diagnosis:
    return diagnose(read_bag(path, {}), WEIGHTS)


@pytest.mark.parametrize(
    ("beams", "level"),
    [
        (None, "ok"),
        (
            Beams(
                elevations=tuple(np.linspace(-25, 2, 64).tolist()), azimuth_step=0.2, max_range=80
            ),
            "ok",
        ),
        (Beams("made at home"), "ok"),
        (Beams("VLP-16"), "warning"),
    ],
)
def test_a_calibration_with_other_beams_is_a_warning(beams, level, content: list[Entry], tmp_path):
    calibration = CALIBRATION.with_beams({} if beams is None else {LIDAR: beams})
    diagnosis = examined(write(tmp_path / "bag", content, calibration))
    finding = next(each for each in diagnosis.findings if each.item == "beam angles")
    assert finding.level == level and re.search("64 from -25 to 2 degrees", finding.text)
    assert bool(finding.remedy) == (level == "warning")
    # The clouds do not show the range of the lidar: a wall at 40 m limits them.
    assert diagnosis.beams[LIDAR].max_range == (
        80 if level == "ok" and beams and beams.max_range else 50
    )


def test_the_calibration_from_tf_has_the_beams(content: list[Entry], tmp_path):
    bag = write(tmp_path / "bag", content, calibration=None)
    params = tmp_path / "node.yaml"
    assert main(["doctor", str(bag), "--no-speed", "--params", str(params)]) == 0
    written = load_calibration(tmp_path / "node_calibration.yaml").lidars[LIDAR].beams
    np.testing.assert_allclose(written.elevations, np.linspace(-25, 2, 64), atol=0.02)
    assert main(["doctor", str(bag), "--no-speed", "--write-beams"]) == 2


def test_beams_are_written_into_the_file_that_is_given(content: list[Entry], tmp_path, capsys):
    file = tmp_path / "vehicle.yaml"
    save_calibration(CALIBRATION, file)
    bag = write(tmp_path / "bag", content, calibration=None)
    command = ["doctor", str(bag), "--no-speed", "--calibration", str(file), "--write-beams"]
    assert main(command) == 0
    written = load_calibration(file).lidars[LIDAR].beams
    np.testing.assert_allclose(written.elevations, np.linspace(-25, 2, 64), atol=0.02)
    assert f"beams written into {file}" in capsys.readouterr().out


def test_write_beams_returns_the_lidars_whose_beams_were_not_measured(tmp_path):
    file = tmp_path / "rig.yaml"
    save_calibration(RIG, file)
    measured = Beams(elevations=(-15.0, 0.0, 15.0), azimuth_step=0.2, max_range=100.0)
    diagnosis = Diagnosis("bag", calibration=RIG, calibration_file=file, beams={"roof": measured})
    assert diagnosis.write_beams() == ["bumper"]
    assert load_calibration(file).lidars["roof"].beams == measured

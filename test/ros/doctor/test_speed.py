"""The doctor runs the network on observed frames and compares its rate with the lidar's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.broken_bag import scan
from support.memory_dataset import TINY
from support.rig_bag import BUMPER_POSE, LEFT, rig_bag

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import YAML_NAME, load_calibration
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.input_check import Finding
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.diagnose import diagnose
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation
from bev_semseg_ros.ros.doctor.speed import Replay, Speed, check_speed, report
from bev_semseg_ros.ros.doctor.topics import SensorNames

pytestmark = pytest.mark.slow

SECOND = 10**9


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of a tiny, fast network."""
    path = tmp_path_factory.mktemp("network") / "tiny.pt"
    checkpoint.save(path, build_network(TINY), TINY, {})
    return path


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rig_bag(tmp_path_factory.mktemp("rig") / "bag")


def observed(bag: Path) -> Observation:
    return read_bag(bag, {}, SensorNames(calibration=load_calibration(bag / YAML_NAME)))


def diagnosed(observation: Observation, network: Path) -> Diagnosis:
    diagnosis = diagnose(observation, network)
    diagnosis.set_parameter("engine", "torch")
    return diagnosis


def speed_of(diagnosis: Diagnosis) -> Finding:
    (finding,) = (each for each in diagnosis.findings if each.item == "speed")
    return finding


def test_the_frames_are_those_of_the_rig_as_the_node_decodes_them(rig: Path, network: Path) -> None:
    observation = observed(rig)
    diagnosis = diagnosed(observation, network)
    parameters = diagnosis.node_parameters()
    sensors = list(parameters.sensors.all)
    predictor = Predictor.load(network, engine="torch")
    frame = Replay(observation, sensors, parameters, diagnosis.calibration, predictor).frame(0)
    assert list(frame.lidars) == ["roof", "bumper"] and list(frame.cameras) == ["front", "left"]
    np.testing.assert_array_equal(frame.lidars["roof"].points, scan())
    np.testing.assert_allclose(frame.lidars["bumper"].ego_from_lidar, BUMPER_POSE)
    left = frame.cameras["left"]
    assert left.image.shape == (232, 768, 3) and (left.image == 90).all()
    np.testing.assert_allclose(left.camera.camera_from_ego, LEFT.camera_from_ego)


def test_the_expected_rate_is_compared_with_that_of_the_reference_lidar(
    rig: Path, network: Path
) -> None:
    observation = observed(rig)
    diagnosis = diagnosed(observation, network)
    parameters, roof = diagnosis.node_parameters(), observation.streams["roof/points"]
    speed = Speed(1.0, 2.0, 30.0, 40.0, 6, 0.0, 2, "cpu", "fp32", "torch", "two cores")
    for period, level, said in (
        (SECOND // 10**6, "warning", "expect 25.0 frames/s of the 1000000.0 that /roof/points"),
        (1000 * SECOND, "ok", "expect all 0.0 frames/s that /roof/points sends"),
    ):
        roof.arrivals = [number * period for number in range(len(roof))]
        found = Diagnosis("rig")
        report(speed, roof, parameters, found)
        assert speed_of(found).level == level and said in speed_of(found).text
    found = Diagnosis("rig")
    roof.arrivals = list(range(len(roof)))
    report(speed, roof, parameters, found)
    remedy = speed_of(found).remedy
    for said in ("device: cuda", "openvino", "fewer cameras", "mode: lidar_only", "deployment.md"):
        assert said in remedy


def test_a_network_that_cannot_run_here_is_a_fault(rig: Path, network: Path) -> None:
    observation = observed(rig)
    diagnosis = diagnosed(observation, network)
    diagnosis.set_parameter("device", "cuda:99")
    check_speed(observation, network, diagnosis)
    finding = speed_of(diagnosis)
    assert finding.level == "fault" and "'cuda:99' was requested" in finding.text


def test_without_input_nothing_is_measured(network: Path) -> None:
    diagnosis = Diagnosis("nothing")
    check_speed(Observation("nothing", 0.0), network, diagnosis)
    assert speed_of(diagnosis).level == "ok" and "speed" not in diagnosis.statistics


def test_the_command_measures_one_lidar_and_one_camera(
    bag: Path, network: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    main(["doctor", str(bag), "--checkpoint", str(network), "--json", str(out)])
    report = json.loads(out.read_text())
    last = report["findings"][-1]
    measured = report["statistics"]["speed"]
    assert last["item"] == "speed" and "that /points sends" in last["text"]
    assert f"the network takes {measured['network_ms']:.0f} ms" in last["text"]
    assert measured["frame_ms"] >= measured["network_ms"] > 0 and measured["frames"] > 1
    assert measured["reference_rate"] == pytest.approx(10)

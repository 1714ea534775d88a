"""Transitions that fail: the node (in this process) says why, and can work again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from support.paths import ROOT
from support.process import node_arguments

from bev_semseg_ros.data.calibration import Calibration, LidarMount, save_calibration
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.ros.node.perception import Perception
from bev_semseg_ros.ros.node.pipeline import Pipeline
from bev_semseg_ros.ros.node.publishers import Publishers

STEPS = ("configure", "activate", "deactivate", "cleanup")


@pytest.fixture
def node(checkpoint_file, calibration_file):
    files = {"checkpoint": checkpoint_file, "calibration": calibration_file}
    rclpy.init(args=node_arguments("-r", "__ns:=/transitions", mode="lidar_only", **files))
    node = Perception()
    yield node
    node.close()
    node.destroy_node()
    rclpy.shutdown()


def state(node: Perception) -> str:
    return node._state_machine.current_state[1]


def take(node: Perception, *steps: str) -> TransitionCallbackReturn:
    """Trigger these transitions and return the result of the last one."""
    return [getattr(node, f"trigger_{step}")() for step in steps][-1]


@pytest.mark.parametrize(
    ("step", "owner", "method", "ends_in"),
    [
        ("configure", Predictor, "warm_up", "unconfigured"),
        ("configure", Publishers, "__init__", "unconfigured"),
        ("activate", Pipeline, "start", "inactive"),
        ("deactivate", Publishers, "clear", "unconfigured"),
        ("cleanup", Publishers, "destroy", "unconfigured"),
    ],
)
def test_a_transition_that_fails_says_why_and_leaves_a_node_that_works(
    node, monkeypatch, capfd, step, owner, method, ends_in
):
    good, armed = getattr(owner, method), [True]

    def fails_once(*arguments):
        if armed:
            armed.clear()
            raise OSError("the disk is gone")
        return good(*arguments)

    steps = STEPS[: STEPS.index(step)]
    if steps:
        take(node, *steps)
    monkeypatch.setattr(owner, method, fails_once)
    assert take(node, step) != TransitionCallbackReturn.SUCCESS
    assert state(node) == ends_in and f"{step} failed: the disk is gone" in capfd.readouterr().err
    remaining = STEPS[:2] if ends_in == "unconfigured" else STEPS[1:2]
    assert take(node, *remaining) == TransitionCallbackReturn.SUCCESS and state(node) == "active"


def test_cleanup_frees_the_network_and_configure_reports_its_duration(node, capfd):
    take(node, "configure", "activate", "deactivate")
    assert "warmed up in" in capfd.readouterr().err and node._configuration is not None
    take(node, "cleanup")
    assert node._configuration is None


def test_the_node_uses_the_default_lidar_and_camera_of_a_rigs_calibration(
    node, calibration, tmp_path, capfd
):
    rear = LidarMount(calibration.ego_from_lidar, "rear_lidar")
    (left,) = calibration.cameras.values()
    left = replace(left, frame_id="left_camera")
    rig = Calibration({"rear": rear, **calibration.lidars}, {"left": left, **calibration.cameras})
    save_calibration(rig, tmp_path / "rig.yaml")
    calibrated(node, tmp_path / "rig.yaml", "fused")
    assert take(node, *STEPS[:2]) == TransitionCallbackReturn.SUCCESS
    assert node._configuration.frame_ids["points"] == calibration.lidar_frame
    assert take(node, *STEPS[2:]) == TransitionCallbackReturn.SUCCESS
    calibrated(node, ROOT / "config" / "calibration_rig_example.yaml", "fused")
    assert take(node, "configure") == TransitionCallbackReturn.FAILURE
    assert "calibration_rig_example.yaml: no lidar 'lidar' in it, only roof, rear" in (
        "".join(capfd.readouterr())
    )


def calibrated(node: Perception, file: Path, mode: str) -> None:
    """Set the calibration file and the mode of an unconfigured node."""
    values = {"calibration": str(file), "mode": mode}
    results = node.set_parameters([Parameter(name, value=value) for name, value in values.items()])
    assert all(result.successful for result in results)

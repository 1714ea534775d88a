"""What the launch file reads from the parameter file, and which parameters it overrides."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from support.paths import ROOT
from support.recorded_launch import Process, overrides, perception

from bev_semseg_ros.ros.parameters.parameters import SPECIFICATIONS, Parameters


def test_empty_arguments_leave_the_yaml_alone(run):
    actions = run()
    assert overrides(actions) == {} and perception(actions)["remappings"] == []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("checkpoint", "/c.pt", "/c.pt"),
        ("device", "cpu", "cpu"),
        ("calibration", "/c.yaml", "/c.yaml"),
        ("extrinsics", "tf", "tf"),
        ("image_transport", "compressed", "compressed"),
        ("use_sim_time", "true", True),
    ],
)
def test_an_argument_overrides_the_yaml(run, name, text, value):
    assert overrides(run(**{name: text})) == {name: value}


def test_overrides_are_parameters_of_the_node(launch_file):
    assert set(launch_file.PARAMETERS) <= {*SPECIFICATIONS, "use_sim_time"}


def test_every_key_of_the_yaml_is_a_parameter_with_an_allowed_value():
    settings = yaml.safe_load((ROOT / "config" / "perception.yaml").read_text())["/**"][
        "ros__parameters"
    ]
    assert dataclasses.replace(Parameters(), **settings)


def test_the_parameter_file_may_name_the_sensors(run, tmp_path):
    settings = {"/**": {"ros__parameters": {"cameras": ["front", "left"]}}}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(settings))
    actions = run(bag=str(tmp_path), params_file=str(tmp_path / "p.yaml"))
    inputs = [old for old, _ in perception(actions)["remappings"]]
    assert inputs == [
        "points",
        "front/image",
        "front/camera_info",
        "left/image",
        "left/camera_info",
        "odometry",
    ]
    assert "cameras" not in overrides(actions)


def test_an_empty_calibration_in_the_yaml_is_overridden_by_that_of_the_bag(run, tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("/**: {ros__parameters: {calibration: ''}}")
    assert overrides(run(bag=str(tmp_path), params_file=str(params))) == {
        "calibration": str(tmp_path)
    }


@pytest.mark.parametrize(
    "node",
    [
        "/**: {}",
        "/car/perception: {}",
        "car: {{perception: {}}}",
        "/*/perception: {}",
        "/car/**: {}",
    ],
)
def test_the_bags_calibration_does_not_override_the_yaml(run, tmp_path, node):
    params = tmp_path / "params.yaml"
    params.write_text(node.format("{ros__parameters: {calibration: /mine.yaml}}"))
    assert overrides(run(bag=str(tmp_path), params_file=str(params), namespace="car")) == {}


def test_parameters_of_other_nodes_in_the_same_file_are_ignored(run, tmp_path):
    names = {
        "perception": {"ros__parameters": {"lidars": ["roof"]}},
        "viewer": {"ros__parameters": {"cameras": ["left", "right"], "extrinsics": "none"}},
        "/car2/perception": {"ros__parameters": {"lidars": ["bumper"]}},
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(names))
    actions = run(bag=str(tmp_path), params_file=str(tmp_path / "p.yaml"))
    inputs = [old for old, _ in perception(actions)["remappings"]]
    assert inputs == ["roof/points", "image", "camera_info", "odometry"]
    assert overrides(actions)["calibration"] == str(tmp_path)


def test_a_malformed_parameter_file_is_left_to_ros_to_report(run, tmp_path):
    (tmp_path / "p.yaml").write_text("perception: {slop: 0.1}")
    assert overrides(run(params_file=str(tmp_path / "p.yaml"))) == {}


@pytest.mark.parametrize(
    ("argument", "full_name"),
    [("", "/car/perception"), ("front", "/car/front/perception"), ("/front", "/front/perception")],
)
def test_a_namespace_that_an_including_launch_file_pushes_holds(run, tmp_path, argument, full_name):
    params = tmp_path / "p.yaml"
    params.write_text(f"{full_name}: {{ros__parameters: {{calibration: /mine.yaml}}}}")
    actions = run(
        ros_namespace="/car", namespace=argument, bag=str(tmp_path), params_file=str(params)
    )
    assert overrides(actions) == {}
    command = next(a.kwargs["cmd"] for a in actions if isinstance(a, Process))
    assert command[command.index("--for") + 1] == full_name
    rviz = next(a.kwargs for a in actions if a.kwargs.get("package") == "rviz2")
    assert ("/perception/markers", f"{full_name}/markers") in rviz["remappings"]

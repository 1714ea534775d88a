"""Arguments in the form of ROS 1, or in a place where ROS 2 ignores them."""

import pytest

from bev_semseg_ros.ros.node.command_line import misplaced_arguments


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "--ros-args -r points:=/velodyne_points -p slop:=0.1 --params-file x.yaml",
        "--ros-args --remap __node:=front --param a:=b --log-level debug",
        "--ros-args --log-level perception:=debug",
        "points:=/velodyne_points",  # deprecated: rcl accepts it with a warning
        "--ros-args -r __ns:=/a --",
    ],
)
def test_arguments_that_ros_2_accepts_are_not_reported(arguments):
    assert misplaced_arguments(arguments.split()) == ""


@pytest.mark.parametrize(
    "arguments, better",
    [
        ("--ros-args points:=/velodyne_points", "-r points:=/velodyne_points"),
        ("_slop:=0.1", "-p slop:=0.1"),
        ("--params-file car.yaml", "--params-file car.yaml"),
        ("-p slop:=0.1 -r points:=/a", "-p slop:=0.1 -r points:=/a"),
        ("--ros-args -p slop:=1 _max_wait:=2 a:=b", "-p max_wait:=2 -r a:=b"),
    ],
)
def test_arguments_of_ros_1_and_a_missing_ros_args_are_corrected(arguments, better):
    assert misplaced_arguments(arguments.split()).endswith(f": write --ros-args {better}")

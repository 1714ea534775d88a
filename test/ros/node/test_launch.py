"""The launch file.

A substitute that records its arguments replaces ROS's launch. So the tests check names and wiring,
but not what launch does with them. The last test uses the real launch, if it is installed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.paths import ROOT
from support.recorded_launch import FILE, Process, Recorded, overrides, perception

from bev_semseg_ros.ros.dds import use_shared_memory_profile


def test_the_arguments_are_the_documented_ones(launch_file):
    assert set(launch_file.ARGUMENTS) == {
        "params_file",
        "checkpoint",
        "calibration",
        "extrinsics",
        "device",
        "image_transport",
        "lidars",
        "cameras",
        "points",
        "image",
        "camera_info",
        "remap",
        "namespace",
        "use_sim_time",
        "bag",
        "rviz",
        "rviz_config",
        "respawn",
        "dds_profile",
        "log_level",
    }


def test_topics_are_remapped(run):
    assert perception(run(points="/lidar/points", image="/cam/image"))["remappings"] == [
        ("points", "/lidar/points"),
        ("image", "/cam/image"),
    ]


def test_a_node_in_a_namespace_subscribes_to_the_topics_of_the_bag(run, tmp_path):
    actions = run(bag=str(tmp_path), namespace="car", image="/cam/image")
    assert perception(actions)["remappings"] == [
        ("points", "/points"),
        ("image", "/cam/image"),
        ("camera_info", "/camera_info"),
        ("odometry", "/odometry"),
    ]
    rviz = next(a.kwargs for a in actions if a.kwargs.get("package") == "rviz2")
    assert {old: new for old, new in rviz["remappings"] if "perception" not in old} == {
        "/image": "/cam/image"
    }


def test_a_node_in_a_namespace_subscribes_to_named_sensors_of_the_bag(run, tmp_path):
    actions = run(bag=str(tmp_path), namespace="car", lidars="roof, rear", cameras="front,left")
    assert perception(actions)["remappings"] == [
        ("roof/points", "/roof/points"),
        ("rear/points", "/rear/points"),
        ("front/image", "/front/image"),
        ("front/camera_info", "/front/camera_info"),
        ("left/image", "/left/image"),
        ("left/camera_info", "/left/camera_info"),
        ("odometry", "/odometry"),
    ]
    found = overrides(actions)
    assert (found["lidars"], found["cameras"]) == (["roof", "rear"], ["front", "left"])
    rviz = next(a.kwargs for a in actions if a.kwargs.get("package") == "rviz2")
    overlay = ("/perception/left/semseg/overlay", "/car/perception/left/semseg/overlay")
    assert overlay in rviz["remappings"]


def test_topics_of_named_sensors_are_remapped(run, tmp_path):
    remap = "roof/points:=/velodyne/points, front/camera_info:=/cam0/camera_info,"
    actions = run(bag=str(tmp_path), lidars="roof", cameras="front", remap=remap)
    assert perception(actions)["remappings"] == [
        ("roof/points", "/velodyne/points"),
        ("front/image", "/front/image"),
        ("front/camera_info", "/cam0/camera_info"),
        ("odometry", "/odometry"),
    ]
    rviz = next(a.kwargs for a in actions if a.kwargs.get("package") == "rviz2")
    assert ("/roof/points", "/velodyne/points") in rviz["remappings"]


def test_without_a_bag_only_what_remap_names_is_remapped(run):
    actions = run(cameras="front,left", remap="left/image:=/cam1/image_raw")
    assert perception(actions)["remappings"] == [("left/image", "/cam1/image_raw")]


def test_tf_in_a_namespace_is_remapped_for_the_node_and_for_rviz(run):
    rules = [("/tf", "/robot1/tf"), ("/tf_static", "/robot1/tf_static")]
    actions = run(extrinsics="tf", remap=",".join(":=".join(rule) for rule in rules))
    assert perception(actions)["remappings"] == rules
    rviz = next(a.kwargs for a in actions if a.kwargs.get("package") == "rviz2")
    assert set(rules) <= set(rviz["remappings"])


@pytest.mark.parametrize(
    "remap",
    ["points:=/velodyne/points", "/roof/points:=/a", "roof/points", "roof/points:=", ":=/a"],
)
def test_a_remapping_that_names_no_input_is_refused_with_a_list_of_the_inputs(run, remap):
    with pytest.raises(
        ValueError, match=r"remap: .* one of roof/points, image, camera_info, odometry"
    ):
        run(lidars="roof", remap=remap)


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [("points", "roof/points:=/a"), ("camera_info", "left/camera_info:=/a")],
)
def test_a_topic_for_an_unnamed_sensor_is_refused_if_the_sensors_have_names(run, argument, remedy):
    with pytest.raises(ValueError, match=f"{argument}: the sensors have names.*{remedy}"):
        run(lidars="roof,rear", cameras="left,right", **{argument: "/a"})


def test_the_rviz_config_of_a_rig_shows_the_sensors_of_the_example_calibration():
    """rviz/perception_rig.rviz and config/calibration_rig_example.yaml name the same sensors."""
    rig = yaml.safe_load((ROOT / "config" / "calibration_rig_example.yaml").read_text())
    view = yaml.safe_load((ROOT / "rviz" / "perception_rig.rviz").read_text())
    displays = view["Visualization Manager"]["Displays"]
    topics = {each["Topic"]["Value"] for each in displays if "Topic" in each}
    assert topics == {
        "/perception/markers",
        *(f"/{name}/points" for name in rig["lidars"]),
        *(f"/perception/{name}/semseg/overlay" for name in rig["cameras"]),
    }


def test_the_executable_is_an_entry_point(run):
    assert (
        f"{perception(run())['executable']} = bev_semseg_ros.ros.node.main:main"
        in (ROOT / "setup.py").read_text()
    )


def test_a_bag_is_played_with_its_calibration(run, tmp_path):
    actions = run(bag=str(tmp_path))
    command = next(a.kwargs["cmd"] for a in actions if isinstance(a, Process))
    assert command[1:3] == ["play", str(tmp_path)] and overrides(actions)["calibration"] == str(
        tmp_path
    )


def test_a_recorded_file_is_played_with_the_calibration_beside_it(run, tmp_path):
    file = tmp_path / "bag_0.mcap"
    file.touch()
    assert overrides(run(bag=str(file))) == {"calibration": str(tmp_path)}


def test_the_player_waits_for_the_node_and_not_only_for_rviz(run, tmp_path):
    actions = run(bag=str(tmp_path), namespace="car")
    command = next(a.kwargs["cmd"] for a in actions if isinstance(a, Process))
    assert command[command.index("--for") + 1] == "/car/perception"


def test_a_path_is_given_as_a_string_and_not_as_yaml(run):
    found = perception(run(checkpoint="/run #1/c.pt"))["parameters"][1]["checkpoint"]
    assert found.args == ("/run #1/c.pt",) and found.kwargs == {"value_type": str}


def test_rviz_has_the_clock_of_the_node(run):
    rviz = next(a.kwargs for a in run(use_sim_time="true") if a.kwargs.get("package") == "rviz2")
    assert rviz["parameters"] == [{"use_sim_time": True}]


def test_a_bag_needs_no_calibration_where_extrinsics_come_from_elsewhere(run, tmp_path):
    assert overrides(run(bag=str(tmp_path), extrinsics="tf")) == {"extrinsics": "tf"}


def test_without_a_bag_nothing_is_played(run):
    assert not [a for a in run() if isinstance(a, Process)]


def test_the_files_that_the_launch_file_names_exist(run):
    actions = run()
    rviz = next(a.kwargs for a in actions if a.kwargs.get("package") == "rviz2")
    assert (
        Path(rviz["arguments"][1]).is_file()
        and Path(perception(actions)["parameters"][0]).is_file()
    )


@pytest.mark.parametrize("name", ["params_file", "rviz_config"])
def test_an_empty_file_argument_means_the_file_of_the_package(run, name):
    def files(actions: list[Recorded]) -> tuple[str, str]:
        rviz = next(a.kwargs for a in actions if a.kwargs.get("package") == "rviz2")
        return perception(actions)["parameters"][0], rviz["arguments"][1]

    assert files(run(**{name: ""})) == files(run())


def test_rviz_follows_the_namespace(run):
    rviz = next(a.kwargs for a in run(namespace="car") if a.kwargs.get("package") == "rviz2")
    assert ("/perception/markers", "/car/perception/markers") in rviz["remappings"]


def test_relative_topics_are_resolved_in_the_namespace_for_rviz(run):
    rules = "front/image:=cam0/image_raw,/tf:=tf"
    actions = run(namespace="car", points="velodyne/points", cameras="front", remap=rules)
    rviz = next(a.kwargs for a in actions if a.kwargs.get("package") == "rviz2")
    assert {
        ("/points", "/car/velodyne/points"),
        ("/front/image", "/car/cam0/image_raw"),
        ("/tf", "/car/tf"),
    } <= set(rviz["remappings"])


def test_the_dds_profile_is_set_if_the_user_chose_no_other(run, monkeypatch):
    for name in (
        "FASTDDS_DEFAULT_PROFILES_FILE",
        "FASTRTPS_DEFAULT_PROFILES_FILE",
        "FASTDDS_BUILTIN_TRANSPORTS",
        "RMW_IMPLEMENTATION",
    ):
        monkeypatch.delenv(name, raising=False)
    assert [Path(path).name for path in perception(run())["additional_env"].values()] == [
        "fastdds_shm.xml"
    ]


def test_the_users_dds_profile_stays(run, monkeypatch):
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/mine.xml")
    assert perception(run())["additional_env"] == {}


def test_dds_profile_none_sets_no_profile(run, monkeypatch):
    for name in (
        "FASTDDS_DEFAULT_PROFILES_FILE",
        "FASTRTPS_DEFAULT_PROFILES_FILE",
        "FASTDDS_BUILTIN_TRANSPORTS",
        "RMW_IMPLEMENTATION",
    ):
        monkeypatch.delenv(name, raising=False)
    environment = perception(run(dds_profile="none"))["additional_env"]
    added = dict(environment)
    assert (
        not use_shared_memory_profile(added) and added == environment
    )  # the node sets no profile either


def test_respawn_and_log_level_reach_the_node(run):
    node = perception(run(respawn="true", log_level="debug"))
    assert node["respawn"] is True and node["arguments"][-1] == "debug"


def test_the_real_launch_starts_the_node(tmp_path):
    """The node cannot be configured: it exits with code 1, and launch ends with it. Needs ROS."""
    pytest.importorskip("launch_ros")
    ament = pytest.importorskip("ament_index_python.packages")
    try:
        ament.get_package_share_directory("bev_semseg_ros")
    except ament.PackageNotFoundError:
        pytest.skip("needs a built workspace: colcon build, and source install/setup.bash")
    from launch.actions import IncludeLaunchDescription, RegisterEventHandler
    from launch.event_handlers import OnProcessExit
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    from launch import LaunchDescription, LaunchService

    codes = []
    service = LaunchService(argv=[])
    service.include_launch_description(
        LaunchDescription(
            [
                RegisterEventHandler(
                    OnProcessExit(on_exit=lambda event, _: codes.append(event.returncode))
                ),
                IncludeLaunchDescription(
                    PythonLaunchDescriptionSource(str(FILE)),
                    launch_arguments=[("calibration", str(tmp_path / "missing.yaml"))],
                ),
            ]
        )
    )
    service.run()
    assert codes == [1]

"""Which sensors and topics the doctor chooses, by names from the user or the calibration."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
from support.rig_bag import RIG

from bev_semseg_ros.cli import doctor
from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.frame import LIDAR
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE
from bev_semseg_ros.ros.doctor.topics import (
    INPUT_TYPES,
    SensorNames,
    choose_topics,
    topics_of,
)
from bev_semseg_ros.ros.parameters.sensors import Sensors

CLOUD, IMAGE, INFO = INPUT_TYPES.values()
AVAILABLE = {
    "/roof/points": (CLOUD, 5),
    "/velodyne": (CLOUD, 50),
    "/front/image": (IMAGE, 20),
    "/front/camera_info": (INFO, 20),
    "/left/image/compressed": (COMPRESSED_IMAGE, 20),
    "/left/camera_info": (INFO, 20),
    "/cam0/image_raw": (IMAGE, 99),
    "/cam0/camera_info": (INFO, 99),
}
TYPES = {topic: kind for topic, (kind, _) in AVAILABLE.items()}


def choose(lidars: list[str], cameras: list[str], **asked: str) -> tuple[dict, dict]:
    by_input = {name.replace("__", "/"): topic for name, topic in asked.items()}
    choice = choose_topics(AVAILABLE, by_input, TYPES, Sensors.named(lidars, cameras))
    return choice.chosen, choice.wrong


def test_topics_begin_with_the_names() -> None:
    assert choose(["roof"], ["front", "left"]) == (
        {
            "roof/points": "/roof/points",
            "front/image": "/front/image",
            "front/camera_info": "/front/camera_info",
            "left/image": "/left/image/compressed",
            "left/camera_info": "/left/camera_info",
        },
        {},
    )


def test_another_topic_is_taken_with_the_camera_info_beside_it() -> None:
    chosen, wrong = choose(["roof"], ["front"], roof__points="/velodyne", image="/cam0/image_raw")
    assert not wrong and chosen == {
        "roof/points": "/velodyne",
        "front/image": "/cam0/image_raw",
        "front/camera_info": "/cam0/camera_info",
    }


def test_a_sensor_without_a_topic_takes_no_other_one() -> None:
    chosen, wrong = choose(["roof", "rear"], [])
    assert "rear/points" not in chosen
    assert wrong == {"rear/points": "there is no topic /rear/points"}


def test_a_topic_that_was_given_to_two_sensors_is_used_once_and_reported() -> None:
    """As after a copied option: only one of the sensors can use the topic."""
    chosen, wrong = choose(["roof", "rear"], [], roof__points="/velodyne", rear__points="/velodyne")
    assert chosen["roof/points"] == "/velodyne"
    assert wrong == {"rear/points": "/velodyne is already used for roof/points"}


def test_an_unnamed_lidar_beside_named_cameras_uses_the_topic_with_the_most_messages() -> None:
    chosen, _ = choose([], ["front", "left"])
    assert chosen["points"] == "/velodyne" and chosen["left/image"] == "/left/image/compressed"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"points": "/velodyne"}, "--points /velodyne: there are several .roof, rear.*roof=/velod"),
        ({"top__points": "/x"}, "--points top=/x: there is no 'top'; only roof, rear"),
        ({"front__camera_info": "/x"}, "--camera-info front=/x: .* name it with --cameras"),
    ],
)
def test_a_topic_of_no_sensor_is_refused(asked: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose(["roof", "rear"], [], **asked)


@pytest.mark.parametrize(
    ("topics", "asked", "lidars", "cameras"),
    [
        (["/roof/points"], {}, ["roof", "bumper"], ["front", "left"]),
        (["/left/image/compressed"], {}, ["roof", "bumper"], ["front", "left"]),
        (["/velodyne"], {"roof/points": "/velodyne"}, ["roof", "bumper"], ["front", "left"]),
        (["/points", "/image"], {}, ["lidar"], ["camera"]),
    ],
)
def test_the_calibration_names_the_sensors_if_a_topic_begins_with_one_of_its_names(
    topics: list[str], asked: dict[str, str], lidars: list[str], cameras: list[str]
) -> None:
    sensors = SensorNames(calibration=RIG).choose(topics, asked)
    assert [each.name for each in sensors.lidars] == lidars
    assert [each.name for each in sensors.cameras] == cameras


def test_a_single_lidar_beside_named_cameras_has_a_name_if_its_topic_has_one() -> None:
    (mount, _) = RIG.lidars.values()
    names = SensorNames(calibration=replace(RIG, lidars={LIDAR: mount}))
    unnamed = names.choose(["/points", "/left/image"], {})
    named = names.choose(["/lidar/points", "/left/image"], {})
    assert [unnamed.lidars[0].stream, named.lidars[0].stream] == ["points", "lidar/points"]
    assert unnamed.cameras == named.cameras and unnamed.cameras[1].stream == "left/image"


def test_a_calibration_without_names_names_nothing() -> None:
    """Many drivers publish /camera/image, so this topic alone does not indicate a rig."""
    (lidar, _), (camera, _) = RIG.lidars.values(), RIG.cameras.values()
    plain = Calibration.of(lidar.ego_from_lidar, camera.camera)
    chosen = SensorNames(calibration=plain).choose(["/camera/image", "/lidar/points"], {})
    assert chosen == Sensors()


def test_names_that_are_given_come_before_those_of_the_calibration() -> None:
    chosen = SensorNames(("bumper",), (), RIG).choose(["/roof/points"], {})
    assert chosen == Sensors.named(["bumper"], [])


def test_a_compressed_image_beside_a_raw_one_is_not_another_camera() -> None:
    available = AVAILABLE | {"/front/image/compressed": (COMPRESSED_IMAGE, 20)}
    found = topics_of(available, "image")
    assert set(found) == {"/front/image", "/left/image/compressed", "/cam0/image_raw"}


def parsed(*arguments: str) -> tuple[Path | None, dict[str, str]]:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return doctor.bag_and_topics(parser.parse_args(arguments))


def test_topics_are_written_with_or_without_the_sensor_s_name() -> None:
    named = {"roof/points": "/a", "rear/points": "/b", "front/camera_info": "/c"}
    options = ["--points", "roof=/a", "rear=/b", "--camera-info", "front=/c"]
    assert parsed("bag", *options) == (Path("bag"), named)
    assert parsed("bag", "--points", "/a") == (Path("bag"), {"points": "/a"})
    assert parsed("--image", "/a", "bag") == (Path("bag"), {"image": "/a"})
    assert parsed(*options, "bag") == (Path("bag"), named)
    assert parsed("--live", "3", "--points", "/a") == (None, {"points": "/a"})


def test_the_leading_slash_of_a_topic_may_be_left_out() -> None:
    options = ["--points", "roof=velodyne/points", "--image", "cam0/image_raw"]
    asked = {"roof/points": "/velodyne/points", "image": "/cam0/image_raw"}
    assert parsed("bag", *options) == (Path("bag"), asked)


@pytest.mark.parametrize("values", [["roof="], ["=/a"], ["/a", "/b"], ["roof=/a", "/b"]])
def test_malformed_topics_are_refused(values: list[str]) -> None:
    with pytest.raises(ValueError, match=r"--points .*: expected NAME=TOPIC"):
        parsed("bag", "--points", *values)


def test_a_bag_that_argparse_takes_for_a_sensor_name_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="BAG must precede --lidars and --cameras"):
        parsed("--lidars", "roof", "bumper", "bag")

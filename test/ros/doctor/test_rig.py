"""The doctor examines each sensor of a rig, and its parameters suit the rig."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from support.bag_changes import (
    TENTH,
    Change,
    as_it_is,
    compressed_on,
    no_k,
    shifted,
    without_intensity,
)
from support.broken_bag import Entry, entries, on, without, write
from support.paths import WEIGHTS
from support.rig_bag import BUMPER_POSE, LEFT, RIG, rig_bag

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.data.calibration import (
    YAML_NAME,
    Calibration,
    CameraMount,
    LidarMount,
    load_calibration,
)
from bev_semseg_ros.frame import LIDAR
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_z, transform
from bev_semseg_ros.input_check import Finding
from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.diagnose import diagnose
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.rig import find_calibration
from bev_semseg_ros.ros.doctor.topics import SensorNames
from bev_semseg_ros.ros.parameters.sensors import Sensors

pytestmark = pytest.mark.slow

NAMES = SensorNames(("roof", "bumper"), ("front", "left"))
LIDARS, CAMERAS = list(NAMES.lidars), list(NAMES.cameras)
TAI = 370 * TENTH  # ahead of UTC


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bag in which the doctor finds nothing wrong."""
    return rig_bag(tmp_path_factory.mktemp("rig") / "bag")


@pytest.fixture(scope="session")
def content(bag: Path) -> list[Entry]:
    """Return the messages of `bag`; tests change copies of them."""
    return entries(bag)


def later(name: str, nanoseconds: int) -> Change:
    """Return a change that delays the messages of one sensor, but keeps their stamps."""
    return lambda all_: [
        replace(entry, time=entry.time + nanoseconds)
        if entry.topic.startswith(f"/{name}/")
        else entry
        for entry in all_
    ]


def in_turn(*changes: Change) -> Change:
    """Return a change that makes the given changes one after the other."""

    def change(all_: list[Entry]) -> list[Entry]:
        for each in changes:
            all_ = each(all_)
        return all_

    return change


def with_bumper(pose: np.ndarray) -> Calibration:
    return replace(RIG, lidars={**RIG.lidars, "bumper": LidarMount(pose, "bumper")})


def with_left(mount: CameraMount) -> Calibration:
    return replace(RIG, cameras={**RIG.cameras, "left": mount})


HIGH = with_bumper(transform(translation=(0, 0, 1)) @ BUMPER_POSE)
TURNED = with_bumper(transform(rotation_z(np.pi)) @ BUMPER_POSE)
RENAMED = with_left(CameraMount(LEFT, "left_optical"))
FRONT_ALONE = replace(RIG, cameras={"front": RIG.cameras["front"]})
BACKWARDS = with_left(
    CameraMount(
        replace(LEFT, camera_from_ego=OPTICAL_FROM_VIEW @ invert(transform(rotation_z(3.0)))),
        "left",
    )
)

# Problem -> the change that causes it, the calibration beside the bag, the expected findings with
# their levels and patterns, and the expected parameters, which add to or replace those of NAMES.
BROKEN: dict[str, tuple[Change, Calibration, dict[str, tuple[str, str]], dict[str, Any]]] = {
    "clocks and intensity": (
        in_turn(
            on("/left/image", shifted(TAI)),
            on("/bumper/points", shifted(TAI)),
            on("/bumper/points", without_intensity),
        ),
        BACKWARDS,
        {
            "sync left/image": (
                "fault",
                "images of left are stamped 37.00 s after clouds of roof .*"
                "set left.image_offset to -37.00",
            ),
            "sync bumper/points": (
                "fault",
                "clouds of bumper .* 37.00 s after clouds of roof .*"
                "set bumper.points_offset to -37.00",
            ),
            "sync front/image": ("ok", "100% of the clouds of roof have an image of front"),
            "intensity field bumper/points": ("warning", "bumper.intensity_field empty"),
            "intensity field roof/points": ("ok", "'intensity'"),
            "camera pose left/image": ("ok", "backwards, where .* with grid: around"),
        },
        {
            "left.image_offset": -37.0,
            "bumper.points_offset": -37.0,
            "bumper.intensity_field": "",
        },
    ),
    "a late camera with JPEG images and no K": (
        in_turn(
            later("left", 3 * TENTH), compressed_on("/left/image"), on("/left/camera_info", no_k)
        ),
        RIG,
        {
            "wait left/image": (
                "warning",
                "the image of left comes 0.30 s after the cloud of roof.*"
                "or set left.image_offset to 0.30",
            ),
            "topic left/image": ("ok", "/left/image/compressed: 8 messages"),
            "intrinsics left/image": ("fault", "K is not set"),
            "intrinsics front/image": ("ok", "focal length 446"),
        },
        {"max_wait": 0.45, "left.image_transport": "compressed", "intrinsics": "calibration"},
    ),
    "no images of a camera, and a lidar 1 m too high": (
        without("/left/image"),
        HIGH,
        {
            "topic left/image": (
                "fault",
                "no topic /left/image.*--image left=TOPIC, or leave left out of --cameras",
            ),
            "ground height bumper/points": (
                "fault",
                r"lower the lidar .z of lidars.bumper.ego_from_lidar. by about 1\.\d\d m",
            ),
            "ground height roof/points": ("ok", "the lowest points"),
        },
        {"cameras": ["front"]},
    ),
    "no reference lidar, and another frame_id": (
        without("/roof/points"),
        RENAMED,
        {
            "topic roof/points": ("fault", "no topic /roof/points; there is /bumper/points"),
            "calibration left/image": (
                "warning",
                "in frame 'left', the calibration is of 'left_optical'.*cameras.left.frame_id",
            ),
            "sync left/image": ("ok", "clouds of bumper have an image of left"),
        },
        {"lidars": ["bumper"]},
    ),
    "no cameras, and a lidar that looks back": (
        in_turn(without("/left/image"), without("/front/image")),
        TURNED,
        {
            "sensors": ("warning", "leave out front/image, left/image"),
            "points bumper/points": ("warning", "0 inside the grid.*grid: around"),
        },
        {"mode": "lidar_only"},
    ),
    "a camera that the calibration lacks": (
        as_it_is,
        FRONT_ALONE,
        {
            "calibration left/image": (
                "fault",
                "no camera 'left' in it, only front.*add left to the file, or leave it out of "
                "--cameras",
            )
        },
        {"cameras": ["front"]},
    ),
}


def by_item(diagnosis: Diagnosis) -> dict[str, Finding]:
    found = {finding.item: finding for finding in diagnosis.findings}
    assert len(found) == len(diagnosis.findings), "two findings have the same name"
    return found


def test_a_good_rig_has_no_findings_and_its_names_are_the_parameters(bag: Path) -> None:
    observation = read_bag(bag, {}, SensorNames(calibration=load_calibration(bag / YAML_NAME)))
    diagnosis = diagnose(observation, WEIGHTS)
    bad = [str(finding) for finding in by_item(diagnosis).values() if finding.level != "ok"]
    assert bad == []
    assert diagnosis.parameters == {"lidars": LIDARS, "cameras": CAMERAS}
    assert list(diagnosis.topics) == [
        *(f"{name}/points" for name in LIDARS),
        *(f"{name}/{kind}" for name in CAMERAS for kind in ("image", "camera_info")),
    ]


@pytest.mark.parametrize("name", BROKEN)
def test_each_problem_is_named_with_its_sensor_and_the_parameters_suit_the_rig(
    name: str, content: list[Entry], tmp_path: Path
) -> None:
    spoil, calibration, expected, parameters = BROKEN[name]
    observation = read_bag(write(tmp_path / "bag", spoil(content), calibration), {}, NAMES)
    diagnosis = diagnose(observation, WEIGHTS)
    found = by_item(diagnosis)
    for item, (level, said) in expected.items():
        text = str(found[item])
        assert found[item].level == level and re.search(said, text, re.DOTALL), text
    assert diagnosis.parameters == {"lidars": LIDARS, "cameras": CAMERAS} | parameters
    taken = diagnosis.node_parameters()  # refuses what the node would refuse
    assert taken.sensors == Sensors.named(
        *(diagnosis.parameters[key] for key in ("lidars", "cameras"))
    )


def test_a_calibration_whose_origin_is_the_rear_axle_is_noticed(
    content: list[Entry], tmp_path: Path
) -> None:
    """base_link often has this origin. In training, the first lidar is above the origin."""

    def moved(mount: LidarMount) -> LidarMount:
        return replace(mount, ego_from_lidar=transform(None, (1.3, 0, 0)) @ mount.ego_from_lidar)

    rig = replace(RIG, lidars={name: moved(mount) for name, mount in RIG.lidars.items()})
    bag = write(tmp_path / "bag", content, rig)
    diagnosis = Diagnosis("bag")
    find_calibration(read_bag(bag, {}, NAMES), bag / YAML_NAME, "", diagnosis)
    finding = by_item(diagnosis)["ego frame"]
    assert finding.level == "warning" and "lidar, roof, is at x 1.30, y 0.00 m" in finding.text


def test_tf_gives_the_calibration_of_the_rig(content: list[Entry], tmp_path: Path) -> None:
    observation = read_bag(write(tmp_path / "bag", content, None), {}, NAMES)
    diagnosis = diagnose(observation, WEIGHTS)
    assert diagnosis.count("fault") == diagnosis.count("warning") == 0
    for name, lidar in RIG.lidars.items():
        found = diagnosis.calibration.lidars[name]
        np.testing.assert_allclose(found.ego_from_lidar, lidar.ego_from_lidar, atol=0.05)
        assert found.frame_id == name
    for name, camera in RIG.cameras.items():
        found = diagnosis.calibration.cameras[name].camera
        np.testing.assert_allclose(found.camera_from_ego, camera.camera.camera_from_ego, atol=0.05)
    looked_up = diagnose(observation, WEIGHTS, node_uses_tf=True)
    ground = looked_up.parameters.pop("ground_height")
    assert ground == pytest.approx(0, abs=0.05)
    assert looked_up.parameters == {
        "lidars": LIDARS,
        "cameras": CAMERAS,
        "extrinsics": "tf",
        "base_frame": "base_link",
    }
    looked_up.write_parameters(tmp_path / "p.yaml")
    written = yaml.safe_load((tmp_path / "p.yaml").read_text())["/**"]["ros__parameters"]
    assert "calibration" not in written and not (tmp_path / "p_calibration.yaml").exists()
    assert "extrinsics:=tf" in looked_up.how_to_start()


def test_the_users_height_of_the_lidar_moves_all_sensors(
    content: list[Entry], tmp_path: Path
) -> None:
    observation = read_bag(write(tmp_path / "bag", content, None), {}, NAMES)
    found = diagnose(observation, WEIGHTS)
    higher = found.calibration.lidars["roof"].ego_from_lidar[2, 3] + 0.25
    moved = diagnose(observation, WEIGHTS, lidar_height=higher)
    assert "which --lidar-height gave" in by_item(moved)["calibration"].text
    up = transform(translation=(0, 0, 0.25))
    for name, lidar in found.calibration.lidars.items():
        expected = up @ lidar.ego_from_lidar
        np.testing.assert_allclose(moved.calibration.lidars[name].ego_from_lidar, expected)
    for name, camera in found.calibration.cameras.items():
        expected = camera.camera.camera_from_ego @ invert(up)
        actual = moved.calibration.cameras[name].camera.camera_from_ego
        np.testing.assert_allclose(actual, expected, atol=1e-12)
    ground = [
        diagnose(observation, WEIGHTS, lidar_height=height, node_uses_tf=True).parameters
        for height in (None, higher)
    ]
    assert ground[1]["ground_height"] == pytest.approx(ground[0]["ground_height"] - 0.25, abs=1e-3)


def test_a_height_beside_a_calibration_file_is_refused(bag: Path) -> None:
    with pytest.raises(ValueError, match=r"--lidar-height: .*calibration\.yaml has the height"):
        diagnose(read_bag(bag, {}, NAMES), WEIGHTS, lidar_height=2.0)


def test_a_sensor_that_tf_lacks_is_left_out(content: list[Entry], tmp_path: Path) -> None:
    def without_left(entry: Entry) -> Entry:
        rest = [each for each in entry.message.transforms if each.child_frame_id != "left"]
        return entry.with_message(transforms=rest)

    bag = write(tmp_path / "bag", on("/tf_static", without_left)(content), None)
    diagnosis = diagnose(read_bag(bag, {}, NAMES), WEIGHTS)
    assert "does not know 'left'" in by_item(diagnosis)["transforms"].text
    assert diagnosis.parameters["cameras"] == list(diagnosis.calibration.cameras) == ["front"]


def test_an_unnamed_lidar_can_be_combined_with_named_cameras(
    content: list[Entry], tmp_path: Path
) -> None:
    renamed = [
        replace(each, topic="/points") if each.topic == "/roof/points" else each
        for each in without("/bumper/points")(content)
    ]
    calibration = replace(RIG, lidars={LIDAR: RIG.lidars["roof"]})
    observation = read_bag(
        write(tmp_path / "bag", renamed, calibration), {}, SensorNames(calibration=calibration)
    )
    diagnosis = diagnose(observation, WEIGHTS)
    assert diagnosis.count("fault") == diagnosis.count("warning") == 0
    assert diagnosis.parameters == {"cameras": CAMERAS}
    assert diagnosis.topics["points"] == "/points"
    assert "of the clouds have an image of left" in by_item(diagnosis)["sync left/image"].text
    unnamed = diagnose(read_bag(tmp_path / "bag", {"image": "/left/image"}), WEIGHTS)
    assert "no camera 'camera' in it, only front, left" in by_item(unnamed)["calibration"].text
    half_named = diagnose(read_bag(tmp_path / "bag", {}, SensorNames(("x",))), WEIGHTS)
    assert "--cameras" in by_item(half_named)["calibration"].remedy


def test_without_names_one_sensor_of_each_kind_is_examined_and_the_others_are_named(
    content: list[Entry], tmp_path: Path
) -> None:
    diagnosis = diagnose(read_bag(write(tmp_path / "bag", content, None), {}), WEIGHTS)
    found = by_item(diagnosis)
    assert diagnosis.topics["points"] == "/roof/points" and "lidars" not in diagnosis.parameters
    assert found["other points"].text.endswith("there is also /bumper/points")
    assert found["other points"].remedy.endswith("--lidars roof bumper")
    assert found["other image"].remedy.endswith("--cameras front left")


def test_topics_with_other_names_are_reported_with_the_options_that_select_them(
    content: list[Entry], tmp_path: Path
) -> None:
    topics = {"/roof/points": "/velodyne/cloud", "/bumper/points": "/livox"}
    renamed = [replace(each, topic=topics.get(each.topic, each.topic)) for each in content]
    diagnosis = diagnose(read_bag(write(tmp_path / "bag", renamed, None), {}), WEIGHTS)
    assert by_item(diagnosis)["other points"].remedy.endswith(
        "--lidars velodyne livox --points velodyne=/velodyne/cloud livox=/livox"
    )


def test_the_command_line_names_sensors_and_topics(
    content: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    renamed = [
        replace(each, topic="/velodyne") if each.topic == "/roof/points" else each
        for each in content
    ]
    bag = write(tmp_path / "bag", renamed, RIG)
    files = ["--params", str(tmp_path / "p.yaml"), "--json", str(tmp_path / "out.json")]
    options = ["--points", "roof=/velodyne", "--no-speed"]
    assert main(["doctor", str(bag), *options, *files]) == 0
    shown = capsys.readouterr().out
    assert "-r roof/points:=/velodyne -r bumper/points:=/bumper/points -r front/image:=" in shown
    written = yaml.safe_load((tmp_path / "p.yaml").read_text())["/**"]["ros__parameters"]
    assert written == {
        "lidars": LIDARS,
        "cameras": CAMERAS,
        "calibration": str((bag / YAML_NAME).resolve()),
    }
    report = json.loads((tmp_path / "out.json").read_text())
    assert "speed" not in {finding["item"] for finding in report["findings"]}
    statistics = report["statistics"]
    for name in LIDARS:
        assert statistics[f"{name}/points"]["rate"] == pytest.approx(10)
        assert statistics[f"input {name}/points"]["points_per_frame_percentiles"]
    for name in CAMERAS:
        assert statistics[f"sync {name}/image"]["share_within_slop"] == 1
        assert statistics[f"input {name}/image"]["image_sizes"]
    assert main(["doctor", str(bag), "--points", "/velodyne", "--no-speed"]) == 2
    assert "say whose topic it is" in capsys.readouterr().err

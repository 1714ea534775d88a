"""The doctor passes a good bag, and names each problem of a broken one with a remedy."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.bag_changes import cloud, compressed, in_a_map, late, scale_intensity
from support.bag_faults import BROKEN
from support.broken_bag import CALIBRATION, Entry, on, without, write
from support.memory_dataset import TINY
from support.paths import WEIGHTS

from bev_semseg_ros.data.calibration import (
    Calibration,
    CameraMount,
    LidarMount,
    save_calibration,
)
from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.input_check import Finding, InputStatistics, compare
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.preprocessing import prepare_points
from bev_semseg_ros.ros.bag.writer import write_bag
from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.diagnose import diagnose
from bev_semseg_ros.ros.input.intensity import IntensityScale

pytestmark = pytest.mark.slow


def findings(path: Path, **asked: str) -> dict[str, Finding]:
    return {finding.item: finding for finding in diagnose(read_bag(path, asked), WEIGHTS).findings}


def test_a_good_bag_has_no_findings(bag: Path) -> None:
    found = findings(bag)
    assert [str(finding) for finding in found.values() if finding.level != "ok"] == []


@pytest.mark.parametrize("name", BROKEN)
def test_each_problem_is_named_with_a_remedy(
    name: str, content: list[Entry], tmp_path: Path
) -> None:
    spoil, calibration, item, level, said = BROKEN[name]
    finding = findings(write(tmp_path / "bag", spoil(content), calibration))[item]
    assert finding.level == level and re.search(said, str(finding), re.DOTALL), str(finding)
    assert finding.remedy


def test_a_range_view_network_needs_the_poses_of_all_units(
    content: list[Entry], tmp_path: Path
) -> None:
    """The clouds combine several units, and the calibration does not give their poses."""
    model = replace(TINY.model, point_encoder="range_view", point_channels=8)
    config = replace(TINY, model=model)
    network = tmp_path / "range_view.pt"
    checkpoint.save(network, build_network(config), config, {})

    def merged(entry: Entry) -> Entry:
        fields = entry.message.fields  # the last byte of the intensity has few values
        return entry.with_message(
            fields=[*fields, replace(fields[3], name="lidar_id", offset=15, datatype=2)]
        )

    bag = read_bag(write(tmp_path / "bag", on("/points", merged)(content)), {})
    (found,) = [each for each in diagnose(bag, network).findings if each.item == "units"]
    assert found.level == "warning" and "no pose is known for its units" in found.text
    assert found.remedy == "add lidar_from_unit to the lidar in the calibration"
    units = re.findall(r"\d+", found.text)
    mount = LidarMount(
        np.eye(4), "lidar", lidar_from_unit=dict.fromkeys(map(int, units), np.eye(4))
    )
    save_calibration(Calibration({LIDAR: mount}, {}), tmp_path / "units.yaml")
    found = diagnose(bag, network, tmp_path / "units.yaml", node_uses_tf=True).findings
    assert not [each for each in found if each.item == "units"]
    assert not [each for each in diagnose(bag, WEIGHTS).findings if each.item == "units"]


@pytest.mark.parametrize("calibration", [CALIBRATION, None])
def test_a_single_bad_camera_info_does_not_change_the_source_of_the_intrinsics(
    calibration: Calibration | None, content: list[Entry], tmp_path: Path
) -> None:
    first = next(entry for entry in content if entry.topic == "/camera_info")
    bad = first.with_message(k=np.zeros(9), p=np.zeros(12))
    entries = [bad if entry is first else entry for entry in content]
    diagnosis = diagnose(read_bag(write(tmp_path / "bag", entries, calibration), {}), WEIGHTS)
    assert diagnosis.parameters == {}
    found = {finding.item: finding for finding in diagnosis.findings}
    assert "1 of 8 messages cannot be used" in found["layout camera_info"].text
    assert found["intrinsics"].level == "ok"


def test_an_empty_cloud_at_the_start_does_not_hide_the_fields_of_the_others(
    content: list[Entry], tmp_path: Path
) -> None:
    first = next(entry for entry in content if entry.topic == "/points")
    empty = first.with_message(fields=[], width=0, row_step=0, data=first.message.data[:0])
    entries = [empty if entry is first else entry for entry in content]
    diagnosis = diagnose(read_bag(write(tmp_path / "bag", entries), {}), WEIGHTS)
    assert diagnosis.parameters == {}
    found = {finding.item: finding for finding in diagnosis.findings}
    assert "1 clouds are empty" in found["coordinates"].text


def test_images_that_come_late_within_max_wait_are_ok(content: list[Entry], tmp_path: Path) -> None:
    """The camera takes a while to deliver. Its stamps are right, and an offset would spoil them."""
    diagnosis = diagnose(read_bag(write(tmp_path / "bag", late(170_000_000)(content)), {}), WEIGHTS)
    assert [str(finding) for finding in diagnosis.findings if finding.level != "ok"] == []
    assert diagnosis.parameters == {}
    wait = next(finding for finding in diagnosis.findings if finding.item == "wait")
    assert "the image comes 0.17 s after its cloud" in wait.text


@pytest.mark.parametrize(
    ("largest", "said"),
    [
        (255, "scales it by 1/255"),
        (60000, "scales it by 1/65535"),
        (3000, "scales it by 1/65535"),
        (0.1, "up to 0."),
    ],
)
def test_intensities_of_any_range_are_scaled_to_that_of_the_training(
    largest: float, said: str, content: list[Entry], tmp_path: Path
) -> None:
    """The doctor sets `intensity_scale` if needed. Otherwise, the node chooses the scale."""
    observation = read_bag(
        write(
            tmp_path / "bag",
            on("/points", lambda entry: cloud(entry, scale_intensity(largest)))(content),
        ),
        {},
    )
    diagnosis = diagnose(observation, WEIGHTS)
    assert any(
        said in finding.text for finding in diagnosis.findings if finding.item == "intensity field"
    )
    trained = checkpoint.load(WEIGHTS)
    statistics, intensity = InputStatistics(), IntensityScale()
    for message in observation.streams["points"].samples:
        points = intensity.decode(
            message, "intensity", diagnosis.parameters.get("intensity_scale", 0.0)
        )
        statistics.add_points(
            prepare_points(points, CALIBRATION.ego_from_lidar, trained.config.grid),
            CALIBRATION.ego_from_lidar,
        )
    found = compare(statistics.summary(), trained.info)
    (finding,) = (each for each in found if each.item == "intensity")
    assert finding.level == "ok", finding


def test_a_single_intensity_outlier_is_not_a_fault(content: list[Entry], tmp_path: Path) -> None:
    def odd(points: np.ndarray) -> None:
        scale_intensity(255)(points)
        points[len(points) // 2, 3] = 1e6

    bag = write(tmp_path / "bag", on("/points", lambda entry: cloud(entry, odd))(content))
    diagnosis = diagnose(read_bag(bag, {}), WEIGHTS)
    assert (
        diagnosis.count("fault") == diagnosis.count("warning") == 0 and diagnosis.parameters == {}
    )


def test_compressed_images_are_examined_and_image_transport_is_set(
    content: list[Entry], tmp_path: Path
) -> None:
    found = diagnose(read_bag(write(tmp_path / "bag", compressed(content)), {}), WEIGHTS)
    assert found.count("fault") == found.count("warning") == 0
    assert (
        found.parameters == {"image_transport": "compressed"} and found.topics["image"] == "/image"
    )


def test_a_rectified_image_is_recognized_by_its_topic(content: list[Entry], tmp_path: Path) -> None:
    renamed = [
        replace(entry, topic="/image_rect") if entry.topic == "/image" else entry
        for entry in content
    ]
    spoiled = on(
        "/camera_info", lambda entry: entry.with_message(d=np.array([-0.3, 0.1, 0, 0, 0]))
    )(renamed)
    found = findings(write(tmp_path / "bag", spoiled))
    assert found["distortion"].text == "none: the image is rectified already"


def test_tf_gives_the_calibration_where_no_file_does(content: list[Entry], tmp_path: Path) -> None:
    found = diagnose(read_bag(write(tmp_path / "bag", content, None), {}), WEIGHTS)
    assert found.count("fault") == 0 and found.calibration_file is None
    calibration = found.calibration
    np.testing.assert_allclose(calibration.ego_from_lidar, CALIBRATION.ego_from_lidar, atol=0.05)
    np.testing.assert_allclose(
        calibration.camera.camera_from_ego, CALIBRATION.camera.camera_from_ego, atol=0.05
    )


def test_only_the_sensors_of_the_node_are_taken_from_the_calibration_of_a_rig(
    content: list[Entry], tmp_path: Path
) -> None:
    rear = LidarMount(np.eye(4), "rear_lidar")
    (lidar,), (camera,) = CALIBRATION.lidars.values(), CALIBRATION.cameras.values()
    left = CameraMount(camera.camera, "left_camera")
    whole = Calibration({"rear": rear, LIDAR: lidar}, {"left": left, CAMERA: camera})
    found = diagnose(read_bag(write(tmp_path / "whole", content, whole), {}), WEIGHTS)
    assert found.count("fault") == found.count("warning") == 0
    np.testing.assert_array_equal(found.calibration.ego_from_lidar, lidar.ego_from_lidar)
    for name, lacking, said in (
        ("no_lidar", Calibration({"rear": rear, "roof": lidar}), "no lidar 'lidar' .* rear, roof"),
        ("no_camera", Calibration({LIDAR: lidar}, {"left": left}), "no camera 'camera' .* left"),
    ):
        finding = findings(write(tmp_path / name, content, lacking))["calibration"]
        assert finding.level == "fault" and re.search(said, finding.text), str(finding)
        assert "call them 'lidar' and 'camera'" in finding.remedy


def test_the_axes_of_a_map_are_not_taken_for_those_of_the_vehicle(
    content: list[Entry], tmp_path: Path
) -> None:
    """The frame of the vehicle is the highest ancestor of the lidar by static transforms.

    If none of the transforms is static, `base_frame` must name it.
    """
    fixed = read_bag(write(tmp_path / "fixed", in_a_map(is_static=True)(content), None), {})
    moving = read_bag(write(tmp_path / "moving", in_a_map(is_static=False)(content), None), {})
    assert diagnose(moving, WEIGHTS).calibration is None
    for observation, base_frame in ((fixed, ""), (moving, "ego"), (moving, "/ego")):
        diagnosis = diagnose(observation, WEIGHTS, base_frame=base_frame)
        np.testing.assert_allclose(
            diagnosis.calibration.ego_from_lidar, CALIBRATION.ego_from_lidar, atol=0.05
        )
        assert any("in the axes of 'ego'" in finding.text for finding in diagnosis.findings)
    unknown = diagnose(moving, WEIGHTS, base_frame="truck")
    assert unknown.calibration is None and any(
        "connect 'lidar' to 'truck'" in each.text for each in unknown.findings
    )


def test_without_any_calibration_the_rest_is_still_checked(
    content: list[Entry], tmp_path: Path
) -> None:
    found = findings(write(tmp_path / "bag", without("/tf_static")(content), None))
    assert (
        "about 1.7" in found["ground height"].text
        and found["beams"].level == found["focal length"].level == "ok"
    )


def test_without_clouds_tf_is_not_said_to_lack_their_frame(
    content: list[Entry], tmp_path: Path
) -> None:
    found = findings(write(tmp_path / "bag", without("/points")(content), None))
    assert "there are no usable clouds" in found["calibration"].text


def test_the_lidar_with_the_most_messages_is_examined(content: list[Entry], tmp_path: Path) -> None:
    rear = [replace(entry, topic="/rear") for entry in content if entry.topic == "/points"][:3]
    finding = findings(write(tmp_path / "bag", content + rear))["topic points"]
    assert finding.level == "ok" and finding.text.startswith("/points: 8 messages")
    assert "/rear (3 messages)" in finding.text


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("/image", "carries sensor_msgs/msg/Image, expected"),
        ("/nowhere", "there is no topic /nowhere; there is /points"),
    ],
)
def test_a_topic_that_was_named_wrongly_is_a_fault(topic: str, said: str, bag: Path) -> None:
    finding = findings(bag, points=topic)["topic points"]
    assert finding.level == "fault" and said in finding.text


def test_statistics_that_an_older_checkpoint_lacks_are_reported_as_unknown(
    bag: Path, tmp_path: Path
) -> None:
    trained = checkpoint.load(WEIGHTS)
    checkpoint.save(tmp_path / "old.pt", trained.build(), trained.config, {"seed": 1})
    found = diagnose(read_bag(bag, {}), tmp_path / "old.pt")
    assert found.count("fault") == found.count("warning") == 0
    assert "unknown for the training data" in next(
        finding.text for finding in found.findings if finding.item == "beams"
    )


@pytest.mark.parametrize(
    ("name", "warnings"),
    [("kitti_raw", set()), ("a2d2", {"rate points", "rate image", "rate camera_info", "sync"})],
)
def test_a_real_drive_has_no_fault(
    name: str, warnings: set[str], real_data: Path, tmp_path: Path
) -> None:
    """The frames of A2D2 are unrelated, and two have no image, so its bag is slow and uneven."""
    write_bag(open_dataset(real_data / name), tmp_path / "bag")
    assert {
        item for item, finding in findings(tmp_path / "bag").items() if finding.level == "warning"
    } == warnings
    assert not any(finding.level == "fault" for finding in findings(tmp_path / "bag").values())

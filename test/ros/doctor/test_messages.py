"""The doctor decodes messages as real drivers send them, in the same way as the node."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.bag_changes import Change, frame
from support.broken_bag import CALIBRATION, STORE, Entry, on, without, write
from support.paths import WEIGHTS

from bev_semseg_ros.input_check import Finding
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE
from bev_semseg_ros.ros.doctor.bag import read_bag
from bev_semseg_ros.ros.doctor.diagnose import diagnose
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis

pytestmark = pytest.mark.slow

Examine = Callable[..., Diagnosis]


@pytest.fixture
def examine(content: list[Entry], tmp_path: Path) -> Examine:
    """Return examine(*changes, ...), which diagnoses the good bag after some changes."""

    def make(*changes: Change, calibration=CALIBRATION, node_uses_tf: bool = False) -> Diagnosis:
        entries = content
        for change in changes:
            entries = change(entries)
        bag = write(tmp_path / "bag", entries, calibration)
        return diagnose(read_bag(bag, {}), WEIGHTS, node_uses_tf=node_uses_tf)

    return make


def worse_than_ok(diagnosis: Diagnosis) -> dict[str, Finding]:
    return {each.item: each for each in diagnosis.findings if each.level != "ok"}


def options(diagnosis: Diagnosis) -> list[str]:
    return shlex.split(diagnosis.command())


def renamed(names: dict[str, str]) -> Change:
    return lambda entries: [
        replace(each, topic=names.get(each.topic, each.topic)) for each in entries
    ]


def jpeg(topic: str) -> Change:
    """Return a change that compresses the images and gives them a topic."""

    def compress(entry: Entry) -> Entry:
        pixels = entry.message.data.reshape(entry.message.height, entry.message.width, 3)
        data = cv2.imencode(".jpg", pixels)[1].reshape(-1)
        message = STORE.types[COMPRESSED_IMAGE](entry.message.header, "jpeg", data)
        return replace(entry, topic=topic, kind=COMPRESSED_IMAGE, message=message)

    return on("/image", compress)


def changed(topic: str, **values) -> Change:
    return on(topic, lambda entry: entry.with_message(**values))


@pytest.mark.parametrize(
    ("topic", "remapped"),
    [("/front/jpeg", "/front/jpeg"), ("/front/image_raw/compressed", "/front/image_raw")],
)
def test_topics_of_compressed_images_are_remapped_as_the_node_expects(
    examine: Examine, topic: str, remapped: str
) -> None:
    found = examine(jpeg(topic))
    assert worse_than_ok(found) == {}
    assert found.parameters == {"image_transport": "compressed"}
    assert f"image:={remapped}" in options(found)


def test_values_that_drivers_leave_out_are_assumed_as_in_the_node_and_reported(
    examine: Examine,
) -> None:
    sizes = changed("/camera_info", width=0, height=0, k=np.zeros(9), distortion_model="")
    found = examine(sizes, changed("/image", encoding="8UC3", step=0))
    said = [str(each) for each in found.findings if each.level != "ok"]
    assert len(said) == 3 and found.parameters == {}
    assert "the encoding 8UC3 does not say what the channels are: it is read as bgr8" in said[0]
    assert "K is not set: P is used instead" in said[1]
    assert "width and height are not set: those of the image are used, 768 x 232" in said[2]


def without_type(entry: Entry) -> Entry:
    *others, intensity = entry.message.fields
    return entry.with_message(fields=[*others, replace(intensity, datatype=99)])


def without_numbers(entry: Entry) -> Entry:
    points = np.frombuffer(entry.message.data.tobytes(), np.float32).reshape(-1, 4).copy()
    points[:, 3] = np.nan
    return entry.with_message(data=points.reshape(-1).view(np.uint8))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without_type, "field intensity has the unknown datatype 99: the intensity counts as 0"),
        (without_numbers, "field intensity is NaN or infinite in measured points: it counts as 0"),
    ],
)
def test_a_broken_intensity_costs_the_doctor_only_the_intensity(
    examine: Examine, change: Callable[[Entry], Entry], problem: str
) -> None:
    found = worse_than_ok(examine(on("/points", change)))
    assert list(found) == ["assumed points", "intensity"]
    assert found["assumed points"].text == problem
    assert found["intensity"].text == "0 everywhere"


def test_a_camera_info_without_a_size_is_chosen_by_its_frame(
    content: list[Entry], examine: Examine
) -> None:
    """The other camera_info belongs to another frame."""
    infos = [each for each in content if each.topic == "/camera_info"]
    others = [frame("rear")(replace(each, topic="/rear/camera_info")) for each in infos]
    found = examine(changed("/camera_info", width=0, height=0), lambda all_: [*all_, *others])
    assert found.topics["camera_info"] == "/camera_info"
    assert list(worse_than_ok(found)) == ["assumed camera_info"]


def test_a_camera_info_needs_neither_a_stamp_nor_a_frame(examine: Examine) -> None:
    """The node takes the poses by the frame of the images, and drops no camera_info."""
    plain = on("/camera_info", lambda entry: frame("")(entry).stamped(0))
    found = examine(plain)
    assert worse_than_ok(found) == {} and found.parameters == {}


def test_trailing_zeros_in_distortion_coefficients_are_no_finding(examine: Examine) -> None:
    lens = changed("/camera_info", d=np.array([-0.01, 0.002, 0, 0, 0, 0, 0, 0]))
    found = examine(lens)
    assert worse_than_ok(found) == {}
    (text,) = [each.text for each in found.findings if each.item == "distortion"]
    assert text == "plumb_bob: the image is rectified by the node"


def test_depth_images_are_reported_as_unusable(examine: Examine) -> None:
    found = worse_than_ok(examine(changed("/image", encoding="16UC1", step=2 * 768)))
    assert "that of depth images" in found["layout image"].text
    assert "none of which can be used" in found["topic image"].text


def test_nothing_is_computed_from_clouds_in_the_other_byte_order(examine: Examine) -> None:
    found = examine(changed("/points", is_bigendian=True), calibration=None)
    layout = worse_than_ok(found)["layout points"]
    assert layout.level == "fault" and "is_bigendian is True, but the bytes are" in layout.text
    assert "let the driver set is_bigendian to False" in layout.text
    assert found.calibration is None and found.parameters == {"mode": "camera_only"}
    judged = {each.item for each in found.findings}
    assert not judged & {"coordinates", "intensity", "ground height", "points", "range", "beams"}


def test_an_organized_cloud_with_capitalized_fields_and_no_row_step_has_no_findings(
    examine: Examine,
) -> None:
    def organised(entry: Entry) -> Entry:
        fields = [replace(each, name=each.name.capitalize()) for each in entry.message.fields]
        width = entry.message.width // 64
        return entry.with_message(height=64, width=width, row_step=0, fields=fields)

    assert worse_than_ok(examine(on("/points", organised))) == {}


ROBOT = {"/tf": "/robot1/tf", "/tf_static": "/robot1/tf_static"}


def in_namespace(entry: Entry) -> Entry:
    """Return the transforms with the frames in the namespace of a robot."""
    moved = [
        replace(
            each,
            child_frame_id=f"robot1/{each.child_frame_id}",
            header=replace(each.header, frame_id=f"robot1/{each.header.frame_id}"),
        )
        for each in entry.message.transforms
    ]
    return entry.with_message(transforms=moved)


def test_tf_in_a_namespace_is_read_and_the_node_is_remapped_to_it(examine: Examine) -> None:
    found = examine(renamed(ROBOT), calibration=None, node_uses_tf=True)
    assert worse_than_ok(found) == {}
    assert found.parameters["extrinsics"] == "tf"
    assert {"/tf:=/robot1/tf", "/tf_static:=/robot1/tf_static"} <= set(options(found))


def test_the_frame_of_the_vehicle_is_found_in_a_namespace(examine: Examine) -> None:
    found = examine(
        on("/tf_static", in_namespace),
        on("/points", frame("robot1/lidar")),
        on("/image", frame("robot1/camera")),
        on("/camera_info", frame("robot1/camera")),
        calibration=None,
        node_uses_tf=True,
    )
    assert worse_than_ok(found) == {}
    assert found.parameters["base_frame"] == "robot1/base_link"


def test_the_transforms_of_the_robot_with_the_sensors_are_used(
    content: list[Entry], examine: Examine
) -> None:
    (static,) = (each for each in content if each.topic == "/tf_static")
    other = replace(in_namespace(static), topic="/robot2/tf_static")
    found = examine(renamed(ROBOT), lambda all_: [other, *all_], calibration=None)
    assert worse_than_ok(found) == {} and found.calibration is not None


def in_base_link(entry: Entry) -> Entry:
    """Return a cloud that a filter has transformed to base_link, 0.4 m above the ground."""
    points = entry.message.data.view(np.float32).reshape(-1, 4) + np.float32([1.2, 0, 1.33, 0])
    data = points.view(np.uint8).reshape(-1)
    return frame("base_link")(entry.with_message(data=data))


def test_a_cloud_in_base_link_needs_no_transform_of_the_lidar(
    examine: Examine,
) -> None:
    found = examine(on("/points", in_base_link), calibration=None, node_uses_tf=True)
    faults = [str(each) for each in found.findings if each.level == "fault"]
    assert faults == [] and found.parameters["base_frame"] == "base_link"
    assert found.parameters["ground_height"] == pytest.approx(-0.4, abs=0.05)
    texts = {each.item: each for each in found.findings}
    assert "the clouds are in 'base_link', the frame of the vehicle" in texts["beam angles"].text
    assert texts["beams"].text == "unknown: the cloud is not in the frame of a lidar"
    assert found.beams == {}


def test_a_cloud_in_base_link_without_a_camera_needs_no_transforms(examine: Examine) -> None:
    changes = [without("/tf_static"), without("/image"), without("/camera_info")]
    found = examine(*changes, on("/points", in_base_link), calibration=None)
    assert found.calibration is not None and found.parameters["mode"] == "lidar_only"
    assert set(worse_than_ok(found)) == {"topic image", "topic camera_info"}


def test_a_cloud_in_base_link_with_a_calibration_of_the_lidar_is_reported(examine: Examine) -> None:
    found = worse_than_ok(examine(on("/points", in_base_link)))
    assert "the calibration moves them a second time" in found["calibration points"].text
    assert "ego frame on the ground below base_link" in found["calibration points"].remedy

"""The poses of several lidars and cameras from each source."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from std_msgs.msg import Header
from support.vehicle_poses import CAMERA_POSE, GROUND, LIDAR_POSE, S, header, transform_message

from bev_semseg_ros.data.calibration import Calibration, CameraMount, LidarMount
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert
from bev_semseg_ros.ros.input.extrinsics import (
    TfExtrinsics,
    ego_below,
    open_extrinsics,
    pose_matrix,
)
from bev_semseg_ros.ros.input.transforms import MissingTransform, Transforms
from bev_semseg_ros.ros.parameters.parameters import Parameters

REAR_POSE = [-1.0, 0.2, 1.9, 0, 0.1, 3.1]
LEFT_POSE = [1.0, 0.9, 1.3, 0, 0, 1.5]
LIDARS = {"roof": LIDAR_POSE, "rear": REAR_POSE}  # the ego frame is below "roof"
CAMERAS = {"front": CAMERA_POSE, "left": LEFT_POSE}
RIG = {"lidars": tuple(LIDARS), "cameras": tuple(CAMERAS)}
EGO_FROM_BASE = ego_below(pose_matrix(LIDAR_POSE), GROUND)


def rig_calibration() -> Calibration:
    return Calibration(
        {
            name: LidarMount(EGO_FROM_BASE @ pose_matrix(pose), f"{name}_lidar")
            for name, pose in LIDARS.items()
        },
        {
            name: CameraMount(
                Camera(
                    np.diag([100.0, 100, 1]),
                    (64, 32),
                    OPTICAL_FROM_VIEW @ invert(EGO_FROM_BASE @ pose_matrix(pose)),
                ),
                f"{name}_camera",
            )
            for name, pose in CAMERAS.items()
        },
    )


def rig_from_file(calibration: Calibration | None = None, sensors=RIG, **changes):
    parameters = Parameters(calibration="rig.yaml", **changes)
    return open_extrinsics(None, parameters, calibration or rig_calibration(), True, **sensors)


@pytest.fixture
def rig_buffer(buffer):
    for name, pose in LIDARS.items():
        buffer.set_transform_static(
            transform_message("base_link", f"{name}_lidar", pose_matrix(pose)), "test"
        )
    for name, pose in CAMERAS.items():
        optical = pose_matrix(pose) @ invert(OPTICAL_FROM_VIEW)
        buffer.set_transform_static(
            transform_message("base_link", f"{name}_camera", optical), "test"
        )
    return buffer


def rig_from_tf(buffer, output_frame: str = "", is_stamped: bool = False) -> TfExtrinsics:
    return TfExtrinsics(
        Transforms(buffer),
        "base_link",
        GROUND,
        output_frame,
        is_stamped,
        reference_lidar="roof",
        reference_camera="front",
    )


def clouds(**frames: str) -> dict[str, Header]:
    """Headers of both lidars, some of them with another frame."""
    named = {name: f"{name}_lidar" for name in LIDARS} | frames
    return {name: header(frame) for name, frame in named.items()}


def images(**frames: str) -> dict[str, Header]:
    """Headers of both cameras, some of them with another frame."""
    named = {name: f"{name}_camera" for name in CAMERAS} | frames
    return {name: header(frame) for name, frame in named.items()}


@pytest.fixture(params=["file", "tf", "stamped"])
def rig_source(request, rig_buffer):
    if request.param == "file":
        return rig_from_file()
    return rig_from_tf(rig_buffer, is_stamped=request.param == "stamped")


def test_every_sensor_of_a_rig_has_its_pose_in_the_ego_frame_below_the_reference_lidar(rig_source):
    found = rig_source.at(clouds(), images())
    assert (list(found.ego_from_lidar), list(found.camera_from_ego)) == (
        ["roof", "rear"],
        ["front", "left"],
    )
    for name, pose in LIDARS.items():
        np.testing.assert_allclose(
            found.ego_from_lidar[name], EGO_FROM_BASE @ pose_matrix(pose), atol=1e-9
        )
    for name, pose in CAMERAS.items():
        expected = OPTICAL_FROM_VIEW @ invert(EGO_FROM_BASE @ pose_matrix(pose))
        np.testing.assert_allclose(found.camera_from_ego[name], expected, atol=1e-9)
    assert found.missing == ()


def test_boxes_of_a_rig_come_out_in_the_frame_of_the_reference_lidars_cloud(rig_source):
    found = rig_source.at(dict(reversed(clouds().items())), images())
    assert found.output_frame == "roof_lidar"
    np.testing.assert_allclose(
        found.output_from_ego @ found.ego_from_lidar["roof"], np.eye(4), atol=1e-9
    )


@pytest.mark.parametrize("frame", ["rear_lidar", "left_camera"])
def test_boxes_of_a_rig_come_out_in_the_frame_of_any_sensor(rig_buffer, frame):
    by_file = rig_from_file(output_frame=frame).at(clouds(), images())
    by_tf = rig_from_tf(rig_buffer, frame).at(clouds(), images())
    assert by_file.output_frame == by_tf.output_frame == frame
    np.testing.assert_allclose(by_file.output_from_ego, by_tf.output_from_ego, atol=1e-9)


def test_only_poses_of_sensors_with_a_message_are_looked_up(rig_source):
    found = rig_source.at({"roof": header("roof_lidar")}, {"left": header("left_camera")})
    assert (list(found.ego_from_lidar), list(found.camera_from_ego)) == (["roof"], ["left"])


@pytest.mark.parametrize("is_stamped", [False, True])
def test_sensors_without_a_transform_are_left_out_and_named(rig_buffer, is_stamped):
    source = rig_from_tf(rig_buffer, is_stamped=is_stamped)
    found = source.at(clouds(rear="lost"), images(left=""))
    assert (list(found.ego_from_lidar), list(found.camera_from_ego)) == (["roof"], ["front"])
    lidar, camera = found.missing
    assert lidar.startswith("lidar 'rear': no transform from 'lost' to 'base_link'")
    assert camera.startswith("camera 'left': a message's header has no frame_id")


@pytest.mark.parametrize(
    ("headers", "missing"),
    [((clouds(roof="lost"), images()), "lost"), ((clouds(), images(front="gone")), "gone")],
)
def test_a_reference_sensor_without_a_transform_is_an_error(rig_buffer, headers, missing):
    with pytest.raises(MissingTransform, match=f"no transform from '{missing}'"):
        rig_from_tf(rig_buffer).at(*headers)


def test_several_missing_transforms_are_waited_for_as_long_as_one(rig_buffer, waits):
    source = rig_from_tf(rig_buffer, is_stamped=True)
    source.at(clouds(rear="lost"), {"left": header("gone")})
    assert waits == {"roof_lidar": S // 10, "lost": S // 10, "gone": 0}


@pytest.mark.parametrize(
    ("sensors", "reason"),
    [
        (
            {"lidars": ("roof", "nose"), "cameras": ("front",)},
            "rig.yaml: no lidar 'nose' in it, only roof, rear",
        ),
        (
            {"lidars": ("roof",), "cameras": ("front", "back")},
            "rig.yaml: no camera 'back' in it, only front, left; take a name of the file in the "
            "parameter cameras, or rename the camera in the file",
        ),
        (
            {},
            "rig.yaml: no lidar 'lidar' in it, only roof, rear; take a name of .* parameter lidars",
        ),
    ],
)
def test_a_sensor_that_is_not_in_the_file_is_named(sensors, reason):
    with pytest.raises(ValueError, match=reason):
        rig_from_file(sensors=sensors)


def test_a_rig_without_cameras_needs_none_in_the_file():
    lidars = Calibration(rig_calibration().lidars)
    assert list(rig_from_file(lidars, mode="lidar_only").at(clouds(), {}).ego_from_lidar) == [
        "roof",
        "rear",
    ]
    with pytest.raises(ValueError, match=r"rig.yaml: no camera in it; add one or set mode"):
        rig_from_file(lidars)


def test_one_lidar_and_one_camera_of_a_rigs_file_can_be_used():
    source = rig_from_file(sensors={"lidars": ("rear",), "cameras": ("left",)})
    found = source.at({"rear": header("rear_lidar")}, {"left": header("left_camera")})
    assert (source.lidar_frame, found.output_frame) == ("rear_lidar", "rear_lidar")
    np.testing.assert_allclose(
        found.output_from_ego @ found.ego_from_lidar["rear"], np.eye(4), atol=1e-9
    )


@pytest.mark.parametrize("sensors", [RIG, {"cameras": ("front", "left")}])
def test_parameters_hold_the_poses_of_one_lidar_and_one_camera_only(sensors):
    parameters = Parameters(extrinsics="parameters", lidar_pose=LIDAR_POSE, camera_pose=CAMERA_POSE)
    with pytest.raises(
        ValueError, match=r"several sensors \(.*front, left\): set extrinsics to calibration .* tf"
    ):
        open_extrinsics(None, parameters, None, **sensors)

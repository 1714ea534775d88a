"""The poses of one lidar and one camera from each source."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from support.vehicle_poses import CAMERA_POSE, GROUND, LIDAR_POSE, POINTS, at, header, poses

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.frame import CAMERA, LIDAR, Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert
from bev_semseg_ros.ros.input import transforms
from bev_semseg_ros.ros.input.extrinsics import (
    TfExtrinsics,
    ego_below,
    open_extrinsics,
    pose_matrix,
)
from bev_semseg_ros.ros.input.transforms import Transforms
from bev_semseg_ros.ros.parameters.parameters import Parameters


def from_parameters(**changes):
    return open_extrinsics(
        None,
        Parameters(
            **{
                "extrinsics": "parameters",
                "lidar_pose": LIDAR_POSE,
                "camera_pose": CAMERA_POSE,
                "ground_height": GROUND,
                **changes,
            }
        ),
        None,
    )


def from_file(**changes):
    """Return the extrinsics of the same rig from a calibration in our own YAML format."""
    ego_from_base = ego_below(pose_matrix(LIDAR_POSE), GROUND)
    camera = Camera(
        np.diag([100.0, 100, 1]),
        (64, 32),
        OPTICAL_FROM_VIEW @ invert(ego_from_base @ pose_matrix(CAMERA_POSE)),
    )
    return open_extrinsics(
        None,
        Parameters(**changes),
        Calibration.of(ego_from_base @ pose_matrix(LIDAR_POSE), camera),
        names_frames=True,
    )


@pytest.fixture(params=["file", "parameters", "tf", "stamped"])
def source(request, buffer):
    """Return the extrinsics of the same rig from each source."""
    if request.param in ("file", "parameters"):
        return from_file() if request.param == "file" else from_parameters()
    return TfExtrinsics(
        Transforms(buffer), "base_link", GROUND, is_stamped=request.param == "stamped"
    )


def test_points_of_a_rotated_lidar_are_transformed_to_the_ground_below_it(source):
    seen = apply(invert(pose_matrix(LIDAR_POSE)), POINTS)
    np.testing.assert_allclose(
        apply(poses(source).ego_from_lidar[LIDAR], seen), POINTS - (1.2, -0.3, GROUND), atol=1e-9
    )


def test_the_camera_looks_along_the_z_axis_of_its_optical_frame(source):
    ahead = apply(pose_matrix(CAMERA_POSE), np.array([[7.0, 0, 0], [7, 1, 0], [7, 0, 1]])) - (
        1.2,
        -0.3,
        GROUND,
    )
    np.testing.assert_allclose(
        apply(poses(source).camera_from_ego[CAMERA], ahead),
        [(0, 0, 7), (-1, 0, 7), (0, -1, 7)],
        atol=1e-9,
    )


def test_boxes_come_out_in_the_clouds_frame_by_default(source):
    found = poses(source)
    assert found.output_frame == "lidar"
    np.testing.assert_allclose(
        found.output_from_ego @ found.ego_from_lidar[LIDAR], np.eye(4), atol=1e-9
    )


def test_without_an_image_no_pose_of_a_camera_is_looked_up(source):
    assert poses(source, with_image=False).camera_from_ego == {}


def test_boxes_come_out_in_the_vehicles_frame(buffer):
    seen = apply(invert(pose_matrix(LIDAR_POSE)), POINTS)
    for source in (
        from_parameters(output_frame="base_link"),
        TfExtrinsics(Transforms(buffer), "base_link", GROUND, "base_link"),
    ):
        found = poses(source)
        assert found.output_frame == "base_link"
        np.testing.assert_allclose(
            apply(found.output_from_ego @ found.ego_from_lidar[LIDAR], seen), POINTS, atol=1e-9
        )


def test_boxes_found_by_cameras_alone_come_out_in_the_frame_of_the_vehicle():
    """No cloud names another frame, and boxes without a frame would be dropped silently."""
    source = from_parameters(mode="camera_only")
    found = at(source, header(source.lidar_frame), header("camera"))
    assert found.output_frame == "base_link"
    np.testing.assert_allclose(found.output_from_ego @ found.ego_from_base, np.eye(4), atol=1e-12)


def test_a_file_knows_the_ego_frame_and_the_frames_of_its_sensors():
    model, camera = (poses(from_file(output_frame=frame)) for frame in ("base_link", "camera"))
    np.testing.assert_array_equal(model.output_from_ego, np.eye(4))
    np.testing.assert_allclose(camera.output_from_ego, camera.camera_from_ego[CAMERA], atol=1e-12)
    assert (model.output_frame, camera.output_frame) == ("base_link", "camera")


@pytest.mark.parametrize("make", [from_file, from_parameters])
def test_an_unknown_output_frame_is_refused_by_name(make):
    with pytest.raises(ValueError, match="output_frame: 'map' is not known here, only base_link"):
        make(output_frame="map")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lidar_pose": []}, "lidar_pose is empty"),
        ({"camera_pose": []}, "camera_pose is empty"),
        ({"extrinsics": "calibration"}, "calibration is empty"),
    ],
)
def test_a_missing_parameter_of_a_source_is_named(changes, reason):
    with pytest.raises(ValueError, match=reason):
        from_parameters(**changes)


def test_a_vehicle_without_a_camera_needs_no_pose_of_one():
    assert at(from_parameters(camera_pose=[], mode="lidar_only"), header("x")).camera_from_ego == {}


@pytest.mark.skipif(transforms.tf2_ros is not None, reason="tf2_ros is installed")
def test_tf_without_tf2_ros_is_refused():
    with pytest.raises(ValueError, match="extrinsics is tf and tf2_ros is not installed"):
        from_parameters(extrinsics="tf")

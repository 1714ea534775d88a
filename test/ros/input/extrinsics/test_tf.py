"""The poses of one lidar and one camera from TF."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")

from support.vehicle_poses import (
    GROUND,
    LIDAR_POSE,
    POINTS,
    S,
    at,
    header,
    poses,
    transform_message,
)

from bev_semseg_ros.frame import LIDAR
from bev_semseg_ros.geometry import apply, invert
from bev_semseg_ros.ros.input.extrinsics import TfExtrinsics, pose_matrix
from bev_semseg_ros.ros.input.tf_topics import TF_MESSAGE
from bev_semseg_ros.ros.input.transforms import MissingTransform, Transforms, _transforms_elsewhere


def test_any_frame_of_tf_can_be_the_output_frame(buffer):
    found = poses(TfExtrinsics(Transforms(buffer), "base_link", GROUND, "mast"))
    seen = apply(invert(pose_matrix(LIDAR_POSE)), POINTS)
    np.testing.assert_allclose(
        apply(found.output_from_ego @ found.ego_from_lidar[LIDAR], seen),
        apply(invert(pose_matrix([0.5, 0, 1, 0, 0, 0.7])), POINTS),
        atol=1e-9,
    )


@pytest.mark.parametrize(
    ("lidar", "camera", "output", "missing"),
    [
        ("radar", "camera", "", "radar"),
        ("lidar", "left", "", "left"),
        ("lidar", "camera", "map", "map"),
    ],
)
def test_a_missing_transform_is_an_error_that_names_both_frames(
    buffer, lidar, camera, output, missing
):
    with pytest.raises(MissingTransform, match=f"no transform from '{missing}' to 'base_link'"):
        at(
            TfExtrinsics(Transforms(buffer), "base_link", GROUND, output),
            header(lidar),
            header(camera),
        )


def test_a_cloud_without_frame_has_no_transform(buffer):
    with pytest.raises(MissingTransform, match="no frame_id"):
        at(TfExtrinsics(Transforms(buffer), "base_link", GROUND), header(""))


def moved(height: float) -> np.ndarray:
    return pose_matrix([0, 0, height, 0, 0, 0])


def test_a_static_transform_is_looked_up_once_and_a_stamped_one_at_every_stamp(buffer):
    static, stamped = (
        TfExtrinsics(Transforms(buffer), "base_link", 0.0, is_stamped=flag)
        for flag in (False, True)
    )
    heights: list[tuple[float, float]] = []
    for stamp, height in ((S, 1.5), (2 * S, 1.7)):
        buffer.set_transform(transform_message("base_link", "lift", moved(height), stamp), "test")
        heights.append(
            tuple(
                at(source, header("lift", stamp)).ego_from_lidar[LIDAR][2, 3]
                for source in (static, stamped)
            )
        )
    np.testing.assert_allclose(heights, [(1.5, 1.5), (1.5, 1.7)])


@pytest.mark.parametrize("is_stamped", [False, True])
def test_boxes_in_a_moving_output_frame_use_its_pose_at_the_stamp_of_the_cloud(buffer, is_stamped):
    source = TfExtrinsics(Transforms(buffer), "base_link", GROUND, "odom", is_stamped)
    driven = {
        S: pose_matrix([0, 0, 0, 0, 0, 0.2]),
        2 * S: pose_matrix([7, 1, 0, 0, 0, 0.9]),
    }  # odom_from_base
    for stamp, odom_from_base in driven.items():
        buffer.set_transform(
            transform_message("base_link", "odom", invert(odom_from_base), stamp), "test"
        )
    seen = apply(invert(pose_matrix(LIDAR_POSE)), POINTS)
    for stamp, odom_from_base in driven.items():
        found = poses(source, stamp)
        np.testing.assert_allclose(
            apply(found.output_from_ego @ found.ego_from_lidar[LIDAR], seen),
            apply(odom_from_base, POINTS),
            atol=1e-9,
        )
    with pytest.raises(MissingTransform, match="'odom'"):
        poses(source, 9 * S)


def test_an_output_frame_that_moves_is_waited_for_and_a_static_sensor_is_not(buffer, waits):
    poses(TfExtrinsics(Transforms(buffer), "base_link", GROUND, "mast"))
    assert waits == {"lidar": 0, "camera": 0, "mast": S // 10}


def test_a_bag_that_begins_again_finds_its_output_frame_again(buffer):
    source = TfExtrinsics(Transforms(buffer), "base_link", GROUND, "odom")

    def play(stamp: int):
        buffer.set_transform(transform_message("base_link", "odom", moved(1.5), stamp), "test")
        return poses(source, stamp)

    play(100 * S)
    with pytest.raises(MissingTransform, match="'odom'"):
        play(S)  # as with the transform of a sensor
    assert play(2 * S).output_frame == "odom"


def test_a_stamp_unknown_to_tf_is_a_missing_transform(buffer):
    buffer.set_transform(transform_message("base_link", "lift", moved(1.5), S), "test")
    with pytest.raises(MissingTransform, match="'lift'"):
        at(
            TfExtrinsics(Transforms(buffer), "base_link", 0.0, is_stamped=True),
            header("lift", 9 * S),
        )


@pytest.mark.parametrize("before", [0, -S // 20])
def test_before_a_simulation_began_there_are_no_transforms(buffer, before):
    """The ego motion of the first frames looks them up; time 0 would mean the latest transform."""
    buffer.set_transform(transform_message("base_link", "lift", moved(1.5), S), "test")
    with pytest.raises(MissingTransform, match=r"'lift' to 'base_link'.* not after 0"):
        Transforms(buffer).look_up("base_link", "lift", before)


def test_a_bag_that_begins_again_finds_its_transforms_again(buffer):
    source = TfExtrinsics(Transforms(buffer), "base_link", 0.0, is_stamped=True)

    def play(stamp: int):
        buffer.set_transform(transform_message("base_link", "lift", moved(1.5), stamp), "test")
        return at(source, header("lift", stamp))

    play(100 * S)
    with pytest.raises(MissingTransform):
        play(S)  # the buffer refuses such old transforms, and is cleared at the look-up
    assert play(2 * S).ego_from_lidar[LIDAR][2, 3] == 1.5


def test_before_the_first_cloud_the_ego_frame_is_below_the_frame_of_the_vehicle(buffer):
    source = TfExtrinsics(Transforms(buffer), "base_link", GROUND)
    found = at(source, header(source.lidar_frame), header("camera"))
    np.testing.assert_allclose(
        apply(found.output_from_ego, np.zeros((1, 3))), [(0, 0, GROUND)], atol=1e-12
    )
    assert found.output_frame == "base_link"


def test_a_missing_transform_names_the_namespace_in_which_transforms_are_published(buffer):
    """No wheel contains tf2_msgs, so no node of a test can publish transforms."""
    node = SimpleNamespace(
        get_topic_names_and_types=lambda: [("/robot1/tf_static", [TF_MESSAGE]), ("/x", ["y"])],
        count_publishers=lambda topic: 1,
        resolve_topic_name=lambda topic: topic,
    )
    known = Transforms(buffer, hint=lambda: _transforms_elsewhere(node))
    assert np.isfinite(known.look_up("base_link", "lidar")).all()
    with pytest.raises(MissingTransform, match=r"'radar' to 'base_link'.*-r /tf:=/robot1/tf "):
        known.look_up("base_link", "radar")


def test_a_cloud_that_is_in_base_link_already_needs_no_transform(buffer):
    found = at(TfExtrinsics(Transforms(buffer), "base_link", -0.4), header("base_link"))
    np.testing.assert_array_equal(found.ego_from_lidar[LIDAR][:3, 3], (0, 0, 0.4))
    assert found.output_frame == "base_link"
    np.testing.assert_array_equal(found.output_from_ego[:3, 3], (0, 0, -0.4))

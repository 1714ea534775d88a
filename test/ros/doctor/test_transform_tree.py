"""Transforms between frames, from messages of /tf and /tf_static."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bev_semseg_ros.geometry import invert, quaternion_from_rotation, rotation_rpy, transform
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree

BASE_FROM_MAST = transform(rotation_rpy(0.1, -0.2, 2.0), (1.0, 2.0, 3.0))
MAST_FROM_LIDAR = transform(rotation_rpy(0.0, 0.3, -0.5), (0.1, 0.0, 0.5))
BASE_FROM_CAMERA = transform(rotation_rpy(-1.5, 0.0, -1.5), (2.0, 0.0, 1.4))


def message(*edges: tuple[str, str, np.ndarray]):
    """Return a tf2_msgs/TFMessage of (parent, child, parent_from_child)."""

    def stamped(parent: str, child: str, matrix: np.ndarray):
        x, y, z, w = quaternion_from_rotation(matrix[:3, :3])
        return SimpleNamespace(
            header=SimpleNamespace(frame_id=parent),
            child_frame_id=child,
            transform=SimpleNamespace(
                translation=SimpleNamespace(x=matrix[0, 3], y=matrix[1, 3], z=matrix[2, 3]),
                rotation=SimpleNamespace(x=x, y=y, z=z, w=w),
            ),
        )

    return SimpleNamespace(transforms=[stamped(*edge) for edge in edges])


@pytest.fixture
def tree() -> TransformTree:
    tree = TransformTree()
    tree.take(
        message(("base_link", "mast", BASE_FROM_MAST), ("base_link", "camera", BASE_FROM_CAMERA))
    )
    tree.take(message(("/mast", "lidar", MAST_FROM_LIDAR)))
    return tree


def test_a_chain_is_followed_up_and_down(tree):
    expected = invert(BASE_FROM_CAMERA) @ BASE_FROM_MAST @ MAST_FROM_LIDAR
    np.testing.assert_allclose(tree.lookup("camera", "lidar"), expected, atol=1e-12)
    np.testing.assert_allclose(tree.lookup("lidar", "camera"), invert(expected), atol=1e-12)
    assert tree.root("lidar") == tree.root("camera") == "base_link"


def test_frames_that_are_not_connected_have_no_transform(tree):
    tree.take(message(("map", "other", np.eye(4))))
    assert tree.lookup("other", "lidar") is None and tree.lookup("nowhere", "lidar") is None


def test_the_rigid_root_is_below_the_first_moving_transform(tree):
    tree.take(
        message(("base_link", "mast", BASE_FROM_MAST), ("mast", "lidar", MAST_FROM_LIDAR)),
        is_static=True,
    )
    tree.take(message(("map", "base_link", np.eye(4))))
    assert (tree.root("lidar"), tree.rigid_root("lidar"), tree.rigid_root("camera")) == (
        "map",
        "base_link",
        "camera",
    )


def test_a_loop_of_static_transforms_does_not_hang(tree):
    tree.take(message(("a", "b", np.eye(4)), ("b", "a", np.eye(4))), is_static=True)
    assert tree.rigid_root("a") in ("a", "b")


def test_a_loop_of_transforms_does_not_hang(tree):
    tree.take(message(("lidar", "base_link", np.eye(4))))
    assert tree.root("lidar") in tree.frames


def test_an_invalid_transform_is_left_out(tree):
    broken = message(("base_link", "radar", np.eye(4)), ("base_link", "imu", np.eye(4)))
    broken.transforms[0].transform.rotation.w = 0.0
    broken.transforms[1].transform.translation.x = float("nan")
    tree.take(broken)
    assert not {"radar", "imu"} & tree.frames

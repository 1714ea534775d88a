"""Rigid transforms, projection and boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bev_semseg_ros import geometry
from bev_semseg_ros.frame import Boxes

POSE = geometry.transform(geometry.rotation_rpy(0.3, -0.2, 2.5), (1, -2, 3))


def boxes(*rows: tuple[float, ...]) -> Boxes:
    """Return boxes from rows of x, y, z, length, width, height and yaw."""
    array = np.array(rows, float).reshape(-1, 7)
    return Boxes(
        array[:, :3], array[:, 3:6], array[:, 6], np.zeros(len(array)), np.ones(len(array))
    )


def test_invert_undoes_a_transform():
    np.testing.assert_allclose(geometry.invert(POSE) @ POSE, np.eye(4), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_apply_keeps_the_dtype(dtype):
    assert geometry.apply(POSE, np.ones((2, 3), dtype)).dtype == dtype


def test_apply_rotates_then_moves():
    quarter = geometry.transform(geometry.rotation_z(np.pi / 2), (10, 0, 0))
    np.testing.assert_allclose(
        geometry.apply(quarter, np.array([[1.0, 0, 5]])), [[10, 1, 5]], atol=1e-12
    )


def test_roll_pitch_yaw_rotate_about_fixed_axes():
    np.testing.assert_allclose(
        geometry.rotation_rpy(np.pi / 2, 0, 0) @ (0, 1, 0), (0, 0, 1), atol=1e-12
    )
    np.testing.assert_allclose(
        geometry.rotation_rpy(0, np.pi / 2, 0) @ (1, 0, 0), (0, 0, -1), atol=1e-12
    )
    np.testing.assert_allclose(
        geometry.rotation_rpy(np.pi / 2, 0, np.pi / 2) @ (0, 1, 0), (0, 0, 1), atol=1e-12
    )


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (0, 0, np.pi), (np.pi, 0, 0), (0, np.pi, 0), (0.3, -0.2, 2.5), (2, 1, -3)]
)
def test_quaternion_rotates_like_its_matrix(angles):
    rotation = geometry.rotation_rpy(*angles)
    x, y, z, w = geometry.quaternion_from_rotation(rotation)
    vector = np.array([0.3, -1.2, 0.7])
    axis = np.array([x, y, z])
    turned = vector + 2 * np.cross(axis, np.cross(axis, vector) + w * vector)
    np.testing.assert_allclose(turned, rotation @ vector, atol=1e-12)
    np.testing.assert_allclose(
        geometry.rotation_from_quaternion((2 * x, 2 * y, 2 * z, 2 * w)), rotation, atol=1e-12
    )


def test_optical_axes_are_right_down_forward():
    optical = geometry.apply(geometry.OPTICAL_FROM_VIEW, np.array([[1.0, 2, 3]]))
    np.testing.assert_array_equal(optical, [[-2, -3, 1]])


def test_projection_of_a_pinhole():
    matrix = np.array([[100.0, 0, 50], [0, 200, 40], [0, 0, 1]])
    image_from_ego = matrix @ geometry.OPTICAL_FROM_VIEW[:3]
    pixels, depth = geometry.project(image_from_ego, np.array([[10.0, 1, -2], [-5, 0, 0]]))
    np.testing.assert_allclose(pixels[0], [100 * -0.1 + 50, 200 * 0.2 + 40])
    np.testing.assert_allclose(depth, [10, -5])


def test_corners_begin_at_the_lower_front_left():
    corners = geometry.box_corners(boxes((10, 0, 1, 4, 2, 1.5, 0)))[0]
    np.testing.assert_allclose(corners[0], [12, 1, 0.25])
    np.testing.assert_allclose(corners[6], [8, -1, 1.75])


def test_corners_rotate_counter_clockwise():
    corners = geometry.box_corners(boxes((0, 0, 0, 4, 2, 2, np.pi / 2)))[0]
    np.testing.assert_allclose(corners[0], [-1, 2, -1], atol=1e-12)


def test_boxes_move_with_their_frame():
    move = geometry.transform(geometry.rotation_z(0.5), (1, 2, 3))
    original = boxes((10, 2, 1, 4, 2, 1.5, 0.3), (5, -3, 0, 1, 1, 2, 3.0))
    np.testing.assert_allclose(
        geometry.box_corners(geometry.transform_boxes(move, original)),
        geometry.apply(move, geometry.box_corners(original)),
        atol=1e-12,
    )


def test_ids_stay_and_velocities_rotate_with_the_frame():
    quarter = geometry.transform(geometry.rotation_z(np.pi / 2), (10, 0, 0))
    moving = replace(
        boxes((10, 2, 1, 4, 2, 1.5, 0), (5, 0, 0, 1, 1, 2, 0)),
        ids=np.array([7, -1]),
        velocities=np.array([[3.0, 1], [np.nan, np.nan]]),
    )
    turned = geometry.transform_boxes(quarter, moving)
    np.testing.assert_array_equal(turned.ids, [7, -1])
    np.testing.assert_allclose(turned.velocities, [[-1, 3], [np.nan, np.nan]], atol=1e-12)


def test_tilting_the_frame_does_not_change_speeds():
    moving = replace(boxes((10, 2, 1, 4, 2, 1.5, 0)), velocities=np.array([[3.0, 4.0]]))
    tilt = geometry.transform(geometry.rotation_rpy(0.2, -0.3, 1.0))
    assert np.hypot(*geometry.transform_boxes(tilt, moving).velocities[0]) == pytest.approx(5)


def test_points_in_boxes_respects_yaw_and_margin():
    points = np.array([[1.9, 0, 0], [0, 1.9, 0], [0, 1.1, 0]])
    along = boxes((0, 0, 0, 4, 2, 2, 0), (0, 0, 0, 4, 2, 2, np.pi / 2))
    assert geometry.points_in_boxes(points, along).tolist() == [
        [True, False, False],
        [False, True, True],
    ]
    assert geometry.points_in_boxes(points, along, margin=0.2)[0].tolist() == [True, False, True]


def test_no_boxes_contain_no_points():
    assert geometry.points_in_boxes(np.zeros((5, 3)), Boxes.empty()).shape == (0, 5)
    assert geometry.box_corners(Boxes.empty()).shape == (0, 8, 3)


def test_angles_are_wrapped():
    angles = np.array([0.5, np.pi + 0.1, -np.pi - 0.1, 7 * np.pi])
    np.testing.assert_allclose(np.exp(1j * geometry.wrap_angle(angles)), np.exp(1j * angles))
    assert (np.abs(geometry.wrap_angle(angles)) <= np.pi).all()


def test_image_bounds_contain_all_corners():
    matrix = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]]) @ geometry.OPTICAL_FROM_VIEW[:3]
    box = boxes((20, 1, 0, 4, 2, 1.5, 0.4))
    pixels, _ = geometry.project(matrix, geometry.box_corners(box)[0])
    np.testing.assert_allclose(
        geometry.box_image_bounds(box, matrix)[0], [*pixels.min(0), *pixels.max(0)]
    )


def test_a_box_beside_the_camera_is_clipped_at_the_near_plane():
    matrix = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]]) @ geometry.OPTICAL_FROM_VIEW[:3]
    bounds = geometry.box_image_bounds(
        boxes((0, 3, 0, 8, 2, 2, 0), (-20, 0, 0, 4, 2, 2, 0)), matrix
    )
    assert bounds[0, 2] == pytest.approx(
        50 - 100 * 2 / 4
    )  # the right edge is the box's far end, 4 m ahead
    assert bounds[0, 0] < -1000  # it extends beyond the left edge of the image
    assert np.isnan(bounds[1]).all()  # entirely behind the camera

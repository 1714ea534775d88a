"""A frame refuses arrays that a network would misread."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.frame import (
    DISTORTION_MODELS,
    Camera,
    CameraImage,
    EgoMotion,
    Frame,
    LidarScan,
)
from bev_semseg_ros.rectification import rectify

CAMERA = Camera(np.eye(3), (8, 6), np.eye(4))
K = np.array([[50.0, 0, 32], [0, 50, 32], [0, 0, 1]])
POSE = np.array([[0.0, -1, 0, 0], [0, 0, -1, 1.5], [1, 0, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("shape", [(5, 3), (5, 5), (20,), (1, 5, 4)])
def test_points_with_more_or_fewer_than_four_columns_are_refused_with_the_remedy(shape):
    with pytest.raises(ValueError, match=r"points have the shape .*expected \(N, 4\).*column"):
        Frame.of(0, np.zeros(shape, np.float32), np.eye(4))


def test_intensities_of_8_bits_are_refused_with_the_remedy():
    points = np.ones((9, 4), np.float32)
    points[:5, 3] = 255
    with pytest.raises(ValueError, match="intensities reach 255, expected 0 to 1: divide them by"):
        Frame.of(0, points, np.eye(4))
    Frame.of(0, points[4:], np.eye(4))  # a few bright ones, as of reflectors


def test_intensities_that_are_not_finite_do_not_count_as_too_high():
    points = np.ones((9, 4), np.float32)
    points[:5, 3] = np.inf
    assert Frame.of(0, points, np.eye(4)).points[:, 3].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_any_number_of_points_or_none_is_accepted():
    for points in (None, np.zeros((0, 4), np.float32), np.zeros((7, 4))):
        assert LidarScan(points, np.eye(4)).points is points


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((6, 8), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((6, 8, 4), np.uint8),
        np.zeros((6, 8, 3), np.float32),
        np.zeros((6, 8, 3), np.uint16),
    ],
)
def test_an_image_that_is_not_8_bit_rgb_is_refused_with_the_remedy(image):
    with pytest.raises(ValueError, match=r"image has the shape .*expected \(H, W, 3\) RGB"):
        CameraImage(image, CAMERA)


def test_lists_are_accepted_in_place_of_arrays():
    scan = LidarScan([[1, 2, 3, 0.5]], np.eye(4).tolist(), {"time": [-0.1]})
    assert scan.points.shape == (1, 4) and scan.ego_from_lidar.shape == (4, 4)
    assert scan.times.tolist() == [-0.1]


def test_an_object_that_converts_to_an_array_is_accepted_as_an_image():
    class Picture:  # such as an image of PIL
        def __array__(self, dtype=None, copy=None):
            return np.full((6, 8, 3), 7, np.uint8)

    image = CameraImage(Picture(), CAMERA).image
    assert isinstance(image, np.ndarray) and image.shape == (6, 8, 3) and (image == 7).all()


def test_a_resized_image_is_accepted_with_its_camera():
    assert CameraImage(np.zeros((3, 4, 3), np.uint8), CAMERA).image.shape == (3, 4, 3)


def test_a_camera_with_width_and_height_swapped_is_refused_with_the_remedy():
    swapped = Camera(np.eye(3), (6, 8), np.eye(4))
    message = "image is 8 x 6 pixels, its camera is of 6 x 8: .*width and the height"
    with pytest.raises(ValueError, match=message):
        CameraImage(np.zeros((6, 8, 3), np.uint8), swapped)


def test_coefficients_without_a_distortion_model_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match="distortion_model is 'none': name their model"):
        Camera(np.eye(3), (8, 6), np.eye(4), distortion=[-0.3, 0.1, 0, 0, 0])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("matrix", lambda: Camera(np.ones((3, 4)), (8, 6), np.eye(4))),
        ("camera_from_ego", lambda: Camera(np.eye(3), (8, 6), np.eye(4)[:3])),
        ("ego_from_lidar", lambda: LidarScan(None, np.eye(3))),
        ("linear", lambda: EgoMotion((15, 0), (0, 0, 0.1))),
        ("time", lambda: LidarScan(np.zeros((5, 4)), np.eye(4), {"time": np.zeros(3)})),
    ],
)
def test_a_value_with_a_wrong_shape_is_named(name, make):
    with pytest.raises(ValueError, match=rf"{name}.* has the shape \(.*expected"):
        make()


@pytest.mark.parametrize(
    ("model", "coefficients", "expected"),
    [
        ("plumb_bob", [-0.3, 0.1, 0.01], "has 3 coefficients, expected 4 or 5 or 8"),
        ("rational_polynomial", [-0.3, 0.1, 0, 0, 0, 0.2], "has 6 coefficients, expected 4 or 5"),
        ("equidistant", [-0.3, 0.1, 0, 0, 0.2], "has 5 coefficients, expected 4 for equidistant"),
    ],
)
def test_a_wrong_number_of_coefficients_is_refused(model, coefficients, expected):
    with pytest.raises(ValueError, match=expected):
        Camera(np.eye(3), (8, 6), np.eye(4), coefficients, model)


@pytest.mark.parametrize("model", DISTORTION_MODELS)
@pytest.mark.parametrize("count", [0, 3, 5])
def test_without_distortion_any_number_of_zeros_is_accepted(model, count):
    camera = Camera(K, (64, 64), np.eye(4), np.zeros(count), model)
    assert rectify(np.zeros((64, 64, 3), np.uint8), camera, (32, 32)).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("matrix", lambda: Camera(K.T, (64, 64), POSE)),
        ("camera_from_ego", lambda: Camera(K, (64, 64), POSE.T)),
        ("rectified_matrix", lambda: Camera(K, (64, 64), POSE, rectified_matrix=K.T)),
        ("ego_from_lidar", lambda: LidarScan(None, POSE.T)),
    ],
)
def test_a_transposed_matrix_is_refused_with_the_remedy(name, make):
    with pytest.raises(ValueError, match=rf"{name} has the last row .*, expected .*transpose it"):
        make()

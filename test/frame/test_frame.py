"""What a frame refuses: arrays that a network would misread."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.frame import Camera, CameraImage, Frame, LidarScan

CAMERA = Camera(np.eye(3), (8, 6), np.eye(4))


@pytest.mark.parametrize("shape", [(5, 3), (5, 5), (20,), (1, 5, 4)])
def test_points_with_more_or_fewer_than_four_columns_are_refused_with_the_remedy(shape):
    with pytest.raises(ValueError, match=r"points have the shape .*expected \(N, 4\).*column"):
        Frame.of(0, np.zeros(shape, np.float32), np.eye(4))


def test_any_number_of_points_or_none_is_accepted():
    for points in (None, np.zeros((0, 4), np.float32), np.zeros((7, 4))):
        assert LidarScan(points, np.eye(4)).points is points


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((6, 8), np.uint8),
        np.zeros((6, 8, 4), np.uint8),
        np.zeros((6, 8, 3), np.float32),
        np.zeros((6, 8, 3), np.uint16),
    ],
)
def test_an_image_that_is_not_rgb_of_eight_bits_is_refused_with_the_remedy(image):
    with pytest.raises(ValueError, match=r"image has the shape .*expected \(H, W, 3\) RGB"):
        CameraImage(image, CAMERA)

"""Augmentation: sensors, boxes and masks stay consistent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.two_boxes import HEIGHT, QUIET, WIDTH, augmented, make_example

from bev_semseg_ros.config import AugmentationConfig, GridConfig
from bev_semseg_ros.data.augmentation import (
    augment,
    every_second_ring,
    flip,
    move,
    random_view,
    warp_image,
)
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.frame import CAMERA
from bev_semseg_ros.geometry import (
    apply,
    box_corners,
    invert,
    points_in_boxes,
    project,
    rotation_rpy,
    transform,
)
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.preprocessing import Sample


def pixels_of(example: Example) -> np.ndarray:
    """Return the pixels of the corners of the boxes."""
    return project(example.sample.camera.image_from_ego, box_corners(example.boxes).reshape(-1, 3))[
        0
    ]


def pixel_of(example: Example, point: np.ndarray) -> tuple[int, int]:
    """Return column and row of the pixel that shows a point (4,)."""
    pixels, _ = project(example.sample.camera.image_from_ego, point[None, :3].astype(np.float64))
    column, row = np.rint(pixels[0]).astype(int)
    return int(column), int(row)


def inside(example: Example) -> np.ndarray:
    return points_in_boxes(
        example.sample.points[:, :3].astype(np.float64), example.boxes, 1e-4
    ).sum(1)


def test_motion_leaves_every_corner_on_its_pixel():
    example = make_example()
    moved = move(example, yaw=0.2, scale=1.04, height=0.3)
    np.testing.assert_allclose(pixels_of(moved), pixels_of(example), atol=1e-6)


def test_motion_keeps_the_camera_rigid():
    rotation = move(make_example(), 0.2, 0.96, 0.1).sample.camera.camera_from_ego[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("change", [flip, lambda example: move(example, 0.3, 0.97, -0.2)])
def test_points_stay_in_their_boxes(change):
    example = make_example()
    np.testing.assert_array_equal(inside(change(example)), inside(example))


def test_flip_mirrors_pixels_of_corners():
    example = make_example()
    before, after = pixels_of(example).reshape(2, 8, 2), pixels_of(flip(example)).reshape(2, 8, 2)
    before[..., 0] = WIDTH - 1 - before[..., 0]
    swapped = before[:, [3, 2, 1, 0, 7, 6, 5, 4]]  # left corners become right ones
    np.testing.assert_allclose(after, swapped, atol=1e-6)


def test_mirrored_points_project_to_the_same_image_and_mask_content():
    before, after = make_example(), flip(make_example())
    checked = 0
    for point, mirrored in zip(before.sample.points, after.sample.points, strict=True):
        column, row = pixel_of(before, point)
        if 0 <= column < WIDTH and 0 <= row < HEIGHT:
            u, v = pixel_of(after, mirrored)
            assert np.array_equal(after.sample.image[v, u], before.sample.image[row, column])
            assert after.mask[v, u] == before.mask[row, column]
            checked += 1
    assert checked > 30


def test_flipping_twice_restores_the_example():
    example, twice = make_example(), flip(flip(make_example()))
    np.testing.assert_array_equal(twice.sample.image, example.sample.image)
    np.testing.assert_allclose(
        twice.sample.camera.image_from_ego, example.sample.camera.image_from_ego, atol=1e-9
    )
    np.testing.assert_allclose(twice.boxes.yaws, example.boxes.yaws)


def test_points_project_to_the_same_content_in_a_warped_image():
    example, crop = make_example(), (160, 96)
    rng = np.random.default_rng(3)
    checked = 0
    for _ in range(20):
        view = random_view((WIDTH, HEIGHT), crop, QUIET, rng)
        warped = warp_image(example, view, crop, CAMERA)
        points = example.sample.points[:, :3].astype(np.float64)
        old, _ = project(example.sample.camera.image_from_ego, points)
        new, _ = project(warped.sample.camera.image_from_ego, points)
        for (u, v), (x, y) in zip(old, new, strict=True):
            if (
                1 <= x < crop[0] - 1
                and 1 <= y < crop[1] - 1
                and 1 <= u < WIDTH - 1
                and 1 <= v < HEIGHT - 1
            ):
                column, row, _ = warped.sample.image[round(y), round(x)]
                assert abs(column - u / 2) < 1.6 and abs(row - v) < 1.6
                checked += 1
    assert checked > 50


def test_a_warped_mask_matches_its_image_and_interpolates_no_classes():
    example, crop = make_example(), (160, 96)
    view = random_view((WIDTH, HEIGHT), crop, QUIET, np.random.default_rng(1))
    warped = warp_image(example, view, crop, CAMERA)
    assert set(np.unique(warped.mask)) <= {3, 9, MASK_IGNORED}
    columns, rows = 2.0 * warped.sample.image[..., 0], 1.0 * warped.sample.image[..., 1]
    is_known = warped.mask != MASK_IGNORED
    for edge in (columns, rows):  # near an edge, a pixel may be of either square
        is_known &= np.abs(edge % 20 - 10) < 7
    expected = np.where((columns // 20 + rows // 20) % 2, 3, 9)
    assert np.array_equal(warped.mask[is_known], expected[is_known]) and is_known.mean() > 0.3


def test_mask_pixels_outside_the_image_are_ignored():
    warped = warp_image(make_example(), np.diag([0.25, 0.25, 1.0]), (160, 96), CAMERA)
    assert (warped.mask[60:] == MASK_IGNORED).all() and (
        warped.mask[:49, :79] != MASK_IGNORED
    ).all()


def test_a_crop_has_the_requested_size():
    result = augment(
        make_example(),
        AugmentationConfig(camera_drop=0.0),
        GridConfig(),
        (128, 96),
        np.random.default_rng(0),
    )
    assert result.sample.image.shape == (96, 128, 3) and result.mask.shape == (96, 128)


def test_same_seed_gives_the_same_example():
    first, second = (
        augment(
            make_example(),
            AugmentationConfig(photometric=1.0),
            GridConfig(),
            (128, 96),
            np.random.default_rng(5),
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.sample.points, second.sample.points)
    np.testing.assert_array_equal(first.sample.image, second.sample.image)


def test_points_moved_out_of_the_grid_are_removed():
    example = make_example()
    grid = GridConfig(x_max=20.0)
    result = augment(example, QUIET, grid, (0, 0), np.random.default_rng(0))
    assert 0 < len(result.sample.points) < len(example.sample.points)
    assert (result.sample.points[:, 0] < 20).all()


def test_every_second_ring_keeps_whole_rings_and_the_others_at_another_phase():
    elevation, azimuth = np.meshgrid(
        np.deg2rad(np.arange(-24, 2, 0.4)), np.linspace(-0.5, 0.5, 50), indexing="ij"
    )
    distance = 20 + 30 * azimuth  # a ring lies on a cone with its apex at the lidar
    points = np.stack(
        [
            distance * np.cos(azimuth),
            distance * np.sin(azimuth),
            1.73 + distance * np.tan(elevation),
        ],
        -1,
    ).reshape(-1, 3)
    kept = every_second_ring(points, 0.3).reshape(elevation.shape)
    assert 0.4 < kept.mean() < 0.6
    assert (kept.all(1) | ~kept.any(1)).all()
    assert np.array_equal(every_second_ring(points, 0.8), ~kept.ravel())


def test_dropping_the_camera_removes_image_and_mask():
    result = augment(
        make_example(),
        replace(QUIET, camera_drop=1.0),
        GridConfig(),
        (0, 0),
        np.random.default_rng(0),
    )
    assert result.sample.image is None and result.mask is None and result.sample.points is not None


def test_the_only_sensor_is_never_dropped():
    example = make_example()
    alone = replace(example, sample=Sample.of(example.sample.points), masks={})
    result = augment(
        alone, replace(QUIET, lidar_drop=1.0), GridConfig(), (0, 0), np.random.default_rng(0)
    )
    assert result.sample.points is not None


def test_velocities_rotate_and_scale_with_the_scene():
    example = make_example()
    boxes = replace(example.boxes, velocities=[[2.0, 1.0], [np.nan, np.nan]], ids=[7, -1])
    example = replace(example, boxes=boxes)
    mirrored = flip(example).boxes
    np.testing.assert_allclose(mirrored.velocities[0], [2, -1])
    moved = move(example, yaw=np.pi / 2, scale=1.5, height=0.3).boxes
    np.testing.assert_allclose(moved.velocities[0], [-1.5, 3.0], atol=1e-9)
    for changed in (mirrored, moved):
        assert np.isnan(changed.velocities[1]).all() and changed.ids.tolist() == [7, -1]


def test_points_keep_their_attributes_when_others_are_dropped():
    example = make_example()
    x = example.sample.points[:, 0].copy()
    sample = replace(example.sample, point_attributes={"time": x})
    config = replace(QUIET, point_drop=1.0, ring_drop=1.0)
    result = augment(
        replace(example, sample=sample),
        config,
        GridConfig(x_max=20.0),
        (0, 0),
        np.random.default_rng(0),
    ).sample
    assert 0 < len(result.points) < len(x)
    np.testing.assert_allclose(result.point_attributes["time"], result.points[:, 0], rtol=1e-5)


@pytest.mark.parametrize("scale", [0.96, 1.04])
def test_the_pose_of_the_lidar_follows_the_scene(scale):
    """In the lidar frame, the points stay where they were measured, but scaled or mirrored."""
    example = make_example()
    pose = transform(rotation_rpy(0.02, 0.1, 0.3), (1.0, 0.2, 1.9))
    example = replace(example, sample=replace(example.sample, ego_from_lidar=pose[None]))
    seen = apply(invert(pose), example.sample.points[:, :3].astype(float))
    moved = move(example, yaw=0.2, scale=scale, height=0.3).sample
    found = apply(invert(moved.ego_from_lidar[0]), moved.points[:, :3].astype(float))
    np.testing.assert_allclose(found, scale * seen, atol=1e-4)
    mirrored = flip(example).sample
    found = apply(invert(mirrored.ego_from_lidar[0]), mirrored.points[:, :3].astype(float))
    np.testing.assert_allclose(found, seen * [1, -1, 1], atol=1e-5)


def test_intensity_zero_sets_all_intensities_to_zero():
    points = augmented(intensity_zero=1.0).sample.points
    assert len(points) and (points[:, 3] == 0).all()


def test_intensity_is_scaled_by_one_factor_and_clipped_at_1():
    before = make_example()
    values = np.linspace(0, 1, len(before.sample.points), dtype=np.float32)
    points = before.sample.points.copy()
    points[:, 3] = values
    before = replace(before, sample=replace(before.sample, points=points))
    factors = set()
    for seed in range(8):
        found = augmented(before, seed, intensity_gain=0.5).sample.points[:, 3]
        factor = found[1] / values[1]
        np.testing.assert_allclose(found, np.minimum(values * factor, 1), atol=1e-6)
        factors.add(round(float(factor), 3))
    assert len(factors) > 4 and max(factors) > 1 > min(factors)


def test_miscalibration_changes_only_the_pose_of_the_camera():
    before, after = make_example(), augmented(calibration_noise=1.0, calibration_shift=0.05)
    shifted = augmented(calibration_shift=0.05).sample.camera.camera_from_ego
    assert not np.allclose(shifted, before.sample.camera.camera_from_ego)
    error = after.sample.camera.camera_from_ego @ invert(before.sample.camera.camera_from_ego)
    assert np.allclose(error[:3, :3] @ error[:3, :3].T, np.eye(3))
    assert 0.1 < np.degrees(np.arccos((np.trace(error[:3, :3]) - 1) / 2)) < 5
    assert 0 < np.linalg.norm(error[:3, 3]) < 0.25
    assert np.array_equal(after.sample.camera.matrix, before.sample.camera.matrix)
    assert np.array_equal(after.sample.points, before.sample.points)
    assert np.array_equal(after.sample.image, before.sample.image)
    assert np.array_equal(after.mask, before.mask)
    assert np.array_equal(after.boxes.centers, before.boxes.centers)


def test_photometric_augmentation_changes_only_the_image():
    before, after = make_example(), augmented(photometric=1.0)
    assert not np.array_equal(before.sample.image, after.sample.image)
    assert np.array_equal(before.mask, after.mask)
    assert np.array_equal(before.sample.camera.matrix, after.sample.camera.matrix)
    assert np.array_equal(before.sample.points, after.sample.points)

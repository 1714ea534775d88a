"""Augmentation: sensors, boxes and masks stay consistent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bev_semseg_ros.config import AugmentationConfig, GridConfig
from bev_semseg_ros.data.augmentation import (
    augment,
    every_second_ring,
    flip,
    move,
    random_view,
    recolor,
    warp_image,
)
from bev_semseg_ros.data.example import Example
from bev_semseg_ros.data.miscalibration import miscalibrate
from bev_semseg_ros.frame import CAMERA, Boxes, Camera
from bev_semseg_ros.geometry import (
    OPTICAL_FROM_VIEW,
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

WIDTH, HEIGHT = 320, 200
QUIET = replace(
    AugmentationConfig(),
    flip=0.0,
    rotation=0.0,
    scale=0.0,
    height=0.0,
    point_drop=0.0,
    ring_drop=0.0,
    intensity_zero=0.0,
    intensity_gain=0.0,
    photometric=0.0,
    camera_drop=0.0,
    lidar_drop=0.0,
)


def make_example() -> Example:
    """Return a frame with one box.

    The cloud has 25 points inside each box. The image holds column and row numbers, the mask a
    chessboard of two classes.
    """
    ego_from_view = transform(rotation_rpy(0.02, -0.01, 0.03), (1.6, 0.2, 1.5))
    camera = Camera(
        [[260, 3, 165], [0, 262, 95], [0, 0, 1]],
        (WIDTH, HEIGHT),
        OPTICAL_FROM_VIEW @ invert(ego_from_view),
    )
    boxes = Boxes(
        [[14, 1.5, 0.8], [25, -4, 1.0]], [[4.2, 1.8, 1.6], [8, 2.5, 3]], [0.4, -2.9], [0, 1], [1, 1]
    )
    inner = np.random.default_rng(0).uniform(-0.45, 0.45, (2, 25, 3)) * boxes.sizes[:, None]
    c, s = np.cos(boxes.yaws)[:, None], np.sin(boxes.yaws)[:, None]
    turned = np.stack(
        [
            c * inner[..., 0] - s * inner[..., 1],
            s * inner[..., 0] + c * inner[..., 1],
            inner[..., 2],
        ],
        -1,
    )
    cloud = np.concatenate([(turned + boxes.centers[:, None]).reshape(-1, 3)])
    points = np.column_stack([cloud, np.full(len(cloud), 0.5)]).astype(np.float32)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([columns // 2, rows, columns % 2 * 0], -1).astype(np.uint8)
    mask = np.where((columns // 20 + rows // 20) % 2, 3, 9).astype(np.uint8)
    return Example(Sample.of(points, image, camera), {CAMERA: mask}, boxes, np.array([False, True]))


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


def test_a_mirrored_image_and_its_mask_show_the_same_thing_at_the_projected_pixel():
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


def test_flip_twice_is_nothing():
    example, twice = make_example(), flip(flip(make_example()))
    np.testing.assert_array_equal(twice.sample.image, example.sample.image)
    np.testing.assert_allclose(
        twice.sample.camera.image_from_ego, example.sample.camera.image_from_ego, atol=1e-9
    )
    np.testing.assert_allclose(twice.boxes.yaws, example.boxes.yaws)


def test_warped_image_shows_the_same_thing_at_the_projected_pixel():
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


def test_the_mask_follows_the_image_and_gets_no_class_between_two():
    example, crop = make_example(), (160, 96)
    view = random_view((WIDTH, HEIGHT), crop, QUIET, np.random.default_rng(1))
    warped = warp_image(example, view, crop, CAMERA)
    assert set(np.unique(warped.mask)) <= {3, 9, MASK_IGNORED}
    columns, rows = 2.0 * warped.sample.image[..., 0], 1.0 * warped.sample.image[..., 1]
    is_known = warped.mask != MASK_IGNORED
    for edge in (columns, rows):  # near an edge of the chessboard a pixel may be of either field
        is_known &= np.abs(edge % 20 - 10) < 7
    expected = np.where((columns // 20 + rows // 20) % 2, 3, 9)
    assert np.array_equal(warped.mask[is_known], expected[is_known]) and is_known.mean() > 0.3


def test_beyond_the_image_the_mask_is_ignored():
    warped = warp_image(make_example(), np.diag([0.25, 0.25, 1.0]), (160, 96), CAMERA)
    assert (warped.mask[60:] == MASK_IGNORED).all() and (
        warped.mask[:49, :79] != MASK_IGNORED
    ).all()


def views(size: tuple[int, int], crop: tuple[int, int], **settings: float) -> list[np.ndarray]:
    """Return random views; what is not set does not vary."""
    still = replace(QUIET, image_zoom_min=1.0, image_zoom_max=1.0, image_aspect=0, image_rotation=0)
    config, rng = replace(still, **settings), np.random.default_rng(0)
    return [random_view(size, crop, config, rng) for _ in range(200)]


def shown_by(view: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return left and top, right and bottom edges of an image in the pixels of a view."""
    edges = np.array([[-0.5, -0.5, 1], [size[0] - 0.5, size[1] - 0.5, 1]])
    return (edges @ view.T)[:, :2]


def test_crops_lie_anywhere_inside_the_image():
    size, crop = (320, 200), (160, 96)
    edges = np.array([shown_by(view, size) for view in views(size, crop, image_zoom_max=1.5)])
    before, after = -0.5 - edges[:, 0], edges[:, 1] - (np.array(crop) - 0.5)
    assert before.min() > -1e-6 and after.min() > -1e-6
    assert (np.abs(before / (before + after) - 0.5).max(0) > 0.45).all()


def test_an_image_that_is_smaller_than_the_crop_lies_anywhere_inside_it():
    size, crop = (100, 60), (160, 96)
    edges = np.array([shown_by(view, size) for view in views(size, crop, image_zoom_max=1.5)])
    before, after = edges[:, 0] + 0.5, np.array(crop) - 0.5 - edges[:, 1]
    assert before.min() > -1e-6 and after.min() > -1e-6
    assert (np.abs(before / (before + after) - 0.5).max(0) > 0.45).all()


def test_images_are_enlarged_stretched_and_turned_as_much_as_it_is_set():
    size = (320, 200)
    zooms = [view[0, 0] for view in views(size, size, image_zoom_min=0.8, image_zoom_max=2.0)]
    assert 0.8 <= min(zooms) < 0.85 and 1.9 < max(zooms) <= 2
    assert np.median(zooms) == pytest.approx(np.sqrt(0.8 * 2), rel=0.1)
    ratios = [view[0, 0] / view[1, 1] for view in views(size, size, image_aspect=0.1)]
    assert np.std(np.log(ratios)) == pytest.approx(0.1, rel=0.2)
    turned = views(size, size, image_rotation=0.05)
    assert np.std([view[1, 0] for view in turned]) == pytest.approx(0.05, rel=0.2)
    middle = np.array([159.5, 99.5, 1])
    assert all(np.allclose(view @ middle, middle) for view in turned)


def test_crop_has_the_size_asked_for():
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


def test_points_moved_out_of_the_grid_are_gone():
    example = make_example()
    grid = GridConfig(x_max=20.0)
    result = augment(example, QUIET, grid, (0, 0), np.random.default_rng(0))
    assert 0 < len(result.sample.points) < len(example.sample.points)
    assert (result.sample.points[:, 0] < 20).all()


def test_every_second_ring_takes_about_half_in_whole_rings_and_another_time_the_others():
    elevation, azimuth = np.meshgrid(
        np.deg2rad(np.arange(-24, 2, 0.4)), np.linspace(-0.5, 0.5, 50), indexing="ij"
    )
    distance = 20 + 30 * azimuth  # a ring lies on a cone, whose tip is the lidar
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


def test_a_poorer_lidar_lacks_up_to_a_third_of_its_points_or_every_second_ring_or_both():
    rng = np.random.default_rng(0)
    points = rng.uniform((5, -20, 0, 0), (40, 20, 1.7, 1), (2000, 4)).astype(np.float32)
    before = replace(make_example(), sample=Sample.of(points), masks={})

    def shares(**settings: float) -> np.ndarray:
        found = [augmented(before, seed, **settings).sample.points for seed in range(40)]
        return np.array([len(each) for each in found]) / len(points)

    fewer = shares(point_drop=1.0)
    assert 0.6 < fewer.min() < 0.75 and 0.9 < fewer.max() <= 1
    rings = shares(ring_drop=1.0)
    assert rings.min() > 0.4 and rings.max() < 0.6
    both = shares(point_drop=1.0, ring_drop=1.0)
    assert 0.2 < both.min() < 0.4 and both.max() < 0.6


def test_without_camera_there_is_no_mask_to_learn():
    result = augment(
        make_example(),
        replace(QUIET, camera_drop=1.0),
        GridConfig(),
        (0, 0),
        np.random.default_rng(0),
    )
    assert result.sample.image is None and result.mask is None and result.sample.points is not None


def test_a_sensor_is_never_dropped_when_it_is_the_only_one():
    example = make_example()
    alone = replace(example, sample=Sample.of(example.sample.points), masks={})
    result = augment(
        alone, replace(QUIET, lidar_drop=1.0), GridConfig(), (0, 0), np.random.default_rng(0)
    )
    assert result.sample.points is not None


def test_the_scene_turns_grows_and_rises_as_much_as_it_is_set():
    example = make_example()
    before = example.boxes

    def boxes(**settings: float) -> list[Boxes]:
        return [augmented(example, seed, **settings).boxes for seed in range(200)]

    yaws = [each.yaws[0] - before.yaws[0] for each in boxes(rotation=0.1)]
    assert np.std(yaws) == pytest.approx(0.1, rel=0.2)
    sizes = [each.sizes[0, 0] / before.sizes[0, 0] for each in boxes(scale=0.2)]
    assert 0.8 <= min(sizes) < 0.82 and 1.18 < max(sizes) <= 1.2
    heights = [each.centers[0, 2] - before.centers[0, 2] for each in boxes(height=0.3)]
    assert np.std(heights) == pytest.approx(0.3, rel=0.2)


CHANCES = {
    "flip": lambda before, after: after.boxes.centers[0, 1] != before.boxes.centers[0, 1],
    "point_drop": lambda before, after: len(after.sample.points) < len(before.sample.points),
    "ring_drop": lambda before, after: len(after.sample.points) < len(before.sample.points),
    "intensity_zero": lambda before, after: not after.sample.points[:, 3].any(),
    "photometric": lambda before, after: (after.sample.image != before.sample.image).any(),
    "camera_drop": lambda before, after: not after.sample.images,
    "lidar_drop": lambda before, after: after.sample.points is None,
}


@pytest.mark.parametrize("setting", CHANCES)
def test_what_happens_by_chance_happens_as_often_as_it_is_set(setting):
    before = make_example()
    happened = [
        CHANCES[setting](before, augmented(before, seed, **{setting: 0.3})) for seed in range(300)
    ]
    assert np.mean(happened) == pytest.approx(0.3, abs=0.08)


def test_the_camera_and_the_lidar_are_lost_as_often_as_it_is_set_and_never_together():
    before = make_example()
    found = [augmented(before, seed, camera_drop=0.4, lidar_drop=0.3) for seed in range(300)]
    lost = [(not each.sample.images, each.sample.points is None) for each in found]
    assert np.mean(lost, axis=0) == pytest.approx([0.4, 0.3], abs=0.08)
    assert not any(map(all, lost))


def test_velocities_turn_and_scale_with_the_scene():
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
    """An encoder that works in the lidar's frame finds the points where the lidar saw them."""
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


def test_a_lidar_without_intensity_is_imitated():
    points = augmented(intensity_zero=1.0).sample.points
    assert len(points) and (points[:, 3] == 0).all()


def test_intensity_changes_by_one_factor_and_stays_at_most_1():
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


def test_a_wrong_calibration_moves_the_camera_and_nothing_else():
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


def test_a_wrong_calibration_is_as_large_as_it_is_set():
    seen = make_example().sample.images[CAMERA]
    config = AugmentationConfig(calibration_noise=2.0, calibration_shift=0.1)
    rng = np.random.default_rng(0)
    angles, shifts = [], []
    for _ in range(200):
        found = miscalibrate(seen, config, rng).camera.camera_from_ego
        error = found @ invert(seen.camera.camera_from_ego)
        angles.append(np.degrees(np.arcsin([error[2, 1], error[0, 2], error[1, 0]])))
        shifts.append(error[:3, 3])
    assert np.std(angles, axis=0) == pytest.approx([2.0] * 3, rel=0.2)
    assert np.std(shifts, axis=0) == pytest.approx([0.1] * 3, rel=0.2)


def test_other_light_changes_the_image_alone():
    before, after = make_example(), augmented(photometric=1.0)
    assert not np.array_equal(before.sample.image, after.sample.image)
    assert np.array_equal(before.mask, after.mask)
    assert np.array_equal(before.sample.camera.matrix, after.sample.camera.matrix)
    assert np.array_equal(before.sample.points, after.sample.points)


def test_in_any_light_bright_things_stay_bright_and_dark_ones_dark():
    white, black = np.full((24, 32, 3), 255, np.uint8), np.zeros((24, 32, 3), np.uint8)
    for seed in range(100):
        bright, dark = (recolor(each, np.random.default_rng(seed)) for each in (white, black))
        assert int(bright.min()) - int(dark.max()) > 80


def augmented(example: Example | None = None, seed: int = 0, **settings: float) -> Example:
    """An example that only these settings vary; the image keeps its size."""
    config = replace(QUIET, **settings)
    grid = GridConfig(x_max=102.4, y_min=-51.2, y_max=51.2)
    rng = np.random.default_rng(seed)
    return augment(example or make_example(), config, grid, (0, 0), rng)

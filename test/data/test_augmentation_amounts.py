"""Augmentation: how often and how much each setting changes a frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.two_boxes import QUIET, augmented, make_example

from bev_semseg_ros.config import AugmentationConfig
from bev_semseg_ros.data.augmentation import (
    random_view,
    recolor,
)
from bev_semseg_ros.data.miscalibration import miscalibrate
from bev_semseg_ros.frame import CAMERA, Boxes
from bev_semseg_ros.geometry import (
    invert,
)
from bev_semseg_ros.preprocessing import Sample


def views(size: tuple[int, int], crop: tuple[int, int], **settings: float) -> list[np.ndarray]:
    """Return random views; settings that are not given do not vary."""
    still = replace(QUIET, image_zoom_min=1.0, image_zoom_max=1.0, image_aspect=0, image_rotation=0)
    config, rng = replace(still, **settings), np.random.default_rng(0)
    return [random_view(size, crop, config, rng) for _ in range(200)]


def shown_by(view: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the (left, top) and (right, bottom) edges of an image in pixels of a view."""
    edges = np.array([[-0.5, -0.5, 1], [size[0] - 0.5, size[1] - 0.5, 1]])
    return (edges @ view.T)[:, :2]


def test_crops_lie_anywhere_inside_the_image():
    size, crop = (320, 200), (160, 96)
    edges = np.array([shown_by(view, size) for view in views(size, crop, image_zoom_max=1.5)])
    before, after = -0.5 - edges[:, 0], edges[:, 1] - (np.array(crop) - 0.5)
    assert before.min() > -1e-6 and after.min() > -1e-6
    assert (np.abs(before / (before + after) - 0.5).max(0) > 0.45).all()


def test_an_image_smaller_than_the_crop_lies_anywhere_inside_it():
    size, crop = (100, 60), (160, 96)
    edges = np.array([shown_by(view, size) for view in views(size, crop, image_zoom_max=1.5)])
    before, after = edges[:, 0] + 0.5, np.array(crop) - 0.5 - edges[:, 1]
    assert before.min() > -1e-6 and after.min() > -1e-6
    assert (np.abs(before / (before + after) - 0.5).max(0) > 0.45).all()


def test_image_zoom_aspect_and_rotation_have_the_configured_amounts():
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


def test_point_drop_and_ring_drop_remove_the_expected_fractions_of_points():
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


def test_rotation_scale_and_height_have_the_configured_amounts():
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
def test_augmentations_occur_with_their_configured_probability(setting):
    before = make_example()
    happened = [
        CHANCES[setting](before, augmented(before, seed, **{setting: 0.3})) for seed in range(300)
    ]
    assert np.mean(happened) == pytest.approx(0.3, abs=0.08)


def test_camera_and_lidar_are_dropped_with_their_probabilities_and_never_together():
    before = make_example()
    found = [augmented(before, seed, camera_drop=0.4, lidar_drop=0.3) for seed in range(300)]
    lost = [(not each.sample.images, each.sample.points is None) for each in found]
    assert np.mean(lost, axis=0) == pytest.approx([0.4, 0.3], abs=0.08)
    assert not any(map(all, lost))


def test_miscalibration_has_the_configured_amounts():
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


def test_recolor_keeps_white_much_brighter_than_black():
    white, black = np.full((24, 32, 3), 255, np.uint8), np.zeros((24, 32, 3), np.uint8)
    for seed in range(100):
        bright, dark = (recolor(each, np.random.default_rng(seed)) for each in (white, black))
        assert int(bright.min()) - int(dark.max()) > 80

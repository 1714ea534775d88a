"""Classes of pixels are carried to points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.data.augmentation import augment
from bev_semseg_ros.data.example import make_example
from bev_semseg_ros.frame import CAMERA, LIDAR, Annotation, BevMap, Camera, Frame
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, apply, invert, transform
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set
from bev_semseg_ros.lifting import carry_classes

LABELS = load_label_set("driving_13")
ROAD, CAR = LABELS.index("road"), LABELS.index("car")
SIZE = (320, 192)
# The camera stands 1 m above the ground and 1 m left of the lidar.
CAMERA_POSE = OPTICAL_FROM_VIEW @ transform(np.eye(3), (0, -1, -1))
SEEN_BY = Camera([[200, 0, 159.5], [0, 200, 95.5], [0, 0, 1]], SIZE, CAMERA_POSE)
GRID = GridConfig(x_max=25.6, y_min=-12.8, y_max=12.8)


def mask() -> np.ndarray:
    """Return a mask with a car in its centre and road everywhere else."""
    picture = np.full(SIZE[::-1], ROAD, np.uint8)
    picture[86:106, 140:180] = CAR
    return picture


def test_visible_points_get_the_class_of_their_pixel_and_hidden_ones_none() -> None:
    points = np.array(
        [
            [10, 1, 1],  # on the car
            [20, 1, 1],  # behind the car: visible to the lidar, hidden from the camera
            [10, 4, 1],  # beside it
            [-10, 1, 1],  # behind the camera
            [10, 40, 1],  # outside the image
        ]
    )
    classes = carry_classes(points, {CAMERA: mask()}, {CAMERA: SEEN_BY})
    assert classes.tolist() == [CAR, MASK_IGNORED, ROAD, MASK_IGNORED, MASK_IGNORED]


def test_the_image_extends_half_a_pixel_beyond_the_centres_of_its_outer_pixels() -> None:
    width, height = SIZE
    picture = np.full((height, width), CAR, np.uint8)
    for edge, shown in ((0.4, True), (0.6, False)):
        pixels = np.array(
            [[-edge, 90], [width - 1 + edge, 90], [90, -edge], [90, height - 1 + edge]]
        )
        rays = np.column_stack([pixels, np.ones(4)]) @ np.linalg.inv(SEEN_BY.matrix).T
        points = apply(invert(CAMERA_POSE), 10 * rays)
        classes = carry_classes(points, {CAMERA: picture}, {CAMERA: SEEN_BY})
        assert (classes == (CAR if shown else MASK_IGNORED)).all()


def test_ground_seen_at_a_low_angle_does_not_hide_the_ground_behind_it() -> None:
    ahead = np.arange(4, 15, 0.25)
    road = np.column_stack([ahead, np.ones(len(ahead)), np.zeros(len(ahead))])
    picture = np.full(SIZE[::-1], ROAD, np.uint8)
    assert (carry_classes(road, {CAMERA: picture}, {CAMERA: SEEN_BY}) == ROAD).all()
    wall = np.column_stack([np.full(40, 9.0), np.ones(40), np.linspace(0, 2, 40)])
    classes = carry_classes(np.concatenate([road, wall]), {CAMERA: picture}, {CAMERA: SEEN_BY})
    hidden = np.append(ahead > 9.95, np.zeros(40, bool))
    assert np.array_equal(classes == MASK_IGNORED, hidden)


def test_a_point_on_an_ignored_pixel_gets_its_class_from_the_next_camera() -> None:
    silent = np.full(SIZE[::-1], MASK_IGNORED, np.uint8)
    masks = {"left": silent, "right": mask()}
    classes = carry_classes(np.array([[10.0, 1, 1]]), masks, dict.fromkeys(masks, SEEN_BY))
    assert classes.tolist() == [CAR]


def test_of_two_cameras_that_show_a_point_the_first_one_counts() -> None:
    masks = {"left": np.full(SIZE[::-1], ROAD, np.uint8), "right": mask()}
    classes = carry_classes(np.array([[10.0, 1, 1]]), masks, dict.fromkeys(masks, SEEN_BY))
    assert classes.tolist() == [ROAD]


def labelled() -> tuple[Frame, Annotation]:
    """Return a frame whose points have classes that do not come from the mask."""
    rng = np.random.default_rng(0)
    points = rng.uniform([2, -6, 0, 0], [24, 6, 2, 1], (300, 4)).astype(np.float32)
    points[:5, 0] = -50  # outside the grid
    classes = (np.arange(300) % 2 * LABELS.index("building")).astype(np.uint8)
    image = np.zeros((*SIZE[::-1], 3), np.uint8)
    frame = Frame.of(0, points, np.eye(4), image, SEEN_BY)
    return frame, Annotation(masks={CAMERA: mask()}, point_classes={LIDAR: classes})


def config(carry_masks: bool = False) -> Config:
    """Return a small configuration."""
    base = Config(grid=GRID)
    return replace(base, training=replace(base.training, carry_masks=carry_masks))


def test_classes_stay_with_their_points() -> None:
    frame, annotation = labelled()
    example = make_example(frame, annotation, config())
    assert example.point_classes is not None and example.sample.points is not None
    # The first points lie outside the grid, so their classes are removed with them.
    assert np.array_equal(example.point_classes, annotation.point_classes[LIDAR][5:])
    some = augment(example, config().augmentation, GRID, (0, 0), np.random.default_rng(3))
    if some.sample.points is not None:
        assert len(some.point_classes) == len(some.sample.points)


def test_masks_are_carried_if_requested_or_if_points_have_no_classes() -> None:
    frame, annotation = labelled()
    unknown = replace(annotation, point_classes={})
    asked = make_example(frame, annotation, config(carry_masks=True))
    needed = make_example(frame, unknown, config())
    assert set(np.unique(asked.point_classes)) <= {ROAD, CAR, MASK_IGNORED}
    assert np.array_equal(asked.point_classes, needed.point_classes)
    assert (asked.point_classes == CAR).any() and (asked.point_classes == ROAD).any()


def test_without_masks_and_labels_points_have_no_classes() -> None:
    frame, _ = labelled()
    assert make_example(frame, Annotation(), config()).point_classes is None


def test_true_classes_are_not_used_in_place_of_missing_masks() -> None:
    frame, annotation = labelled()
    without_masks = replace(annotation, masks={})
    assert make_example(frame, without_masks, config(carry_masks=True)).point_classes is None


def test_point_classes_are_mapped_to_another_label_set() -> None:
    _, annotation = labelled()
    groups = load_label_set("groups_6")
    seen = annotation.with_labels(mask_labels=groups).point_classes[LIDAR]
    assert seen[:2].tolist() == [groups.index("road"), groups.index("building")]


def test_a_bev_map_refuses_wrong_arguments() -> None:
    cells = np.zeros((4, 3), np.uint8)
    assert np.allclose(BevMap(cells, 1.0, -2.0, 0.5).centers()[0, 0], [1.25, -1.75])
    with pytest.raises(ValueError, match="observed"):
        BevMap(cells, 0, 0, 1, observed=np.zeros((3, 4), bool))
    with pytest.raises(ValueError, match="above 0"):
        BevMap(cells, 0, 0, 0)

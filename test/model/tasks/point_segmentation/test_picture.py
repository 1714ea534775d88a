"""Pictures of point classes."""

from __future__ import annotations

import numpy as np
from support.memory_dataset import TinyDataset

from bev_semseg_ros.frame import LIDAR, PointClasses
from bev_semseg_ros.geometry import project
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set
from bev_semseg_ros.model.tasks.point_segmentation.picture import DIMMED, draw_points
from bev_semseg_ros.preprocessing import Sample

LABELS = load_label_set("driving_13")
ROAD, CAR = LABELS.index("road"), LABELS.index("car")


def drawn(
    points: list[list[float]], labels: list[int], sample: Sample | None = None
) -> np.ndarray | None:
    cloud = np.array([[*point, 0.5] for point in points], np.float32)
    seen = Sample.of(cloud) if sample is None else sample
    classes = PointClasses(np.array(labels, np.uint8), np.ones(len(labels), np.float32))
    return draw_points({LIDAR: classes}, seen, LABELS)


def middle(picture: np.ndarray, label: int) -> np.ndarray:
    """Return the mean (row, column) of the pixels that have the colour of a class."""
    places = np.argwhere((picture == LABELS.colors[label]).all(-1))
    return places.mean(0)


def test_from_above_forward_is_up_and_left_is_left():
    picture = drawn([[30, 0, 0], [10, 8, 0]], [ROAD, CAR])
    road, car = middle(picture, ROAD), middle(picture, CAR)
    assert road[0] < car[0] and car[1] < road[1]
    across, along = road[1] - car[1], car[0] - road[0]
    assert abs(along / across - 20 / 8) < 0.1  # one scale


def test_from_above_the_highest_point_is_on_top():
    assert (drawn([[10, 0, 3], [10, 0, 0]], [CAR, ROAD]) != LABELS.colors[ROAD]).any(-1).all()


def test_from_above_the_picture_covers_only_the_points_and_the_vehicle():
    ahead, around = drawn([[30, 5, 0]], [CAR]), drawn([[30, 50, 0], [-30, -50, 0]], [CAR, CAR])
    assert ahead.shape[0] > 3 * ahead.shape[1]  # 30 m long and 5 m wide, with margins
    assert around.shape[1] > 1.5 * around.shape[0]


def test_over_the_image_a_point_has_its_class_colour_where_it_projects():
    frame, _ = TinyDataset(size=(640, 320))[0]
    points = np.array([[12.0, 1, 0.5], [12, -1, 0.5], [-12, 0, 0.5]])
    cloud = np.c_[points, np.full(3, 0.5)].astype(np.float32)
    sample = Sample.of(cloud, frame.image, frame.camera)
    picture = drawn(points.tolist(), [CAR, MASK_IGNORED, ROAD], sample)
    assert picture.shape == frame.image.shape
    pixels, _ = project(frame.camera.image_from_ego, points)
    assert np.abs(middle(picture, CAR)[::-1] - pixels[0]).max() < 1
    assert not (picture == LABELS.colors[ROAD]).all(-1).any()  # behind the camera
    column, row = np.round(pixels[1]).astype(int)  # a point without a class
    assert (picture[row, column] == (frame.image[row, column] * DIMMED).astype(np.uint8)).all()


def test_without_points_there_is_no_picture():
    assert draw_points({}, Sample.of(None), LABELS) is None

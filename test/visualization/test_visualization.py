"""Pictures: what is drawn stands where it should."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from support.memory_dataset import ROAD, TINY, TinyDataset

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Annotation, Boxes, Prediction
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.network import Network
from bev_semseg_ros.taxonomy import DETECTION_COLORS, IGNORE, SEGMENTATION_COLORS
from bev_semseg_ros.visualization.bev import draw_bev
from bev_semseg_ros.visualization.drawing import (
    TRUTH_COLOR,
    draw_boxes_on_image,
    draw_lines,
    overlay,
)
from bev_semseg_ros.visualization.legend import legend
from bev_semseg_ros.visualization.panel import panel
from bev_semseg_ros.visualization.pictures import write_pictures

GRID = GridConfig()


def box(x: float, y: float, label: int = 0, yaw: float = 0.0) -> Boxes:
    return Boxes([[x, y, 0.8]], [[4, 2, 1.6]], [yaw], [label], [0.8])


def changed(picture: np.ndarray, before: np.ndarray) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what differs."""
    rows, columns = np.nonzero((picture != before).any(-1))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_overlay_mixes_class_colours_and_leaves_ignored_pixels():
    image = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[ROAD, IGNORE], [IGNORE, IGNORE]], np.uint8)
    result = overlay(image, mask, 0.5)
    assert np.abs(result[0, 0] - (50 + SEGMENTATION_COLORS[ROAD] / 2)).max() <= 1
    assert (result[1] == 100).all()


def test_a_box_is_drawn_round_its_projection_and_the_image_is_kept():
    frame, _ = TinyDataset(size=(640, 320))[0]
    before = frame.image.copy()
    picture = draw_boxes_on_image(frame.image, box(15, 0), frame.camera.image_from_ego, tags=False)
    np.testing.assert_array_equal(frame.image, before)
    left, _, right, _ = changed(picture, before)
    near = 640 / 13  # pixels per metre at the rear face, 13 m away
    assert abs(left - (320 - near)) < 3 and abs(right - (320 + near)) < 3


def test_a_line_to_a_place_far_outside_keeps_its_slope():
    picture = np.zeros((200, 400, 3), np.uint8)
    draw_lines(picture, np.array([[-100.0, 50], [90_000, 30_000]]), (255, 255, 255))
    rows, columns = np.nonzero(picture[..., 0])
    expected = 50 + (columns + 100) * (30_000 - 50) / 90_100
    assert len(rows) > 400 and np.abs(rows - expected).max() < 2


@pytest.mark.parametrize("x", [-10.0, 0.5])
def test_boxes_behind_or_round_the_camera_do_no_harm(x):
    frame, _ = TinyDataset(size=(640, 320))[0]
    assert (
        draw_boxes_on_image(frame.image, box(x, 0), frame.camera.image_from_ego).shape
        == frame.image.shape
    )


def test_forward_is_up_and_left_is_left_in_the_bev():
    empty = draw_bev(None, None, None, 576, GRID)
    left, top, right, bottom = changed(draw_bev(None, None, box(50, 20), 576, GRID), empty)
    assert empty.shape == (576, 576, 3)
    assert right < 576 / 2 and bottom < 576 / 2  # y = 20 m is left, x = 50 m far up
    assert abs((left + right) / 2 - 88) < 6 and abs((top + bottom) / 2 - 76) < 6


def test_heading_points_out_of_the_front():
    empty = draw_bev(None, None, None, 576, GRID)
    ahead, back = (
        changed(draw_bev(None, None, box(30, 0, yaw=yaw), 576, GRID), empty) for yaw in (0.0, np.pi)
    )
    middle = (57.6 - 30) * 10
    assert middle - ahead[1] > ahead[3] - middle and back[3] - middle > middle - back[1]


def test_truth_is_white_and_predictions_have_the_colour_of_their_class():
    picture = draw_bev(None, box(20, 5, label=1), box(40, -5), 576, GRID)
    left, right = (
        picture[:, :288].reshape(-1, 3).astype(int),
        picture[:, 288:].reshape(-1, 3).astype(int),
    )
    assert (
        np.abs(left - DETECTION_COLORS[1]).max(1).min() < 40
        and np.abs(left - TRUTH_COLOR).max(1).min() > 40
    )
    assert (
        np.abs(right - TRUTH_COLOR).max(1).min() < 40
        and np.abs(right - DETECTION_COLORS[1]).max(1).min() > 40
    )


def test_points_outside_of_the_grid_are_left_out():
    points = np.array([[20, 3, 1, 0], [-5, 0, 0, 0], [900, 0, 0, 0]], np.float32)
    with_points, empty = (draw_bev(p, None, None, 576, GRID) for p in (points, None))
    assert (with_points != empty).any(-1).sum() == 1


def test_legend_shows_every_colour_and_wraps_where_it_is_narrow():
    wide, narrow = legend(2000), legend(300)
    for color in (*SEGMENTATION_COLORS, *DETECTION_COLORS):
        assert (wide == color).all(-1).any() and (narrow == color).all(-1).any()
    assert len(narrow) > len(wide) and narrow.shape[1] == 300


@pytest.mark.parametrize("missing", ["", "image", "points", "boxes", "mask"])
def test_a_panel_of_whatever_is_there(missing):
    frame, annotation = TinyDataset(missing=missing)[1]
    prediction = Prediction(
        box(12, 0), None if frame.image is None else annotation.mask, frame.camera, "fused", 5.0
    )
    assert panel(frame, annotation, prediction, TINY).dtype == np.uint8


def test_a_panel_needs_no_truth():
    frame, _ = TinyDataset()[0]
    assert (
        panel(
            frame, Annotation(), Prediction(Boxes.empty(), None, None, "lidar_only", 5.0), TINY
        ).ndim
        == 3
    )


def test_pictures_are_written_one_a_frame(tmp_path):
    predictor = Predictor.from_network(Network(TINY), TINY)
    assert write_pictures(predictor, TinyDataset(4), tmp_path / "out", limit=2) == 2
    files = sorted((tmp_path / "out").iterdir())
    assert [file.suffix for file in files] == [".png", ".png"] and cv2.imread(
        str(files[0])
    ) is not None

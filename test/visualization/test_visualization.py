"""Pictures show boxes, masks and points in the right position."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest
from support.memory_dataset import ROAD, TINY, TinyDataset

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import CAMERA, Annotation, Boxes, Prediction
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.visualization.bev import draw_bev
from bev_semseg_ros.visualization.drawing import (
    GROUND_TRUTH_COLOR,
    draw_boxes_on_image,
    draw_lines,
    overlay,
)
from bev_semseg_ros.visualization.legend import legend
from bev_semseg_ros.visualization.panel import panel
from bev_semseg_ros.visualization.picture_page import write_picture_page
from bev_semseg_ros.visualization.pictures import write_pictures

GRID = GridConfig()
CLASSES = load_label_set("driving_13")
BOXES = load_label_set("boxes_4")
LABEL_SETS = {"segmentation": CLASSES, "detection": BOXES}


def box(x: float, y: float, label: int = 0, yaw: float = 0.0) -> Boxes:
    return Boxes([[x, y, 0.8]], [[4, 2, 1.6]], [yaw], [label], [0.8])


def changed(picture: np.ndarray, before: np.ndarray) -> tuple[float, float, float, float]:
    """Return the left, top, right and bottom of the pixels that differ."""
    rows, columns = np.nonzero((picture != before).any(-1))
    return columns.min(), rows.min(), columns.max(), rows.max()


def test_overlay_mixes_class_colours_and_leaves_ignored_pixels():
    image = np.full((2, 2, 3), 100, np.uint8)
    mask = np.array([[ROAD, MASK_IGNORED], [MASK_IGNORED, MASK_IGNORED]], np.uint8)
    result = overlay(image, mask, CLASSES, 0.5)
    assert np.abs(result[0, 0] - (50 + CLASSES.colors[ROAD] / 2)).max() <= 1
    assert (result[1] == 100).all()


def test_a_box_is_drawn_at_its_projection_and_the_image_is_not_changed():
    frame, _ = TinyDataset(size=(640, 320))[0]
    before = frame.image.copy()
    matrix = frame.camera.image_from_ego
    picture = draw_boxes_on_image(frame.image, box(15, 0), matrix, BOXES, tags=False)
    np.testing.assert_array_equal(frame.image, before)
    left, _, right, _ = changed(picture, before)
    near = 640 / 13  # pixels per metre at the rear face, 13 m away
    assert abs(left - (320 - near)) < 3 and abs(right - (320 + near)) < 3


def test_a_line_to_a_point_far_outside_the_picture_keeps_its_slope():
    picture = np.zeros((200, 400, 3), np.uint8)
    draw_lines(picture, np.array([[-100.0, 50], [90_000, 30_000]]), (255, 255, 255))
    rows, columns = np.nonzero(picture[..., 0])
    expected = 50 + (columns + 100) * (30_000 - 50) / 90_100
    assert len(rows) > 400 and np.abs(rows - expected).max() < 2


@pytest.mark.parametrize("x", [-10.0, 0.5])
def test_boxes_behind_or_around_the_camera_do_no_harm(x):
    frame, _ = TinyDataset(size=(640, 320))[0]
    picture = draw_boxes_on_image(frame.image, box(x, 0), frame.camera.image_from_ego, BOXES)
    assert picture.shape == frame.image.shape


def test_forward_is_up_and_left_is_left_in_the_bev():
    empty = draw_bev(None, None, None, 576, GRID, BOXES)
    left, top, right, bottom = changed(draw_bev(None, None, box(50, 20), 576, GRID, BOXES), empty)
    assert empty.shape == (576, 576, 3)
    assert right < 576 / 2 and bottom < 576 / 2  # y = 20 m is left, x = 50 m far up
    assert abs((left + right) / 2 - 88) < 6 and abs((top + bottom) / 2 - 76) < 6


def test_the_heading_points_out_of_the_front():
    empty = draw_bev(None, None, None, 576, GRID, BOXES)
    ahead, back = (
        changed(draw_bev(None, None, box(30, 0, yaw=yaw), 576, GRID, BOXES), empty)
        for yaw in (0.0, np.pi)
    )
    middle = (57.6 - 30) * 10
    assert middle - ahead[1] > ahead[3] - middle and back[3] - middle > middle - back[1]


def test_ground_truth_is_white_and_predictions_have_the_colour_of_their_class():
    picture = draw_bev(None, box(20, 5, label=1), box(40, -5), 576, GRID, BOXES)
    left, right = (
        picture[:, :288].reshape(-1, 3).astype(int),
        picture[:, 288:].reshape(-1, 3).astype(int),
    )
    assert (
        np.abs(left - BOXES.colors[1]).max(1).min() < 40
        and np.abs(left - GROUND_TRUTH_COLOR).max(1).min() > 40
    )
    assert (
        np.abs(right - GROUND_TRUTH_COLOR).max(1).min() < 40
        and np.abs(right - BOXES.colors[1]).max(1).min() > 40
    )


def test_points_outside_the_grid_are_left_out():
    points = np.array([[20, 3, 1, 0], [-5, 0, 0, 0], [900, 0, 0, 0]], np.float32)
    with_points, empty = (draw_bev(p, None, None, 576, GRID, BOXES) for p in (points, None))
    assert (with_points != empty).any(-1).sum() == 1


@pytest.mark.parametrize("name", ["driving_13", "a2d2_38"])
def test_the_legend_shows_every_colour_and_is_higher_if_it_is_narrow(name):
    classes = load_label_set(name)
    wide, narrow = (legend(width, {"mask": classes}, BOXES) for width in (2000, 300))
    for color in (*classes.colors, *BOXES.colors):
        assert (wide == color).all(-1).any() and (narrow == color).all(-1).any()
    assert len(narrow) > len(wide) and narrow.shape[1] == 300


def test_the_legend_leaves_out_missing_label_sets():
    assert not (legend(800, {}, BOXES) == CLASSES.colors[ROAD]).all(-1).any()
    assert not (legend(800, {"mask": CLASSES}, None) == BOXES.colors[0]).all(-1).any()


def test_a_box_is_tagged_with_the_name_in_its_label_set():
    frame, _ = TinyDataset(size=(640, 320))[0]
    matrix = frame.camera.image_from_ego
    sets = (BOXES, load_label_set("kitti_boxes"))
    first, second = (draw_boxes_on_image(frame.image, box(15, 0, 1), matrix, s) for s in sets)
    assert (first == BOXES.colors[1]).all(-1).any()
    assert (second == sets[1].colors[1]).all(-1).any() and (first != second).any()


@pytest.mark.parametrize("missing", ["", "image", "points", "boxes", "mask"])
def test_an_incomplete_frame_has_a_panel(missing):
    frame, annotation = TinyDataset(missing=missing)[1]
    mask = None if frame.image is None else annotation.mask
    prediction = Prediction.of(box(12, 0), mask, frame.camera, "fused", 5.0)
    assert panel(frame, annotation, prediction, TINY, LABEL_SETS).dtype == np.uint8


@pytest.mark.parametrize("task", LABEL_SETS)
def test_a_panel_of_a_network_with_one_task_shows_only_its_results(task):
    frame, annotation = TinyDataset()[0]
    boxes = box(12, 0) if task == "detection" else None
    mask = annotation.mask if task == "segmentation" else None
    prediction = Prediction.of(boxes, mask, frame.camera, "fused", 5.0)
    picture = panel(frame, Annotation(), prediction, TINY, {task: LABEL_SETS[task]})
    is_shown = {
        "detection": (picture == BOXES.colors[0]).all(-1).any(),
        "segmentation": (picture == CLASSES.colors[CLASSES.index("pole")]).all(-1).any(),
    }
    assert is_shown == {name: name == task for name in is_shown}


def test_a_panel_needs_no_ground_truth():
    frame, _ = TinyDataset()[0]
    prediction = Prediction.of(Boxes.empty(), None, None, "lidar_only", 5.0)
    assert panel(frame, Annotation(), prediction, TINY, LABEL_SETS).ndim == 3


def test_ground_truth_of_a_finer_set_is_shown_in_the_classes_of_the_network():
    frame, annotation = TinyDataset()[0]
    fine = load_label_set("a2d2_38")
    mask = np.full_like(annotation.mask, fine.index("Slow drive area"))
    prediction = Prediction.of(None, None, None, "camera_only", 5.0)
    picture = panel(
        frame, Annotation(masks={CAMERA: mask}, mask_labels=fine), prediction, TINY, LABEL_SETS
    )
    pixels = mask.size
    assert (picture == CLASSES.colors[ROAD]).all(-1).sum() >= pixels
    assert not (picture == fine.colors[fine.index("Slow drive area")]).all(-1).any()


def test_ground_truth_of_an_unrelated_set_is_shown_in_its_own_classes():
    frame, annotation = TinyDataset()[0]
    own = LabelSet("own", ("puddle",), np.array([[1, 2, 253]]))
    mask = np.zeros_like(annotation.mask)
    prediction = Prediction.of(None, None, None, "camera_only", 5.0)
    picture = panel(
        frame, Annotation(masks={CAMERA: mask}, mask_labels=own), prediction, TINY, LABEL_SETS
    )
    swatch = (picture == own.colors[0]).all(-1).sum() - mask.size
    assert swatch > 100  # in the legend


def test_a_picture_of_a_further_task_is_shown_beside_the_others():
    frame, annotation = TinyDataset()[0]
    prediction = Prediction.of(None, None, None, "camera_only", 5.0)
    depth = np.full((10, 20, 3), (3, 200, 250), np.uint8)
    picture = panel(frame, annotation, prediction, TINY, LABEL_SETS, {"depth": depth})
    assert (picture == depth[0, 0]).all(-1).sum() == annotation.mask.size


@pytest.mark.parametrize("missing", ["image", "mask"])
def test_the_legend_has_the_classes_of_points_without_any_mask(missing):
    frame, annotation = TinyDataset(missing=missing)[1]
    sets = {"point_segmentation": CLASSES}
    points = {"point_segmentation, from above": np.zeros((10, 20, 3), np.uint8)}
    prediction = Prediction.of(None, None, None, "lidar_only", 5.0)
    picture = panel(frame, annotation, prediction, TINY, sets, points)
    assert all((picture == color).all(-1).sum() > 100 for color in CLASSES.colors)


def test_a_panel_has_no_empty_space_for_tasks_that_the_network_lacks():
    frame, annotation = TinyDataset()[0]
    prediction = Prediction.of(None, None, None, "lidar_only", 5.0)
    depth = np.full((10, 20, 3), (3, 200, 250), np.uint8)
    alone = panel(frame, annotation, prediction, TINY, {}, {"depth": depth})
    usual = panel(frame, annotation, prediction, TINY, LABEL_SETS)
    # Two rows each: image, ground truth and depth; image, ground truth, prediction and overlay.
    own = len(legend(alone.shape[1], {"true mask": annotation.mask_labels}, None))
    assert len(alone) - own == len(usual) - len(legend(usual.shape[1], {"mask": CLASSES}, BOXES))


@pytest.mark.slow
def test_the_progress_also_counts_frames_without_a_picture(tmp_path):
    predictor = Predictor.from_network(build_network(TINY), TINY)
    data, done = TinyDataset(3, missing="points"), []
    count = write_pictures(
        predictor, data, tmp_path / "out", "lidar_only", on_frame=lambda: done.append(1)
    )
    assert (count, len(done)) == (2, 3)


@pytest.mark.slow
def test_one_picture_is_written_for_each_frame(tmp_path):
    predictor = Predictor.from_network(build_network(TINY), TINY)
    assert write_pictures(predictor, TinyDataset(4), tmp_path / "out", limit=2) == 2
    pictures = sorted((tmp_path / "out").glob("*.png"))
    assert len(pictures) == 2
    assert all(cv2.imread(str(picture)) is not None for picture in pictures)


@pytest.mark.slow
def test_a_page_lists_the_pictures_of_this_run(tmp_path):
    predictor = Predictor.from_network(build_network(TINY), TINY)
    (tmp_path / "000009_former.png").touch()
    write_pictures(predictor, TinyDataset(3), tmp_path)
    page = (tmp_path / "index.html").read_text()
    listed = re.search(r"const names = (\[.*\]);", page)
    assert listed is not None
    assert json.loads(listed[1]) == [f"{index:06d}_frame{index}.png" for index in range(3)]


def test_the_name_of_a_picture_cannot_end_the_script_of_the_page(tmp_path):
    page = write_picture_page(tmp_path, ["</script>.png"]).read_text()
    assert page.count("</script>") == 1

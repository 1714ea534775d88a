"""BEV segmentation is learned from labelled points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.memory_dataset import TINY, TinyDataset
from torch.nn import functional as F

from bev_semseg_ros.config import GridConfig, TrainingConfig
from bev_semseg_ros.data.augmentation import augment
from bev_semseg_ros.data.example import Example, make_example
from bev_semseg_ros.frame import LIDAR, Annotation, BevMap
from bev_semseg_ros.inference.around import pass_config, whole_config
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set
from bev_semseg_ros.model.tasks.bev_segmentation.task import BevSegmentationTask
from bev_semseg_ros.model.tasks.class_weights import class_weights_from_counts
from bev_semseg_ros.preprocessing import Sample

PIXELS, BEV = load_label_set("driving_13"), load_label_set("bev_8")
ROAD, VEHICLE = BEV.index("road"), BEV.index("vehicle")
GRID = GridConfig(x_max=3.2, y_min=-1.6, y_max=1.6)  # 8 x 8 cells of 0.4 m
CONFIG = replace(TINY, grid=GRID)
TASK = BevSegmentationTask(CONFIG, BEV)


def labelled(names: list[str], places: list[list[float]]) -> Example:
    """Return an example with points of these classes at these positions."""
    points = np.column_stack([np.array(places), np.zeros(len(places))]).astype(np.float32)
    classes = np.array([PIXELS.index(name) for name in names], np.float32)
    return Example(Sample.of(points, point_attributes={"class": classes}))


def test_cells_without_a_labelled_point_are_ignored() -> None:
    points = [[0.2, 0.2, 0], [0.3, 0.3, 0], [2.2, -0.2, 0], [2.2, -0.2, 1], [3, 1, 0]]
    example = labelled(["road", "road", "road", "car", "sky"], points)
    encoded = TASK.encode(example)
    assert encoded is not None and encoded.labels == BEV and encoded.mask.shape == (8, 8)
    assert (encoded.mask[0, 4], encoded.mask[5, 3]) == (ROAD, VEHICLE)
    assert (encoded.mask != MASK_IGNORED).sum() == 2  # a point of the sky labels no cell
    assert TASK.encode(Example(Sample(None))) is None


def test_points_that_the_augmentation_removes_still_label_their_cells() -> None:
    """The network learns to fill in cells without points."""
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.uniform(0, 3.2, 60), rng.uniform(-1.6, 1.6, 60), np.zeros(60)])
    example = labelled(["road"] * 30 + ["car"] * 30, places.tolist())
    config = replace(CONFIG.augmentation, flip=0.0, rotation=0.0, scale=0.0, height=0.0)
    config = replace(config, point_drop=1.0, ring_drop=1.0)
    thinned = augment(example, config, GRID, (0, 0), rng)
    assert 0 < len(thinned.sample.points) < 60
    before, after = TASK.encode(example), TASK.encode(thinned)
    assert before is not None and after is not None
    np.testing.assert_array_equal(after.mask, before.mask)


def test_cells_without_points_learn_the_class_of_the_nearest_labelled_cell_if_wanted() -> None:
    example = labelled(["road", "car", "car"], [[0.2, 0.2, 0], [2.2, -0.2, 1], [2.2, 0.2, 1]])
    classes = example.sample.point_attributes["class"]
    classes[2] = np.nan  # a point without a class: its cell has no label
    task = BevSegmentationTask(replace(CONFIG, training=TrainingConfig(bev_fill=0.5)), BEV)
    encoded = task.encode(example)
    assert encoded is not None
    assert (encoded.mask[0, 3], encoded.mask[1, 4], encoded.mask[0, 5]) == (ROAD, ROAD, ROAD)
    assert (encoded.mask[6, 3], encoded.mask[5, 2], encoded.mask[4, 3]) == (VEHICLE,) * 3
    assert (encoded.mask[5, 4], encoded.mask[0, 6]) == (MASK_IGNORED, MASK_IGNORED)


def test_the_surroundings_of_a_small_thing_learn_the_class_of_the_nearest_wide_area() -> None:
    example = labelled(["road", "car"], [[0.2, 0.2, 0], [2.2, 0.2, 1]])
    task = BevSegmentationTask(replace(CONFIG, training=TrainingConfig(bev_fill=10.0)), BEV)
    encoded = task.encode(example)
    assert encoded is not None
    assert (encoded.mask[5, 4], encoded.mask[6, 4], encoded.mask[7, 4]) == (VEHICLE,) * 3
    assert (encoded.mask[5, 7], encoded.mask[0, 4], encoded.mask[2, 4]) == (ROAD,) * 3


def test_labelled_points_above_or_below_the_grid_label_no_cell() -> None:
    encoded = TASK.encode(labelled(["road", "car"], [[0.2, 0.2, -8], [2.2, -0.2, 9]]))
    assert encoded is not None and (encoded.mask == MASK_IGNORED).all()


def test_the_loss_is_the_weighted_mean_over_the_labelled_cells() -> None:
    config = replace(CONFIG, loss=replace(CONFIG.loss, bev_segmentation_weight=0.4))
    task = BevSegmentationTask(config, BEV)
    example = labelled(["road", "car"], [[0.2, 0.2, 0], [2.2, -0.2, 1]])
    task.observe(example)
    assert np.nonzero(task.statistics()["bev_class_cells"])[0].tolist() == [ROAD, VEHICLE]
    task.begin_training({"bev_class_cells": [9, 1, 1, 1, 1, 1, 1, 1]})
    targets = task.collate([task.encode(Example(Sample(None))), task.encode(example)])
    logits = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    loss = task.losses({"logits": logits}, targets)["bev_segmentation"]
    costs = -F.log_softmax(logits[1], 0)
    road, car = costs[ROAD, 0, 4], costs[VEHICLE, 5, 3]
    weights = class_weights_from_counts(np.array([9, 1, 1, 1, 1, 1, 1, 1]), CONFIG.loss)
    expected = (weights[ROAD] * road + weights[VEHICLE] * car) / (weights[ROAD] + weights[VEHICLE])
    assert weights[VEHICLE] > weights[ROAD]
    assert float(loss) == pytest.approx(0.4 * float(expected), rel=1e-5)
    assert task.collate([None, None]) is None


def test_masks_label_points_and_points_label_cells() -> None:
    frame, annotation = TinyDataset()[0]
    example = make_example(frame, annotation, TINY)
    encoded = BevSegmentationTask(TINY, BEV).encode(example)
    assert encoded is not None
    assert set(np.unique(encoded.mask)) == {ROAD, MASK_IGNORED}
    unlabelled = make_example(frame, Annotation(), TINY)
    assert BevSegmentationTask(TINY, BEV).encode(unlabelled) is None
    named = Annotation(point_classes={LIDAR: np.full(500, PIXELS.index("car"), np.uint8)})
    encoded = BevSegmentationTask(TINY, BEV).encode(make_example(frame, named, TINY))
    assert encoded is not None and set(np.unique(encoded.mask)) == {VEHICLE, MASK_IGNORED}


def test_the_map_has_a_confidence_for_each_cell() -> None:
    logits = torch.zeros(1, 8, 6, 5)
    logits[0, VEHICLE, 2, 3] = 9
    found = TASK.postprocess({"logits": logits}, Sample(None))
    assert found.classes[2, 3] == VEHICLE
    assert found.confidence[2, 3] == pytest.approx(np.exp(9) / (np.exp(9) + 7))
    assert found.confidence[0, 0] == pytest.approx(1 / 8)
    known = found.above(0.5)
    assert known.classes[2, 3] == VEHICLE and (known.classes != MASK_IGNORED).sum() == 1
    assert np.allclose(found.centers()[2, 3], [1.0, -0.2])


@pytest.mark.parametrize("y_max", [12.8, 9.6])
def test_each_pass_fills_its_own_half_of_the_map(y_max: float) -> None:
    config = replace(TINY, grid=replace(TINY.grid, y_max=y_max))
    one_pass, whole = pass_config(config).grid, whole_config(config).grid
    maps = []
    for number in (1, 2):
        classes = np.zeros(one_pass.output_shape, np.uint8)
        found = BevMap(
            classes, one_pass.x_min, one_pass.y_min, one_pass.output_cell, BEV,
            probabilities=np.full((8, *classes.shape), 0.25 * number, np.float32),
        )  # fmt: skip
        cell = found.cells_of(np.array([9.0, 3.0]))[0]
        classes[cell[0], cell[1]] = number
        maps.append(found)
    joined = BevSegmentationTask(whole_config(config), BEV).join(*maps)
    assert joined.classes.shape == whole.output_shape
    assert joined.at(np.array([[9.0, 3.0], [-9.0, -3.0], [9.0, -3.0]])).tolist() == [1, 2, 0]
    assert np.isin(joined.classes, (1, 2)).sum() == 2
    assert set(np.unique(joined.confidence)) <= {0.0, 0.25, 0.5}


def test_a_task_without_a_label_set_is_refused() -> None:
    with pytest.raises(ValueError, match=r"labels.bev_segmentation: .* needs a label set"):
        BevSegmentationTask(CONFIG, None)

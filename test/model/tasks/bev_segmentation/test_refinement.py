"""The learned map takes the masks and boxes of the same frame as evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bev_semseg_ros.frame import BevMap, Boxes, Prediction
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set
from bev_semseg_ros.model.tasks.bev_segmentation.refinement import (
    cells_of_boxes,
    refine_learned,
    refine_lifted,
)

BEV, BOXES = load_label_set("bev_8"), load_label_set("boxes_4")
ROAD, MARKING, BUILDING, VEHICLE, PERSON = map(
    BEV.index, ("road", "lane_marking", "building", "vehicle", "person")
)
SHAPE = (30, 20)  # cells of 0.4 m: x from 0 to 12, y from -4 to 4
CAR = ("car", (6.0, 0.0), (4.0, 2.0), 0.0)


def learned(likely: int, probability: float = 0.9, second: int = ROAD) -> BevMap:
    """Return a map in which all cells have one likely class and one second best."""
    probabilities = np.full((len(BEV), *SHAPE), 1e-6, np.float32)
    probabilities[second] = 1 - probability
    probabilities[likely] = probability
    classes = probabilities.argmax(0).astype(np.uint8)
    return BevMap(classes, 0.0, -4.0, 0.4, BEV, probabilities=probabilities)


def prediction(*found: tuple, labels: LabelSet = BOXES) -> Prediction:
    """Return a prediction with boxes (class, centre, length and width, yaw)."""
    boxes = Boxes(
        np.array([[*center, 0.8] for _, center, _, _ in found]).reshape(-1, 3),
        np.array([[*size, 1.6] for _, _, size, _ in found]).reshape(-1, 3),
        np.array([yaw for *_, yaw in found]),
        np.array([labels.index(name) for name, *_ in found], np.int64),
        np.full(len(found), 0.5),
    )
    return Prediction(boxes, {}, {}, "fused", 1.0, label_sets={"detection": labels})


def refine(of: BevMap, found: Prediction, lifted: BevMap | None = None) -> BevMap:
    return refine_learned(of, lifted, found)


@pytest.mark.parametrize(("probability", "expected"), [(0.7, MARKING), (0.95, ROAD)])
def test_the_lifted_class_wins_if_the_network_is_not_sure(probability, expected):
    of = learned(ROAD, probability, second=MARKING)
    lifted = replace(of, classes=np.full(SHAPE, MASK_IGNORED, np.uint8), probabilities=None)
    lifted.classes[5, 5] = MARKING
    refined = refine(of, prediction(), lifted)
    assert refined.classes[5, 5] == expected
    assert (np.delete(refined.classes.ravel(), 5 * SHAPE[1] + 5) == ROAD).all()
    np.testing.assert_allclose(refined.probabilities.sum(0), 1, rtol=1e-5)
    assert refined.probabilities[MARKING, 5, 5] > of.probabilities[MARKING, 5, 5]


def test_the_cells_of_a_car_are_those_of_its_box():
    on_road = refine(learned(ROAD), prediction(CAR))
    centers = on_road.centers()
    in_box = (np.abs(centers[..., 0] - 6) < 2.1) & (np.abs(centers[..., 1]) < 1.1)
    assert np.array_equal(on_road.classes == VEHICLE, in_box)
    blob = refine(learned(VEHICLE), prediction(CAR))
    beyond = np.abs(centers - (6, 0)) - (2, 1)
    far = np.linalg.norm(np.maximum(beyond, 0), axis=-1) > 1
    assert np.array_equal(blob.classes == VEHICLE, in_box | far)
    assert np.array_equal(blob.classes == ROAD, ~in_box & ~far)


def test_a_lifted_map_gets_the_whole_car_and_loses_what_is_beside_it():
    lifted = replace(learned(ROAD), probabilities=None)
    lifted.classes[:, :12] = VEHICLE  # y below 0.8
    lifted.classes[:, 15:] = MASK_IGNORED  # y above 2
    refined = refine_lifted(lifted, prediction(CAR))
    inside, around = cells_of_boxes(lifted, prediction(CAR).boxes, 1.0)
    assert (refined.classes[inside] == VEHICLE).all()
    beside = around & (lifted.classes == VEHICLE)
    assert beside.any() and (refined.classes[beside] == MASK_IGNORED).all()
    others = ~inside & ~beside
    assert np.array_equal(refined.classes[others], lifted.classes[others])


def test_a_lifted_map_gets_the_persons_of_boxes():
    lifted = replace(learned(ROAD), probabilities=None)
    person = ("pedestrian", (6.0, 0.0), (0.8, 0.8), 0.0)
    refined = refine_lifted(lifted, prediction(person))
    assert (refined.classes == PERSON).sum() == 4 and (lifted.classes != PERSON).all()


def test_a_box_turns_with_its_yaw():
    turned = ("truck", (6.0, 0.0), (4.0, 2.0), np.pi / 2)
    across = refine(learned(ROAD), prediction(turned))
    as_long = refine(learned(ROAD), prediction(("car", (6.0, 0.0), (2.0, 4.0), 0.0)))
    assert np.array_equal(across.classes, as_long.classes)
    assert (across.classes == VEHICLE).any()


@pytest.mark.parametrize("seed", range(5))
def test_the_cells_around_a_box_are_those_within_reach(seed):
    rng = np.random.default_rng(seed)
    center, size, yaw = rng.uniform((0, -4), (12, 4)), rng.uniform(0.5, 5, 2), rng.uniform(-4, 4)
    box = prediction(("car", tuple(center), tuple(size), yaw)).boxes
    inside, around = cells_of_boxes(learned(ROAD), box, 1.0)
    delta = learned(ROAD).centers() - center
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    beyond = np.abs(delta @ turn) - size / 2
    expected = (beyond <= 0.1).all(-1)
    assert np.array_equal(inside, expected)
    within = np.linalg.norm(np.maximum(beyond, 0), axis=-1) <= 1
    assert np.array_equal(around, within & ~expected)


def test_filled_cells_beside_a_box_do_not_get_its_class():
    lifted = replace(learned(ROAD), probabilities=None)
    lifted.classes[:, :12] = VEHICLE
    filled = refine_lifted(lifted, prediction(CAR), fill=True)
    inside, around = cells_of_boxes(lifted, prediction(CAR).boxes, 1.0)
    assert (filled.classes[inside] == VEHICLE).all() and (filled.classes != MASK_IGNORED).all()
    centers = lifted.centers()
    left = around & (centers[..., 1] > 1.1) & (np.abs(centers[..., 0] - 6) < 2)
    assert left.any() and (filled.classes[left] == ROAD).all()


def test_a_car_beside_another_one_keeps_its_cells():
    neighbour = ("car", (6.0, 2.4), (4.0, 2.0), 0.0)
    both = refine(learned(VEHICLE), prediction(CAR, neighbour)).classes == VEHICLE
    for one in (CAR, neighbour):
        inside, _ = cells_of_boxes(learned(ROAD), prediction(one).boxes, 1.0)
        assert inside.any() and both[inside].all()


@pytest.mark.parametrize("name", ["pedestrian", "cyclist"])
def test_a_person_does_not_overrule_a_network_that_is_sure(name):
    person = (name, (6.0, 0.0), (0.8, 0.8), 0.0)
    assert (refine(learned(PERSON, 0.4), prediction(person)).classes == PERSON).any()
    unsure = refine(learned(ROAD, 0.6, second=PERSON), prediction(person))
    assert (unsure.classes == PERSON).sum() == 4
    sure = refine(learned(BUILDING, 0.99, second=PERSON), prediction(person))
    assert (sure.classes == BUILDING).all()


def test_boxes_of_unknown_classes_have_no_effect():
    of = learned(ROAD)
    own = LabelSet("own", ("forklift",), np.zeros((1, 3)))
    forklift = ("forklift", *CAR[1:])
    assert np.array_equal(refine(of, prediction(forklift, labels=own)).classes, of.classes)
    without = Prediction(None, {}, {}, "fused", 1.0)
    assert np.array_equal(refine_lifted(of, without).classes, of.classes)
    assert np.array_equal(refine(of, without).classes, of.classes)


def test_a_box_at_the_edge_of_the_map_and_one_outside_it():
    places = [(0.0, -4.0), (40.0, 3.0), (-9.0, 0.0)]
    cars = [("car", place, (4.0, 2.0), 0.3) for place in places]
    refined = refine(learned(ROAD), prediction(*cars))
    assert refined.classes[0, 0] == VEHICLE and refined.classes[-1, -1] == ROAD


def test_cells_that_no_pass_filled_stay_unknown():
    of = learned(ROAD)
    of.probabilities[:, 3] = 0
    of.classes[3] = MASK_IGNORED
    refined = refine(of, prediction(CAR))
    assert (refined.classes[3] == MASK_IGNORED).all() and not refined.confidence[3].any()

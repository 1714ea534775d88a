"""Class sets and mappings."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros import taxonomy
from bev_semseg_ros.data.files import read_json


def test_every_class_has_a_colour_of_its_own():
    for names, colors in (
        (taxonomy.SEGMENTATION_CLASSES, taxonomy.SEGMENTATION_COLORS),
        (taxonomy.DETECTION_CLASSES, taxonomy.DETECTION_COLORS),
    ):
        assert len(names) == len(colors) == len({tuple(color) for color in colors})


def test_every_class_and_group_is_reached_by_a_category():
    reached = [target for target in taxonomy.A2D2_CATEGORIES.values() if target is not None]
    assert {name for name, _ in reached} == set(taxonomy.SEGMENTATION_CLASSES)
    assert {group for _, group in reached} == set(taxonomy.GROUPS)


def test_there_are_38_categories():
    assert len(taxonomy.A2D2_CATEGORIES) == 38


def test_group_of_a_category_is_that_of_its_class_but_for_small_vehicles():
    differing = [
        name
        for name, target in taxonomy.A2D2_CATEGORIES.items()
        if target is not None and taxonomy.GROUP_OF_CLASS[target[0]] != target[1]
    ]
    assert differing == ["Small vehicles"]


@pytest.mark.parametrize(
    "name, category",
    [
        ("Car 4", "Car"),
        ("Traffic sign 1", "Traffic sign"),
        ("RD normal street", "RD normal street"),
    ],
)
def test_instance_number_is_stripped(name, category):
    assert taxonomy.a2d2_category(name) == category


def test_ids_of_a_category():
    car, vehicle = taxonomy.SEGMENTATION_CLASSES.index("car"), taxonomy.GROUPS.index("vehicle")
    assert taxonomy.a2d2_ids("Car 2") == (car, vehicle)
    assert taxonomy.a2d2_ids("Ego car") == (taxonomy.IGNORE, taxonomy.IGNORE)


def test_unknown_category_is_named():
    with pytest.raises(ValueError, match="'Hovercraft 1'"):
        taxonomy.a2d2_ids("Hovercraft 1")


def test_what_the_simulator_writes_reads_back_as_the_same_class():
    for name, category in taxonomy.A2D2_CATEGORY_OF_CLASS.items():
        ids = taxonomy.a2d2_ids(category)
        assert taxonomy.SEGMENTATION_CLASSES[ids[0]] == name
        assert taxonomy.GROUPS[ids[1]] == taxonomy.GROUP_OF_CLASS[name]


def test_every_class_can_be_written_by_the_simulator():
    assert set(taxonomy.A2D2_CATEGORY_OF_CLASS) == set(taxonomy.SEGMENTATION_CLASSES)


@pytest.mark.parametrize("classes", [taxonomy.A2D2_BOX_CLASSES, taxonomy.KITTI_BOX_CLASSES])
def test_detection_labels_cover_all_classes(classes):
    labels = {taxonomy.detection_label(name, classes) for name in classes}
    assert labels == {None, taxonomy.IGNORED_VEHICLE, *range(len(taxonomy.DETECTION_CLASSES))}


def test_unknown_box_class_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'Ufo'.*Person_sitting"):
        taxonomy.detection_label("Ufo", taxonomy.KITTI_BOX_CLASSES)


def test_group_table_keeps_ignored_pixels():
    table = taxonomy.group_of_class_table()
    assert table[taxonomy.IGNORE] == taxonomy.IGNORE
    assert taxonomy.GROUPS[table[taxonomy.SEGMENTATION_CLASSES.index("lane_marking")]] == "road"


def test_colorize_paints_ignored_pixels_black():
    colors = taxonomy.colorize(np.array([[0, taxonomy.IGNORE]], np.uint8))
    assert colors.tolist() == [[[128, 64, 128], [0, 0, 0]]]


def test_real_class_lists_hold_known_categories_only(real_data):
    for path in (real_data / "a2d2").glob("*/class_list.json"):
        categories = {taxonomy.a2d2_category(name) for name in read_json(path).values()}
        assert categories == set(taxonomy.A2D2_CATEGORIES)

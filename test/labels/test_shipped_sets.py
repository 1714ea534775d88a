"""The contents of the shipped label sets."""

from __future__ import annotations

import numpy as np
import pytest
from support.label_sets import names_in

from bev_semseg_ros.data.a2d2 import Palette
from bev_semseg_ros.data.files import read_json
from bev_semseg_ros.labels import LabelSet, load_label_set, shipped_label_sets
from bev_semseg_ros.sim.classes import A2D2_CATEGORY

SIZES = {
    "a2d2_38": 38,
    "a2d2_boxes": 14,
    "bev_8": 8,
    "boxes_4": 4,
    "camvid_11": 11,
    "driving_13": 13,
    "groups_6": 6,
    "kitti_boxes": 8,
}

# Class of A2D2 -> its classes in driving_13 and groups_6, the same as in version 0.1.
A2D2_CATEGORIES = {
    "RD normal street": ("road", "road"),
    "Drivable cobblestone": ("road", "road"),
    "Slow drive area": ("road", "road"),
    "Parking area": ("road", "road"),
    "RD restricted area": ("road", "road"),
    "Non-drivable street": ("road", "road"),
    "Speed bumper": ("road", "road"),
    "Solid line": ("lane_marking", "road"),
    "Dashed line": ("lane_marking", "road"),
    "Zebra crossing": ("lane_marking", "road"),
    "Painted driv. instr.": ("lane_marking", "road"),
    "Sidewalk": ("sidewalk", "other"),
    "Curbstone": ("sidewalk", "other"),
    "Buildings": ("building", "building"),
    "Sidebars": ("barrier", "other"),
    "Grid structure": ("barrier", "other"),
    "Road blocks": ("barrier", "other"),
    "Obstacles / trash": ("barrier", "other"),
    "Animals": ("barrier", "other"),
    "Poles": ("pole", "other"),
    "Traffic guide obj.": ("pole", "other"),
    "Traffic signal": ("sign", "other"),
    "Traffic sign": ("sign", "other"),
    "Irrelevant signs": ("sign", "other"),
    "Signal corpus": ("sign", "other"),
    "Electronic traffic": ("sign", "other"),
    "Nature object": ("vegetation", "vegetation"),
    "Sky": ("sky", "sky"),
    "Car": ("car", "vehicle"),
    "Truck": ("truck", "vehicle"),
    "Utility vehicle": ("truck", "vehicle"),
    "Tractor": ("truck", "vehicle"),
    "Pedestrian": ("pedestrian", "other"),
    "Bicycle": ("two_wheeler", "other"),
    "Small vehicles": ("two_wheeler", "vehicle"),
    "Ego car": ("ignored", "ignored"),
    "Blurred area": ("ignored", "ignored"),
    "Rain dirt": ("ignored", "ignored"),
}
GROUP_OF_CLASS = {
    "road": "road",
    "lane_marking": "road",
    "sidewalk": "other",
    "building": "building",
    "barrier": "other",
    "pole": "other",
    "sign": "other",
    "vegetation": "vegetation",
    "sky": "sky",
    "car": "vehicle",
    "truck": "vehicle",
    "pedestrian": "other",
    "two_wheeler": "other",
}
CAMVID_CLASS = {
    **{name: name for name in GROUP_OF_CLASS},
    "lane_marking": "road",
    "truck": "car",
}
BOX_CLASSES = {
    "a2d2_boxes": {
        "Car": "car",
        "VanSUV": "car",
        "Truck": "truck",
        "Bus": "truck",
        "Pedestrian": "pedestrian",
        "Cyclist": "cyclist",
        "MotorBiker": "cyclist",
        "Bicycle": "none",
        "Motorcycle": "none",
        "Animal": "none",
        "UtilityVehicle": "ignored",
        "CaravanTransporter": "ignored",
        "Trailer": "ignored",
        "EmergencyVehicle": "ignored",
    },
    "kitti_boxes": {
        "Car": "car",
        "Van": "car",
        "Truck": "truck",
        "Pedestrian": "pedestrian",
        "Cyclist": "cyclist",
        "Person_sitting": "pedestrian",
        "Tram": "ignored",
        "Misc": "ignored",
    },
}


def test_the_shipped_sets_have_the_expected_names_and_sizes():
    assert {name: len(load_label_set(name)) for name in shipped_label_sets()} == SIZES


@pytest.mark.parametrize("name", sorted(SIZES))
def test_every_class_of_a_shipped_set_has_a_colour_of_its_own(name):
    labels = load_label_set(name)
    assert labels.name == name
    assert len(labels.classes) == len(set(labels.classes)) == SIZES[name]
    assert len({tuple(color) for color in labels.colors}) == SIZES[name]


@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_set_round_trips_through_a_checkpoint(name):
    labels = load_label_set(name)
    back = LabelSet.from_dict(labels.to_dict())
    assert back == labels and back.to_dict() == labels.to_dict()
    for other in labels.coarser_sets():
        np.testing.assert_array_equal(back.mapping_to(other), labels.mapping_to(other))


def test_a2d2_categories_map_to_driving_13_and_groups_6():
    labels, classes = load_label_set("a2d2_38"), load_label_set("driving_13")
    groups = load_label_set("groups_6")
    assert names_in(labels, classes) == {name: each for name, (each, _) in A2D2_CATEGORIES.items()}
    assert names_in(labels, groups) == {name: group for name, (_, group) in A2D2_CATEGORIES.items()}


def test_driving_13_maps_to_groups_6_and_camvid_11():
    labels = load_label_set("driving_13")
    assert names_in(labels, load_label_set("groups_6")) == GROUP_OF_CLASS
    assert names_in(labels, load_label_set("camvid_11")) == CAMVID_CLASS


@pytest.mark.parametrize("name", sorted(BOX_CLASSES))
def test_box_classes_of_the_data_sets_map_to_boxes_4(name):
    assert names_in(load_label_set(name), load_label_set("boxes_4")) == BOX_CLASSES[name]


@pytest.mark.parametrize("name", ["a2d2_38", "driving_13", "camvid_11"])
def test_every_class_of_a_coarser_set_is_reached(name):
    labels = load_label_set(name)
    for other in labels.coarser_sets():
        assert set(names_in(labels, other).values()) - {"ignored", "none"} == set(other.classes)


def test_only_small_vehicles_have_another_group_than_their_class():
    labels, classes = load_label_set("a2d2_38"), load_label_set("driving_13")
    groups = load_label_set("groups_6")
    by_way = {
        name: GROUP_OF_CLASS.get(each, each) for name, each in names_in(labels, classes).items()
    }
    direct = names_in(labels, groups)
    assert [name for name in direct if direct[name] != by_way[name]] == ["Small vehicles"]


def test_classes_written_by_the_simulator_read_back_unchanged():
    found = names_in(load_label_set("a2d2_38"), load_label_set("driving_13"))
    for name, category in A2D2_CATEGORY.items():
        assert found[category] == name
    assert set(A2D2_CATEGORY) == set(load_label_set("driving_13").classes)


def test_an_unknown_set_lists_the_shipped_ones():
    with pytest.raises(ValueError, match=r"unknown label set 'driving_14'.*driving_13.*YAML"):
        load_label_set("driving_14")


def test_the_real_class_lists_contain_exactly_the_classes_of_a2d2_38(real_data):
    paths = list((real_data / "a2d2").glob("*/class_list.json"))
    if not paths:
        pytest.skip(f"no real data: no class_list.json in {real_data / 'a2d2'}")
    labels = load_label_set("a2d2_38")
    for path in paths:
        names = set(read_json(path).values())
        categories = {name[:-2] if name[-2:-1] == " " else name for name in names}
        assert categories == set(labels.classes)
        Palette(path)  # the reader agrees


def test_the_colours_are_those_of_the_first_instances(real_data):
    paths = list((real_data / "a2d2").glob("*/class_list.json"))
    if not paths:
        pytest.skip(f"no real data: no class_list.json in {real_data / 'a2d2'}")
    colors = {name: color for color, name in read_json(paths[0]).items()}
    labels = load_label_set("a2d2_38")
    for name, color in zip(labels.classes, labels.colors, strict=True):
        hexadecimal = "#" + bytes(color.tolist()).hex()
        assert colors.get(name, colors.get(f"{name} 1")).lower() == hexadecimal

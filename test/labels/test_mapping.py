"""How the classes of one label set map to those of another."""

from __future__ import annotations

import numpy as np
import pytest
from support.label_sets import names_in, write_set

from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set, shared_label_set
from bev_semseg_ros.model.tasks.label_view import view_of


def test_classes_are_mapped_by_way_of_a_set_in_between():
    found = names_in(load_label_set("a2d2_38"), load_label_set("camvid_11"))
    assert (found["Solid line"], found["Truck"], found["Ego car"]) == ("road", "car", "ignored")


def test_a_mask_keeps_its_ignored_pixels_in_another_set():
    labels, groups = load_label_set("driving_13"), load_label_set("groups_6")
    table = labels.mask_table(groups)
    assert table[MASK_IGNORED] == MASK_IGNORED
    assert groups.classes[table[labels.index("lane_marking")]] == "road"
    assert (table[len(labels) :] == MASK_IGNORED).all()


def test_classes_that_another_set_ignores_or_lacks_become_ignored_pixels(tmp_path):
    groups = load_label_set("groups_6")
    united = {"road": ["lane"], "ignored": ["junk"], "none": ["nothing"]}
    path = write_set(tmp_path, ["lane", "junk", "nothing"], coarser={"groups_6": united})
    table = load_label_set(path).mask_table(groups)
    assert table[:3].tolist() == [groups.index("road"), MASK_IGNORED, MASK_IGNORED]


def test_a_set_with_a_class_that_the_mapping_of_another_lacks_does_not_map_to_it():
    fine = LabelSet("fine", ("van", "bus"), np.zeros((2, 3)))
    coarse = LabelSet("coarse", ("car",), np.zeros((1, 3)), finer={"fine": {"van": "car"}})
    assert not fine.maps_to(coarse)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("driving_13", "driving_13", "driving_13"),
        ("driving_13", "a2d2_38", "driving_13"),
        ("a2d2_38", "driving_13", "driving_13"),
        ("a2d2_38", "camvid_11", "camvid_11"),
        ("kitti_boxes", "a2d2_boxes", "boxes_4"),
        ("kitti_boxes", "groups_6", None),
    ],
)
def test_the_shared_set_of_two_is_the_finest_that_both_map_to(first, second, shared):
    found = shared_label_set(load_label_set(first), load_label_set(second))
    assert (found and found.name) == shared


def test_the_error_for_sets_without_a_mapping_says_what_to_add():
    with pytest.raises(ValueError, match=r"boxes_4 does not map to groups_6.*coarser.*finer"):
        load_label_set("boxes_4").mapping_to(load_label_set("groups_6"))


def test_a_custom_set_shares_its_coarser_set_with_every_set_that_maps_to_it(tmp_path):
    path = write_set(
        tmp_path,
        ["lane", "car", "tree", "junk"],
        coarser={
            "groups_6": {"road": ["lane"], "vehicle": ["car"], "vegetation": ["tree"]}
            | {"ignored": ["junk"]}
        },
    )
    labels = load_label_set(path)
    assert (labels.name, labels.classes) == ("own", ("lane", "car", "tree", "junk"))
    assert names_in(labels, load_label_set("groups_6")) == {
        "lane": "road",
        "car": "vehicle",
        "tree": "vegetation",
        "junk": "ignored",
    }
    assert shared_label_set(labels, load_label_set("a2d2_38")) == load_label_set("groups_6")


def test_sets_with_the_same_name_and_different_mappings_are_not_equal(tmp_path):
    groups = load_label_set("groups_6")
    sets = []
    for folder, coarser in (
        ("one", {"road": ["a"], "vehicle": ["b"]}),
        ("two", {"road": ["b"], "vehicle": ["a"]}),
    ):
        (tmp_path / folder).mkdir()
        path = write_set(tmp_path / folder, ["a", "b"], coarser={"groups_6": coarser})
        sets.append(load_label_set(path))
    assert sets[0] != sets[1] and sets[0] == load_label_set(tmp_path / "one" / "own.yaml")
    for labels in sets:
        mapping = view_of(labels, load_label_set("driving_13")).from_network
        assert mapping.tolist() == labels.mapping_to(groups).tolist()


def test_coarser_sets_lists_all_sets_that_a_set_maps_to_finest_first(tmp_path):
    classes = load_label_set("a2d2_38").classes
    united = {name: [f"my {name}"] for name in classes}
    own = load_label_set(
        write_set(tmp_path, [f"my {name}" for name in classes], coarser={"a2d2_38": united})
    )
    names = [labels.name for labels in own.coarser_sets()]
    assert names == ["a2d2_38", "driving_13", "camvid_11", "groups_6"]
    assert all(own.maps_to(load_label_set(name)) for name in names)


def test_a_custom_set_can_merge_the_classes_of_a_finer_set(tmp_path):
    classes = load_label_set("driving_13").classes
    drivable = ["road", "lane_marking"]
    rest = [name for name in classes if name not in (*drivable, "sky")]
    path = write_set(
        tmp_path,
        ["drivable", "blocked"],
        finer={"driving_13": {"drivable": drivable, "blocked": rest, "ignored": ["sky"]}},
    )
    labels = load_label_set(path)
    found = names_in(load_label_set("driving_13"), labels)
    assert {name for name, each in found.items() if each == "drivable"} == set(drivable)
    assert found["sky"] == "ignored"
    # By way of driving_13, A2D2's classes map to these classes too.
    by_way = names_in(load_label_set("a2d2_38"), labels)
    assert (by_way["Solid line"], by_way["Sky"], by_way["Ego car"]) == (
        "drivable",
        "ignored",
        "ignored",
    )


def test_boxes_of_a_class_can_be_ignored_only_in_a_coarser_set():
    labels, four = load_label_set("kitti_boxes"), load_label_set("boxes_4")
    assert [labels.classes[i] for i in np.flatnonzero(labels.ignored_boxes(four))] == [
        "Person_sitting"
    ]
    assert names_in(labels, four)["Person_sitting"] == "pedestrian"
    assert not labels.ignored_boxes(labels).any()


def test_boxes_ignored_by_a_set_in_between_stay_ignored(tmp_path):
    united = {"Car": ["sedan"], "Person_sitting": ["guest"], "Pedestrian": ["visitor", "child"]}
    path = write_set(
        tmp_path,
        ["sedan", "guest", "visitor", "child"],
        coarser={"kitti_boxes": united},
        ignored_in={"kitti_boxes": ["child"]},
    )
    labels = load_label_set(path)
    four = load_label_set("boxes_4")
    assert labels.ignored_boxes(load_label_set("kitti_boxes")).tolist() == [False] * 3 + [True]
    assert labels.ignored_boxes(four).tolist() == [False, True, False, True]
    assert set(names_in(labels, four).values()) == {"car", "pedestrian"}

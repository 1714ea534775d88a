"""Label sets: the shipped ones say what they should, and a file of one's own is checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from bev_semseg_ros.data.a2d2 import Palette
from bev_semseg_ros.data.files import read_json
from bev_semseg_ros.labels import (
    BOX_IGNORED,
    BOX_NONE,
    MASK_IGNORED,
    LabelSet,
    load_label_set,
    shared_label_set,
    shipped_label_sets,
)
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.sim.classes import A2D2_CATEGORY

SIZES = {
    "a2d2_38": 38,
    "a2d2_boxes": 14,
    "boxes_4": 4,
    "camvid_11": 11,
    "driving_13": 13,
    "groups_6": 6,
    "kitti_boxes": 8,
}

# Classes of A2D2 -> their class in driving_13 and their group, as version 0.1 had them.
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


class Plain(yaml.SafeDumper):
    """Writes values that stand in several places once for each, without aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def names_in(labels: LabelSet, other: LabelSet) -> dict[str, str]:
    """class -> its class in another set, "ignored" or "none", as the numbers say."""
    special = {BOX_IGNORED: "ignored", BOX_NONE: "none"}
    return {
        name: special.get(int(number), other.classes[number])
        for name, number in zip(labels.classes, labels.mapping_to(other), strict=True)
    }


def write_set(
    folder: Path, classes: list[str] | dict | None = None, name: str = "own", **mappings: dict
) -> Path:
    """Write a label set whose classes have some colours, or the properties given."""
    entries = classes or ["lane", "rest"]
    if isinstance(entries, list):
        entries = {each: {"color": [6 * i, 0, 255]} for i, each in enumerate(entries)}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"classes": entries, **mappings}, sort_keys=False))
    return path


# --- the shipped sets ---------------------------------------------------------------------------


def test_the_shipped_sets_are_those_that_the_documentation_names():
    assert {name: len(load_label_set(name)) for name in shipped_label_sets()} == SIZES


@pytest.mark.parametrize("name", sorted(SIZES))
def test_every_class_of_a_shipped_set_has_a_colour_of_its_own(name):
    labels = load_label_set(name)
    assert labels.name == name
    assert len(labels.classes) == len(set(labels.classes)) == SIZES[name]
    assert len({tuple(color) for color in labels.colors}) == SIZES[name]


@pytest.mark.parametrize("name", sorted(SIZES))
def test_a_set_survives_the_way_through_a_checkpoint(name):
    labels = load_label_set(name)
    back = LabelSet.from_dict(labels.to_dict())
    assert back == labels and back.to_dict() == labels.to_dict()
    for other in labels.coarser_sets():
        np.testing.assert_array_equal(back.mapping_to(other), labels.mapping_to(other))


def test_the_categories_of_a2d2_map_to_the_13_classes_and_the_six_groups_as_they_did():
    labels, classes = load_label_set("a2d2_38"), load_label_set("driving_13")
    groups = load_label_set("groups_6")
    assert names_in(labels, classes) == {name: each for name, (each, _) in A2D2_CATEGORIES.items()}
    assert names_in(labels, groups) == {name: group for name, (_, group) in A2D2_CATEGORIES.items()}


def test_the_13_classes_map_to_the_six_groups_and_to_camvid():
    labels = load_label_set("driving_13")
    assert names_in(labels, load_label_set("groups_6")) == GROUP_OF_CLASS
    assert names_in(labels, load_label_set("camvid_11")) == CAMVID_CLASS


@pytest.mark.parametrize("name", sorted(BOX_CLASSES))
def test_the_box_classes_of_the_data_sets_map_to_the_four_as_they_did(name):
    assert names_in(load_label_set(name), load_label_set("boxes_4")) == BOX_CLASSES[name]


@pytest.mark.parametrize("name", ["a2d2_38", "driving_13", "camvid_11"])
def test_every_class_of_a_coarser_set_is_reached(name):
    labels = load_label_set(name)
    for other in labels.coarser_sets():
        assert set(names_in(labels, other).values()) - {"ignored", "none"} == set(other.classes)


def test_the_group_of_a_category_is_that_of_its_class_but_for_small_vehicles():
    labels, classes = load_label_set("a2d2_38"), load_label_set("driving_13")
    groups = load_label_set("groups_6")
    by_way = {
        name: GROUP_OF_CLASS.get(each, each) for name, each in names_in(labels, classes).items()
    }
    direct = names_in(labels, groups)
    assert [name for name in direct if direct[name] != by_way[name]] == ["Small vehicles"]


def test_a_set_between_two_others_leads_from_one_to_the_other():
    found = names_in(load_label_set("a2d2_38"), load_label_set("camvid_11"))
    assert (found["Solid line"], found["Truck"], found["Ego car"]) == ("road", "car", "ignored")


def test_what_the_simulator_writes_reads_back_as_the_same_class():
    found = names_in(load_label_set("a2d2_38"), load_label_set("driving_13"))
    for name, category in A2D2_CATEGORY.items():
        assert found[category.removesuffix(" 1")] == name
    assert set(A2D2_CATEGORY) == set(load_label_set("driving_13").classes)


def test_a_mask_keeps_its_ignored_pixels_in_another_set():
    labels, groups = load_label_set("driving_13"), load_label_set("groups_6")
    table = labels.mask_table(groups)
    assert table[MASK_IGNORED] == MASK_IGNORED
    assert groups.classes[table[labels.index("lane_marking")]] == "road"
    assert (table[len(labels) :] == MASK_IGNORED).all()


def test_ignored_pixels_are_painted_black():
    colors = load_label_set("driving_13").colorize(np.array([[0, MASK_IGNORED]], np.uint8))
    assert colors.tolist() == [[[128, 64, 128], [0, 0, 0]]]


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
def test_two_sets_meet_in_the_finest_that_both_map_to(first, second, shared):
    found = shared_label_set(load_label_set(first), load_label_set(second))
    assert (found and found.name) == shared


def test_the_sets_of_different_tasks_do_not_map_and_the_message_says_what_to_add():
    with pytest.raises(ValueError, match=r"boxes_4 does not map to groups_6.*coarser.*finer"):
        load_label_set("boxes_4").mapping_to(load_label_set("groups_6"))


def test_an_unknown_class_is_named_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"'Ufo'.*kitti_boxes.*Person_sitting"):
        load_label_set("kitti_boxes").index("Ufo")


# --- A2D2's own list ----------------------------------------------------------------------------


def test_the_real_class_lists_hold_exactly_these_categories(real_data):
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


# --- a file of one's own ------------------------------------------------------------------------


def test_a_file_of_ones_own_with_a_coarser_set_meets_every_set_that_has_it_too(tmp_path):
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


def test_sets_of_one_name_that_map_differently_are_not_the_same(tmp_path):
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


def test_coarser_sets_are_all_that_a_set_maps_to_finest_first(tmp_path):
    classes = load_label_set("a2d2_38").classes
    united = {name: [f"my {name}"] for name in classes}
    own = load_label_set(
        write_set(tmp_path, [f"my {name}" for name in classes], coarser={"a2d2_38": united})
    )
    names = [labels.name for labels in own.coarser_sets()]
    assert names == ["a2d2_38", "driving_13", "camvid_11", "groups_6"]
    assert all(own.maps_to(load_label_set(name)) for name in names)


def test_a_file_of_ones_own_can_unite_the_classes_of_a_finer_set(tmp_path):
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
    # By way of driving_13, labels of A2D2 have these classes, too.
    by_way = names_in(load_label_set("a2d2_38"), labels)
    assert (by_way["Solid line"], by_way["Sky"], by_way["Ego car"]) == (
        "drivable",
        "ignored",
        "ignored",
    )


def test_properties_of_box_classes_are_read_and_have_defaults(tmp_path):
    path = write_set(
        tmp_path,
        {
            "car": {"color": [1, 2, 3], "heatmap_sigma": 2, "neutral": ["van", "ignored"]},
            "van": {"color": [4, 5, 6], "suppression_radius": 0.5},
        },
    )
    labels = load_label_set(path)
    assert labels.heatmap_sigma == (2.0, 1.2) and labels.suppression_radius == (1.0, 0.5)
    assert dict(labels.neutral) == {"car": ("van", "ignored")}
    assert labels.colors.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_an_unknown_set_lists_the_shipped_ones():
    with pytest.raises(ValueError, match=r"unknown label set 'driving_14'.*driving_13.*YAML"):
        load_label_set("driving_14")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        load_label_set(tmp_path / "none.yaml")


COLOR = {"color": [1, 2, 3]}
WRONG = {
    "unknown key": ({"classes": {"car": COLOR}, "finest": {}}, r"unknown key finest.*coarser"),
    "keys of two kinds": ({"classes": {"car": COLOR}, 1: 2, "x": 3}, "unknown key 1, x"),
    "no classes": ({"classes": {}}, r"expected 1 to 254 classes, got 0"),
    "no mapping": ({"classes": ["car", "truck"]}, r"classes: expected a mapping, got list"),
    "a reserved name": ({"classes": {"ignored": COLOR}}, r"'ignored' cannot be the name"),
    "another reserved name": ({"classes": {"none": COLOR}}, r"'none' cannot be the name"),
    "too many classes": (
        {"classes": {f"class{i}": COLOR for i in range(255)}},
        r"expected 1 to 254 classes, got 255",
    ),
    "no colour": ({"classes": {"car": {}}}, r"classes\.car\.color: expected \[red, green, blue\]"),
    "a colour beyond 255": (
        {"classes": {"car": {"color": [0, 0, 256]}}},
        r"classes\.car\.color.*got \[0, 0, 256\]",
    ),
    "a colour of two parts": ({"classes": {"car": {"color": [0, 0]}}}, r"classes\.car\.color"),
    "a colour by name": ({"classes": {"car": {"color": "red"}}}, r"classes\.car\.color.*'red'"),
    "unknown property": (
        {"classes": {"car": COLOR | {"sigma": 1}}},
        r"classes\.car: unknown key sigma, expected color, neutral, heatmap_sigma",
    ),
    "a width of zero": (
        {"classes": {"car": COLOR | {"heatmap_sigma": 0}}},
        r"classes\.car\.heatmap_sigma: expected a number above 0, got 0",
    ),
    "an unknown neutral class": (
        {"classes": {"car": COLOR | {"neutral": ["ufo"]}}},
        r"classes\.car\.neutral: expected a list of car or ignored, got \['ufo'\]",
    ),
    "a list among the neutral classes": (
        {"classes": {"car": COLOR | {"neutral": [["car"]]}}},
        r"classes\.car\.neutral",
    ),
    "an unknown coarser set": (
        {"classes": {"car": COLOR}, "coarser": {"groups_7": {"vehicle": ["car"]}}},
        r"coarser\.groups_7: unknown label set, expected one of .*groups_6",
    ),
    "an unknown coarser class": (
        {"classes": {"car": COLOR}, "coarser": {"groups_6": {"cars": ["car"]}}},
        r"coarser\.groups_6: unknown class 'cars', expected road, vehicle",
    ),
    "a class missing in the mapping": (
        {
            "classes": {"car": COLOR, "tram": COLOR},
            "coarser": {"groups_6": {"vehicle": ["car"]}},
        },
        r"coarser\.groups_6: tram stand under no class",
    ),
    "an unknown member": (
        {"classes": {"car": COLOR}, "coarser": {"groups_6": {"vehicle": ["car", "ufo"]}}},
        r"coarser\.groups_6: unknown class 'ufo', expected car",
    ),
    "a class under two": (
        {
            "classes": {"car": COLOR},
            "coarser": {"groups_6": {"vehicle": ["car"], "other": ["car"]}},
        },
        r"coarser\.groups_6: 'car' stands under two classes",
    ),
    "members that are no list": (
        {"classes": {"car": COLOR}, "coarser": {"groups_6": {"vehicle": "car"}}},
        r"coarser\.groups_6\.vehicle: expected a list of classes, got 'car'",
    ),
    "an unknown class under finer": (
        {"classes": {"car": COLOR}, "finer": {"kitti_boxes": {"lorry": ["Truck"]}}},
        r"finer\.kitti_boxes: unknown class 'lorry', expected car",
    ),
    "an unknown class of the finer set": (
        {"classes": {"car": COLOR}, "finer": {"kitti_boxes": {"car": ["Kar"]}}},
        r"finer\.kitti_boxes: unknown class 'Kar', expected Car, Van",
    ),
    "a class of the finer set left out": (
        {"classes": {"car": COLOR}, "finer": {"kitti_boxes": {"car": ["Car", "Van"]}}},
        r"finer\.kitti_boxes: Truck, Pedestrian.* stand under no class",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_with_its_name_and_what_was_expected(tmp_path, name):
    content, reason = WRONG[name]
    path = tmp_path / "own.yaml"
    path.write_text(yaml.dump(content, Dumper=Plain, sort_keys=False))
    with pytest.raises(ValueError, match=rf"own\.yaml: {reason}"):
        load_label_set(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected a mapping, got NoneType"),
        ("[1, 2]", "expected a mapping, got list"),
        ("classes: {car: {color: [1, 2, 3]}", "damaged YAML"),
        (b"\xff\xfe\x00", "damaged YAML"),
        ("[" * 5000, "damaged YAML"),
        (
            "classes:\n  car: {color: [1, 2, 3]}\n  car: {color: [4, 5, 6]}\n",
            r"'car' stands there twice",
        ),
        ("a: &a [1]\nclasses: {car: {color: *a}}\n", "a label set has no aliases"),
        ("classes: {car: {color: !!python/object:os.system [1]}}", "damaged YAML"),
    ],
    ids=["empty", "list", "cut off", "not text", "deep", "class twice", "alias", "object"],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, text, reason):
    path = tmp_path / "own.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=rf"(?s)own\.yaml: .*{reason}"):
        load_label_set(path)


@pytest.mark.parametrize(
    "place", ["classes: {car: {color: *i}}", "coarser: {groups_6: {other: *i}}"]
)
def test_a_small_file_cannot_stand_for_billions_of_values(tmp_path, place):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for former, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{former}'] * 10)}]")
    path = tmp_path / "own.yaml"
    path.write_text("\n".join([*lines, place]))
    with pytest.raises(ValueError, match=r"(?s)own\.yaml: .*no aliases"):
        load_label_set(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "own.yaml").write_text("#" * 300_000)
    with pytest.raises(ValueError, match=r"own\.yaml: more than 200000 bytes"):
        load_label_set(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": None, "classes": None}, "damaged label set"),
        ({"classes": []}, "different lengths"),
        ({"classes": ["road"] * 13}, "a class stands there twice"),
        ({"colors": [[1, 2, 3]]}, "different lengths"),
        ({"colors": [[1, 2, 300]] * 13}, "damaged label set"),
        ({"heatmap_sigma": [1.0]}, "different lengths"),
        ({"heatmap_sigma": ["wide"] * 13}, "could not convert"),
        ({"coarser": {"groups_6": ["road"]}}, "different lengths"),
        ({"coarser": {"groups_6": ["moon"] * 13}}, "'moon' is no class of groups_6"),
        ({"coarser": {"groups_7": ["road"] * 13}}, "unknown label set 'groups_7'"),
        ({"finer": {"a2d2_38": {"Car": "kar"}}}, "'kar' is no class of driving_13"),
        ({"finer": [1]}, "damaged label set"),
    ],
)
def test_a_damaged_set_of_a_checkpoint_is_refused(change, reason):
    values = load_label_set("driving_13").to_dict() | change
    with pytest.raises(ValueError, match=reason):
        LabelSet.from_dict(values)


def test_a_part_that_a_checkpoint_lacks_is_named():
    values = load_label_set("driving_13").to_dict()
    del values["neutral"]
    with pytest.raises(ValueError, match=r"damaged label set.*neutral"):
        LabelSet.from_dict(values)

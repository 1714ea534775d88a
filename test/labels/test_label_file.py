"""The file of a label set is read, or refused with its name and the wrong setting."""

from __future__ import annotations

import pytest
import yaml
from support.label_sets import write_set

from bev_semseg_ros.labels import load_label_set


class Plain(yaml.SafeDumper):
    """Writes shared values in full wherever they occur, without aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


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


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        load_label_set(tmp_path / "none.yaml")


COLOR = {"color": [1, 2, 3]}
WRONG = {
    "unknown key": ({"classes": {"car": COLOR}, "finest": {}}, r"unknown key finest.*coarser"),
    "keys of two kinds": ({"classes": {"car": COLOR}, 1: 2, "x": 3}, "unknown key 1, x"),
    "no classes": ({"classes": {}}, r"expected 1 to 254 classes, got 0"),
    "no mapping": ({"classes": ["car", "truck"]}, r"classes: expected a mapping, got list"),
    "a reserved name": ({"classes": {"ignored": COLOR}}, r"classes: 'ignored' cannot be the name"),
    "another reserved name": ({"classes": {"none": COLOR}}, r"classes: 'none' cannot be the name"),
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
        r"classes\.car\.heatmap_sigma: expected a number above 0 and below 100, got 0",
    ),
    "a width that is not finite": (
        {"classes": {"car": COLOR | {"heatmap_sigma": float("nan")}}},
        r"classes\.car\.heatmap_sigma: expected a number above 0 and below 100, got nan",
    ),
    "a radius that is no number": (
        {"classes": {"car": COLOR | {"suppression_radius": True}}},
        r"classes\.car\.suppression_radius: .*got True",
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
        r"coarser\.groups_6: no group has tram",
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
        r"coarser\.groups_6: 'car' is in two groups",
    ),
    "members that are no list": (
        {"classes": {"car": COLOR}, "coarser": {"groups_6": {"vehicle": "car"}}},
        r"coarser\.groups_6\.vehicle: expected a list of classes, got 'car'",
    ),
    "an unknown class among the ignored ones": (
        {
            "classes": {"car": COLOR},
            "coarser": {"groups_6": {"vehicle": ["car"]}},
            "ignored_in": {"groups_6": ["tram"]},
        },
        r"ignored_in\.groups_6: unknown class 'tram', expected car",
    ),
    "ignored ones that are no list": (
        {"classes": {"car": COLOR}, "ignored_in": {"groups_6": "car"}},
        r"ignored_in\.groups_6: expected a list of classes, got 'car'",
    ),
    "ignored ones in a set without a mapping": (
        {"classes": {"car": COLOR}, "ignored_in": {"groups_6": ["car"]}},
        r"ignored_in\.groups_6: expected a set that `coarser` names",
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
        r"finer\.kitti_boxes: no group has Truck, Pedestrian",
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
            r"'car' occurs twice",
        ),
        ("a: &a [1]\nclasses: {car: {color: *a}}\n", "aliases .* are not read"),
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
def test_nested_aliases_for_billions_of_values_are_refused(tmp_path, place):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for former, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{former}'] * 10)}]")
    path = tmp_path / "own.yaml"
    path.write_text("\n".join([*lines, place]))
    with pytest.raises(ValueError, match=r"(?s)own\.yaml: .*aliases .* are not read"):
        load_label_set(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "own.yaml").write_text("#" * 300_000)
    with pytest.raises(ValueError, match=r"own\.yaml: more than 200000 bytes"):
        load_label_set(tmp_path / "own.yaml")

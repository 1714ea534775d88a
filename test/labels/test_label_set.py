"""The classes and colours of a label set, and the check of its values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set

CLASSES = load_label_set("driving_13").classes


def test_ignored_pixels_are_painted_black():
    colors = load_label_set("driving_13").colorize(np.array([[0, MASK_IGNORED]], np.uint8))
    assert colors.tolist() == [[[128, 64, 128], [0, 0, 0]]]


def test_an_unknown_class_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'Ufo'.*kitti_boxes.*Person_sitting"):
        load_label_set("kitti_boxes").index("Ufo")


# A label set may come from a checkpoint, which can hold anything.
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": None, "classes": None}, ""),
        ({"classes": []}, "expected 1 to 254 classes, got 0"),
        ({"classes": [f"class {i}" for i in range(255)]}, "expected 1 to 254 classes, got 255"),
        ({"classes": ["road"] * 13}, "classes: 'road' occurs twice"),
        ({"classes": [*CLASSES[1:], "ignored"]}, "classes: 'ignored' cannot be the name"),
        ({"classes": [*CLASSES[1:], "none"]}, "classes: 'none' cannot be the name"),
        ({"classes": [*CLASSES[1:], ""]}, "classes: '' cannot be the name"),
        ({"classes": [*CLASSES[1:], [1]]}, r"classes: \[1\] cannot be the name"),
        ({"colors": 3}, ""),
        ({"colors": [[1, 2, 3]]}, "colors: 1 values for 13 classes"),
        ({"colors": [[1, 2, 300]] * 13}, r"classes\.road\.color: .* of 0 to 255"),
        ({"colors": [[1, 2, -1]] * 13}, r"classes\.road\.color: .* of 0 to 255"),
        ({"colors": [[1, 2, 0.5]] * 13}, r"classes\.road\.color: .* of 0 to 255"),
        ({"colors": [[1, 2]] * 13}, r"classes\.road\.color: .* of 0 to 255"),
        ({"colors": [[1, [2, 3], 3]] * 13}, r"classes\.road\.color: .* of 0 to 255"),
        ({"heatmap_sigma": [1.0]}, "heatmap_sigma: 1 values for 13 classes"),
        ({"heatmap_sigma": ["wide"] * 13}, r"classes\.road\.heatmap_sigma: .*got 'wide'"),
        ({"heatmap_sigma": [-1.0] * 13}, r"classes\.road\.heatmap_sigma: .*above 0.*got -1"),
        ({"heatmap_sigma": [math.nan] * 13}, r"classes\.road\.heatmap_sigma: .*got nan"),
        ({"suppression_radius": [math.inf] * 13}, r"suppression_radius: .*below 100, got inf"),
        ({"suppression_radius": [0.0] * 13}, r"suppression_radius: .*above 0.*got 0"),
        ({"neutral": {"moon": ["road"]}}, "neutral: unknown class 'moon', expected road"),
        ({"neutral": {"road": ["moon"]}}, r"classes\.road\.neutral: .*got \['moon'\]"),
        ({"ignored_in": {"groups_6": ["moon"]}}, r"ignored_in\.groups_6: unknown class 'moon'"),
        ({"ignored_in": {"boxes_4": ["road"]}}, r"ignored_in\.boxes_4: .* that `coarser` names"),
        ({"coarser": {"groups_6": ["road"]}}, r"coarser\.groups_6: 1 values for 13 classes"),
        ({"coarser": {"groups_6": ["moon"] * 13}}, r"coarser\.groups_6: unknown class 'moon'"),
        ({"coarser": {"groups_7": ["road"] * 13}}, r"coarser\.groups_7: unknown label set"),
        ({"coarser": {"elsewhere.yaml": ["road"] * 13}}, r"elsewhere\.yaml: unknown label set"),
        ({"finer": {"a2d2_38": {"Car": "kar"}}}, r"finer\.a2d2_38: unknown class 'kar'"),
        ({"finer": {"own": {"Car": "kar"}}}, r"finer\.own: unknown class 'kar'"),
        ({"finer": {"a2d2_38": {"Kar": "car"}}}, r"finer\.a2d2_38: unknown class 'Kar'"),
        ({"finer": {"a2d2_38": {"Car": "car"}}}, r"finer\.a2d2_38: no group has"),
        ({"finer": [1]}, ""),
    ],
)
def test_a_damaged_label_set_of_a_checkpoint_is_refused(change, reason):
    values = load_label_set("driving_13").to_dict() | change
    with pytest.raises(ValueError, match=f"^damaged label set.*{reason}"):
        LabelSet.from_dict(values)


def test_a_missing_field_in_a_checkpoint_is_named():
    values = load_label_set("driving_13").to_dict()
    del values["neutral"]
    with pytest.raises(ValueError, match=r"damaged label set.*neutral"):
        LabelSet.from_dict(values)


def test_a_label_set_of_an_older_checkpoint_may_lack_ignored_in():
    values = load_label_set("driving_13").to_dict()
    del values["ignored_in"]
    assert LabelSet.from_dict(values) == load_label_set("driving_13")


def test_a_label_set_made_in_python_is_checked_too():
    with pytest.raises(ValueError, match=r"label set own: classes\.car\.color"):
        LabelSet("own", ("car",), [[0, 0, 256]])
    with pytest.raises(ValueError, match="label set own: colors: 1 values for 2 classes"):
        LabelSet("own", ("car", "van"), np.zeros((1, 3)))

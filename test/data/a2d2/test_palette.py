"""The colours of A2D2's label images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import tiny_data

from bev_semseg_ros.data.a2d2 import A2D2Dataset
from bev_semseg_ros.data.files import read_image
from bev_semseg_ros.labels import MASK_IGNORED, load_label_set

THIRTEEN, GROUPS = load_label_set("driving_13"), load_label_set("groups_6")


def test_instances_share_a_class_and_groups_come_from_the_categories(root):
    _, annotation = A2D2Dataset(root)[0]
    mask = annotation.with_labels(mask_labels=THIRTEEN).mask
    group_mask = annotation.with_labels(mask_labels=GROUPS).mask
    assert THIRTEEN.classes[mask[20, 25]] == "car"
    assert THIRTEEN.classes[mask[0, 0]] == "two_wheeler"
    assert GROUPS.classes[group_mask[0, 0]] == "vehicle"
    assert mask[0, 1] == group_mask[0, 1] == MASK_IGNORED


def test_unknown_colour_is_named_with_file_and_pixel(root):
    path = tiny_data.a2d2_file(root, "mask")
    label = read_image(path)
    label[5, 9] = (1, 2, 3)
    tiny_data.write_png(path, label)
    with pytest.raises(ValueError, match=rf"{path.name}: unknown colour #010203 at pixel x 9, y 5"):
        A2D2Dataset(root)[0]


def test_masks_with_fewer_classes_name_their_label_set(root):
    path = tiny_data.a2d2_file(root, "mask").parents[3] / "mask_labels.json"
    path.write_text('{"label_set": "driving_13"}')
    _, annotation = A2D2Dataset(root)[0]
    assert annotation.mask_labels.name == "driving_13"
    path.unlink()
    _, whole = A2D2Dataset(root)[0]
    expected = whole.with_labels(mask_labels=annotation.mask_labels)
    np.testing.assert_array_equal(annotation.mask, expected.mask)


def test_a_frame_without_a_mask_has_the_label_set_of_the_other_frames(root):
    path = tiny_data.a2d2_file(root, "mask")
    (path.parents[3] / "mask_labels.json").write_text('{"label_set": "driving_13"}')
    tiny_data.write_a2d2_frame(root, number=8)
    path.unlink()
    without, labelled = (A2D2Dataset(root)[index][1] for index in range(2))
    assert without.mask is None
    assert without.mask_labels == labelled.mask_labels == THIRTEEN


@pytest.mark.parametrize("name", ["driving_12", "boxes_4"])
def test_a_mask_label_set_that_does_not_fit_is_named(root, name):
    path = tiny_data.a2d2_file(root, "mask").parents[3] / "mask_labels.json"
    path.write_text(json.dumps({"label_set": name}))
    with pytest.raises(ValueError, match=rf"mask_labels\.json.*{name}"):
        A2D2Dataset(root)[0]

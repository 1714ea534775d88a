"""The classes of a network in a coarser label set."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bev_semseg_ros.labels import LabelSet, load_label_set
from bev_semseg_ros.model.tasks.label_view import view_of

SEGMENTATION_PAIRS = [
    ("a2d2_38", "driving_13"),
    ("a2d2_38", "camvid_11"),
    ("a2d2_38", "groups_6"),
    ("driving_13", "groups_6"),
    ("driving_13", "camvid_11"),
]
BOX_PAIRS = [("a2d2_boxes", "boxes_4"), ("kitti_boxes", "boxes_4"), ("a2d2_boxes", "kitti_boxes")]
NOTHING_LIKELY = 1e-9


def view(network, labels):
    return view_of(load_label_set(network), load_label_set(labels))


def logits_for(network, spread=3.0):
    torch.manual_seed(0)
    return spread * torch.randn(2, len(load_label_set(network)), 3, 4)


def cars_alone():
    """Return a user-defined label set that has no members of two classes of boxes_4."""
    classes = ("sedan", "wagon", "lorry")
    coarser = {"boxes_4": ("car", "car", "truck")}
    return LabelSet("cars_alone", classes, np.zeros((3, 3)), coarser)


@pytest.mark.parametrize("network, labels", SEGMENTATION_PAIRS)
def test_the_probability_of_exclusive_members_is_their_sum(network, labels):
    seen, logits = view(network, labels), logits_for(network)
    merged, apart = seen.merge_exclusive(logits).exp(), torch.softmax(logits, 1)
    for number in range(len(seen.shared)):
        members = [i for i, there in enumerate(seen.from_network) if there == number]
        torch.testing.assert_close(merged[:, number], apart[:, members].sum(1))


@pytest.mark.parametrize("network, labels", BOX_PAIRS)
def test_the_probability_of_independent_members_is_that_of_at_least_one(network, labels):
    seen, logits = view(network, labels), logits_for(network)
    merged, apart = torch.sigmoid(seen.merge_independent(logits)), torch.sigmoid(logits)
    for number in range(len(seen.shared)):
        members = [i for i, there in enumerate(seen.from_network) if there == number]
        expected = 1 - (1 - apart[:, members]).prod(1)
        torch.testing.assert_close(merged[:, number], expected)


def test_a_class_of_one_member_keeps_its_exact_logits():
    seen, logits = view("a2d2_boxes", "boxes_4"), logits_for("a2d2_boxes")
    pedestrian = load_label_set("a2d2_boxes").index("Pedestrian")
    merged = seen.merge_independent(logits)[:, seen.shared.index("pedestrian")]
    assert torch.equal(merged, logits[:, pedestrian])
    seen, logits = view("a2d2_38", "driving_13"), logits_for("a2d2_38")
    sky = load_label_set("a2d2_38").index("Sky")
    merged = seen.merge_exclusive(logits)[:, seen.shared.index("sky")]
    assert torch.equal(merged, torch.log_softmax(logits, 1)[:, sky])


def test_a_class_without_members_has_next_to_no_probability():
    seen, logits = view_of(cars_alone(), load_label_set("boxes_4")), torch.randn(1, 3, 2, 2)
    assert [seen.members(number) for number in range(4)] == [[0, 1], [2], [], []]
    assert torch.sigmoid(seen.merge_independent(logits))[:, 2:].max() < NOTHING_LIKELY
    assert seen.merge_exclusive(logits).exp()[:, 2:].max() < NOTHING_LIKELY


@pytest.mark.parametrize("value", [-200.0, -40.0, -28.0, 0.0, 28.0, 40.0, 200.0])
@pytest.mark.parametrize("merge", ["merge_exclusive", "merge_independent"])
def test_values_and_gradients_are_finite_for_extreme_logits(merge, value):
    seen = view("a2d2_boxes", "boxes_4")
    logits = torch.full((1, len(load_label_set("a2d2_boxes")), 2, 2), value)
    logits[..., 0] = torch.randn(logits.shape[:-1])
    logits.requires_grad_()
    merged = getattr(seen, merge)(logits)
    merged.sum().backward()
    assert torch.isfinite(merged).all()
    assert torch.isfinite(logits.grad).all()


def test_the_merged_logit_of_very_unlikely_members_is_accurate():
    seen = view("a2d2_boxes", "boxes_4")
    logits = torch.full((1, 14, 1, 1), -20.0, dtype=torch.float32)
    car = seen.merge_independent(logits)[0, seen.shared.index("car")].item()
    assert car == pytest.approx(-20 + np.log(2), abs=1e-3)


def test_the_gradient_of_a_merged_class_is_larger_for_its_likelier_member():
    seen = view("a2d2_boxes", "boxes_4")
    labels = load_label_set("a2d2_boxes")
    car, van, truck = (labels.index(name) for name in ("Car", "VanSUV", "Truck"))
    logits = torch.full((1, 14, 1, 1), -4.0)
    logits[0, van] = -1.0
    logits.requires_grad_()
    seen.merge_independent(logits)[0, seen.shared.index("car")].sum().backward()
    gradient = logits.grad[0, :, 0, 0]
    assert gradient[van] > gradient[car] > 0
    assert gradient[truck] == 0


@pytest.mark.parametrize(
    "network, labels, shared",
    [
        ("driving_13", "driving_13", "driving_13"),
        ("driving_13", "a2d2_38", "driving_13"),
        ("a2d2_38", "driving_13", "driving_13"),
        ("a2d2_38", "a2d2_38", "a2d2_38"),
        ("a2d2_38", "camvid_11", "camvid_11"),
        ("camvid_11", "a2d2_38", "camvid_11"),
        ("camvid_11", "driving_13", "camvid_11"),
        ("groups_6", "a2d2_38", "groups_6"),
        ("kitti_boxes", "a2d2_boxes", "boxes_4"),
    ],
)
def test_the_shared_set_is_the_finest_that_network_and_labels_map_to(network, labels, shared):
    seen = view(network, labels)
    assert seen.shared == load_label_set(shared)
    assert seen.is_identity == (network == shared)


def test_label_sets_without_a_shared_set_are_refused_by_name():
    with pytest.raises(ValueError, match="boxes_4 cannot train or score a network of driving_13"):
        view("driving_13", "boxes_4")

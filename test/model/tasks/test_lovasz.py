"""The Lovász loss of classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bev_semseg_ros.config import Config, LossConfig
from bev_semseg_ros.labels import MASK_IGNORED, LabelSet, load_label_set
from bev_semseg_ros.model.tasks.label_view import view_of
from bev_semseg_ros.model.tasks.lovasz import lovasz_softmax
from bev_semseg_ros.model.tasks.segmentation.task import SegmentationTask

DRIVING = load_label_set("driving_13")
GROUPS = load_label_set("groups_6")


def certain(predicted: torch.Tensor, classes: int) -> torch.Tensor:
    """Return log-probabilities of predictions without any doubt."""
    return F.one_hot(predicted, classes).float().clamp_min(1e-30).log()


def test_for_certain_predictions_the_lovasz_loss_is_one_minus_the_mean_iou():
    torch.manual_seed(0)
    truth, predicted = torch.randint(3, (2, 500))
    ious = [
        ((truth == c) & (predicted == c)).sum() / ((truth == c) | (predicted == c)).sum()
        for c in range(3)
    ]
    loss = lovasz_softmax(certain(predicted, 5), truth)  # classes 3 and 4 have no labels
    assert loss.item() == pytest.approx(1 - np.mean(ious), abs=1e-6)
    assert lovasz_softmax(certain(truth, 5), truth).item() == pytest.approx(0, abs=1e-6)


def test_a_rare_class_matters_as_much_as_a_frequent_one():
    truth = torch.tensor([0] * 990 + [1] * 10)
    rare_missed, same_number_missed = torch.zeros(1000, dtype=torch.long), truth.clone()
    same_number_missed[:10] = 1
    assert lovasz_softmax(certain(rare_missed, 2), truth) > 0.5
    assert lovasz_softmax(certain(same_number_missed, 2), truth) < 0.3


def test_the_lovasz_loss_without_labels_is_zero():
    scores = torch.zeros(0, 3, requires_grad=True)
    loss = lovasz_softmax(scores, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss == 0


@pytest.mark.parametrize("labels", [DRIVING, GROUPS], ids=lambda labels: labels.name)
def test_a_task_adds_the_lovasz_loss_of_its_known_labels(labels):
    torch.manual_seed(0)
    logits = torch.randn(2, len(DRIVING), 8, 8, requires_grad=True)
    mask = torch.randint(len(labels), (2, 8, 8))
    mask[0] = MASK_IGNORED

    def loss(weight: float) -> torch.Tensor:
        task = SegmentationTask(Config(loss=LossConfig(lovasz_weight=weight)), DRIVING)
        return task.mean_loss([(labels, logits, mask)])

    added = loss(2.0) - loss(0.0)
    assert added.item() == pytest.approx(2 * of_labels(labels, logits[1:], mask[1:]), rel=1e-4)
    added.backward()
    assert not logits.grad[0].any() and logits.grad[1].any()


def of_labels(labels: LabelSet, logits: torch.Tensor, classes: torch.Tensor) -> float:
    """Return the Lovász loss of logits for the classes of a network of DRIVING."""
    scores = view_of(DRIVING, labels).merge_exclusive(logits).movedim(1, -1).flatten(0, -2)
    return lovasz_softmax(scores, classes.flatten()).item()


def test_the_lovasz_loss_of_several_label_sets_is_the_mean_over_all_their_labels():
    torch.manual_seed(0)
    logits = torch.randn(4, len(DRIVING), 8, 8)
    fine, coarse = torch.randint(len(DRIVING), (1, 8, 8)), torch.randint(len(GROUPS), (3, 8, 8))
    labelled = [(DRIVING, logits[:1], fine), (GROUPS, logits[1:], coarse)]
    with_it, without = (
        SegmentationTask(Config(loss=LossConfig(lovasz_weight=weight)), DRIVING).mean_loss(labelled)
        for weight in (1.0, 0.0)
    )
    first, second = (of_labels(*each) for each in labelled)
    assert (with_it - without).item() == pytest.approx(0.25 * first + 0.75 * second, rel=1e-4)


def test_the_lovasz_loss_of_many_labels_is_estimated_from_the_same_ones_every_time():
    torch.manual_seed(0)
    task = SegmentationTask(Config(loss=LossConfig(lovasz_weight=1.0)), DRIVING)
    labels = torch.randint(len(DRIVING), (1, 400, 500))
    logits = torch.randn(1, len(DRIVING), 400, 500)
    first = task.mean_loss([(DRIVING, logits, labels)])
    assert task.mean_loss([(DRIVING, logits, labels)]) == first

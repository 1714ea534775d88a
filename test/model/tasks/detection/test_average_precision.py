"""Average precision and matching on cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.model.tasks.bootstrap import interval, resample
from bev_semseg_ros.model.tasks.detection.average_precision import (
    DROPPED,
    FALSE,
    FOUND,
    average_precision,
    bootstrap_interval,
    match,
)


def ap(found, num_truth):
    found = np.array(found, bool)
    return average_precision(found, np.ones((1, len(found))), np.array([num_truth]))[0]


def test_all_found_and_nothing_else_scores_one():
    assert ap([True, True, True], 3) == pytest.approx(1)


def test_nothing_found_scores_zero():
    assert ap([], 3) == 0
    assert ap([False, False], 3) == 0


def test_precision_below_one_tenth_counts_as_zero():
    assert ap([False] * 19 + [True], 1) == 0


def test_a_weight_of_two_equals_repetition():
    found = np.array([True, False, True])
    weighted = average_precision(found, np.array([[2.0, 1, 1]]), np.array([3]))
    repeated = ap([True, True, False, True], 3)
    assert weighted == pytest.approx(repeated)


def test_the_precision_at_a_recall_is_the_highest_at_this_or_a_higher_one():
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = rng.random(30) < 0.5
        num_truth = int(found.sum()) + 4
        hits = np.cumsum(found)
        samples = []
        for recall in np.arange(10, 101) / 100:
            reached = hits / num_truth >= recall
            highest = (hits / np.arange(1, 31))[reached].max(initial=0)
            samples.append(max(highest - 0.1, 0) / 0.9)
        assert ap(found, num_truth) == pytest.approx(np.mean(samples))


def test_each_prediction_claims_the_nearest_free_ground_truth():
    truth = np.array([[0.0, 0], [1.0, 0]])
    predicted = np.array([[0.6, 0], [0.9, 0], [0.1, 0]])
    outcome = match(predicted, truth, np.array([True, True]), 2.0)
    assert outcome.tolist() == [FOUND, FOUND, FALSE]


def test_the_threshold_is_exclusive():
    truth, required = np.array([[0.0, 0]]), np.array([True])
    assert match(np.array([[2.0, 0]]), truth, required, 2.0).tolist() == [FALSE]
    assert match(np.array([[1.99, 0]]), truth, required, 2.0).tolist() == [FOUND]


def test_a_prediction_that_claims_ignored_ground_truth_is_dropped():
    outcome = match(np.array([[0.0, 0]]), np.array([[0.0, 0]]), np.array([False]), 2.0)
    assert outcome.tolist() == [DROPPED]


def test_without_ground_truth_every_prediction_is_false():
    outcome = match(np.zeros((2, 2)), np.zeros((0, 2)), np.zeros(0, bool), 2.0)
    assert outcome.tolist() == [FALSE, FALSE]


def test_the_interval_leaves_out_resamples_without_ground_truth():
    low, high = bootstrap_interval(np.array([0]), np.array([True]), np.array([1, 0, 0]))
    assert (low, high) == (1, 1)


def test_the_interval_weights_a_frame_by_its_number_of_objects():
    # In one frame the only object is found, in the other none of nine.
    low, high = bootstrap_interval(np.array([0]), np.array([True]), np.array([1, 9]))
    assert (low, high) == (0, 1)


def test_the_interval_of_a_large_set_is_that_of_all_resamples():
    rng = np.random.default_rng(0)
    frames, found = rng.integers(0, 20, 10_000), rng.random(10_000) < 0.3
    num_truth = np.full(20, 300)
    times = resample(20)
    values = [
        average_precision(found, row[None, frames].astype(float), np.array([row @ num_truth]))[0]
        for row in times
    ]
    assert bootstrap_interval(frames, found, num_truth) == pytest.approx(interval(np.array(values)))

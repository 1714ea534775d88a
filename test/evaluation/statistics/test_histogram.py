"""Percentiles of values that are counted in bins and not stored."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.evaluation.statistics.histogram import Histogram


def test_percentiles_are_those_of_all_values_to_the_width_of_a_bin():
    values = np.random.default_rng(0).beta(2, 5, 10_000)
    histogram = Histogram(0, 1, 200)
    for part in np.split(values, 10):
        histogram.add(part)
    found = histogram.percentiles()
    assert found is not None
    for percent, value in found.items():
        assert value == pytest.approx(np.percentile(values, float(percent)), abs=1 / 200)


def test_values_beyond_the_ends_count_in_the_outer_bins():
    histogram = Histogram(0, 1, 4)
    histogram.add(np.array([-3.0, 0.0, 0.3, 1.0, 9.0]))
    assert histogram.shares() == [0.4, 0.2, 0.0, 0.4]
    assert histogram.shares(2) == [0.6, 0.4]


def test_an_empty_histogram_has_no_percentiles():
    assert Histogram(0, 1, 4).percentiles() is None

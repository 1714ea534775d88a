"""Confidence intervals by the bootstrap."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.model.tasks.bootstrap import interval, resample


def test_a_resample_has_as_many_frames_as_the_set():
    times = resample(7)
    assert (times.sum(1) == 7).all() and len(np.unique(times, axis=0)) > 100


def test_an_interval_holds_95_percent_of_the_values():
    assert interval(np.arange(1001)) == [25, 975]

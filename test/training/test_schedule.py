"""The schedule of the learning rate."""

from __future__ import annotations

import pytest

from bev_semseg_ros.config import TrainingConfig
from bev_semseg_ros.training.schedule import Schedule, one_cycle


def test_the_factor_rises_to_one_at_the_end_of_the_warm_up_and_falls_to_zero():
    assert one_cycle(0.0, 0.2) < 0.01 and one_cycle(0.1, 0.2) == pytest.approx(0.5)
    assert one_cycle(0.2, 0.2) == 1
    assert one_cycle(0.6, 0.2) == pytest.approx(0.5) and one_cycle(1.0, 0.2) == pytest.approx(0)


def test_the_factor_never_rises_after_the_warm_up():
    values = [one_cycle(i / 100, 0.15) for i in range(15, 101)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_the_factor_stays_between_zero_and_one_with_extreme_warm_ups(warmup):
    assert all(0 <= one_cycle(i / 10, warmup) <= 1 for i in range(11))


def test_epochs_determine_the_steps_unless_they_are_given():
    assert Schedule.of(TrainingConfig(epochs=3), 7).steps == 21
    assert Schedule.of(TrainingConfig(epochs=3, max_steps=5), 7).steps == 5


def test_minutes_replace_steps():
    schedule = Schedule.of(TrainingConfig(epochs=1, max_minutes=10), 4)
    assert schedule.progress(step=1000, minutes=5) == 0.5
    assert schedule.progress(step=0, minutes=11) == 1

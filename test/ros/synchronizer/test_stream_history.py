"""What the past stamps of a stream say about its period and its next stamp."""

import numpy as np
import pytest

from bev_semseg_ros.ros.synchronizer.stream_history import STAMPS, StreamHistory


def history_of(*stamps: int) -> StreamHistory:
    history = StreamHistory()
    for stamp in stamps:
        history.add(stamp)
    return history


def test_without_stamps_nothing_is_known():
    history = history_of()
    assert not history and history.oldest is None and history.period is None
    assert history.next is None and history.distance(5) is None


def test_a_lost_message_does_not_change_the_period():
    assert history_of(0, 100, 200, 400, 500).period == 100


def test_stamps_out_of_order_are_sorted_and_the_last_one_is_known():
    history = history_of(100, 300, 200)
    assert (history.newest, history.last, history.oldest, history.period) == (300, 200, 100, 100)
    assert history.next == 100  # at the pace of the last two


@pytest.mark.parametrize("seed", range(5))
def test_a_bounded_number_of_stamps_is_remembered(seed):
    stamps = np.random.default_rng(seed).permutation(3 * STAMPS).tolist()
    history, kept = history_of(*stamps), stamps[-STAMPS:]
    assert len(history) == STAMPS and history.oldest == 0
    assert [stamp in history for stamp in stamps] == [False] * 2 * STAMPS + [True] * STAMPS
    for stamp in range(0, 3 * STAMPS, 97):
        assert history.distance(stamp) == min(abs(each - stamp) for each in kept)


def test_a_stamp_is_old_if_it_repeats_one_or_is_not_newer_than_the_last_in_a_match():
    history = history_of(-200, 100, 300)
    assert [history.is_old(stamp) for stamp in (-300, -200, 99, 100)] == [False, True, False, True]
    history.given = 200
    assert [history.is_old(stamp) for stamp in (99, 200, 201, 300)] == [True, True, False, True]

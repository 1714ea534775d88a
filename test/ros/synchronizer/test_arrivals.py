"""How long to wait for the next message of a stream."""

import pytest

from bev_semseg_ros.ros.synchronizer import SILENCE_NS, Arrivals

MS = 1_000_000


@pytest.mark.parametrize(
    ("arrivals", "patience"),
    [
        ([], 1000),
        ([0, 5000], 1000),  # one interval may be a pause
        ([0, 100, 200], 1000),
        ([0, 1500, 3000], 3000),
        ([0, 100, 60_100], 1000),  # a pause
        ([0, 100, 60_100, 60_200], 1000),
        ([0, 100, 1600, 3100], 3000),
        ([0, 60_000, 120_000], 10_000),  # at most
    ],
)
def test_a_slow_sensor_is_silent_after_twice_its_usual_interval(arrivals, patience):
    found = Arrivals()
    for now in arrivals:
        found.note(now * MS)
    assert found.patience == patience * MS and SILENCE_NS == 1000 * MS

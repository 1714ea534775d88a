"""The stages of a frame add up."""

import time

import pytest

from bev_semseg_ros.ros.health.stages import STAGES, StageClock


@pytest.mark.parametrize("network_ms", [0.0, 12.5])
def test_the_stages_add_up_to_the_total_and_the_network_is_one_of_them(network_ms):
    clock = StageClock(time.monotonic_ns() - 100_000_000)
    clock.end("wait_ms")
    clock.end("decode_ms")
    clock.end("prepare_ms", network_ms)
    clock.end("publish_ms")
    parts = {stage: value for stage, value in clock.values.items() if stage != "total_ms"}
    assert parts["network_ms"] == network_ms and parts["wait_ms"] >= 100
    assert sum(parts.values()) == pytest.approx(clock.values["total_ms"])
    assert parts.keys() == STAGES.keys() - {"total_ms", "input_age_ms"}

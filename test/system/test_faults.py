"""Faults of sensors over real DDS: the node keeps working, counts them, and recovers at once."""

from __future__ import annotations

import pytest
from support.faults import FAULTS, Fault, counted, fail, recover, storm

NAMESPACE = "/faulty"
STORM = 300  # benchmarks/faults.py has more
MOMENTS = 5  # of each fault; benchmarks/faults.py has more
ATTEMPTS = 5  # on a busy machine, newer input may replace all moments of an attempt


@pytest.fixture(scope="module")
def car(start_node, peers):
    """(node, peer); after each fault, the node must give the answer `peer.reference` again."""
    process, peer = start_node("-r", f"__ns:={NAMESPACE}"), peers(NAMESPACE)
    process.wait_for("READY")
    peer.connect()
    timing, _ = recover(peer)
    peer.reference = peer.result("markers", int(timing["stamp"]))
    return process, peer


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_is_counted_and_good_input_gives_good_output_again(car, fault: Fault):
    process, peer = car
    before, _ = recover(peer)
    for _ in range(ATTEMPTS):
        fail(peer, fault, MOMENTS)
        after, _ = recover(peer)
        assert not process.has_ended
        if not fault.counter or counted(after, fault.counter) > counted(before, fault.counter):
            return
    pytest.fail(f"{fault.counter} was not counted: {after}")


def test_a_storm_of_parameters_is_answered_and_survived(car):
    process, peer = car
    assert storm(peer, STORM) == (STORM // 2, STORM // 2)
    recover(peer)
    assert not process.has_ended

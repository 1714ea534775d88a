"""What cars do to a node, over real DDS: it works on, counts it, and is right again with the first good input."""

from __future__ import annotations

import pytest

from ros.faults import FAULTS, Fault, counted, fail, recover

NAMESPACE = "/faulty"
MOMENTS = 6  # of a fault here; benchmarks/faults.py has more


@pytest.fixture(scope="module")
def car(start_node, peers):
    """(node, peer): a node that has answered once, and the answer that it must give again after every fault."""
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
    fail(peer, fault, MOMENTS)
    after, _ = recover(peer)
    assert not process.has_ended
    if fault.counter:
        assert counted(after, fault.counter) > counted(before, fault.counter), after

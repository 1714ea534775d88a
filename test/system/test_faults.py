"""Faults of sensors over real DDS: the node keeps working, counts them, and recovers at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin
from support.bags import write_bag
from support.faults import FAULTS, Fault, counted, fail, recover, storm
from support.process import Process

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


def test_a_player_that_was_killed_can_be_started_again(node, peer, tmp_path):
    write_bag(tmp_path / "bag", peer, StoragePlugin.SQLITE3)
    for _ in range(2):
        for messages in peer.received.values():
            messages.clear()
        arguments = ("play", str(tmp_path / "bag"), "--loop", "--for", "/perception")
        with Process(*arguments) as player:
            peer.spin_until(
                lambda: any(
                    status.message == "fused"
                    for message in peer.received["timing"]
                    for status in message.status
                ),
                what="a result of both sensors",
            )
            player.kill()
    assert not node.has_ended


@pytest.fixture(scope="module")
def restarted(start_node, peers):
    """(node, peer, earlier files in /dev/shm) of a node that replaces a killed one."""
    peer = peers(f"{NAMESPACE}/again")

    def start() -> Process:
        process = start_node("-r", f"__ns:={peer.namespace}")
        process.wait_for("READY")
        recover(peer)
        return process

    start().kill()
    earlier = set(Path("/dev/shm").iterdir())  # the new node may map files of the killed one
    return start(), peer, earlier


def test_a_node_that_replaces_a_killed_one_works(restarted):
    process, peer, _ = restarted
    timing, _ = recover(peer)
    assert int(timing["published"]) > 0 and not process.has_ended


def test_sigint_leaves_neither_shared_memory_nor_processes(restarted):
    process, _, earlier = restarted
    files, children = process.shared_memory - earlier, process.children
    assert any("fastrtps" in file.name or "fastdds" in file.name for file in files)
    process.interrupt()
    assert process.wait() == 0
    assert [file for file in files if file.exists()] == []
    assert [number for number in children if Path(f"/proc/{number}").exists()] == []

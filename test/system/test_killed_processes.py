"""A node among processes that were killed, which leaves their shared memory behind.

Each fixture has a domain of its own. Fast DDS numbers ports by domain, and a process that gets the
port of one that was killed a moment ago sometimes receives nothing (Fast DDS 2.14; a similar
report is github.com/eProsima/Fast-DDS/issues/5737). That must not happen to other tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin
from support.bags import write_bag
from support.faults import recover
from support.peer import Peer
from support.process import Process, node_arguments

from bev_semseg_ros.ros.domain import reserve_domain


@contextmanager
def own_domain(nodes: ExitStack) -> Iterator[None]:
    """Have new participants use a domain that nobody else uses, and end the nodes with it."""
    with reserve_domain() as domain, pytest.MonkeyPatch.context() as patch, nodes:
        patch.setenv("ROS_DOMAIN_ID", str(domain.number))
        yield


@pytest.fixture(scope="module")
def start(checkpoint_file: Path, calibration_file: Path) -> Callable[[ExitStack], Process]:
    """Return start(nodes), which returns a node that is ready and ends with `nodes`."""

    def start(nodes: ExitStack) -> Process:
        values = {"checkpoint": checkpoint_file, "calibration": calibration_file}
        arguments = node_arguments(**values, score_threshold=0.01)
        process = nodes.enter_context(Process("node", *arguments))
        process.wait_for("READY")
        return process

    return start


@pytest.fixture
def connected(start, calibration) -> Iterator[tuple[Process, Peer]]:
    """Return a node and its peer, which have found each other."""
    with own_domain(nodes := ExitStack()), closing(Peer(calibration)) as peer:
        process = start(nodes)
        peer.connect()
        yield process, peer


@pytest.fixture(scope="module")
def restarted(start, calibration) -> Iterator[tuple[Process, Peer, set[Path]]]:
    """Return a node that replaces a killed one, its peer, and earlier files in /dev/shm."""
    with own_domain(nodes := ExitStack()), closing(Peer(calibration)) as peer:
        killed = start(nodes)
        recover(peer)
        killed.kill()
        earlier = set(Path("/dev/shm").iterdir())  # the new node may map files of the killed one
        process = start(nodes)
        recover(peer)
        yield process, peer, earlier


def test_a_player_that_was_killed_can_be_started_again(connected, tmp_path):
    process, peer = connected
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
    assert not process.has_ended


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

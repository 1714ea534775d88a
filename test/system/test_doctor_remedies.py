"""Faults that the doctor calls fixable: with its parameters and command, the node works."""

from __future__ import annotations

import shlex
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import yaml
from support.bag_faults import BROKEN, FIXABLE
from support.broken_bag import Entry, entries, good_bag, write
from support.peer import Peer
from support.process import Process
from visualization_msgs.msg import Marker


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Return the messages of a bag without faults."""
    return entries(good_bag(tmp_path_factory.mktemp("good") / "bag"))


@pytest.mark.parametrize("name", FIXABLE)
def test_the_node_gives_results_with_the_doctors_parameters_and_command(
    name: str, content: list[Entry], checkpoint_file: Path, tmp_path: Path
) -> None:
    spoil, calibration, *_ = BROKEN[name]
    bag = write(tmp_path / "bag", spoil(content), calibration)
    file = tmp_path / "node.yaml"
    doctor = Process(
        "doctor",
        str(bag),
        *("--checkpoint", str(checkpoint_file), "--params", str(file), "--no-speed"),
    )
    assert doctor.wait() < 2, doctor.lines
    command = shlex.split(doctor.wait_for(r"bev-semseg node"))
    assert command[:3] == ["bev-semseg", "node", "--ros-args"] and str(file) in command
    mode = yaml.safe_load(file.read_text())["/**"]["ros__parameters"].get("mode", "fused")
    namespace = f"/patient_{FIXABLE.index(name)}"
    with ExitStack() as processes:
        # Closed with the test: every later node would discover it.
        peer = processes.enter_context(closing(Peer(calibration, namespace)))
        node = processes.enter_context(
            # The threshold is 0, because the network of the tests is not trained.
            Process(*command[1:], "-r", f"__ns:={namespace}", "-p", "score_threshold:=0.0")
        )
        node.wait_for("READY")
        player = processes.enter_context(
            Process("play", str(bag), "--loop", "--for", f"{namespace}/perception")
        )
        peer.spin_until(
            lambda: any(message.status[0].message == mode for message in peer.received["timing"]),
            what=lambda: f"a result of mode {mode}: {node.lines[-5:]} {player.lines}",
        )
        if mode != "camera_only":
            peer.spin_until(
                lambda: any(
                    marker.action == Marker.ADD
                    for message in peer.received["markers"]
                    for marker in message.markers
                ),
                what="boxes",
            )
        else:
            peer.spin_until(lambda: peer.received["semseg/color"], what="the segmentation")

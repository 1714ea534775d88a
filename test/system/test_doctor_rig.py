"""The doctor's parameter file for a rig, over real DDS: with it, the node uses every sensor."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from support.bag_changes import TENTH, compressed_on, shifted
from support.broken_bag import Entry, entries, on, write
from support.process import Process
from support.rig_bag import RIG, rig_bag

from bev_semseg_ros.cli.main import main
from bev_semseg_ros.ros.doctor import live
from bev_semseg_ros.ros.doctor.topics import SensorNames, all_inputs

NAMESPACE = "/rig_patient"
TOPICS = {
    "/roof/points": "/velodyne_points",
    "/bumper/points": "/livox/lidar",
    "/left/image": "/cam1/image_raw",
    "/left/camera_info": "/cam1/camera_info",
}
ENOUGH = 3  # frames with all sensors


def renamed(entry: Entry) -> Entry:
    return replace(entry, topic=TOPICS.get(entry.topic, entry.topic))


@pytest.fixture(scope="module")
def bag(tmp_path_factory) -> Path:
    """Return a bag with drivers' topics; one camera sends JPEGs and has its clock 37 s ahead."""
    folder = tmp_path_factory.mktemp("rig")
    content = [renamed(entry) for entry in entries(rig_bag(folder / "good"))]
    for topic in ("/cam1/image_raw", "/cam1/camera_info"):
        content = on(topic, shifted(370 * TENTH))(content)
    return write(folder / "bag", compressed_on("/cam1/image_raw")(content), RIG)


def test_the_node_works_with_the_parameters_written_for_a_rig(
    bag, checkpoint_file, peers, tmp_path, capsys
) -> None:
    """Names, topics, poses, and the offset and transport of one camera come from the doctor."""
    options = ["--checkpoint", str(checkpoint_file), "--params", str(tmp_path / "p.yaml")]
    options += ["--points", "roof=/velodyne_points", "bumper=/livox/lidar"]
    options += ["--image", "left=/cam1/image_raw/compressed"]
    assert main(["doctor", str(bag), "--no-speed", *options]) == 1  # the clock is a fault
    shown = capsys.readouterr().out.splitlines()
    command = shlex.split(next(line for line in shown if "bev-semseg node" in line))
    with ExitStack() as processes:
        written = (tmp_path / "p.yaml").read_text()
        assert "left.image_offset: -37.0" in written
        assert "left.image_transport: compressed" in written
        arguments = [*command[1:], "-r", f"__ns:={NAMESPACE}"]
        node = processes.enter_context(
            Process(
                *arguments, "-p", "engine:=torch", "-p", "num_threads:=1", "-p", "max_wait:=2.0"
            )
        )
        ready = node.wait_for("READY")
        assert "roof/points on /velodyne_points" in ready and "left/image on /cam1/image" in ready
        peer = peers(NAMESPACE)
        peer.spin_until(
            lambda: peer.node.count_publishers(f"{NAMESPACE}/perception/timing"), what="the node"
        )
        processes.enter_context(
            Process("play", str(bag), "--rate", "0.4", "--loop", "--for", f"{NAMESPACE}/perception")
        )

        def complete() -> list[dict[str, str]]:
            """Return the timing of each frame that had all sensors."""
            found = []
            counted = 0
            for message in peer.received["timing"]:
                values = {pair.key: pair.value for pair in message.status[0].values}
                degraded = [int(each) for key, each in values.items() if key[:9] == "degraded/"]
                if sum(degraded) == counted:
                    found.append(values)
                counted = sum(degraded)
            return found

        peer.spin_until(lambda: len(complete()) >= ENOUGH, what="frames with all sensors")
        for values in complete():
            assert values["mode"] == "fused" and int(values["points"]) == 28800 + 7200


def test_live_topics_of_a_rig_are_assigned_to_its_sensors_by_name(bag) -> None:
    asked = {name.lstrip("/"): topic for name, topic in TOPICS.items() if "info" not in name}
    asked["left/image"] += "/compressed"
    names = SensorNames(calibration=RIG)
    with Process("play", str(bag), "--loop", "--wait", "0") as player:
        player.wait_for("playing anyway")
        observation = live.listen(3, asked, names)
    assert [sensor.name for sensor in observation.sensors.all] == [
        "roof",
        "bumper",
        "front",
        "left",
    ]
    assert set(observation.streams) == set(all_inputs(observation.sensors))
    assert all(len(stream) and stream.samples for stream in observation.streams.values())
    assert observation.streams["left/camera_info"].topic == "/cam1/camera_info"

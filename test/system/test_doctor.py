"""The doctor over real DDS: its live diagnosis, and a node with its parameter file."""

from __future__ import annotations

import json
import shlex
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, PointCloud2
from std_msgs.msg import Header
from support.bag_changes import compressed_on
from support.broken_bag import COUNT, STORE, Entry, entries, good_bag, on, write
from support.process import Process

from bev_semseg_ros.data.calibration import YAML_NAME
from bev_semseg_ros.ros.convert.message import COMPRESSED_IMAGE, stamp_ns
from bev_semseg_ros.ros.dds import SWITCH, profile_variable
from bev_semseg_ros.ros.doctor import live
from bev_semseg_ros.ros.doctor.live import Backlog
from bev_semseg_ros.ros.doctor.observation import Stream

NAMESPACE = "/patient"
TOPICS = {
    "points": "/top/velodyne_points",
    "image": "/front/image_raw",
    "camera_info": "/front/camera_info",
}


def in_photons(entry: Entry) -> Entry:
    """Return a cloud with intensities up to about 2,500, whose full scale the node cannot know."""
    points = entry.message.data.view(np.float32).reshape(-1, 4) * np.float32([1, 1, 1, 3000])
    return entry.with_message(data=points.view(np.uint8).reshape(-1))


def large(entry: Entry) -> Entry:
    """Return an image of 2304 x 696 pixels. Fast DDS's default transport drops most of these."""
    message = entry.with_message(
        width=2304, height=696, step=3 * 2304, data=np.zeros(3 * 2304 * 696, np.uint8)
    )
    return replace(message, reliable=False)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    """Return the messages of a bag with the topics of `TOPICS`."""
    topics = {f"/{name}": topic for name, topic in TOPICS.items()}
    return [
        replace(entry, topic=topics.get(entry.topic, entry.topic))
        for entry in entries(good_bag(tmp_path_factory.mktemp("good") / "bag"))
    ]


@pytest.fixture
def play():
    """play(bag) plays a bag in a loop; all players are ended after the test."""
    players = []

    def start(bag: Path) -> None:
        players.append(Process("play", str(bag), "--loop", "--wait", "0"))
        players[-1].wait_for("playing anyway")

    yield start
    for player in players:
        player.end()


def _from_drivers(all_: list[Entry]) -> list[Entry]:
    """Return the messages as drivers send them: JPEGs on another topic, and missing fields.

    The clouds are in base_link, organised without a row_step, and name their fields in capital
    letters. The camera_infos have no size and no K, and eight zeros as D.
    """

    def jpeg(entry: Entry) -> Entry:
        pixels = entry.message.data.reshape(entry.message.height, entry.message.width, 3)
        data = cv2.imencode(".jpg", pixels)[1].reshape(-1)
        message = STORE.types[COMPRESSED_IMAGE](entry.message.header, "jpeg", data)
        return replace(entry, topic="/front/jpeg", kind=COMPRESSED_IMAGE, message=message)

    def info(entry: Entry) -> Entry:
        return entry.with_message(width=0, height=0, k=np.zeros(9), d=np.zeros(8))

    def cloud(entry: Entry) -> Entry:
        fields = [replace(each, name=each.name.upper()) for each in entry.message.fields]
        points = entry.message.data.view(np.float32).reshape(-1, 4) + np.float32([1.2, 0, 1.3, 0])
        return entry.with_message(
            height=64,
            width=entry.message.width // 64,
            row_step=0,
            fields=fields,
            data=points.view(np.uint8).reshape(-1),
            header=replace(entry.message.header, frame_id="base_link"),
        )

    changes = {"image": jpeg, "camera_info": info, "points": cloud}
    for name, change in changes.items():
        all_ = on(TOPICS[name], change)(all_)
    return all_


def as_drivers_send_it(folder: Path, content: list[Entry]) -> Path:
    """Write a bag with messages as drivers send them, and return its folder."""
    return write(folder, _from_drivers(content), None)


def usual(folder: Path, content: list[Entry]) -> Path:
    """Write a bag and return its folder."""
    return write(folder, content, None)


def as_the_world_sends_it(folder: Path, content: list[Entry]) -> Path:
    """Write a file without metadata whose messages are compressed one by one.

    The raw images are throttled, and JPEGs have the full rate. There are also topics of a radar
    and of a depth camera.
    """
    raw = [entry for entry in content if entry.topic == TOPICS["image"]]
    radar, depth = [], []
    for entry in content:
        if entry.topic == TOPICS["points"]:
            few = entry.with_message(width=50, row_step=800, data=entry.message.data[:800])
            radar += 2 * [replace(few, topic="/radar/points")]
        elif entry.topic == TOPICS["image"]:
            distances = entry.with_message(encoding="16UC1", width=384, step=768)
            depth += 2 * [replace(distances, topic="/depth/image_rect_raw")]
    rest = [entry for entry in content if entry.topic != TOPICS["image"]]
    jpegs = compressed_on(TOPICS["image"])(raw)
    bag = write(folder, [*rest, *jpegs, *raw[:2], *radar, *depth], None, packed=True)
    (bag / "metadata.yaml").unlink()
    return next(bag.glob("*.db3"))


@pytest.mark.parametrize("write_bag", [usual, as_the_world_sends_it, as_drivers_send_it])
def test_the_node_works_with_the_parameters_that_the_doctor_writes(
    write_bag, content, checkpoint_file, peers, tmp_path
) -> None:
    """Topics, calibration and the scale of the intensity come from the doctor."""
    bag = write_bag(tmp_path / "bag", on(TOPICS["points"], in_photons)(content))
    doctor = Process(
        "doctor",
        str(bag),
        "--checkpoint",
        str(checkpoint_file),
        "--params",
        str(tmp_path / "p.yaml"),
        "--no-speed",
    )
    assert doctor.wait() == 0, doctor.lines
    command = shlex.split(doctor.wait_for(r"bev-semseg node"))
    assert command[:3] == ["bev-semseg", "node", "--ros-args"]
    arguments = [*command[1:], "-r", f"__ns:={NAMESPACE}"]
    with ExitStack() as processes:
        node = processes.enter_context(
            Process(*arguments, "-p", "engine:=torch", "-p", "num_threads:=1")
        )
        node.wait_for("READY")
        peer = peers(NAMESPACE)
        peer.spin_until(
            lambda: peer.node.count_publishers(f"{NAMESPACE}/perception/timing"), what="the node"
        )
        player = processes.enter_context(
            Process("play", str(bag), "--rate", "0.4", "--for", f"{NAMESPACE}/perception")
        )
        wanted = {
            stamp_ns(entry.message.header.stamp)
            for entry in content
            if entry.topic == TOPICS["points"]
        }

        def fused() -> set[int]:
            return wanted & {
                stamp_ns(message.header.stamp)
                for message in peer.received["timing"]
                if message.status[0].message == "fused"
            }

        # A busy machine may be too late for some of them.
        peer.spin_until(
            lambda: player.has_ended and len(fused()) > COUNT / 2, what="results of most pairs"
        )
        assert player.wait() == 0, player.lines
    assert len(wanted) == COUNT
    assert not any("intensity" in line for line in node.lines), node.lines


def listening(seconds: float, tmp_path: Path, *arguments: str) -> Process:
    """Start a doctor that listens and writes `out.json`."""
    return Process(
        "doctor",
        "--live",
        str(seconds),
        "--no-speed",
        "--json",
        str(tmp_path / "out.json"),
        *arguments,
        *(
            part
            for name, topic in TOPICS.items()
            for part in (f"--{name.replace('_', '-')}", topic)
        ),
    )


def listen(seconds: float, tmp_path: Path, *arguments: str) -> tuple[int, dict]:
    """Return the exit status and the JSON of a doctor that listens."""
    status = listening(seconds, tmp_path, *arguments).wait()
    return status, json.loads((tmp_path / "out.json").read_text())


def level_and_text(report: dict, item: str) -> tuple[str, str]:
    return next(
        (finding["level"], finding["text"])
        for finding in report["findings"]
        if finding["item"] == item
    )


def test_live_topics_are_diagnosed_like_a_bag(content, play, tmp_path) -> None:
    bag = write(tmp_path / "bag", content)
    play(bag)
    _, report = listen(3, tmp_path, "--calibration", str(bag / YAML_NAME))
    assert level_and_text(report, "qos points") == ("ok", "/player reliable")
    assert report["statistics"]["points"]["messages"] > 3
    assert all(
        level_and_text(report, item)[0] == "ok"
        for item in (
            "layout points",
            "layout image",
            "intrinsics",
            "transport image",
            "ground height",
            "beams",
            "focal length",
        )
    )


def test_a_publisher_that_becomes_known_while_the_doctor_listens_is_named(
    content, play, peers, tmp_path
) -> None:
    """The graph may know a publisher of a node that just started before it knows the node's name.

    A publisher that starts while the doctor listens becomes known just as late.
    """
    play(write(tmp_path / "bag", content))
    doctor, peer, topic = listening(3, tmp_path), peers(), TOPICS["points"]
    peer.spin_until(lambda: peer.node.count_subscribers(topic), what="the doctor's subscription")
    publisher = peer.node.create_publisher(PointCloud2, topic, 10)
    doctor.wait()
    peer.node.destroy_publisher(publisher)
    report = json.loads((tmp_path / "out.json").read_text())
    assert level_and_text(report, "qos points") == ("ok", "/peer reliable, /player reliable")


def test_no_message_is_decoded_while_others_arrive(content, play, tmp_path, monkeypatch) -> None:
    """Otherwise, decoding would delay the arrival times of messages that come meanwhile."""
    play(write(tmp_path / "bag", content))
    decoded, take = [], Stream.take

    def notes_time(stream: Stream, *arguments) -> None:
        decoded.append(time.time_ns())
        take(stream, *arguments)

    monkeypatch.setattr(Stream, "take", notes_time)
    observation = live.listen(1.5, TOPICS)
    arrivals = [time for stream in observation.streams.values() for time in stream.arrivals]
    assert len(arrivals) == len(decoded) > 3
    assert max(arrivals) < min(decoded)


def test_messages_that_wait_to_be_decoded_take_limited_memory() -> None:
    stream = Stream("camera_info", "/info", "sensor_msgs/msg/CameraInfo")
    infos = [CameraInfo(header=Header(stamp=Time(sec=number))) for number in range(1, 6)]
    messages = [serialize_message(info) for info in infos]
    backlog = Backlog(max_bytes=2 * len(messages[0]))
    for number, message in enumerate(messages, 1):
        backlog.add(stream, message, {"received_timestamp": 100 * number})
    assert stream.arrivals == [100, 200, 300]
    backlog.decode()
    assert stream.arrivals == [100, 200, 300, 400, 500]
    assert stream.stamps == [number * 10**9 for number in range(1, 6)]


def test_a_sender_whose_transport_cannot_carry_its_images_is_named(
    content, play, tmp_path, monkeypatch
) -> None:
    bag = write(tmp_path / "bag", on(TOPICS["image"], large)(content))
    with monkeypatch.context() as sender:
        sender.delenv(profile_variable(), raising=False)
        sender.setenv(SWITCH, "none")
        play(bag)
    _, report = listen(4, tmp_path, "--calibration", str(bag / YAML_NAME))
    level, text = level_and_text(report, "transport image")
    assert (
        level in ("warning", "fault")
        and "although /player publishes it" in text
        and "do not get through" in text
    )


def test_live_topics_that_nobody_publishes_are_faults(tmp_path) -> None:
    status, report = listen(0.1, tmp_path)
    level, text = level_and_text(report, "topic points")
    assert (status, level) == (1, "fault") and f"there is no topic {TOPICS['points']}" in text

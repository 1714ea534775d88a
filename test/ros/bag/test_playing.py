"""What the player publishes from a bag, and what it reports about the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from support.process import Process
from support.recordings import IMAGE, START, STEP, STORE, image, record, storage_file

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def node() -> Iterator:
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("player", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


@pytest.fixture
def play(node) -> Callable:
    """Return play(bag), which plays a bag to its end and returns the player."""

    def play(bag: Path):
        from bev_semseg_ros.ros.bag.player import Player

        player = Player(node, bag)
        player.play(rate=1000)
        player.close()
        return player

    return play


def changed(number: int, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return a function that changes only the image with this number."""
    return lambda data: change(data) if data == image(number) else data


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda data: b"\x28\xb5\x2f\xfd" + data, "its compressed data are damaged"),
        (lambda data: b"\xff\xd8\xff\xe0" + data, "no CDR message .*ff d8 ff e0"),
        (lambda data: b"", "no CDR message .*nothing"),
        (lambda data: data[:500], "damaged, or no sensor_msgs/msg/Image"),
        (lambda data: data + bytes(100), "damaged, or no sensor_msgs/msg/Image"),
    ],
    ids=["compressed", "a JPEG as it is", "empty", "cut off", "too long"],
)
def test_invalid_messages_are_counted_and_not_published(
    spoil: Callable[[bytes], bytes], cause: str, play, tmp_path: Path
) -> None:
    player = play(record(tmp_path / "bag", range(5), pack=changed(3, spoil)))
    assert player.sent == {"/image": 4}
    ((topic, said), count) = player.left_out.popitem()
    assert (topic, count) == ("/image", 1) and re.match(cause, said), said


def test_messages_that_were_compressed_one_by_one_arrive_as_images(
    node, play, tmp_path: Path
) -> None:
    """The file is of a recording with --compression-mode message and has no metadata.yaml."""
    from backports import zstd
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    folder = record(tmp_path / "bag", range(4), topic="/packed/image", pack=zstd.compress)
    (folder / "metadata.yaml").unlink()
    received: list[bytes] = []
    subscription = node.create_subscription(
        Image, "/packed/image", received.append, QoSProfile(depth=10), raw=True
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    try:
        assert play(storage_file(folder)).sent == {"/packed/image": 4}
        for _ in range(1000):
            if len(received) == 4:
                break
            executor.spin_once(timeout_sec=0.1)
    finally:
        executor.shutdown()
        node.destroy_subscription(subscription)
    assert received == [image(number) for number in range(4)]


def test_a_topic_of_two_types_is_played_with_the_type_of_most_messages(
    play, tmp_path: Path
) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    storage_file(record(tmp_path / "a", range(3))).rename(folder / "a.mcap")
    other = storage_file(record(tmp_path / "b", range(2)))
    data = other.read_bytes().replace(b"sensor_msgs/msg/Image", b"sensor_msgs/msg/Range")
    (folder / "b.mcap").write_bytes(data)
    player = play(folder)
    assert player.sent == {"/image": 3}
    (remark,) = (str(each) for each in player.remarks if "Range" in str(each))
    assert "another type on the same topic has more messages; 2 are left out" in remark


def test_a_topic_whose_name_ros_2_does_not_allow_is_skipped_and_named(play, tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(2), topic="/cam-0/image")
    other = record(tmp_path / "other", range(2), topic="/cam_0/image")
    storage_file(other).rename(folder / "other.mcap")
    (folder / "metadata.yaml").unlink()
    player = play(folder)
    assert player.sent == {"/cam_0/image": 2} and player.skipped == {"/cam-0/image": IMAGE}


def test_a_message_with_the_time_0_does_not_hold_up_the_rest(node, tmp_path: Path) -> None:
    """In converted bags, /tf_static may have this time; the drive begins 50 years later."""
    from bev_semseg_ros.ros.bag.player import Player

    drive = 16_000_000_000  # in tenths of a second
    folder = record(tmp_path / "bag", [-10, drive, drive + 1])
    player = Player(node, folder)
    player.play(rate=1.0)
    player.close()
    assert player.sent == {"/image": 3}


def test_splits_whose_time_starts_again_are_played_one_after_the_other(
    node, tmp_path: Path
) -> None:
    """As when a simulator is restarted during a recording."""
    from bev_semseg_ros.ros.bag.player import Player

    folder = tmp_path / "bag"
    folder.mkdir()
    for index, numbers in enumerate(([200, 201, 202], [0, 1, 2])):
        part = record(tmp_path / f"part{index}", numbers)
        storage_file(part).rename(folder / f"bag_{index}.mcap")
    player = Player(node, folder)
    with (tmp_path / "log").open("w") as log:
        player.play(rate=1.0, log=log)
    player.close()
    entries = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(entry["stamp"] - START) // STEP for entry in entries] == [200, 201, 202, 0, 1, 2]
    times = [entry["published"] for entry in entries]
    assert times[4] - times[3] > 0.9 * STEP  # the second split is also played with its timing


def test_a_recorded_clock_is_the_only_clock_that_is_published(node, tmp_path: Path) -> None:
    """The stamps follow the recorded clock. A second clock would make time jump back and forth."""
    from rclpy.executors import SingleThreadedExecutor
    from rosgraph_msgs.msg import Clock

    from bev_semseg_ros.ros.bag.player import Player

    kind, types = "rosgraph_msgs/msg/Clock", STORE.types
    clock = types[kind](types["builtin_interfaces/msg/Time"](7, 0))
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/clock", kind, typestore=STORE)
        for number in range(3):
            data = bytes(STORE.serialize_cdr(clock, kind))
            writer.write(connection, START + number * STEP, data)
    received: list[int] = []
    subscription = node.create_subscription(
        Clock, "/clock", lambda message: received.append(message.clock.sec), 100
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    player = Player(node, tmp_path / "bag", clock=True)
    player.play(rate=1.0)
    player.finish()
    player.close()
    for _ in range(1000):
        if received.count(7) == 3:
            break
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_subscription(subscription)
    assert received == [7, 7, 7]


def test_packets_that_cannot_be_played_are_named_with_the_package_that_decodes_them(
    play, tmp_path: Path
) -> None:
    folder = record(tmp_path / "bag", range(2))
    file = storage_file(folder)
    named = file.read_bytes().replace(b"sensor_msgs/msg/Image", b"velodyne_msgs/msg/Pkt")
    file.write_bytes(named)
    (folder / "metadata.yaml").unlink()
    with pytest.raises(ValueError, match="nothing to play") as error:
        play(folder)
    assert "/image (velodyne_msgs/msg/Pkt) is skipped" in str(error.value)
    assert "play the bag to velodyne_pointcloud" in str(error.value)


def test_static_transforms_without_a_recorded_qos_are_latched() -> None:
    from rclpy.qos import DurabilityPolicy
    from support.recordings import BEST_EFFORT

    from bev_semseg_ros.ros.bag.playback_qos import qos_profile

    unknown = BEST_EFFORT._replace(durability=type(BEST_EFFORT.durability).UNKNOWN)
    for offered in ([], [unknown]):
        profile = qos_profile(offered, 30, is_static=True)
        assert profile.durability == DurabilityPolicy.TRANSIENT_LOCAL and profile.depth == 30
    chosen = qos_profile([BEST_EFFORT], 30, is_static=True)
    assert chosen.durability == DurabilityPolicy.VOLATILE


def test_best_available_and_differing_publishers_are_played_as_reliable() -> None:
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
    from support.recordings import BEST_EFFORT

    from bev_semseg_ros.ros.bag.playback_qos import qos_profile

    reliability, durability = type(BEST_EFFORT.reliability), type(BEST_EFFORT.durability)
    available = BEST_EFFORT._replace(
        reliability=reliability.BEST_AVAILABLE, durability=durability.BEST_AVAILABLE
    )
    profile = qos_profile([available])
    assert profile.reliability == ReliabilityPolicy.RELIABLE
    assert profile.durability == DurabilityPolicy.VOLATILE
    reliable = BEST_EFFORT._replace(reliability=reliability.RELIABLE)
    assert qos_profile([BEST_EFFORT, reliable]).reliability == ReliabilityPolicy.RELIABLE
    assert qos_profile([BEST_EFFORT, BEST_EFFORT]).reliability == ReliabilityPolicy.BEST_EFFORT


def test_a_topic_that_one_of_its_publishers_latched_is_played_latched() -> None:
    """As with /tf_static if one of two programs publishes it with the default QoS."""
    from rclpy.qos import DurabilityPolicy
    from support.recordings import BEST_EFFORT

    from bev_semseg_ros.ros.bag.playback_qos import qos_profile

    latched = BEST_EFFORT._replace(durability=type(BEST_EFFORT.durability).TRANSIENT_LOCAL)
    for offered in ([BEST_EFFORT, latched], [latched, BEST_EFFORT]):
        profile = qos_profile(offered, 2, is_static=True)
        assert profile.durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_playing_a_bag_without_messages_fails(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", [])
    with Process("play", str(folder), "--wait", "0") as player:
        assert player.wait() == 2
    assert f"{folder}: nothing was published: it holds no messages" in player.lines[-1]


def test_the_command_says_what_was_left_out(tmp_path: Path) -> None:
    folder = record(tmp_path / "bag", range(4), pack=changed(1, lambda data: data[:99]))
    (folder / "metadata.yaml").unlink()
    with Process("play", str(folder), "--wait", "0", "--rate", "1000") as player:
        assert player.wait() == 0
    text = "\n".join(player.lines)
    assert "metadata.yaml is missing" in text
    assert "/image: 1 messages are left out: damaged, or no sensor_msgs/msg/Image" in text
    assert '"left_out": {"/image": {"damaged, or no sensor_msgs/msg/Image": 1}}' in text


def test_a_message_of_every_input_passes_the_check() -> None:
    from bev_semseg_ros.ros.bag.reading.payload import check_message

    for kind in ("PointCloud2", "Image", "CompressedImage", "CameraInfo"):
        name = f"sensor_msgs/msg/{kind}"
        check_message(minimal(name), name)
    check_message(b"\x00\x01\x00\x00", "std_msgs/msg/Empty")


def test_a_message_of_an_older_distribution_passes_the_check() -> None:
    """In Jazzy, Range, which ultrasonic sensors publish, has one more field than in Humble."""
    from bev_semseg_ros.ros.bag.reading.payload import check_message

    humble = get_typestore(Stores.ROS2_HUMBLE)
    header = humble.types["std_msgs/msg/Header"](
        humble.types["builtin_interfaces/msg/Time"](1, 0), "bumper"
    )
    measured = humble.types["sensor_msgs/msg/Range"](header, 0, 0.5, 0.2, 4.0, 1.3)
    data = bytes(humble.serialize_cdr(measured, "sensor_msgs/msg/Range"))
    check_message(data, "sensor_msgs/msg/Range")


def minimal(name: str) -> bytes:
    from rclpy.serialization import serialize_message

    from bev_semseg_ros.ros.convert.message import message_class

    assert name in STORE.fielddefs
    return serialize_message(message_class(name)())


def test_an_unknown_history_gets_the_default_depth() -> None:
    from rclpy.qos import HistoryPolicy, ReliabilityPolicy
    from support.recordings import BEST_EFFORT

    from bev_semseg_ros.ros.bag.playback_qos import qos_profile

    seen = BEST_EFFORT._replace(
        history=type(BEST_EFFORT.history).UNKNOWN,
        depth=0,
        durability=type(BEST_EFFORT.durability).UNKNOWN,
    )
    profile = qos_profile([seen])
    assert (profile.history, profile.depth) == (HistoryPolicy.KEEP_LAST, 10)
    assert profile.reliability == ReliabilityPolicy.BEST_EFFORT

"""The player as a process, from a bag to a node over real DDS."""

from __future__ import annotations

import importlib.util
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
from rclpy.executors import SingleThreadedExecutor
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from support.bags import COUNT, START, STEP, write_bag
from support.process import Process

from bev_semseg_ros.ros.bag.player import Player
from bev_semseg_ros.ros.convert.message import stamp_ns

HAS_TF2_MSGS = importlib.util.find_spec("tf2_msgs") is not None
RATE = 0.1  # 1 Hz: even a busy machine must process every frame


@pytest.fixture(
    scope="module", params=[StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=["mcap", "sqlite3"]
)
def played(request, node, peers, tmp_path_factory):
    """(summary, log, peer) of a bag that was played to the node."""
    peer, folder = peers(), tmp_path_factory.mktemp("bag")
    peer.wait_until_known()
    for messages in peer.received.values():
        messages.clear()
    stamp = peer.stamp
    write_bag(folder / "bag", peer, request.param)
    peer.stamp = stamp
    arguments = ("--rate", str(RATE), "--log", str(folder / "log"), "--for", "/perception")
    with Process("play", str(folder / "bag"), *arguments) as player:
        # Meanwhile, the peer collects results.
        peer.spin_until(lambda: player.has_ended, what="the end of the player")
        assert player.wait() == 0
    peer.spin_until(
        lambda: any(
            stamp_ns(m.header.stamp) == START + STEP * (COUNT - 1) for m in peer.received["timing"]
        ),
        what="the last result",
    )
    log = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    return json.loads(player.lines[-1]), log, peer


@pytest.fixture
def make_node(peer):
    """make_node(name, **options), a node in the namespace /car that ends with the test."""
    from rclpy import create_node

    with ExitStack() as nodes:

        def make(name: str, **options):
            node = create_node(name, context=peer.node.context, namespace="car", **options)
            nodes.callback(node.destroy_node)
            return node

        yield make


def test_the_node_gives_a_result_for_every_pair(played):
    _, _, peer = played
    stamps = [stamp_ns(m.header.stamp) for m in peer.received["timing"]]
    assert {START + STEP * index for index in range(COUNT)} <= set(stamps)


def test_the_player_says_what_it_sent(played):
    transforms = {"/tf_static": 1} if HAS_TF2_MSGS else {}
    sensors = {"/camera_info": COUNT, "/points": COUNT, "/image": COUNT}
    assert played[0]["sent"] == sensors | transforms


def test_a_topic_whose_package_is_missing_is_skipped_by_name(played):
    skipped = {} if HAS_TF2_MSGS else {"/tf_static": "tf2_msgs/msg/TFMessage"}
    assert played[0]["skipped"] == skipped


def test_messages_are_published_with_the_timing_of_the_bag(played):
    times = [entry["published"] for entry in played[1] if entry["topic"] == "/points"]
    assert np.diff(times).min() > 0 and (times[-1] - times[0]) >= (COUNT - 1) * STEP / RATE * 0.9


def test_a_folder_that_is_no_bag_is_named(tmp_path):
    with Process("play", str(tmp_path)) as player:
        assert player.wait() == 2 and str(tmp_path) in player.lines[-1]


def test_sigint_ends_the_player_with_its_report(tmp_path, peer):
    stamp = peer.stamp
    write_bag(tmp_path / "bag", peer, StoragePlugin.SQLITE3)
    peer.stamp = stamp
    with Process("play", str(tmp_path / "bag"), "--loop", "--wait", "0", "--clock") as player:
        player.wait_for("playing anyway")
        player.interrupt()
        assert player.wait() == 0 and '"sent"' in player.lines[-1]


def test_ctrl_c_under_launch_reaches_the_player_twice_and_ends_it_quietly(tmp_path, peer):
    stamp = peer.stamp
    write_bag(tmp_path / "bag", peer, StoragePlugin.SQLITE3)
    peer.stamp = stamp
    with Process("play", str(tmp_path / "bag"), "--loop", "--wait", "0") as player:
        player.wait_for("playing anyway")
        while not player.has_ended:  # several pending signals count as one
            player.interrupt()
            time.sleep(0.01)
        assert player.wait() == 0 and '"sent"' in player.lines[-1]
        assert not any("Traceback" in line or "interrupted" in line for line in player.lines)


def test_late_subscribers_get_every_message_of_a_latched_topic(tmp_path, peer, make_node):
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import CameraInfo

    never = QosTime(9223372036, 854775807)
    kept = Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        never,
        never,
        QosLiveliness.AUTOMATIC,
        never,
        False,
    )
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connection = writer.add_connection(
            "/kept/info",
            "sensor_msgs/msg/CameraInfo",
            typestore=get_typestore(Stores.ROS2_JAZZY),
            offered_qos_profiles=[kept],
        )
        for width in range(1, 13):
            writer.write(connection, START, serialize_message(CameraInfo(width=width)))
    Player(make_node("player"), tmp_path / "bag").play()
    widths = []
    peer.node.create_subscription(
        CameraInfo,
        "/kept/info",
        lambda message: widths.append(message.width),
        QoSProfile(depth=20, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    )
    peer.spin_until(lambda: len(widths) == 12, what="every kept message")


@pytest.fixture
def player(tmp_path, make_node) -> Player:
    """A player of a bag with the topic /recorded/image."""
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        writer.add_connection(
            "/recorded/image", "sensor_msgs/msg/Image", typestore=get_typestore(Stores.ROS2_JAZZY)
        )
    return Player(make_node("player"), tmp_path / "bag")


def serialized_image() -> bytes:
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import Image

    return serialize_message(Image(width=1))


def subscribe(node) -> None:
    from sensor_msgs.msg import Image

    node.create_subscription(Image, "/recorded/image", lambda _: None, 1)


def test_the_player_waits_for_the_node_it_plays_for(player, make_node):
    """A node without parameter services cannot be asked; its subscription is enough."""
    subscribe(make_node("viewer"))
    wanted = make_node("wanted", start_parameter_services=False)
    assert player.wait_for_subscribers(10) and not player.wait_for_subscribers(2, "/car/wanted")
    subscribe(wanted)
    assert player.wait_for_subscribers(10, "/car/wanted")


def test_the_leading_slash_of_the_node_may_be_left_out(tmp_path, make_node):
    subscribe(make_node("wanted", start_parameter_services=False))
    typestore = get_typestore(Stores.ROS2_JAZZY)
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        kind = "sensor_msgs/msg/Image"
        connection = writer.add_connection("/recorded/image", kind, typestore=typestore)
        writer.write(connection, START, serialized_image())
    with Process("play", str(tmp_path / "bag"), "--for", "car/wanted") as player:
        assert player.wait() == 0
    assert json.loads(player.lines[-1])["matched"]


def test_what_the_node_publishes_itself_is_not_played(tmp_path, peer, make_node):
    """Otherwise, RViz would show the boxes of an earlier run among the new ones."""
    from sensor_msgs.msg import Image

    typestore = get_typestore(Stores.ROS2_JAZZY)
    topics = ("/car/wanted/color", "/car/wanted/raw", "/recorded/image")
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        for topic in topics:
            connection = writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=typestore)
            writer.write(connection, START, serialized_image())
    player = Player(make_node("player"), tmp_path / "bag")
    wanted = make_node("wanted", start_parameter_services=False)
    subscribe(wanted)
    wanted.create_publisher(Image, "/car/wanted/color", 1)
    assert player.wait_for_subscribers(10, "/car/wanted")
    player.leave_out_topics_of("/car/wanted")
    player.play()
    assert player.sent.keys() == set(topics[1:])
    assert "/car/wanted publishes it itself" in str(player.remarks[-1])


def test_the_player_does_not_play_to_an_inactive_node_that_only_listens_to_tf(tmp_path, make_node):
    from geometry_msgs.msg import TransformStamped

    typestore = get_typestore(Stores.ROS2_JAZZY)
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        for topic, kind in (
            ("/recorded/image", "sensor_msgs/msg/Image"),
            ("/recorded/tf_static", "geometry_msgs/msg/TransformStamped"),
        ):
            writer.add_connection(topic, kind, typestore=typestore)
    player = Player(make_node("player"), tmp_path / "bag")
    inactive = make_node("inactive", start_parameter_services=False)
    inactive.create_subscription(TransformStamped, "/recorded/tf_static", lambda _: None, 1)
    assert not player.wait_for_subscribers(2)
    assert not player.wait_for_subscribers(2, "/car/inactive")
    subscribe(inactive)
    assert player.wait_for_subscribers(10, "/car/inactive")


def test_the_player_waits_until_the_node_it_plays_for_has_found_it(player, make_node):
    """A node that has not found the player's publishers loses what they publish."""
    wanted = make_node("wanted")
    subscribe(wanted)
    assert player.wait_for_subscribers(10) and not player.wait_for_subscribers(2, "/car/wanted")
    with ThreadPoolExecutor(1) as thread:
        executor = SingleThreadedExecutor(context=wanted.context)
        executor.add_node(wanted)
        waits = thread.submit(player.wait_for_subscribers, 20, "/car/wanted")
        while not waits.done():
            executor.spin_once(timeout_sec=0.05)
        executor.shutdown()
    assert waits.result()

"""The player as a process, from a bag to a node over real DDS."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rclpy.qos import HistoryPolicy, ReliabilityPolicy
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

from bev_semseg_ros.ros.bag.player import Player, qos_profile
from bev_semseg_ros.ros.convert.message import stamp_ns

RATE = 0.2  # 2 Hz: every frame must come out, on a busy machine, too


@pytest.fixture(
    scope="module", params=[StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=["mcap", "sqlite3"]
)
def played(request, node, peers, tmp_path_factory):
    """(summary, log, peer) of a bag that was played to the node."""
    peer, folder = peers(), tmp_path_factory.mktemp("bag")
    for messages in peer.received.values():
        messages.clear()
    stamp = peer._stamp
    write_bag(folder / "bag", peer, request.param)
    peer._stamp = stamp
    player = Process("play", str(folder / "bag"), "--rate", str(RATE), "--log", str(folder / "log"))
    peer.spin_until(
        lambda: player.has_ended, what="the end of the player"
    )  # collecting results meanwhile
    assert player.wait() == 0
    peer.spin_until(
        lambda: any(
            stamp_ns(m.header.stamp) == START + STEP * (COUNT - 1) for m in peer.received["timing"]
        ),
        what="the last result",
    )
    log = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    return json.loads(player.lines[-1]), log, peer


def test_every_pair_comes_out_of_the_node(played):
    _, _, peer = played
    stamps = [stamp_ns(m.header.stamp) for m in peer.received["timing"]]
    assert {START + STEP * index for index in range(COUNT)} <= set(stamps)


def test_the_player_says_what_it_sent(played):
    assert played[0]["sent"] == {"/camera_info": COUNT, "/points": COUNT, "/image": COUNT}


def test_a_topic_whose_package_is_missing_is_skipped_by_name(played):
    try:
        import tf2_msgs  # noqa: F401
    except ImportError:
        assert played[0]["skipped"] == {"/tf_static": "tf2_msgs/msg/TFMessage"}
    else:
        assert played[0]["skipped"] == {}


def test_messages_are_published_with_the_timing_of_the_bag(played):
    times = [entry["published"] for entry in played[1] if entry["topic"] == "/points"]
    assert np.diff(times).min() > 0 and (times[-1] - times[0]) >= (COUNT - 1) * STEP / RATE * 0.9


def test_a_folder_that_is_no_bag_is_named(tmp_path):
    player = Process("play", str(tmp_path))
    assert player.wait() == 2 and str(tmp_path) in player.lines[-1]


def test_sigint_ends_the_player_with_its_report(tmp_path, peer):
    stamp = peer._stamp
    write_bag(tmp_path / "bag", peer, StoragePlugin.SQLITE3)
    peer._stamp = stamp
    player = Process("play", str(tmp_path / "bag"), "--loop", "--wait", "0", "--clock")
    player.wait_for("playing anyway")
    player.interrupt()
    assert player.wait() == 0 and '"sent"' in player.lines[-1]


def test_what_ros2_bag_could_not_see_gets_the_usual_depth():
    never = QosTime(0, 0)
    seen = Qos(
        QosHistory.UNKNOWN,
        0,
        QosReliability.BEST_EFFORT,
        QosDurability.UNKNOWN,
        never,
        never,
        QosLiveliness.AUTOMATIC,
        never,
        False,
    )
    profile = qos_profile([seen])
    assert (profile.history, profile.depth, profile.reliability) == (
        HistoryPolicy.KEEP_LAST,
        10,
        ReliabilityPolicy.BEST_EFFORT,
    )


def test_late_subscribers_get_every_message_of_a_topic_that_keeps_them(tmp_path, peer):
    from rclpy import create_node
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
    node = create_node("player", context=peer.node.context)
    Player(node, tmp_path / "bag").play()
    widths = []
    peer.node.create_subscription(
        CameraInfo,
        "/kept/info",
        lambda message: widths.append(message.width),
        QoSProfile(depth=20, durability=DurabilityPolicy.TRANSIENT_LOCAL),
    )
    peer.spin_until(lambda: len(widths) == 12, what="every kept message")
    node.destroy_node()


def test_the_player_waits_for_the_node_it_plays_for(tmp_path, peer):
    from rclpy import create_node
    from sensor_msgs.msg import Image

    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        writer.add_connection(
            "/recorded/image", "sensor_msgs/msg/Image", typestore=get_typestore(Stores.ROS2_JAZZY)
        )
    nodes = [
        create_node(name, context=peer.node.context, namespace="car")
        for name in ("player", "viewer", "wanted")
    ]
    player = Player(nodes[0], tmp_path / "bag")
    nodes[1].create_subscription(Image, "/recorded/image", lambda _: None, 1)
    assert player.wait_for_subscribers(10) and not player.wait_for_subscribers(2, "/car/wanted")
    nodes[2].create_subscription(Image, "/recorded/image", lambda _: None, 1)
    assert player.wait_for_subscribers(10, "/car/wanted")
    for node in nodes:
        node.destroy_node()

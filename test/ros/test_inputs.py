"""Subscriptions that follow their publishers, within one process."""

from __future__ import annotations

import time

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, PointCloud2

from bev_semseg_ros.ros import inputs
from bev_semseg_ros.ros.inputs import Input


@pytest.fixture
def listen(peer):
    """listen(kind, **options) -> (input, its messages) on the peer's node."""
    made = []

    def make(kind: type, setting: str = "auto", **options):
        messages: list = []
        made.append(Input(peer.node, kind, f"/inputs/{kind.__name__}", setting, messages.append, **options))
        return made[-1], messages

    yield make
    for source in made:
        source.destroy()


def reliability(peer, source) -> ReliabilityPolicy:
    return peer.node.get_subscriptions_info_by_topic(source.topic)[0].qos_profile.reliability


def test_a_publisher_that_comes_back_finds_what_it_left(peer, listen):
    source, _ = listen(PointCloud2)
    publisher = peer.node.create_publisher(PointCloud2, source.topic, 1)
    peer.spin_until(lambda: peer.node.count_publishers(source.topic))
    source.follow()
    assert reliability(peer, source) == ReliabilityPolicy.RELIABLE
    peer.node.destroy_publisher(publisher)
    peer.spin_until(lambda: not peer.node.count_publishers(source.topic))
    source.follow()
    assert reliability(peer, source) == ReliabilityPolicy.RELIABLE


@pytest.mark.parametrize("setting", ["auto", "best_effort", "reliable"])
def test_a_camera_info_that_was_published_once_and_kept_is_received_whatever_the_reliability(peer, listen, setting):
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = peer.node.create_publisher(CameraInfo, "/inputs/CameraInfo", kept)
    publisher.publish(CameraInfo())
    peer.spin_until(lambda: peer.node.count_publishers("/inputs/CameraInfo") == 1)
    source, messages = listen(CameraInfo, setting, lasts=True)
    peer.spin_until(lambda: messages, what="the kept message")
    source._last -= 60
    assert source.explain() is None
    peer.node.destroy_publisher(publisher)
    peer.spin_until(lambda: not peer.node.count_publishers("/inputs/CameraInfo"))


def test_a_best_effort_publisher_of_camera_infos_is_heard(peer, listen):
    offered = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = peer.node.create_publisher(CameraInfo, "/inputs/CameraInfo", offered)
    peer.spin_until(lambda: peer.node.count_publishers("/inputs/CameraInfo") == 1)
    source, messages = listen(CameraInfo, "best_effort", lasts=True)
    peer.spin_until(publisher.get_subscription_count, what="the subscription")
    publisher.publish(CameraInfo())
    peer.spin_until(lambda: messages, what="the message")
    assert reliability(peer, source) == ReliabilityPolicy.BEST_EFFORT
    peer.node.destroy_publisher(publisher)


def test_a_publisher_that_cannot_be_heard_is_named_though_another_one_is(peer):
    source = Input(peer.node, PointCloud2, "/inputs/two", "reliable", lambda _: None)
    made = [peer.node.create_publisher(PointCloud2, source.topic, QoSProfile(depth=1, reliability=policy))
            for policy in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)]
    peer.spin_until(lambda: peer.node.count_publishers(source.topic) == 2)
    source._last = time.monotonic()
    assert source.explain() == ("QoS cannot match on /inputs/two: /peer offers best effort, asked for is reliable; set "
                                "reliability to auto or best_effort")
    for publisher in made:
        peer.node.destroy_publisher(publisher)
    source.destroy()


def test_durability_that_cannot_match_is_named_until_the_subscription_follows(peer, listen):
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    made = [peer.node.create_publisher(CameraInfo, "/inputs/CameraInfo", kept)]
    peer.spin_until(lambda: peer.node.count_publishers("/inputs/CameraInfo") == 1)
    source, _ = listen(CameraInfo, lasts=True)
    made.append(peer.node.create_publisher(CameraInfo, source.topic, 1))
    peer.spin_until(lambda: peer.node.count_publishers(source.topic) == 2)
    assert "/peer offers durability volatile" in source.explain()
    source.follow()
    assert "nothing has come" in source.explain()
    for publisher in made:
        peer.node.destroy_publisher(publisher)


@pytest.fixture
def filters(monkeypatch):
    """The module of message_filters's filters, which the inputs use."""
    filters = pytest.importorskip("message_filters")
    monkeypatch.setattr(inputs, "FilterSubscriber", filters.Subscriber)
    return filters


def test_a_chained_filter_stays_when_the_subscription_follows_another_publisher(filters, peer, listen):
    source, messages = listen(PointCloud2)
    chained = filters.Cache(source.subscriber, 10)
    for policy in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT):
        publisher = peer.node.create_publisher(PointCloud2, source.topic, QoSProfile(depth=1, reliability=policy))
        peer.spin_until(lambda: peer.node.count_publishers(source.topic))
        source.follow()
        assert reliability(peer, source) == policy
        peer.spin_until(lambda p=publisher: p.get_subscription_count(), what="the subscription")
        publisher.publish(peer.cloud())
        count = 1 if policy == ReliabilityPolicy.RELIABLE else 2
        peer.spin_until(lambda n=count: len(messages) == n, what="the message")
        peer.node.destroy_publisher(publisher)
        peer.spin_until(lambda: not peer.node.count_publishers(source.topic))
    assert len(chained.cache_msgs) == 2

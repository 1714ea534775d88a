"""Subscriptions that follow their publishers, within one process."""

from __future__ import annotations

import time
from contextlib import nullcontext

import pytest
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, PointCloud2

from bev_semseg_ros.frame import CAMERA
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input import subscriptions
from bev_semseg_ros.ros.input.camera_info_matcher import CameraInfoMatcher
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue
from bev_semseg_ros.ros.input.stamp_filter import StampFilter
from bev_semseg_ros.ros.input.subscriptions import Subscription, open_subscriptions
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.synchronizer import Synchronizer


def test_no_subscription_is_left_after_an_error(peer):
    """If the second of three fails, the first one must not remain and receive messages."""
    calls = []

    def guard(callback):
        calls.append(callback)
        if len(calls) == 2:
            raise MemoryError("no room for a second one")
        return callback

    before, health = list(peer.node.subscriptions), Health()
    stamp_filter = StampFilter(LatestPairQueue(Synchronizer(0, 0), health), health, lambda: 1)
    matchers = {CAMERA: CameraInfoMatcher(stamp_filter, health, True)}
    with pytest.raises(MemoryError):
        open_subscriptions(peer.node, Parameters(), stamp_filter, matchers, health, guard)
    assert len(calls) == 2 and list(peer.node.subscriptions) == before


@pytest.fixture
def listen(peer):
    """listen(kind, **options) -> (subscription, its messages) on the peer's node."""
    made = []

    def make(kind: type, setting: str = "auto", **options):
        messages: list = []
        topic = f"/inputs/{kind.__name__}"
        made.append(
            Subscription(peer.node, kind, topic, setting, messages.append, Health(), **options)
        )
        return made[-1], messages

    yield make
    for source in made:
        source.destroy()


def reliability(peer, source) -> ReliabilityPolicy:
    return peer.node.get_subscriptions_info_by_topic(source.topic)[0].qos_profile.reliability


def test_a_subscription_that_could_not_be_made_is_made_the_next_time(peer, listen, monkeypatch):
    source, messages = listen(PointCloud2)
    publisher = peer.node.create_publisher(PointCloud2, source.topic, 1)
    peer.spin_until(lambda: peer.node.count_publishers(source.topic))
    with monkeypatch.context() as broken:
        broken.setattr(source, "kind", str)  # which rclpy refuses
        broken.setattr(source, "_places", [])  # so that it stays
        with pytest.raises(AttributeError):
            source.follow()
    source.follow()
    peer.spin_until(publisher.get_subscription_count, what="the subscription")
    publisher.publish(peer.cloud())
    peer.spin_until(lambda: messages, what="the message")
    peer.node.destroy_publisher(publisher)
    peer.spin_until(lambda: not peer.node.count_publishers(source.topic))


def test_a_subscription_keeps_its_reliability_while_its_publisher_is_away(peer, listen):
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
def test_a_latched_camera_info_is_received_whatever_the_reliability(peer, listen, setting):
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = peer.node.create_publisher(CameraInfo, "/inputs/CameraInfo", kept)
    publisher.publish(CameraInfo())
    peer.spin_until(lambda: peer.node.count_publishers("/inputs/CameraInfo") == 1)
    source, messages = listen(CameraInfo, setting, latched=True)
    peer.spin_until(lambda: messages, what="the kept message")
    source._last -= 60
    assert source.explain() is None
    peer.node.destroy_publisher(publisher)
    peer.spin_until(lambda: not peer.node.count_publishers("/inputs/CameraInfo"))


def test_camera_infos_of_a_best_effort_publisher_are_received(peer, listen):
    offered = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = peer.node.create_publisher(CameraInfo, "/inputs/CameraInfo", offered)
    peer.spin_until(lambda: peer.node.count_publishers("/inputs/CameraInfo") == 1)
    source, messages = listen(CameraInfo, "best_effort", latched=True)
    peer.spin_until(publisher.get_subscription_count, what="the subscription")
    publisher.publish(CameraInfo())
    peer.spin_until(lambda: messages, what="the message")
    assert reliability(peer, source) == ReliabilityPolicy.BEST_EFFORT
    peer.node.destroy_publisher(publisher)


def test_a_slow_sensor_is_not_called_silent_between_two_messages(peer, listen):
    publisher = peer.node.create_publisher(PointCloud2, "/inputs/PointCloud2", 1)
    source, _ = listen(PointCloud2)
    peer.spin_until(publisher.get_subscription_count, what="the subscription")
    for sent in range(1, 4):
        publisher.publish(peer.cloud())
        peer.spin_until(lambda count=sent: source.received == count, what="the message")
    source._last -= 60
    assert "has been silent for 6" in source.explain()
    for second in (0, 10, 20):  # as if the messages had come every 10 s
        source._arrivals.note(second * 1_000_000_000)
    source._last = time.monotonic() - 2
    assert source.explain() is None
    peer.node.destroy_publisher(publisher)
    peer.spin_until(lambda: not peer.node.count_publishers(source.topic))


def test_a_publisher_with_incompatible_qos_is_named_even_if_another_one_matches(peer):
    health = Health()
    source = Subscription(
        peer.node, PointCloud2, "/inputs/two", "reliable", lambda _: None, health, name="points"
    )
    made = [
        peer.node.create_publisher(
            PointCloud2, source.topic, QoSProfile(depth=1, reliability=policy)
        )
        for policy in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)
    ]
    peer.spin_until(lambda: peer.node.count_publishers(source.topic) == 2)
    source._last = time.monotonic()
    source.observe()
    assert health.counts().inputs["points"].problem == (
        "QoS cannot match on /inputs/two: /peer offers best effort, but reliable is requested; set "
        "reliability to auto or best_effort"
    )
    for publisher in made:
        peer.node.destroy_publisher(publisher)
    source.destroy()


@pytest.mark.parametrize("policy", [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
def test_messages_replaced_by_newer_ones_before_they_were_taken_are_counted(peer, listen, policy):
    publisher = peer.node.create_publisher(
        PointCloud2, "/inputs/PointCloud2", QoSProfile(depth=1, reliability=policy)
    )
    peer.spin_until(lambda: peer.node.count_publishers("/inputs/PointCloud2"))
    source, messages = listen(PointCloud2)
    peer.spin_until(publisher.get_subscription_count, what="the subscription")
    publisher.publish(peer.cloud())
    peer.spin_until(lambda: messages, what="the first message")
    for _ in range(5):
        publisher.publish(peer.cloud())
    peer.spin_until(lambda: source.received + source.lost == 6, what="the last message")
    assert source.received == len(messages) < 6
    peer.node.destroy_publisher(publisher)
    peer.spin_until(lambda: not peer.node.count_publishers(source.topic))


def test_messages_of_changing_publishers_are_not_counted_as_lost(peer, listen):
    source, messages = listen(PointCloud2)

    def publish(count: int, *publishers) -> None:
        peer.spin_until(lambda: peer.node.count_publishers(source.topic) == len(publishers))
        source.follow()
        peer.spin_until(
            lambda: all(p.get_subscription_count() == 1 for p in publishers),
            what="the subscription",
        )
        for publisher in publishers * count:
            publisher.publish(peer.cloud())
            received = source.received
            peer.spin_until(lambda n=received: source.received > n, what="the message")

    first = peer.node.create_publisher(PointCloud2, source.topic, 1)
    publish(5, first)
    second = peer.node.create_publisher(PointCloud2, source.topic, 1)
    publish(2, first, second)
    peer.node.destroy_publisher(first)
    publish(2, second)
    assert (source.received, source.lost, len(messages)) == (11, 0, 11)
    peer.node.destroy_publisher(second)
    peer.spin_until(lambda: not peer.node.count_publishers(source.topic))


def test_a_leading_slash_of_ros_1_in_a_frame_id_is_removed(peer, listen):
    source, messages = listen(PointCloud2)
    publisher = peer.node.create_publisher(PointCloud2, source.topic, 1)
    source.follow()
    peer.spin_until(lambda: publisher.get_subscription_count() == 1)
    cloud = peer.cloud()
    cloud.header.frame_id = "/velodyne"
    publisher.publish(cloud)
    peer.spin_until(lambda: messages, what="the cloud")
    assert messages[0].header.frame_id == "velodyne"
    peer.node.destroy_publisher(publisher)
    peer.spin_until(lambda: not peer.node.count_publishers(source.topic))


def test_an_incompatible_durability_is_reported_until_the_subscription_adapts(peer, listen):
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    made = [peer.node.create_publisher(CameraInfo, "/inputs/CameraInfo", kept)]
    peer.spin_until(lambda: peer.node.count_publishers("/inputs/CameraInfo") == 1)
    source, _ = listen(CameraInfo, latched=True)
    made.append(peer.node.create_publisher(CameraInfo, source.topic, 1))
    peer.spin_until(lambda: peer.node.count_publishers(source.topic) == 2)
    assert "/peer offers durability volatile" in source.explain()
    source.follow()
    assert "nothing has come" in source.explain()
    for publisher in made:
        peer.node.destroy_publisher(publisher)


@pytest.fixture
def filters(monkeypatch):
    """Return the module message_filters; the subscriptions use its filter."""
    filters = pytest.importorskip("message_filters")
    monkeypatch.setattr(subscriptions, "SimpleFilter", filters.SimpleFilter)
    return filters


def test_a_chained_filter_stays_when_the_subscription_follows_another_publisher(
    filters, peer, listen
):
    source, messages = listen(PointCloud2)
    chained = filters.Cache(source.filter, 10)
    for policy in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT):
        publisher = peer.node.create_publisher(
            PointCloud2, source.topic, QoSProfile(depth=1, reliability=policy)
        )
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


def test_two_cameras_that_are_swapped_by_remapping_keep_their_intrinsics():
    """ROS remaps a remapped name again, which would swap the images back."""
    rules = [
        part
        for camera, other in (("left", "right"), ("right", "left"))
        for topic in ("image", "camera_info")
        for part in ("-r", f"{camera}/{topic}:=/{other}/{topic}")
    ]
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("swapped", context=context, cli_args=["--ros-args", *rules])
    health = Health()
    stamp_filter = StampFilter(LatestPairQueue(Synchronizer(0, 0), health), health, lambda: 1)
    matchers = {
        name: CameraInfoMatcher(stamp_filter, health, True, f"{name}/image")
        for name in ("left", "right")
    }
    parameters = Parameters(cameras=("left", "right"), mode="camera_only")
    found = open_subscriptions(
        node, parameters, stamp_filter, matchers, health, lambda callback: callback
    )
    assert found["left/image"].topic == "/right/image"
    assert found["left/camera_info"].topic == "/right/camera_info"
    node.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize(
    ("cameras", "remapped", "said"),
    [
        ((), {"points": "image"}, "points and image are both on /copied/image"),
        (("front", "left"), {"left/image": "front/image"}, "front/image and left/image are both"),
        (("front", "left"), {"left/camera_info": "front/camera_info"}, ""),
    ],
)
def test_two_inputs_that_a_copied_remapping_put_on_one_topic_are_named(
    peer, cameras, remapped, said
):
    """Otherwise, rcl reports "invalid allocator" for two types, and nothing at all for one."""
    rules = [part for pair in remapped.items() for part in ("-r", ":=".join(pair))]
    options = ["--ros-args", "-r", "__ns:=/copied", *rules]
    node = rclpy.create_node("copied", context=peer.node.context, cli_args=options)
    parameters, health = Parameters(cameras=cameras), Health()
    stamp_filter = StampFilter(LatestPairQueue(Synchronizer(0, 0), health), health, lambda: 1)
    names = [camera.name for camera in parameters.sensors.cameras]
    matchers = {name: CameraInfoMatcher(stamp_filter, health, True) for name in names}

    refused = pytest.raises(ValueError, match=f"^{said}") if said else nullcontext()
    with refused:
        open_subscriptions(node, parameters, stamp_filter, matchers, health, lambda take: take)
    node.destroy_node()

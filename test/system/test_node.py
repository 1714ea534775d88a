"""The node as a process, over real DDS."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager

import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import Image
from support.peer import LABELS
from visualization_msgs.msg import Marker

from bev_semseg_ros.ros.convert.markers import boxes_from_markers
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.health.diagnostics import NOT_SEARCHED
from bev_semseg_ros.ros.node.calibration import names_frames
from bev_semseg_ros.ros.parameters.parameters import Parameters


@pytest.fixture
def pair(node, peer):
    """Return the stamp of a pair that was sent to the node."""
    peer.connect()
    peer.next_stamp()
    return peer.send(peer.cloud(), peer.image())


def test_a_pair_gives_markers_in_the_clouds_frame(pair, peer):
    markers = peer.result("markers", pair).markers
    assert {m.header.frame_id for m in markers} == {"roof"} and any(
        m.type == Marker.CUBE for m in markers
    )


def test_markers_hold_class_and_score(pair, peer):
    boxes = boxes_from_markers(peer.result("markers", pair), LABELS)
    assert len(boxes) and ((boxes.scores > 0) & (boxes.scores < 1)).all()


@pytest.mark.parametrize(
    ("topic", "encoding"),
    [("semseg/color", "rgb8"), ("semseg/overlay", "rgb8"), ("semseg/labels", "mono8")],
)
def test_segmentation_is_in_the_frame_of_the_camera(pair, peer, topic, encoding):
    image = peer.result(topic, pair)
    assert (image.encoding, image.header.frame_id, image.width, image.height) == (
        encoding,
        "front",
        128,
        64,
    )


def test_camera_info_belongs_to_the_segmentation(pair, peer):
    info = peer.result("semseg/camera_info", pair)
    assert (info.width, info.height) == (128, 64) and not any(info.d)


def test_timing_contains_the_durations_of_a_frame(pair, peer):
    timing = peer.timing(pair)
    assert (
        timing["mode"] == "fused"
        and float(timing["network_ms"]) > 0
        and float(timing["overhead_ms"]) > 0
    )


def test_detections_are_the_boxes_of_the_markers(node, peer):
    messages = pytest.importorskip("vision_msgs.msg")
    peer.connect()
    received: list = []
    subscription = peer.node.create_subscription(
        messages.Detection3DArray, "/perception/detections", received.append, 10
    )

    def has_come() -> bool:
        peer.next_stamp()
        peer.send(peer.cloud(), peer.image())
        return bool(received)

    peer.spin_until(has_come, what="the detections")
    peer.node.destroy_subscription(subscription)
    message = received[0]
    boxes = boxes_from_markers(peer.result("markers", stamp_ns(message.header.stamp)), LABELS)
    assert message.header.frame_id == "roof" and len(message.detections) == len(boxes) > 0
    for detection, center, label in zip(
        message.detections, boxes.centers, boxes.labels, strict=True
    ):
        position = detection.bbox.center.position
        assert [position.x, position.y, position.z] == pytest.approx(center)
        assert detection.results[0].hypothesis.class_id == str(label)


def test_a_cloud_without_image_is_processed_alone(node, peer):
    peer.connect()
    peer.next_stamp()
    timing = peer.timing(peer.send(peer.cloud()))
    assert timing["mode"] == "lidar_only" and int(timing["degraded/no_image"]) > 0
    node.wait_for("clouds? without image processed alone \\(lidar_only\\)")


def set_parameter(peer, name: str, value: str | float) -> None:
    kind, field = (
        (ParameterType.PARAMETER_STRING, "string_value")
        if isinstance(value, str)
        else (ParameterType.PARAMETER_DOUBLE, "double_value")
    )
    parameter = Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
    request = SetParameters.Request(parameters=[parameter])
    assert peer.call(SetParameters, "set_parameters", request).results[0].successful


@contextmanager
def changed(peer, name: str, value: str | float):
    """Set a parameter of the node within the context, and then reset it to its default."""
    set_parameter(peer, name, value)
    try:
        yield
    finally:
        set_parameter(peer, name, getattr(Parameters(), name))


@contextmanager
def stamped(peer, stamp: int):
    """Stamp the peer's messages with this time (ns) within the context."""
    before, peer.stamp = peer.stamp, stamp
    try:
        yield
    finally:
        peer.stamp = before


def test_a_cloud_without_image_is_dropped_if_unmatched_is_drop(node, peer):
    peer.connect()

    def lone_cloud() -> bool:
        peer.next_stamp()
        peer.send(peer.cloud())
        return any(
            "clouds without image dropped (unmatched is drop)" in line for line in node.lines
        )

    with changed(peer, "unmatched", "drop"):
        peer.spin_until(lone_cloud, what="the explanation")


def test_a_time_offset_can_be_set_while_the_node_runs(pair, peer):
    peer.timing(pair)  # the camera is no longer silent: the cloud waits for it
    peer.next_stamp()
    peer.publishers["camera_info"].publish(peer.info())
    image = peer.image()
    peer.stamp += 400_000_000
    with changed(peer, "image_offset", 0.4):
        assert peer.timing(peer.send(peer.cloud(), image, info=False))["mode"] == "fused"


def test_messages_without_a_stamp_are_dropped_and_named(node, peer):
    peer.connect()
    before = len(node.lines)
    with stamped(peer, 0):
        peer.send(peer.cloud(), peer.image())
        node.wait_for("clouds have no stamp .* set header.stamp", after=before)
    peer.next_stamp()
    timing = peer.timing(peer.send(peer.cloud(), peer.image()))
    assert timing["mode"] == "fused" and int(timing["dropped/no_stamp_points"]) > 0


def test_stamps_that_stand_still_are_named(node, peer):
    peer.connect()
    before = len(node.lines)

    def repeated_pair() -> bool:
        peer.send(peer.cloud(), peer.image())
        return any("points dropped: their stamps repeat" in line for line in node.lines[before:])

    peer.next_stamp()
    peer.spin_until(repeated_pair, what="the explanation")


def test_a_second_publisher_with_another_clock_is_named_while_clouds_are_processed(node, peer):
    peer.connect()
    before = len(node.lines)
    second = peer.node.create_publisher(Image, peer.publishers["image"].topic_name, 1)
    peer.spin_until(second.get_subscription_count, what="the subscription")

    def is_told() -> bool:
        peer.next_stamp()
        image = peer.image()
        image.header.stamp.sec += 1000
        stamp = peer.send(peer.cloud(), peer.image())
        second.publish(image)
        peer.timing(stamp)  # each cloud has a result
        told = r"image jump back and ahead by up to 1\d+.* s: the topic has 2 publishers \(/peer\)"
        return any(re.search(told, line) for line in node.lines[before:])

    peer.spin_until(is_told, what="the explanation")
    peer.node.destroy_publisher(second)
    peer.next_stamp()
    assert peer.timing(peer.send(peer.cloud(), peer.image()))["mode"] == "fused"


def test_a_pair_from_the_future_is_reported_and_later_pairs_are_processed(node, peer):
    peer.connect()
    with stamped(peer, 2**31 * 1_000_000_000 - 1):
        assert peer.timing(peer.send(peer.cloud(), peer.image()))["mode"] == "fused"
        node.wait_for("ahead of the node's clock: synchronise the clocks")
    peer.next_stamp()
    assert peer.timing(peer.send(peer.cloud(), peer.image()))["mode"] == "fused"


BAD_CLOUDS = {"empty": np.zeros((0, 4), np.float32), "NaN": np.full((50, 4), np.nan, np.float32)}


@pytest.mark.parametrize("kind", BAD_CLOUDS)
def test_an_image_with_an_empty_cloud_is_processed_alone(node, peer, kind):
    peer.connect()
    peer.next_stamp()
    timing = peer.timing(peer.send(peer.cloud(BAD_CLOUDS[kind]), peer.image()))
    assert timing["mode"] == "camera_only" and int(timing["degraded/empty_points"]) > 0


def test_a_frame_without_a_usable_cloud_reports_that_boxes_were_not_searched(node, peer):
    peer.connect()
    peer.next_stamp()
    seen = peer.send(peer.cloud(), peer.image())
    assert int(peer.timing(seen)["boxes"]) > 0 and peer.result("markers", seen).markers
    peer.next_stamp()
    blind = peer.send(peer.cloud(BAD_CLOUDS["NaN"]), peer.image())
    assert peer.timing(blind)["boxes"] == NOT_SEARCHED
    node.wait_for("without a cloud this network finds no boxes")
    assert {marker.action for marker in peer.result("markers", blind).markers} == {Marker.DELETE}


def zero_size(image):
    image.width = image.height = 0
    return image


def unknown_encoding(image):
    image.encoding = "yuv411"
    return image


def truncated(image):
    del image.data[1000:]
    return image


@pytest.mark.parametrize("spoil", [zero_size, unknown_encoding, truncated])
def test_a_cloud_with_a_bad_image_is_processed_alone(node, peer, spoil):
    peer.connect()
    peer.next_stamp()
    timing = peer.timing(peer.send(peer.cloud(), spoil(peer.image())))
    assert timing["mode"] == "lidar_only" and int(timing["degraded/bad_image"]) > 0


def test_an_unknown_distortion_model_is_reported_and_the_cloud_processed_alone(node, peer):
    peer.connect()
    peer.next_stamp()
    info, before = peer.info(), len(node.lines)
    info.distortion_model, info.d = "double_sphere", [0.1] * 6
    peer.publishers["camera_info"].publish(info)
    timing = peer.timing(peer.send(peer.cloud(), peer.image(), info=False))
    assert timing["mode"] == "lidar_only"
    node.wait_for("unknown distortion model 'double_sphere'", after=before)


def test_every_cloud_is_published_or_counted_as_dropped(node, peer):
    peer.connect()
    for _ in range(15):
        peer.next_stamp()
        stamp = peer.send(peer.cloud(), peer.image())
    timing = peer.timing(stamp)
    lost = sum(
        int(value)
        for key, value in timing.items()
        if key.startswith("dropped/") and not key.endswith("image")
    )
    clouds = int(timing["received/points"])
    images_alone = int(timing["published"]) + lost - clouds
    assert 0 <= images_alone <= 3  # results of images whose cloud DDS replaced by a newer one


def test_stamps_that_jump_back_do_not_silence_the_node(node, peer):
    peer.connect()
    peer.next_stamp()
    peer.timing(peer.send(peer.cloud(), peer.image()))
    peer.stamp = 500_000_000
    assert peer.timing(peer.send(peer.cloud(), peer.image()))["mode"] == "fused"


def test_a_constant_offset_of_the_sensors_is_explained(node, peer):
    peer.connect()
    before = len(node.lines)

    def offset_pair() -> bool:
        peer.next_stamp()
        cloud = peer.cloud()
        peer.stamp += 60_000_000
        peer.send(cloud, peer.image())
        peer.stamp += 140_000_000
        return any("the nearest misses by 0.060 s" in line for line in node.lines[before:])

    peer.spin_until(offset_pair, what="the explanation")


def test_a_partner_that_comes_too_late_is_explained(node, peer):
    peer.connect()
    before = len(node.lines)

    def late_image() -> bool:
        peer.next_stamp()
        peer.send(peer.cloud())
        time.sleep(0.3)  # the delay itself: longer than max_wait
        peer.send(image=peer.image())
        return any("raise max_wait" in line for line in node.lines[before:])

    peer.spin_until(late_image, what="the explanation")


def test_only_our_yaml_format_names_the_frame_of_clouds(tmp_path, calibration_file):
    assert names_frames(str(calibration_file)) and names_frames(str(calibration_file.parent))
    assert not names_frames(str(tmp_path)) and not names_frames("/data/cams_lidars.json")

"""A node that receives nothing says why."""

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2


@pytest.fixture(scope="module")
def silent(start_node):
    """Return a node that requires reliable publishers and a clock that nobody publishes."""
    process = start_node("-r", "__ns:=/silent", reliability="reliable", use_sim_time="true")
    process.wait_for("READY")
    return process


def test_a_topic_without_publisher_is_named_though_simulated_time_stands_still(silent):
    assert "nothing publishes /silent/points" in silent.wait_for("no results")


def test_a_publisher_whose_qos_cannot_match_is_named_with_the_setting(silent, peer):
    offered = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = peer.node.create_publisher(PointCloud2, "/silent/points", offered)
    # The name of the publisher, /peer, becomes known later than the publisher itself.
    line = silent.wait_for("QoS cannot match on /silent/points: /peer")
    peer.node.destroy_publisher(publisher)
    assert (
        "/peer offers best effort, but reliable is requested; set reliability to auto or "
        "best_effort" in line
    )


def test_a_topic_of_another_type_is_named(silent, peer):
    publisher = peer.node.create_publisher(Image, "/silent/points", 1)
    line = silent.wait_for("/silent/points carries sensor_msgs/msg/Image from /peer")
    peer.node.destroy_publisher(publisher)
    assert "expected sensor_msgs/msg/PointCloud2" in line


def test_compressed_images_are_reported_with_the_setting_to_use(silent, peer):
    publisher = peer.node.create_publisher(CompressedImage, "/silent/image/compressed", 1)
    line = silent.wait_for("/peer publishes /silent/image/compressed")
    peer.node.destroy_publisher(publisher)
    assert (
        "nothing publishes /silent/image, but" in line
        and "set image_transport to compressed" in line
    )


def test_a_camera_info_that_may_have_been_published_before_the_node_started_is_reported(
    silent, peer
):
    publisher = peer.node.create_publisher(CameraInfo, "/silent/camera_info", 1)
    line = silent.wait_for("durability transient_local")  # after some seconds without one
    peer.node.destroy_publisher(publisher)
    assert "nothing has come on /silent/camera_info yet, which /peer publishes" in line
    first = next(line for line in silent.lines if "nothing has come on /silent/camera_info" in line)
    assert "DDS" not in first, "a publisher that has just come is given time"

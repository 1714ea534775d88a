"""A node to which nothing comes says why."""

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image, PointCloud2


@pytest.fixture(scope="module")
def silent(start_node):
    """A node of another namespace that insists on reliable publishers and waits for a clock nobody publishes."""
    process = start_node("-r", "__ns:=/silent", reliability="reliable", use_sim_time="true")
    process.wait_for("READY")
    return process


def test_a_topic_without_publisher_is_named_though_simulated_time_stands_still(silent):
    assert "nothing publishes /silent/points" in silent.wait_for("no results")


def test_a_publisher_whose_qos_cannot_match_is_named_with_the_setting(silent, peer):
    offered = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = peer.node.create_publisher(PointCloud2, "/silent/points", offered)
    line = silent.wait_for("QoS cannot match on /silent/points")
    peer.node.destroy_publisher(publisher)
    assert "set reliability to auto or best_effort" in line


def test_a_topic_of_another_type_is_named(silent, peer):
    publisher = peer.node.create_publisher(Image, "/silent/points", 1)
    line = silent.wait_for("/silent/points carries")
    peer.node.destroy_publisher(publisher)
    assert "carries sensor_msgs/msg/Image, expected sensor_msgs/msg/PointCloud2" in line

"""RViz shows what the node publishes: with the same topics and types, and matching QoS."""

import pytest
import yaml
from support.paths import ROOT

pytest.importorskip("rclpy")

from rclpy.qos import ReliabilityPolicy

from bev_semseg_ros.ros.node.publishers import TOPICS

DISPLAY_TYPES = {
    "rviz_default_plugins/MarkerArray": "MarkerArray",
    "rviz_default_plugins/Image": "Image",
    "rviz_default_plugins/Map": "OccupancyGrid",
    "rviz_default_plugins/PointCloud2": "PointCloud2",
}


def displays() -> list[dict]:
    content = yaml.safe_load((ROOT / "rviz" / "perception.rviz").read_text())
    return [
        display for display in content["Visualization Manager"]["Displays"] if "Topic" in display
    ]


def topic_of(display: dict):
    return TOPICS[display["Topic"]["Value"].replace("/perception/", "~/")]


def outputs() -> list[dict]:
    return [
        display for display in displays() if display["Topic"]["Value"].startswith("/perception/")
    ]


def test_cloud_boxes_map_image_overlay_and_segmentation_are_shown():
    assert {display["Topic"]["Value"] for display in displays()} == {
        "/points",
        "/image",
        "/perception/markers",
        "/perception/bev/drivable_area",
        "/perception/bev/points",
        "/perception/semseg/overlay",
        "/perception/semseg/color",
    }


@pytest.mark.parametrize("display", outputs(), ids=lambda display: display["Name"])
def test_a_display_has_the_type_of_its_topic(display):
    assert topic_of(display).kind.split("/")[-1] == DISPLAY_TYPES[display["Class"]]


def test_displays_that_cost_the_node_time_are_disabled_by_default():
    is_enabled = {display["Topic"]["Value"]: display["Enabled"] for display in outputs()}
    assert not any(is_enabled[topic] for topic in is_enabled if "/bev/" in topic)


@pytest.mark.parametrize("display", outputs(), ids=lambda display: display["Name"])
def test_a_display_asks_for_the_qos_that_is_offered(display):
    reliability = {
        "Reliable": ReliabilityPolicy.RELIABLE,
        "Best Effort": ReliabilityPolicy.BEST_EFFORT,
    }
    asked, offered = display["Topic"], topic_of(display).qos
    assert (
        reliability[asked["Reliability Policy"]],
        asked["Depth"],
        asked["Durability Policy"],
    ) == (offered.reliability, offered.depth, "Volatile")


@pytest.mark.parametrize(("topic", "kind"), [("/points", "PointCloud2"), ("/image", "Image")])
def test_inputs_are_shown_with_a_qos_that_matches_every_driver(topic, kind):
    display = next(display for display in displays() if display["Topic"]["Value"] == topic)
    assert display["Class"] == f"rviz_default_plugins/{kind}"
    assert (display["Topic"]["Reliability Policy"], display["Topic"]["Depth"]) == ("Best Effort", 1)

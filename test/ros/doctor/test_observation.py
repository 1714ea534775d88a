"""Which topics the doctor examines, and which of their messages it keeps."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.broken_bag import entries, good_bag

from bev_semseg_ros.ros.doctor.observation import MIN_SAMPLES, Stream
from bev_semseg_ros.ros.doctor.topics import INPUT_TYPES, choose_topics

CLOUD, IMAGE, INFO = INPUT_TYPES.values()
AVAILABLE = {
    "/rear/points": (CLOUD, 5),
    "/top/points": (CLOUD, 50),
    "/left/image": (IMAGE, 20),
    "/left/camera_info": (INFO, 20),
    "/right/image": (IMAGE, 30),
    "/right/camera_info": (INFO, 10),
    "/perception/semseg/color": (IMAGE, 99),
}
TYPES = {topic: kind for topic, (kind, _) in AVAILABLE.items()}


def test_the_topic_with_most_messages_is_chosen_and_the_camera_info_beside_the_image():
    choice = choose_topics(AVAILABLE, {}, TYPES)
    assert choice.chosen == {
        "points": "/top/points",
        "image": "/right/image",
        "camera_info": "/right/camera_info",
    }
    assert not choice.wrong


def test_requested_topics_are_used():
    asked = {"points": "/rear/points", "image": "/left/image"}
    assert choose_topics(AVAILABLE, asked, TYPES).chosen == {
        "points": "/rear/points",
        "image": "/left/image",
        "camera_info": "/left/camera_info",
    }


@pytest.mark.parametrize(
    ("topic", "said"),
    [("/left/image", f"carries {IMAGE}, expected {CLOUD}"), ("/x", "no topic /x")],
)
def test_a_requested_topic_that_cannot_be_used_is_reported(topic: str, said: str):
    choice = choose_topics(AVAILABLE, {"points": topic}, TYPES)
    assert "points" not in choice.chosen and said in choice.wrong["points"]


def test_a_few_messages_spread_over_a_long_stream_are_kept(tmp_path):
    message = next(
        entry for entry in entries(good_bag(tmp_path / "bag")) if entry.topic == "/camera_info"
    )
    stream = Stream("camera_info", "/camera_info", INFO)
    for index in range(500):
        stream.take(message.stamped(index + 1).message, index, 100)
    stream.settle(None)
    kept = [sample.header.stamp.nanosec for sample in stream.samples]
    assert len(stream) == 500 and MIN_SAMPLES <= len(kept) < 2 * MIN_SAMPLES and kept[-1] > 450


@pytest.mark.slow
def test_the_modules_that_examine_bags_do_not_import_rclpy():
    code = (
        "import sys, bev_semseg_ros.ros.doctor.diagnose, bev_semseg_ros.ros.doctor.bag, "
        "bev_semseg_ros.ros.doctor.speed; "
        "assert 'rclpy' not in sys.modules and 'sensor_msgs' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

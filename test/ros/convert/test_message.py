"""What the conversions of all message types share."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from std_msgs.msg import Header

from bev_semseg_ros.ros.convert.message import stamp_ns


def test_stamps_are_whole_nanoseconds():
    header = Header()
    header.stamp.sec, header.stamp.nanosec = 1_700_000_000, 123_456_789
    assert stamp_ns(header.stamp) == 1_700_000_000_123_456_789

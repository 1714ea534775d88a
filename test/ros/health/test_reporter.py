"""The line that the node logs once a second."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")

from bev_semseg_ros.ros.health.diagnostics import OK, WARN
from bev_semseg_ros.ros.health.health import FrameRecord, Health
from bev_semseg_ros.ros.health.reporter import Reporter
from bev_semseg_ros.ros.parameters.parameters import Parameters

CPU = SimpleNamespace(device="cpu", precision="fp32", engine="torch")


def test_a_network_that_needs_seconds_for_a_frame_is_reported_as_too_slow():
    """In some seconds, no frame is finished, and newer frames replace those that wait."""
    health, said = Health(), []
    reporter = Reporter(health, CPU, Parameters, said.append)
    health.drop("overwritten", 3)
    verdict = reporter.report()
    assert verdict.level == WARN and said == [f"no results in the last second: {verdict.message}"]
    assert "3 frames were replaced by newer ones before the network was free" in verdict.message
    assert "docs/deployment.md says how to make it faster" in verdict.message
    health.drop("overwritten")
    health.drop("callback_error")
    assert reporter.report().message == "messages are dropped: 1 overwritten, 1 callback_error"


def test_replaced_frames_are_not_logged_while_results_come():
    health, said = Health(), []
    reporter = Reporter(health, CPU, Parameters, said.append)
    health.publish(FrameRecord(0.0, 50.0, "fused"))
    health.drop("overwritten", 3)
    assert reporter.report().level == OK and said == []


def test_processing_alone_is_logged_when_it_begins_and_not_every_second():
    health, said = Health(), []
    reporter = Reporter(health, CPU, Parameters, said.append)
    for is_alone in (True, True, False, True):
        health.publish(FrameRecord(0.0, 50.0, "lidar_only"), ["no_image"] if is_alone else [])
        reporter.report()
    line = "1 result in the last second: clouds without image processed alone (lidar_only): 1"
    assert said == [line, line]

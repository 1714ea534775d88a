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


def test_a_machine_that_needs_seconds_for_a_frame_is_told_that_it_is_too_slow():
    """No frame is finished in such a second, and newer ones replace those that wait."""
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


def test_frames_that_are_replaced_while_results_come_are_not_worth_a_line():
    health, said = Health(), []
    reporter = Reporter(health, CPU, Parameters, said.append)
    health.publish(FrameRecord(0.0, 50.0, "fused"))
    health.drop("overwritten", 3)
    assert reporter.report().level == OK and said == []


def test_what_is_processed_alone_is_said_when_it_begins_and_not_every_second():
    health, said = Health(), []
    reporter = Reporter(health, CPU, Parameters, said.append)
    for is_alone in (True, True, False, True):
        health.publish(FrameRecord(0.0, 50.0, "lidar_only"), ["no_image"] if is_alone else [])
        reporter.report()
    line = "1 results in the last second: clouds without image processed alone (lidar_only): 1"
    assert said == [line, line]

"""The line that the node logs once a second."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")

from bev_semseg_ros.ros.health.diagnostics import OK, WARN
from bev_semseg_ros.ros.health.health import FrameRecord, Health, InputState, Pairing
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


def second_of(health: Health, **dropped: int) -> None:
    """Record ten clouds and images, of which some were dropped, and ten results."""
    for _ in range(10):
        health.receive("points")
        health.receive("image")
        health.publish(FrameRecord(0.0, 50.0, "lidar_only"))
    for cause, count in dropped.items():
        health.drop(cause, count)


@pytest.mark.parametrize("cause", ["repeated_points", "late_points", "queue_full_points"])
def test_a_lasting_fault_stays_a_warning_and_is_logged_once(cause):
    health, said = Health(), []
    reporter = Reporter(health, CPU, Parameters, said.append)
    for _ in range(3):
        second_of(health, **{cause: 9})
        verdict = reporter.report()
        assert verdict.level == WARN
    assert said == [f"10 results in the last second: {verdict.message}"]
    second_of(health)
    assert reporter.report().level == OK
    second_of(health, **{cause: 9})
    reporter.report()
    assert len(said) == 2


def test_wrong_stamps_are_explained_instead_of_the_missing_pairs():
    health, said = Health(), []
    reporter = Reporter(health, CPU, Parameters, said.append)
    health.set_input("image", InputState("/front/image", 10, 0.0, publishers=("/a", "/b")))
    second_of(health, late_image=9)
    health.set_pairing(Pairing("points", {"image": 40.0}, {"image": 50.0}))
    verdict = reporter.report()
    assert (verdict.level, verdict.message) == (
        WARN,
        "the stamps of /front/image jump back and ahead by up to 50.0 s: the topic has 2 publishers"
        " (/a, /b); stop all but one",
    )
    second_of(health)
    health.set_pairing(Pairing("points", {"image": 40.0}))
    assert "no image within slop" in reporter.report().message

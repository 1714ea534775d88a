"""What the recorder counts, and how it reports a node that fails."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.duration import Duration
from sensor_msgs.msg import Image
from support.waiting import wait_until
from visualization_msgs.msg import MarkerArray

from bev_semseg_ros.data.calibration import Calibration, save_calibration
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.labels import load_label_set
from bev_semseg_ros.ros.bag.recorder import RecordingError, record, subscriber
from bev_semseg_ros.ros.bag.recording import Recording, Result
from bev_semseg_ros.ros.domain import reserve_domain

LABELS = load_label_set("boxes_4")


def recording(sent: int, complete: int, last: dict[str, str], received: int = 10**9) -> Recording:
    """Return `sent` pairs; the first `complete` have results, the last of them with `last`."""
    results = {
        stamp: Result(Boxes.empty(), np.zeros((1, 1)), {"mode": "fused"}, stamp)
        for stamp in range(complete)
    }
    if complete:
        results[complete - 1].timing, results[complete - 1].received = last, received
    return Recording(results, dict.fromkeys(range(sent), 0))


@pytest.mark.parametrize(
    ("last", "dropped"),
    [
        ({"dropped/overwritten": "2"}, {"overwritten": 2, "transport": 1}),
        ({"dropped/overwritten": "0"}, {"transport": 3}),
        (
            {"dropped/overwritten": "2", "dropped/late_image": "2"},
            {"overwritten": 2, "late_image": 1, "transport": 0},
        ),
    ],
)
def test_every_pair_is_either_complete_or_counted_as_dropped(last, dropped):
    found = recording(10, 7, last)
    assert found.dropped == dropped and len(found.complete) + sum(dropped.values()) == 10


def test_a_lost_timing_does_not_lose_the_counters_of_the_node():
    found = recording(10, 7, {"dropped/overwritten": "2"})
    found.results[8] = Result(Boxes.empty(), received=2 * 10**9)
    assert found.dropped == {"overwritten": 2, "transport": 1}


def test_pairs_without_any_result_count_as_lost_in_transport():
    assert recording(4, 0, {}).dropped == {"transport": 4}


def test_a_recording_of_a_node_without_images_is_complete_without_masks():
    found = recording(2, 1, {"mode": "lidar_only"})
    found.results[0].mask = None
    found.results[1] = Result(Boxes.empty(), timing={"mode": "lidar_only"})
    assert not found.complete and not found.is_all_there
    found.with_masks = False
    assert list(found.complete) == [0, 1] and found.is_all_there


def test_a_node_that_does_not_start_is_reported_with_its_own_message(tmp_path):
    (tmp_path / "bag").mkdir()
    save_calibration(Calibration.of(np.eye(4)), tmp_path / "bag" / "calibration.yaml")
    before = dict(os.environ)
    with pytest.raises(RecordingError, match="no camera in it"):
        record(tmp_path / "bag", tmp_path / "out", LABELS)
    assert os.environ == before


def test_nothing_is_played_before_the_results_of_the_node_can_be_received():
    """A recorder that DDS has not yet matched would lose the first results of a drive."""
    with (
        reserve_domain() as empty_domain,
        pytest.raises(
            RecordingError,
            match=r"not found within 0\.2 s: "
            "/perception/markers, /perception/semseg/labels, /perception/timing",
        ),
        subscriber(empty_domain.number, {}, np.eye(4), LABELS, timeout=0.2),
    ):
        pytest.fail("entered without a node")


def test_a_result_that_cannot_be_read_is_an_error_and_no_lost_message():
    """It must not end the recorder's thread, or all later results would count as lost."""
    with reserve_domain() as domain:
        context = Context()
        rclpy.init(args=[], context=context, domain_id=domain.number)
        node = rclpy.create_node("perception", context=context)
        timing, *_ = [
            node.create_publisher(kind, f"/perception/{topic}", 10)
            for kind, topic in (
                (DiagnosticArray, "timing"),
                (MarkerArray, "markers"),
                (Image, "semseg/labels"),
            )
        ]
        with (
            pytest.raises(RecordingError, match="cannot be read: list index out of range"),
            subscriber(domain.number, {}, np.eye(4), LABELS),
        ):
            timing.publish(DiagnosticArray())
            timing.wait_for_all_acked(Duration(seconds=10))
            wait_until(lambda: not is_running("recorder"))
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def is_running(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())

"""The counters and warnings of the node, which any thread may write."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from bev_semseg_ros.ros.health.health import (
    LAST_FRAMES,
    Counts,
    FrameRecord,
    Health,
    InputState,
    Pairing,
)

RECORD = FrameRecord(1.0, 50.0, "fused")


def test_the_latest_warning_of_each_cause_is_taken_once():
    health = Health()
    health.warn("bad_image", "first")
    health.warn("frame_id", "no frame_id")
    health.warn("bad_image", "second")
    assert health.take_warnings() == ["second", "no frame_id"]
    assert health.take_warnings() == []


def test_timing_counters_have_the_keys_of_the_topic_timing():
    health = Health()
    health.receive("points")
    health.drop("overwritten", 2)
    health.drop("bad_points")
    health.publish(FrameRecord(1.0, 50.0, "lidar_only"), ["no_image", "no_ego_motion"])
    assert health.timing_counters() == {
        "received/points": 1,
        "received/image": 0,
        "published": 1,
        "dropped/bad_points": 1,
        "dropped/overwritten": 2,
        "degraded/no_ego_motion": 1,
        "degraded/no_image": 1,
    }


def test_only_the_last_frames_are_kept_and_all_are_counted():
    health = Health()
    for index in range(LAST_FRAMES + 5):
        health.publish(FrameRecord(float(index), 50.0, "fused"))
    counts = health.counts()
    assert len(counts.frames) == LAST_FRAMES
    assert counts.published == LAST_FRAMES + 5
    assert counts.frames[-1].at == LAST_FRAMES + 4


def test_counts_are_a_copy():
    health = Health()
    before = health.counts()
    health.drop("overwritten")
    health.send("~/markers")
    assert not before.dropped
    assert not before.sent


def test_a_reset_forgets_everything():
    health = Health()
    health.receive("image")
    health.warn("bad_image", "bad")
    health.fail("the GPU is lost")
    health.set_pairing(Pairing("points", {"image": None}))
    health.set_input("image", InputState("/image", 1, 0.1))
    health.set_input_age(5.0)
    health.reset()
    assert health.counts() == Counts()
    assert health.take_warnings() == []
    assert health.failure is None


def let_others_go_first(frame, event, argument):
    """Trace a thread so that another one may run between any two of its instructions.

    Otherwise, CPython switches threads so rarely that no switch falls within a count.
    """
    frame.f_trace_opcodes = True
    time.sleep(0)
    return let_others_go_first


@pytest.mark.parametrize(
    ("count", "total"),
    [
        (lambda health: health.receive("points"), lambda counts: counts.received["points"]),
        (lambda health: health.drop("overwritten"), lambda counts: counts.dropped["overwritten"]),
        (lambda health: health.send("~/markers"), lambda counts: counts.sent["~/markers"]),
        (lambda health: health.publish(RECORD), lambda counts: counts.published),
    ],
    ids=["received", "dropped", "sent", "published"],
)
def test_no_count_of_any_thread_is_lost(count, total):
    health = Health()

    def work() -> None:
        sys.settrace(let_others_go_first)
        for _ in range(20):
            count(health)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total(health.counts()) == 80

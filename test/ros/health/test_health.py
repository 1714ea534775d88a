"""One object counts and warns for the whole node, from any thread."""

from __future__ import annotations

import threading

from bev_semseg_ros.ros.health.health import (
    LAST_FRAMES,
    Counts,
    FrameRecord,
    Health,
    InputState,
    Pairing,
)


def test_of_each_cause_the_latest_warning_is_taken_once():
    health = Health()
    health.warn("bad_image", "first")
    health.warn("frame_id", "no frame_id")
    health.warn("bad_image", "second")
    assert health.take_warnings() == ["second", "no frame_id"]
    assert health.take_warnings() == []


def test_the_counters_have_their_names_on_timing():
    health = Health()
    health.receive("points")
    health.drop("overwritten", 2)
    health.drop("bad_points")
    health.publish(FrameRecord(1.0, 50.0, "lidar_only"), ["no_image"])
    assert health.timing_counters() == {
        "received/points": 1,
        "received/image": 0,
        "published": 1,
        "dropped/bad_points": 1,
        "dropped/overwritten": 2,
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


def test_no_count_of_any_thread_is_lost():
    health = Health()

    def count() -> None:
        for _ in range(2000):
            health.receive("points")
            health.drop("overwritten")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = health.counts()
    assert counts.received["points"] == counts.dropped["overwritten"] == 8000

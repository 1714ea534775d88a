"""What /diagnostics says about a node at one moment. Needs no ROS."""

from __future__ import annotations

import re
from dataclasses import replace
from mmap import mmap

import pytest

from bev_semseg_ros.ros.health.diagnostics import (
    ERROR,
    KEYS,
    OK,
    WARN,
    Monitor,
    Snapshot,
    memory,
)
from bev_semseg_ros.ros.health.health import Counts, FrameRecord, InputState

LIMITS = {"max_processing_time_ms": 200.0, "max_silence_ms": 1000.0}


def frames(*at: float, total_ms: float = 50.0, offset_ms: float | None = None) -> list[FrameRecord]:
    return [FrameRecord(moment, total_ms, "fused", offset_ms) for moment in at]


def counted(**counts) -> Snapshot:
    """Return the snapshot of a node with these counts."""
    return Snapshot("fused", Counts(**counts))


def fed(*at: float, **values) -> Snapshot:
    """Return the snapshot of a node that published a frame at each of these times."""
    return counted(frames=tuple(frames(*at, **values)), published=len(at))


def with_counts(snapshot: Snapshot, **counts) -> Snapshot:
    """Return the snapshot with some of the counts replaced."""
    return replace(snapshot, counts=replace(snapshot.counts, **counts))


def test_all_is_well_while_frames_are_in_time():
    verdict = Monitor(0.0).look(1.0, fed(0.2, 0.6, 0.9), **LIMITS)
    assert (verdict.level, verdict.message) == (OK, "3.0 frames/s")


def test_a_frame_that_took_too_long_is_warned_of_once():
    monitor = Monitor(0.0)
    both = (*frames(0.4), *frames(0.9, total_ms=250.0))
    snapshot = counted(frames=both, published=2)
    verdict = monitor.look(1.0, snapshot, **LIMITS)
    assert (verdict.level, verdict.message) == (
        WARN,
        "1 of 2 frames took longer than 200 ms, up to 250 ms",
    )
    later = counted(frames=(*both, *frames(1.3)), published=3)
    assert monitor.look(2.0, later, **LIMITS).level == OK


def test_frames_that_are_never_in_time_become_an_error():
    monitor = Monitor(0.0)
    late = fed(0.5, 1.4, total_ms=300.0)
    assert monitor.look(1.0, late, **LIMITS).level == WARN
    verdict = monitor.look(2.0, late, **LIMITS)
    assert verdict.level == ERROR
    assert (
        verdict.message
        == "no frame in time for 2.0 s: 1 of 1 frames took longer than 200 ms, up to 300 ms"
    )


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        (["/points has been silent for 1.2 s"], "/points has been silent for 1.2 s"),
        ([], "no reason is known"),
    ],
)
def test_silence_becomes_an_error_with_the_reason(reasons, told):
    monitor = Monitor(0.0)
    assert monitor.look(1.0, fed(0.9), **LIMITS).level == OK
    verdict = monitor.look(2.0, replace(fed(0.9), reasons=reasons), **LIMITS)
    assert (verdict.level, verdict.message) == (ERROR, f"no frame in time for 1.1 s: {told}")


def test_a_frame_that_takes_long_is_the_reason_for_a_silence():
    monitor = Monitor(0.0)
    verdict = monitor.look(2.0, counted(in_process_since=0.5), **LIMITS)
    assert verdict.message == "no frame in time for 2.0 s: a frame has been in process for 1.5 s"
    monitor.look(6.0, fed(5.6, total_ms=5100.0), **LIMITS)
    verdict = monitor.look(7.0, fed(5.6, total_ms=5100.0), **LIMITS)
    told = "the last frame took 5100 ms, longer than 200 ms"
    assert verdict.message == f"no frame in time for 7.0 s: {told}"


def test_after_silence_a_frame_in_time_makes_all_well():
    monitor = Monitor(0.0)
    assert monitor.look(5.0, Snapshot("fused"), **LIMITS).level == ERROR
    assert monitor.look(6.0, fed(5.8), **LIMITS).level == OK


def test_a_silence_that_ended_before_the_report_is_an_error():
    limits = LIMITS | {"max_silence_ms": 200.0}
    monitor, published = Monitor(0.0), []
    for second in range(3):
        published += [second + moment for moment in (0.05, 0.15, 0.85, 0.95)]
        verdict = monitor.look(second + 1.0, fed(*published), **limits)
        told = "no frame in time for 0.7 s: no reason is known"
        assert (verdict.level, verdict.message) == (ERROR, told)
    published += [3.05, 3.15, 3.3, 3.45, 3.6, 3.75, 3.9]
    assert monitor.look(4.0, fed(*published), **limits).level == OK
    published += [4.12, 4.3]  # the silence from 3.9 to 4.12 began before the last report
    assert monitor.look(4.4, fed(*published), **limits).level == ERROR


def test_frames_of_a_slow_sensor_are_the_reason_for_a_silence():
    verdict = Monitor(0.0).look(6.0, fed(0.5, 1.6, 2.7, 3.8, 4.9, 6.0), **LIMITS)
    told = "frames come every 1.1 s: if the sensors are not faster, raise max_silence_ms (1000)"
    assert (verdict.level, verdict.message) == (ERROR, f"no frame in time for 1.1 s: {told}")


def test_what_is_wrong_with_the_input_is_a_warning_while_frames_come():
    verdict = Monitor(0.0).look(
        1.0, replace(fed(0.9), reasons=["nothing publishes /image"]), **LIMITS
    )
    assert (verdict.level, verdict.message) == (WARN, "nothing publishes /image")


def test_rates_and_drops_are_counted_since_the_previous_look():
    monitor = Monitor(10.0)
    before = counted(
        inputs={"points": InputState("/points", 30, 0.1)},
        published=5,
        sent={"~/markers": 5},
        dropped={"overwritten": 25},
    )
    monitor.look(11.0, before, **LIMITS)
    values = monitor.look(
        13.0,
        with_counts(
            before,
            inputs={"points": InputState("/points", 50, 0.1)},
            published=9,
            sent={"~/markers": 6},
            dropped={"overwritten": 40},
        ),
        **LIMITS,
    ).values
    assert (
        values["input/points/rate_hz"],
        values["output/frames/rate_hz"],
        values["output/markers/rate_hz"],
    ) == (10.0, 2.0, 0.5)
    assert (values["dropped/overwritten"], values["dropped_last_second/overwritten"]) == (40, 15)
    assert values["input/points/age_ms"] == 100


def test_messages_that_were_lost_before_they_reached_the_node_are_reported():
    values = (
        Monitor(0.0)
        .look(
            1.0,
            with_counts(fed(0.9), inputs={"points": InputState("/points", 7, 0.1, lost=3)}),
            **LIMITS,
        )
        .values
    )
    assert values["input/points/lost"] == 3


def test_percentiles_and_the_median_offset_are_those_of_the_last_frames():
    records = [
        FrameRecord(0.1, float(total), "fused", offset)
        for total, offset in zip(range(101), [3.0, -2.0, 4.0, *[None] * 98], strict=True)
    ]
    values = Monitor(0.0).look(1.0, counted(frames=records), **LIMITS).values
    assert (values["latency_ms/p50"], values["latency_ms/p95"], values["latency_ms/p99"]) == (
        50.0,
        95.0,
        99.0,
    )
    assert values["sync_offset_ms"] == 3.0


def test_the_mode_is_that_of_the_last_frame_or_none():
    monitor = Monitor(0.0)
    record = FrameRecord(0.5, 10.0, "lidar_only")
    assert (
        monitor.look(1.0, counted(frames=[record]), **LIMITS).values["mode_actual"] == "lidar_only"
    )
    assert monitor.look(2.0, counted(frames=[record]), **LIMITS).values["mode_actual"] == "none"


def test_an_input_that_never_came_has_no_age():
    snapshot = counted(inputs={"image": InputState("/image", 0, None)})
    assert Monitor(0.0).look(1.0, snapshot, **LIMITS).values["input/image/age_ms"] == "never"


def test_resident_memory_is_that_of_the_process():
    before = memory("cpu")["memory/resident_mib"]
    with mmap(-1, 64 << 20) as block:  # new memory; an array might reuse memory of the process
        block.write(b"x" * len(block))
        assert memory("cpu")["memory/resident_mib"] - before > 0.9 * (len(block) >> 20)


def test_every_key_is_documented_and_every_documented_one_is_there():
    snapshot = replace(
        with_counts(
            fed(0.5),
            inputs={"points": InputState("/points", 1, 0.1)},
            sent={"~/semseg/labels": 1},
            dropped={"overwritten": 1},
            degraded={"no_image": 1},
        ),
        hardware={
            "device": "cuda:0",
            "precision": "bf16",
            "engine": "torch",
            **memory("cpu"),
            "memory/cuda_mib": 1.0,
        },
    )
    keys = list(Monitor(0.0).look(1.0, snapshot, **LIMITS).values)
    patterns = [re.sub("INPUT|OUTPUT|CAUSE", ".+", key) for key in KEYS]
    assert [
        key for key in keys if not any(re.fullmatch(pattern, key) for pattern in patterns)
    ] == []
    assert [
        pattern for pattern in patterns if not any(re.fullmatch(pattern, key) for key in keys)
    ] == []

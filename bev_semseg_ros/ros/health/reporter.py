"""Report once per second: what is wrong in one log line, and everything on /diagnostics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container
from typing import Any, Protocol

from bev_semseg_ros.input_check import counted
from bev_semseg_ros.ros.health.diagnostics import Monitor, Snapshot, Verdict, memory
from bev_semseg_ros.ros.health.explanations import (
    explain_losses,
    explain_outcomes,
    explain_stamps,
    explain_stream,
    why_unmatched,
)
from bev_semseg_ros.ros.health.health import Counts, Health, InputState
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.synchronizer import STREAMS


class Hardware(Protocol):
    """The properties of a predictor that are reported."""

    device: Any
    precision: str
    engine: str


class Reporter:
    """Reports the health of a node. Not thread-safe: use it only in the executor's thread."""

    def __init__(
        self,
        health: Health,
        hardware: Hardware,
        parameters: Callable[[], Parameters],
        warn: Callable[[str], Any],
    ) -> None:
        """Start the first period.

        Args:
            health: Counters and warnings of the node.
            hardware: The predictor.
            parameters: Returns the current parameters.
            warn: Writes a line to the log.
        """
        self._health, self._hardware = health, hardware
        self._parameters, self._warn = parameters, warn
        self._monitor = Monitor(time.monotonic())
        self._before = Counts()
        self._told: set[str] = set()  # keys of the faults and outcomes of the last report

    def report(self) -> Verdict:
        """Write at most one line to the log and return the content of /diagnostics.

        Call it once per second.
        """
        counts, parameters = self._health.counts(), self._parameters()
        reasons = self._reasons(counts, parameters)
        device = str(self._hardware.device)
        snapshot = Snapshot(
            parameters.mode,
            counts,
            reasons,
            hardware={
                "device": device,
                "precision": self._hardware.precision,
                "engine": self._hardware.engine,
                **memory(device),
            },
        )
        return self._monitor.look(
            time.monotonic(),
            snapshot,
            parameters.max_processing_time_ms,
            parameters.max_silence_ms,
        )

    def _reasons(self, counts: Counts, parameters: Parameters) -> list[str]:
        """Log what is wrong since the last report, and return it."""
        before, self._before = self._before, counts
        published = counts.published - before.published
        dropped = counts.dropped - before.dropped
        degraded = counts.degraded - before.degraded
        bad_stamps = _bad_stamps(counts, counts.received - before.received, dropped)
        losses: dict[str, int] = {}
        outcomes = explain_outcomes(
            dropped, degraded, parameters.unmatched, bool(counts.pairing.misses)
        )
        for stream in counts.received:
            if stream not in bad_stamps:
                losses |= explain_losses(stream, published, dropped)
            if stream not in STREAMS:
                outcomes |= explain_stream(
                    stream, dropped, degraded, parameters.unmatched, counts.pairing
                )
        reasons = _why_messages_are_missing(counts, parameters, dropped, bad_stamps)
        reasons += self._health.take_warnings()
        # Faults stay in /diagnostics as long as they last. They are logged when a new fault or
        # outcome occurs, or together with other reasons. Outcomes may be normal, for instance if
        # one sensor is faster, so /diagnostics has them only when they are logged.
        faults = bad_stamps | {key: f"{key}: {count}" for key, count in losses.items()}
        told, self._told = self._told, {*faults, *outcomes}
        if not (reasons or self._told) and published == 0 and dropped:
            reasons.append(_what_is_dropped(dropped))
        is_new = bool(reasons) or not self._told <= told
        reasons = [*faults.values(), *reasons]
        if is_new:
            reasons += [f"{outcome}: {count}" for outcome, count in outcomes.items()]
            results = counted(published, "result") if published else "no results"
            self._warn(f"{results} in the last second: {'; '.join(reasons)}")
        return reasons


def _bad_stamps(counts: Counts, received: Counter[str], dropped: Counter[str]) -> dict[str, str]:
    """Return the streams with wrong stamps, and what is wrong."""
    texts = {}
    for stream in counts.received:
        topic = counts.inputs.get(stream, InputState(stream, 0, None))
        repeated, jump = dropped[f"repeated_{stream}"], counts.pairing.jumps.get(stream)
        if text := explain_stamps(topic, received[stream], repeated, jump):
            texts[stream] = text
    return texts


def _why_messages_are_missing(
    counts: Counts, parameters: Parameters, dropped: Counter[str], bad_stamps: Container[str]
) -> list[str]:
    reasons = [state.problem for state in counts.inputs.values() if state.problem]
    if reasons:
        return reasons
    reference = counts.pairing.reference
    for stream, miss in counts.pairing.misses.items():
        if stream in bad_stamps or reference in bad_stamps:
            continue  # their stamps cannot match
        is_full = any(dropped[f"queue_full_{each}"] for each in (stream, reference))
        reasons.append(
            why_unmatched(stream, reference, miss, parameters.slop, parameters.max_wait, is_full)
        )
    return reasons


def _what_is_dropped(dropped: Counter[str]) -> str:
    if set(dropped) == {"overwritten"}:
        return (
            f"{dropped['overwritten']} frames were replaced by newer ones before the network was "
            "free: it is slower than the sensors (docs/deployment.md says how to make it faster)"
        )
    texts = ", ".join(f"{count} {cause}" for cause, count in dropped.items())
    return f"messages are dropped: {texts}"

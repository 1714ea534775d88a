"""Report once per second: what is wrong in one log line, and everything on /diagnostics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from bev_semseg_ros.input_check import counted
from bev_semseg_ros.ros.health.diagnostics import Monitor, Snapshot, Verdict, memory
from bev_semseg_ros.ros.health.explanations import (
    explain_outcomes,
    explain_stream,
    why_unmatched,
)
from bev_semseg_ros.ros.health.health import Counts, Health
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
        self._outcomes_before: set[str] = set()

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
        published = counts.published - self._before.published
        dropped = counts.dropped - self._before.dropped
        degraded = counts.degraded - self._before.degraded
        self._before = counts
        reasons = _why_messages_are_missing(counts, parameters, dropped)
        outcomes = explain_outcomes(
            published, dropped, degraded, parameters.unmatched, bool(counts.pairing.misses)
        )
        for stream in counts.received:
            if stream not in STREAMS:
                outcomes |= explain_stream(
                    stream, published, dropped, degraded, parameters.unmatched, counts.pairing
                )
        # Outcomes are reported when a new one occurs, or together with other reasons.
        if reasons or not outcomes.keys() <= self._outcomes_before:
            reasons += [f"{outcome}: {count}" for outcome, count in outcomes.items()]
        self._outcomes_before = set(outcomes)
        reasons += self._health.take_warnings()
        if not reasons and published == 0 and dropped:
            reasons.append(_what_is_dropped(dropped))
        if reasons:
            results = counted(published, "result") if published else "no results"
            self._warn(f"{results} in the last second: {'; '.join(reasons)}")
        return reasons


def _why_messages_are_missing(
    counts: Counts, parameters: Parameters, dropped: Counter[str]
) -> list[str]:
    reasons = [state.problem for state in counts.inputs.values() if state.problem]
    if reasons:
        return reasons
    reference = counts.pairing.reference
    for stream, miss in counts.pairing.misses.items():
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

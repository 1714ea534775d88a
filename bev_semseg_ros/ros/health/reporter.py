"""Once a second: what is wrong in one line of the log, that and all figures on /diagnostics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

from bev_semseg_ros.ros.health.diagnostics import InputState, Monitor, Snapshot, memory
from bev_semseg_ros.ros.health.explanations import explain_fates, own_error, why_unmatched
from bev_semseg_ros.ros.input.latest_pair_queue import Inbox
from bev_semseg_ros.ros.input.subscriptions import Input
from bev_semseg_ros.ros.input.synchronizer import STREAMS
from bev_semseg_ros.ros.node.pipeline import Pipeline
from bev_semseg_ros.ros.node.publishers import Outputs


class Reporter:
    """Watches the parts of an active node. For one thread; `node.parameters` are read anew at each report."""

    def __init__(
        self,
        node: Node,
        predictor: Any,
        pipeline: Pipeline,
        inbox: Inbox,
        inputs: Mapping[str, Input],
        outputs: Outputs,
    ) -> None:
        self._node, self._predictor, self._pipeline = node, predictor, pipeline
        self._inbox, self._inputs, self._outputs = inbox, inputs, outputs
        self._monitor = Monitor(time.monotonic())
        self._told: tuple[int, Counter[str], Counter[str]] = (
            0,
            Counter(),
            Counter(),
        )  # results, dropped, degraded
        self._fates_told: set[str] = set()  # in the last second

    def report(self) -> None:
        """To be called once a second."""
        reasons = self._explain()
        pipeline, parameters, predictor = self._pipeline, self._node.parameters, self._predictor
        device = str(predictor.device)
        verdict = self._monitor.look(
            time.monotonic(),
            Snapshot(
                mode=parameters.mode,
                reasons=reasons,
                frames=tuple(pipeline.frames),
                published=pipeline.published,
                inputs={
                    name: InputState(each.topic, each.received, each.age, each.lost)
                    for name, each in self._inputs.items()
                },
                input_age_ms=self._outputs.input_age_ms,
                sent=dict(self._outputs.sent),
                dropped=self._inbox.dropped(),
                degraded=dict(pipeline.degraded),
                hardware={
                    "device": device,
                    "precision": predictor.precision,
                    "engine": predictor.engine,
                    **memory(device),
                },
            ),
            parameters.max_processing_time_ms,
            parameters.max_silence_ms,
        )
        self._outputs.publish_diagnostics(verdict.level, verdict.message, verdict.values, device)

    def _explain(self) -> list[str]:
        """One line, at most, about what does not come and why; returns the reasons."""
        published, dropped, degraded = (
            self._pipeline.published,
            self._inbox.dropped(),
            Counter(self._pipeline.degraded),
        )
        new, lost, alone = (
            published - self._told[0],
            dropped - self._told[1],
            degraded - self._told[2],
        )
        self._told = published, dropped, degraded
        reasons = self._reasons_for_silence(lost)
        fates = explain_fates(
            new, lost, alone, self._node.parameters.unmatched, self._inbox.is_unmatched
        )
        if (
            reasons or not fates.keys() <= self._fates_told
        ):  # while something else is wrong, or when one begins
            reasons += [f"{fate}: {count}" for fate, count in fates.items()]
        self._fates_told = set(fates)
        reasons += self._pipeline.take_troubles()
        if not reasons and new == 0 and lost:
            reasons.append(
                "messages are dropped: "
                + ", ".join(f"{count} {cause}" for cause, count in lost.items())
            )
        if reasons:
            self._node.get_logger().warning(
                f"{new or 'no'} results in the last second: {'; '.join(reasons)}"
            )
        return reasons

    def _reasons_for_silence(self, lost: Counter[str]) -> list[str]:
        reasons, parameters = [], self._node.parameters
        for source in self._inputs.values():
            try:
                reason = source.explain()
            except Exception as error:  # it must not silence the rest
                if not self._node.context.ok():
                    return []  # after a signal nothing can succeed, which is no error
                reason = own_error(error)
            if reason:
                reasons.append(reason)
        if not reasons and self._inbox.is_unmatched:
            is_full = any(lost[f"queue_full_{stream}"] for stream in STREAMS)
            reasons.append(
                why_unmatched(self._inbox.miss, parameters.slop, parameters.max_wait, is_full)
            )
        return reasons

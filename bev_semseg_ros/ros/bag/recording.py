"""What a perception node published for the pairs of a bag, and statistics of its speed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.ros.health.diagnostics import NOT_SEARCHED


@dataclass
class Result:
    """What the node published for one pair.

    Attributes:
        boxes: In the ego frame, or None if none came.
        mask: (H, W) uint8 class numbers, or None if none came.
        timing: The values of the timing message by key.
        received: time.monotonic_ns() at which the last part came.
        messages: The messages of further topics, by topic.
    """

    boxes: Boxes | None = None
    mask: np.ndarray | None = None
    timing: dict[str, str] = field(default_factory=dict)
    received: int = 0
    messages: dict[str, Any] = field(default_factory=dict)


@dataclass
class Recording:
    """The results of the pairs that were played.

    Attributes:
        results: By stamp, integer nanoseconds.
        published: Stamp of each pair -> time.monotonic_ns() at which both messages were sent.
        with_masks: False for a node that uses no images.
        further: Topics besides boxes, mask and timing whose messages are kept.
    """

    results: dict[int, Result]
    published: dict[int, int]
    with_masks: bool = True
    further: tuple[str, ...] = ()

    @property
    def complete(self) -> dict[int, Result]:
        """The complete results, ordered by stamp.

        A complete result has boxes, unless the node could not search for them, and a mask, unless
        the node uses no images.
        """
        return {
            stamp: result
            for stamp, result in sorted(self.results.items())
            if stamp in self.published and self._is_complete(result)
        }

    def _is_complete(self, result: Result) -> bool:
        has_boxes = result.boxes is not None or result.timing.get("boxes") == NOT_SEARCHED
        has_mask = result.mask is not None or not self.with_masks
        return has_boxes and has_mask

    @property
    def is_all_there(self) -> bool:
        """Whether each pair has a complete result, its timing and the messages of `further`."""
        complete = self.complete
        for stamp in self.published:
            result = complete.get(stamp)
            if result is None or not result.timing:
                return False
            if not result.messages.keys() >= set(self.further):
                return False
        return True

    @property
    def dropped(self) -> dict[str, int]:
        """The number of pairs without a complete result, by cause.

        The causes come from the node's last timing message. Pairs that it does not explain count
        as "transport". The node counts a pair twice if it dropped the cloud and the image
        separately; here it counts once.
        """
        timed = [result for result in self.results.values() if result.timing]
        last = max(timed, key=lambda result: result.received, default=Result())
        causes: dict[str, int] = {}
        lost = len(self.published) - len(self.complete)
        for key, value in last.timing.items():
            if not key.startswith("dropped/"):
                continue
            count = min(int(value), lost)
            if count:
                causes[key.removeprefix("dropped/")] = count
                lost -= count
        return causes | {"transport": lost}

    def summary(self) -> dict[str, Any]:
        """Return the counts, and percentiles of the times in milliseconds.

        Returns:
            frames_in, frames_out and dropped; latency_ms from the later message of a pair to the
            last part of its result; network_ms and overhead_ms of the node;
            latency_last_to_first_third, the ratio of the median latencies of the last and the
            first third, which exceeds 1 if the node falls behind.
        """
        results = self.complete
        latency = [
            (result.received - self.published[stamp]) / 1e6 for stamp, result in results.items()
        ]
        third = len(latency) // 3
        drift = float(np.median(latency[-third:]) / np.median(latency[:third])) if third else None
        return {
            "frames_in": len(self.published),
            "frames_out": len(results),
            "dropped": self.dropped,
            "latency_ms": _percentiles(latency),
            "latency_last_to_first_third": drift,
            "network_ms": _percentiles(_timings(results, "network_ms")),
            "overhead_ms": _percentiles(_timings(results, "overhead_ms")),
        }


def _timings(results: dict[int, Result], key: str) -> list[float]:
    """Return a value of the timing of all results that have it."""
    return [float(result.timing[key]) for result in results.values() if key in result.timing]


def _percentiles(values: list[float]) -> dict[str, float | None]:
    """Return the median and two high percentiles; None without values."""
    return {f"p{p}": float(np.percentile(values, p)) if values else None for p in (50, 95, 99)}

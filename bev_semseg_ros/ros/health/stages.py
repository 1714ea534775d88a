"""How the processing time of a frame is divided into stages."""

from __future__ import annotations

import time

# Everything that ends in _ms on ~/timing and has a topic of its own on ~/debug.
STAGES = {
    "wait_ms": "time that the complete frame waits until the previous one is finished",
    "decode_ms": "conversion of messages to arrays",
    "prepare_ms": "selection of points, rectification of images, copies to the device",
    "network_ms": "the network, from tensors to boxes and masks",
    "publish_ms": "filtering of boxes, lifting of masks, creation and publication of messages",
    "total_ms": "sum of the stages above: time from the completion of the frame until its results "
    "are published",
    "input_age_ms": "time from the stamp of the frame until its results are published, by the "
    "clock of the node. With a bag, use [the clock of the bag](integration.md#3-run-the-node)",
}


class StageClock:
    """Measures the durations of the consecutive stages of a frame.

    Attributes:
        values: Durations by stage, milliseconds; they add up to `total_ms`, which is also there.
    """

    def __init__(self, entered: int) -> None:
        """Start the first stage, the wait.

        Args:
            entered: `time.monotonic_ns()` when the wait began.
        """
        self._entered = self._last = entered
        self.values: dict[str, float] = {}

    def end(self, stage: str, network_ms: float | None = None) -> None:
        """End `stage` now.

        Args:
            stage: A key of `STAGES`.
            network_ms: Time of the network within this stage, if any, as the predictor measured
                it. It is subtracted from the stage and becomes a stage of its own.
        """
        now = time.monotonic_ns()
        self.values[stage] = (now - self._last) / 1e6
        if network_ms is not None:
            self.values[stage] -= network_ms
            self.values["network_ms"] = float(network_ms)
        self.values["total_ms"] = (now - self._entered) / 1e6
        self._last = now

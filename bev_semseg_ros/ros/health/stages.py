"""Where the time of a frame goes."""

from __future__ import annotations

import time

# Everything that ends in _ms on ~/timing and stands alone on ~/debug, with what it is the time of.
STAGES = {
    "wait_ms": "the matched messages in the inbox, while the frame before was at work",
    "decode_ms": "messages to arrays",
    "prepare_ms": "points into the grid, image rectified and resized, both onto the device",
    "network_ms": "the network, from tensors to boxes and mask",
    "publish_ms": "filter of the boxes, messages made and published",
    "total_ms": "all of these: from the frame's last message, or the end of the wait for it, to the results",
    "input_age_ms": "from the frame's stamp to the results, by the node's clock (bags need use_sim_time)",
}


class StageClock:
    """Times stages that follow each other; what `values` holds adds up to its `total_ms`.

    entered: time.monotonic_ns when the first of them, the wait, began.
    """

    def __init__(self, entered: int) -> None:
        self._entered = self._last = entered
        self.values: dict[str, float] = {}

    def end(self, stage: str, network_ms: float | None = None) -> None:
        """`stage` ends now; of the time since the one before `network_ms` were the network's, which measures itself."""
        now = time.monotonic_ns()
        self.values[stage] = (now - self._last) / 1e6
        if network_ms is not None:
            self.values[stage] -= network_ms
            self.values["network_ms"] = float(network_ms)
        self.values["total_ms"] = (now - self._entered) / 1e6
        self._last = now

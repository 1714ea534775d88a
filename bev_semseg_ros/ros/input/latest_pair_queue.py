"""What stands between the executor, which must never wait, and the inference thread: matched messages, newest wins."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bev_semseg_ros.ros.input.synchronizer import SILENCE_NS, STREAMS, Match, Synchronizer


@dataclass(frozen=True)
class Work:
    """A match for the network; entered: time.monotonic_ns when its last message came, or when the wait for it ended."""

    match: Match
    entered: int


class Inbox:
    """A synchronizer with one slot behind it. `offer` and `take` may be called from different threads.

    closed: nothing more comes; received: messages by stream; `dropped()`: those without a result, by cause. Both count
    from the beginning.
    """

    def __init__(self, synchronizer: Synchronizer) -> None:
        self._condition = threading.Condition()
        self._synchronizer = synchronizer
        self._slot: Work | None = None
        self.closed = False
        self._dropped: Counter[str] = Counter()
        self.received: Counter[str] = Counter(dict.fromkeys(STREAMS, 0))

    def offer(self, stream: str, stamp: int, message: Any) -> None:
        """Take a message; never blocks for longer than a comparison of stamps."""
        now = time.monotonic_ns()
        with self._condition:
            self.received[stream] += 1
            self._put(self._synchronizer.add(stream, stamp, message, now), now)
            self._condition.notify()  # also without a match: the deadline may have moved

    def drop(self, cause: str, stream: str | None = None) -> None:
        """Count a frame that has no result, or a message of `stream` that was never offered."""
        with self._condition:
            self._dropped[cause] += 1
            if stream is not None:
                self.received[stream] += 1

    def take(self, timeout: float) -> Work | None:
        """The next match; None if none comes within `timeout` seconds or the inbox is closed."""
        end = time.monotonic_ns() + round(timeout * 1e9)
        with self._condition:
            while not self.closed and time.monotonic_ns() < end:
                now = time.monotonic_ns()
                self._put(self._synchronizer.expire(now), now)
                if self._slot is not None:
                    work, self._slot = self._slot, None
                    return work
                deadline = min(end, self._synchronizer.deadline or end)
                self._condition.wait(max(deadline - now, 1_000_000) / 1e9)
            return None

    def close(self) -> None:
        """Wake `take` for the last time."""
        with self._condition:
            self.closed = True
            self._condition.notify_all()

    def tune(self, slop: float, max_wait: float, process_unmatched: bool) -> None:
        """Change the synchronizer's settings (seconds) from now on."""
        with self._condition:
            self._synchronizer.slop, self._synchronizer.max_wait = (
                round(slop * 1e9),
                round(max_wait * 1e9),
            )
            self._synchronizer.process_unmatched = process_unmatched

    def dropped(self) -> Counter[str]:
        with self._condition:
            return self._synchronizer.dropped + self._dropped

    @property
    def is_unmatched(self) -> bool:
        """True if two sensors should form pairs and none has formed for a while."""
        return (
            len(self._synchronizer.streams) > 1
            and time.monotonic_ns() - self._synchronizer.last_pair > SILENCE_NS
        )

    @property
    def miss(self) -> float | None:
        """The synchronizer's, in seconds."""
        with self._condition:
            miss = self._synchronizer.miss
        return None if miss is None else miss / 1e9

    def _put(self, matches: list[Match], now: int) -> None:
        for match in matches:
            if self._slot is not None:
                self._dropped["overwritten"] += 1
            self._slot = Work(match, now)

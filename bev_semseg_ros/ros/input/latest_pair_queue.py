"""The queue between the executor, which must never wait, and the inference thread."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from bev_semseg_ros.ros.health.health import Health, Pairing
from bev_semseg_ros.ros.synchronizer import Match, Synchronizer


@dataclass(frozen=True)
class Work:
    """A match for the network.

    Attributes:
        match: Messages of one moment.
        entered: `time.monotonic_ns()` when its last message came, or when the wait for it ended.
    """

    match: Match
    entered: int


class LatestPairQueue:
    """A synchronizer and a queue: each match replaces older ones that still wait.

    A match replaces those with which it shares a sensor. So there is usually one. If clouds and
    images do not match, the newest frame of each waits, and neither replaces the other.

    Thread-safe: `offer` and `take` are called from different threads.

    Attributes:
        closed: True after `close`; `take` then returns None.
    """

    def __init__(self, synchronizer: Synchronizer, health: Health) -> None:
        """Create an empty queue.

        Args:
            synchronizer: Matches the messages.
            health: Counts received and dropped messages, and takes warnings.
        """
        self._condition = threading.Condition()
        self._synchronizer, self._health = synchronizer, health
        self._reference = synchronizer.reference  # as of the last check
        self._newest: list[Work] = []  # of different sensors, the first one to take first
        self.closed = False

    def offer(self, stream: str, stamp: int, message: Any) -> None:
        """Add a message. This only compares stamps, and never waits for the network.

        Args:
            stream: One of the synchronizer's streams.
            stamp: Stamp for matching, nanoseconds.
            message: The message, in the form in which `take` should return it.
        """
        now = time.monotonic_ns()
        with self._condition:
            self._health.receive(stream)
            self._put(self._synchronizer.add(stream, stamp, message, now), now)
            self._condition.notify()  # also without a match: the deadline may have moved

    def take(self, timeout: float) -> Work | None:
        """Wait for the next match.

        Args:
            timeout: Longest wait, seconds.

        Returns:
            The match; None if none came in time or the queue is closed.
        """
        end = time.monotonic_ns() + round(timeout * 1e9)
        with self._condition:
            while not self.closed and time.monotonic_ns() < end:
                now = time.monotonic_ns()
                self._put(self._synchronizer.expire(now), now)
                if self._newest:
                    return self._newest.pop(0)
                deadline = min(end, self._synchronizer.deadline or end)
                self._condition.wait(max(deadline - now, 1_000_000) / 1e9)
            return None

    def close(self) -> None:
        """Wake `take` for the last time, and count everything that still waits as dropped."""
        with self._condition:
            self.closed = True
            left = self._synchronizer.clear() + len(self._newest)
            self._newest.clear()
            if left:
                self._health.drop("deactivated", left)
            self._condition.notify_all()

    def tune(self, slop: float, max_wait: float, process_unmatched: bool) -> None:
        """Change the settings of the synchronizer. Times are in seconds."""
        with self._condition:
            self._synchronizer.slop = round(slop * 1e9)
            self._synchronizer.max_wait = round(max_wait * 1e9)
            self._synchronizer.process_unmatched = process_unmatched

    def observe(self) -> None:
        """Report to `Health` which streams do not match, and whose stamps jump.

        Call it once per second.
        """
        with self._condition:
            reference = self._synchronizer.reference
            unmatched = self._synchronizer.unmatched(time.monotonic_ns())
            jumps = self._synchronizer.take_jumps()
        misses = {
            stream: None if miss is None else miss / 1e9 for stream, miss in unmatched.items()
        }
        sizes = {stream: jump / 1e9 for stream, jump in jumps.items()}
        self._health.set_pairing(Pairing(reference, misses, sizes))

    def _put(self, matches: list[Match], now: int) -> None:
        self._warn_of_new_reference()
        for cause, count in self._synchronizer.take_dropped().items():
            self._health.drop(cause, count)
        for match in matches:
            is_replaced = [bool(match.parts.keys() & work.match.parts) for work in self._newest]
            # At the place of the first: if it went to the end, a fast sensor would never be next.
            place = is_replaced.index(True) if any(is_replaced) else len(self._newest)
            self._newest = [
                work for work, gone in zip(self._newest, is_replaced, strict=True) if not gone
            ]
            self._newest.insert(place, Work(match, now))
            if any(is_replaced):
                self._health.drop("overwritten", sum(is_replaced))

    def _warn_of_new_reference(self) -> None:
        """Warn once when another stream becomes the reference.

        With only two streams, this is not necessary: there is already a warning about the silent
        one, and the messages of the other are processed alone.
        """
        before, reference = self._reference, self._synchronizer.reference
        streams = self._synchronizer.streams
        if reference == before:
            return
        self._reference = reference
        if len(streams) < 3:
            return
        if streams.index(reference) < streams.index(before):
            why = "its messages come again"
        else:
            why = f"{before} is silent"
        # One cause per stream, so that two changes within a second are both reported.
        self._health.warn(f"reference_{reference}", f"the reference is now {reference}: {why}")

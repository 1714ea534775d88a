"""When the next message of a stream is overdue. Pure Python."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

SILENCE_NS = 1_000_000_000  # a stream without a message for this long is silent, unless it is slow
LONGEST_PATIENCE_NS = 10_000_000_000  # otherwise two late messages would hide a failure for minutes


class Arrivals:
    """The last arrivals of a stream. Times are integer nanoseconds, in a clock that never jumps."""

    def __init__(self) -> None:
        """Start without messages."""
        self._last: deque[int] = deque(maxlen=3)

    def note(self, now: int) -> None:
        """Record the arrival of a message."""
        self._last.append(now)

    @property
    def patience(self) -> int:
        """How long to wait for the next message: SILENCE_NS to LONGEST_PATIENCE_NS, nanoseconds.

        This is twice the usual interval, which is the shorter of the last two: the longer one may
        be a pause.
        """
        if len(self._last) < 3:
            return SILENCE_NS
        usual = min(later - earlier for earlier, later in pairwise(self._last))
        return min(max(SILENCE_NS, 2 * usual), LONGEST_PATIENCE_NS)

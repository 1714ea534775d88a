"""Recent stamps of a stream, its period, and its next stamp. Pure Python."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

STAMPS = 1024  # kept for one stream, 34 s at 30 Hz: they show how late a message is
BEFORE_ALL = -(2**63)  # before every stamp; an offset may make stamps negative
INTERVALS = 5  # the period is their median, which a lost message hardly changes


class StreamHistory:
    """The last STAMPS stamps of a stream, without duplicates. Times are integer nanoseconds.

    Attributes:
        oldest: The smallest stamp ever added; None before the first.
        period: Median time between recent stamps; None before the second.
        given: Stamp of the last message that was part of a match; BEFORE_ALL before the first.
    """

    def __init__(self) -> None:
        """Create an empty history."""
        self._arrived: deque[int] = deque()
        self._sorted: list[int] = []
        self.oldest: int | None = None
        self.period: int | None = None
        self.given = BEFORE_ALL

    def __len__(self) -> int:
        """Return the number of stamps in the history."""
        return len(self._sorted)

    def __contains__(self, stamp: int) -> bool:
        """Return whether `stamp` is in the history."""
        index = bisect_left(self._sorted, stamp)
        return index < len(self._sorted) and self._sorted[index] == stamp

    def add(self, stamp: int) -> None:
        """Add a stamp that is not yet in the history."""
        if len(self._arrived) == STAMPS:
            del self._sorted[bisect_left(self._sorted, self._arrived.popleft())]
        self._arrived.append(stamp)
        insort(self._sorted, stamp)
        self.oldest = stamp if self.oldest is None else min(stamp, self.oldest)
        recent = self._sorted[-INTERVALS - 1 :]
        if len(recent) > 1:
            self.period = median_low(later - earlier for earlier, later in pairwise(recent))

    @property
    def newest(self) -> int:
        """The largest stamp, which is not always the last one."""
        return self._sorted[-1]

    @property
    def last(self) -> int:
        """The stamp that arrived last."""
        return self._arrived[-1]

    @property
    def next(self) -> int | None:
        """The next stamp, extrapolated from the last two; None before the second."""
        if len(self._arrived) < 2:
            return None
        return 2 * self._arrived[-1] - self._arrived[-2]

    def has_jumped_back(self, stamp: int, tolerance: int) -> bool:
        """Return whether `stamp` is too old, or begins the stream again (a bag that loops).

        Args:
            stamp: Stamp of a message.
            tolerance: By how much messages may be older than the newest one.
        """
        if not self:
            return False
        return (stamp == self.oldest and len(self) > 1) or stamp < self.newest - tolerance

    def is_old(self, stamp: int) -> bool:
        """Return whether `stamp` repeats an earlier one, or is not newer than `given`."""
        return stamp <= self.given or stamp in self

    def distance(self, stamp: int) -> int | None:
        """Return the difference between `stamp` and the nearest stamp; None without stamps."""
        return distance(self._sorted, stamp)


def distance(stamps: Sequence[int], stamp: int) -> int | None:
    """Return the difference between `stamp` and the nearest of `stamps`, which must be sorted."""
    index = bisect_left(stamps, stamp)
    nearest = stamps[max(index - 1, 0) : index + 1]
    return min((abs(each - stamp) for each in nearest), default=None)

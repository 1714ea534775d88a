"""Messages that wait for others, and the matches that they may make. Pure Python."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """A message that waits.

    Attributes:
        stamp: Its time.
        item: What the match is to hold.
        arrival: When it arrived, in the clock of `now`.
    """

    stamp: int
    item: Any
    arrival: int


Parts = dict[str, Waiting]  # of one match, by stream


@dataclass(frozen=True)
class OpenMatch:
    """A reference message that waits, and what has joined it.

    Attributes:
        parts: All of them.
        ready: What can go at once; empty if the match must wait.
        first: What goes when the wait ends: an older match if that is still open, else `parts`.
    """

    parts: Parts
    ready: Parts
    first: Parts


def nearest(waiting: Sequence[Waiting], stamp: int) -> Waiting | None:
    """Return the message nearest to `stamp`, the older of two; `waiting` is in stamp order."""
    index = bisect_left(waiting, stamp, key=lambda entry: entry.stamp)
    return min(
        waiting[max(index - 1, 0) : index + 1],
        key=lambda entry: abs(entry.stamp - stamp),
        default=None,
    )

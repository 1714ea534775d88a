"""Messages that wait for others, and the matches that they may form. Pure Python."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """A message that waits.

    Attributes:
        stamp: Stamp of the message, nanoseconds.
        item: The message, in the form in which the match holds it.
        arrival: Time of its arrival, in the clock of `now`, nanoseconds.
    """

    stamp: int
    item: Any
    arrival: int


Parts = dict[str, Waiting]  # messages of one match, by stream


@dataclass(frozen=True)
class OpenMatch:
    """A waiting reference message and the messages that have joined it.

    Attributes:
        parts: All these messages.
        ready: The messages that can be returned at once; empty if the match must wait.
        first: The messages to return when the wait ends: those of an older open match, if there is
            one, otherwise `parts`.
    """

    parts: Parts
    ready: Parts
    first: Parts


def nearest(waiting: Sequence[Waiting], stamp: int) -> Waiting | None:
    """Return the message nearest to `stamp`, the older one of two; `waiting` is sorted by stamp."""
    index = bisect_left(waiting, stamp, key=lambda entry: entry.stamp)
    return min(
        waiting[max(index - 1, 0) : index + 1],
        key=lambda entry: abs(entry.stamp - stamp),
        default=None,
    )

"""Pair clouds with images by their stamps. Pure Python: no ROS, no threads, no clock.

`message_filters.ApproximateTimeSynchronizer` is not used: it holds a lock while the callback runs
and is silent when nothing matches. This synchronizer returns what is complete, counts what it drops
by cause, and never waits longer than `max_wait`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

STREAMS = ("points", "image")
# A stream is not waited for if it had no message for SILENCE_NS while its partner had at least
# SILENT_MESSAGES. The number excludes a drive that was paused.
SILENCE_NS = 1_000_000_000
SILENT_MESSAGES = 3
MOST_WAITING = 64  # messages of one stream, whatever max_wait is: 0.45 GB of 7 MB images
STAMPS = 1024  # remembered stamps of one stream, 34 s at 30 Hz: they tell how late a message is
BEFORE_ALL = -(2**63)  # a stamp; an offset may bring those of messages below 0
LATE_MESSAGES = 3  # after so many late messages in a row, time has jumped back


def _partner_of(stream: str) -> str:
    return STREAMS[1 - STREAMS.index(stream)]


@dataclass(frozen=True)
class Match:
    """Messages of one moment: a pair, or one message whose partner did not come.

    Attributes:
        points: The cloud; None if only an image came.
        image: The image; None if only a cloud came.
    """

    points: Any = None
    image: Any = None

    @property
    def is_pair(self) -> bool:
        """True if both came."""
        return self.points is not None and self.image is not None


@dataclass(frozen=True)
class _Waiting:
    stamp: int
    item: Any
    arrival: int


class Synchronizer:
    """Pairs the nearest stamps within `slop`.

    Two messages are a pair if each is the nearest to the other among all that wait. A pair is
    given out at once, unless the rate of one sensor promises a nearer message; the pair then waits
    until a message as new as itself has waited for `max_wait`.

    A message that finds no partner within `max_wait` goes alone or is dropped. It goes alone if
    `process_unmatched` is set and it is a cloud, or an image while no pairs form (while they do, it
    is a surplus image of a faster camera).

    Matches come in the order of their stamps, and a match drops what is older. Stamps have jumped
    back if one is older than any wait explains, if a stream begins again with its oldest stamp (a
    bag that loops), or if only late messages come.

    All times are integer nanoseconds: stamps in the sensors' time, `now` in any clock that never
    jumps. Not thread-safe.

    Attributes:
        slop: Largest difference of stamps within a pair.
        max_wait: How long a message waits for its partner.
        process_unmatched: Whether messages without a partner go alone.
        streams: The streams in use.
        dropped: Messages without a result, by cause, since the last `take_dropped`:
            unmatched_STREAM found no partner; queue_full_STREAM was the oldest of more than
            `MOST_WAITING`; late_STREAM is older than a result already given, or repeated;
            time_jump_STREAM waited when the stamps jumped back.
        last_pair: `now` when the last pair was given out.
    """

    def __init__(
        self,
        slop: int,
        max_wait: int,
        process_unmatched: bool = True,
        streams: tuple[str, ...] = STREAMS,
    ) -> None:
        """Begin without messages."""
        self.slop, self.max_wait = slop, max_wait
        self.process_unmatched, self.streams = process_unmatched, streams
        self.dropped: Counter[str] = Counter()
        # Since the last pair: distance of a stream's last stamp from those of its partner.
        self._misses: dict[str, int] = {}
        self.last_pair = -SILENCE_NS
        self._reset()

    def take_dropped(self) -> Counter[str]:
        """Return `dropped` (causes that occurred) and begin to count anew."""
        dropped, self.dropped = +self.dropped, Counter()
        return dropped

    def add(self, stream: str, stamp: int, item: Any, now: int) -> list[Match]:
        """Take a message.

        Args:
            stream: "points" or "image".
            stamp: Its time.
            item: Whatever the match is to hold.
            now: When it arrived.

        Returns:
            The matches that are complete by it, in order.
        """
        if self._has_jumped_back(stream, stamp):
            for name, waiting in self._waiting.items():
                self.dropped["time_jump_" + name] += len(waiting)
            self._reset()
        history = self._history[stream]
        self._missed[stream].clear()
        if len(missed := self._missed[_partner_of(stream)]) < SILENT_MESSAGES:
            missed.append(now)
        if self._is_late(stream, stamp):
            self.dropped["late_" + stream] += 1
            self._late[stream] += 1
            return self.expire(now)
        self._late.clear()
        self._oldest[stream] = min(stamp, self._oldest.get(stream, stamp))
        history.append(stamp)
        if stamps := self._history[_partner_of(stream)]:
            self._misses[stream] = min(abs(each - stamp) for each in stamps)
        self._waiting[stream].append(_Waiting(stamp, item, now))
        self._waiting[stream].sort(key=lambda entry: entry.stamp)
        matches = self.expire(now)
        if len(self._waiting[stream]) > MOST_WAITING:
            del self._waiting[stream][0]
            self.dropped["queue_full_" + stream] += 1
        return matches

    def expire(self, now: int) -> list[Match]:
        """Return the matches that are complete at `now`, in order; call it at `deadline`."""
        matches = []
        while (match := self._next(now)) is not None:
            matches.append(match)
            if match.is_pair:
                self.last_pair = now
                self._misses.clear()
        return matches

    def clear(self) -> int:
        """Forget the messages that wait, and return how many they are."""
        count = sum(map(len, self._waiting.values()))
        for waiting in self._waiting.values():
            waiting.clear()
        return count

    @property
    def miss(self) -> int | None:
        """Smallest difference of stamps since the last pair; None if no messages came.

        It is at most `slop` if a partner did come, but too late: of two messages that miss each
        other in time only the later one knows its partner.
        """
        return min(self._misses.values(), default=None)

    @property
    def deadline(self) -> int | None:
        """When the next waiting message has waited long enough; None if none waits."""
        waiting = [entry for entries in self._waiting.values() for entry in entries]
        return min((entry.arrival + self.max_wait for entry in waiting), default=None)

    def _has_jumped_back(self, stream: str, stamp: int) -> bool:
        history = self._history[stream]
        if not history:
            return False
        began_again = stamp == self._oldest[stream] and len(history) > 1
        return (
            began_again
            or stamp < max(history) - self.slop - self.max_wait
            or (self._late[stream] >= LATE_MESSAGES - 1 and self._is_late(stream, stamp))
        )

    def _is_late(self, stream: str, stamp: int) -> bool:
        return stamp <= self._given[stream] or stamp in self._history[stream]

    def _reset(self) -> None:
        self._waiting: dict[str, list[_Waiting]] = {stream: [] for stream in STREAMS}
        self._history: dict[str, deque[int]] = {stream: deque(maxlen=STAMPS) for stream in STREAMS}
        self._given = dict.fromkeys(STREAMS, BEFORE_ALL)
        self._oldest: dict[str, int] = {}  # stamps
        self._late: Counter[str] = Counter()  # late messages in a row
        # Arrivals of the partner's first messages since the stream's last one.
        self._missed: dict[str, list[int]] = {stream: [] for stream in STREAMS}

    def _next(self, now: int) -> Match | None:
        for stream in STREAMS:
            other = _partner_of(stream)
            for entry in self._waiting[stream]:
                partner = _nearest(self._waiting[other], entry.stamp)
                if partner is not None and self._are_nearest(entry, partner, stream):
                    oldest = min(each.arrival for each in (partner, *self._waiting[stream]))
                    waited = now - oldest >= self.max_wait
                    if waited or not (
                        self._nearer_is_due(entry, partner, other)
                        or self._nearer_is_due(partner, entry, stream)
                    ):
                        return self._give({stream: entry, other: partner})
                elif entry.arrival + self.max_wait <= now or self._is_silent(other, now):
                    if self._may_go_alone(stream, now):
                        return self._give({stream: entry})
                    self._waiting[stream].remove(entry)
                    self.dropped["unmatched_" + stream] += 1
                    return self._next(now)
        return None

    def _are_nearest(self, entry: _Waiting, partner: _Waiting, stream: str) -> bool:
        """True if `entry` of `stream` is within slop of `partner` and the nearest to it."""
        if abs(partner.stamp - entry.stamp) > self.slop:
            return False
        return _nearest(self._waiting[stream], partner.stamp) is entry

    def _give(self, chosen: dict[str, _Waiting]) -> Match:
        for stream, entry in chosen.items():
            self._given[stream] = entry.stamp
            waiting = self._waiting[stream]
            older = [each for each in waiting if each.stamp < entry.stamp]
            if older:
                self.dropped["unmatched_" + stream] += len(older)
            self._waiting[stream] = [each for each in waiting if each.stamp > entry.stamp]
        return Match(**{stream: entry.item for stream, entry in chosen.items()})

    def _nearer_is_due(self, entry: _Waiting, partner: _Waiting, stream: str) -> bool:
        """True if the next message of `stream`, at its rate, will be nearer to `entry`.

        `partner` is the nearest message of `stream` now.
        """
        history = self._history[stream]
        if len(history) < 2 or history[-1] >= entry.stamp:
            return False
        expected = 2 * history[-1] - history[-2]
        return abs(expected - entry.stamp) < abs(partner.stamp - entry.stamp)

    def _is_silent(self, stream: str, now: int) -> bool:
        if stream not in self.streams:
            return True
        missed = self._missed[stream]
        return len(missed) >= SILENT_MESSAGES and now - missed[0] >= SILENCE_NS

    def _may_go_alone(self, stream: str, now: int) -> bool:
        if len(self.streams) == 1:
            return True
        return self.process_unmatched and (stream == "points" or now - self.last_pair >= SILENCE_NS)


def _nearest(waiting: Sequence[_Waiting], stamp: int) -> _Waiting | None:
    """Return the message nearest to `stamp`, the older of two; `waiting` is in stamp order."""
    index = bisect_left(waiting, stamp, key=lambda entry: entry.stamp)
    return min(
        waiting[max(index - 1, 0) : index + 1],
        key=lambda entry: abs(entry.stamp - stamp),
        default=None,
    )

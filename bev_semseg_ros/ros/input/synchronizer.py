"""Pairs clouds with images by their stamps. Pure Python: it knows neither ROS nor threads nor the clock.

`message_filters.ApproximateTimeSynchronizer` holds a lock while the callback runs and is silent when nothing matches;
this one returns what is complete, says what it drops and why, and never waits longer than it is told.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

STREAMS = ("points", "image")
SILENCE_NS = 1_000_000_000  # a stream without messages for so long, while its partner had some, is not waited for
SILENT_MESSAGES = 3  # so many: a drive that was paused does not count
MOST_WAITING = 64  # messages of one stream, whatever max_wait: of 7 MB images these are 0.45 GB
STAMPS = 1024  # of one stream that are remembered: 34 s at 30 Hz, to know how far what came too late was from them
BEFORE_ALL = -(2**63)  # a stamp; those of messages may be below 0 where an offset was added
LATE_MESSAGES = (
    3  # so many late ones of a stream, and none between that is not: time has jumped back
)


def _partner_of(stream: str) -> str:
    return STREAMS[1 - STREAMS.index(stream)]


@dataclass(frozen=True)
class Match:
    """Messages of one moment: a pair, or one whose partner did not come (the other is None)."""

    points: Any = None
    image: Any = None

    @property
    def is_pair(self) -> bool:
        return self.points is not None and self.image is not None


@dataclass(frozen=True)
class _Waiting:
    stamp: int
    item: Any
    arrival: int


class Synchronizer:
    """Nearest stamps within `slop` make a pair; what finds no partner within `max_wait` comes alone or is dropped.

    Of a pair each is the nearest to the other among all that wait. It is given out at once unless the rate of one of
    them promises a nearer message; that is waited for until a message as new as the pair has waited for `max_wait`. A
    message alone is a cloud, or an image while no pairs form (while they do it is a surplus image of a faster camera),
    and only if `process_unmatched`. Results come in the order of their stamps; a pair drops what is older than it.
    All times are integer nanoseconds: stamps in the sensors' time, `now` in any clock that never jumps.

    dropped: messages without a result, by cause (unmatched_points, unmatched_image: no partner; queue_full_points,
    queue_full_image: the oldest of more than MOST_WAITING; late_points, late_image: older than a result already given,
    or repeated; time_jump_points, time_jump_image: waiting when the stamps jumped back). Stamps have jumped back if one
    is older than any wait explains, if a stream begins again with its oldest one (a loop of a drive shorter than that),
    or if nothing but late messages comes.
    """

    def __init__(
        self,
        slop: int,
        max_wait: int,
        process_unmatched: bool = True,
        streams: tuple[str, ...] = STREAMS,
    ) -> None:
        self.slop, self.max_wait, self.process_unmatched, self.streams = (
            slop,
            max_wait,
            process_unmatched,
            streams,
        )
        self.dropped: Counter[str] = Counter()
        self._misses: dict[
            str, int
        ] = {}  # since the last pair: how far a stream's last one was from what had come
        self.last_pair = -SILENCE_NS  # when the last pair was given out
        self._reset()

    def add(self, stream: str, stamp: int, item: Any, now: int) -> list[Match]:
        """Take a message that arrived at `now` and return what is complete by it, in order."""
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
        """What is complete at `now`, in order: call it when `deadline` has come."""
        matches = []
        while (match := self._next(now)) is not None:
            matches.append(match)
            if match.is_pair:
                self.last_pair = now
                self._misses.clear()
        return matches

    @property
    def miss(self) -> int | None:
        """How far the last messages after the last pair are from the nearest of the other stream; None: there are none.

        At most `slop` if a partner did come, but too late: of two that miss each other in time only the later one knows
        its partner, when it comes.
        """
        return min(self._misses.values(), default=None)

    @property
    def deadline(self) -> int | None:
        """When the next waiting message has waited long enough, or None if none waits."""
        return min(
            (
                entry.arrival + self.max_wait
                for waiting in self._waiting.values()
                for entry in waiting
            ),
            default=None,
        )

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
        self._late: Counter[str] = Counter()  # since the last message that was not
        # When the first messages of the partner came since the stream's last one.
        self._missed: dict[str, list[int]] = {stream: [] for stream in STREAMS}

    def _next(self, now: int) -> Match | None:
        for stream in STREAMS:
            other = _partner_of(stream)
            for entry in self._waiting[stream]:
                partner = _nearest(self._waiting[other], entry.stamp)
                if (
                    partner
                    and abs(partner.stamp - entry.stamp) <= self.slop
                    and _nearest(self._waiting[stream], partner.stamp) is entry
                ):
                    waited = (
                        now - min(each.arrival for each in (partner, *self._waiting[stream]))
                        >= self.max_wait
                    )
                    if waited or not (
                        self._nearer_is_due(entry, partner, other)
                        or self._nearer_is_due(partner, entry, stream)
                    ):
                        return self._give({stream: entry, other: partner})
                elif entry.arrival + self.max_wait <= now or self._is_silent(other, now):
                    if self._may_go_alone(stream, now):
                        return self._give({stream: entry})
                    self._waiting[stream].remove(entry)
                    self._drop(stream, entry)
                    return self._next(now)
        return None

    def _give(self, chosen: dict[str, _Waiting]) -> Match:
        for stream, entry in chosen.items():
            self._given[stream] = entry.stamp
            for older in [
                waiting for waiting in self._waiting[stream] if waiting.stamp < entry.stamp
            ]:
                self._drop(stream, older)
            self._waiting[stream] = [
                waiting for waiting in self._waiting[stream] if waiting.stamp > entry.stamp
            ]
        return Match(**{stream: entry.item for stream, entry in chosen.items()})

    def _nearer_is_due(self, entry: _Waiting, partner: _Waiting, stream: str) -> bool:
        """True if `stream`, of which `partner` is, goes on at its rate and the next will be nearer to `entry`."""
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

    def _drop(self, stream: str, entry: _Waiting) -> None:
        self.dropped["unmatched_" + stream] += 1


def _nearest(waiting: Sequence[_Waiting], stamp: int) -> _Waiting | None:
    """Of messages in the order of their stamps; the older of two that are as near."""
    index = bisect_left(waiting, stamp, key=lambda entry: entry.stamp)
    return min(
        waiting[max(index - 1, 0) : index + 1],
        key=lambda entry: abs(entry.stamp - stamp),
        default=None,
    )

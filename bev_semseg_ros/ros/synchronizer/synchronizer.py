"""Match the messages of several sensors by their stamps. Pure Python: no ROS, no threads, no clock.

`message_filters.ApproximateTimeSynchronizer` is not used: it holds a lock while the callback runs,
reports nothing when messages do not match, and waits for every sensor, even a dead one. This
synchronizer returns complete matches, counts dropped messages by cause, and never waits longer than
`max_wait`.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bev_semseg_ros.ros.synchronizer.arrivals import SILENCE_NS
from bev_semseg_ros.ros.synchronizer.jumps import Jumps
from bev_semseg_ros.ros.synchronizer.match import Match
from bev_semseg_ros.ros.synchronizer.misses import Misses
from bev_semseg_ros.ros.synchronizer.recent_matches import RecentMatches
from bev_semseg_ros.ros.synchronizer.stream_history import StreamHistory
from bev_semseg_ros.ros.synchronizer.succession import Succession
from bev_semseg_ros.ros.synchronizer.waiting import OpenMatch, Parts, Waiting, nearest

STREAMS = ("points", "image")  # of a lidar and a camera without names
MOST_WAITING = 64  # limit per stream, whatever max_wait is: 64 images of 7 MB take 0.45 GB
LATE_MESSAGES = 3  # if all messages are late, the third one of a stream counts as a jump back


class Synchronizer:
    """Matches the messages of all streams with those of one of them, the reference.

    The reference is one of `streams`. `Succession` chooses it and decides which streams are silent.

    Joining: A message joins a reference message if their stamps differ by at most `slop` and
    each is the nearest to the other among all waiting messages. Two rules avoid matches that are
    worse than necessary:

    - If, at the rate of its stream, a message is due that is nearer to the reference message, the
      match waits for it.
    - If, at the rate of the reference, a reference message is due that is nearer to the message,
      the message is left for that one. If no other stream has joined, the match waits.

    Completion: Once a stream has joined, the match is returned as soon as no other stream is
    awaited. Older matches are returned first. A stream that has not joined is awaited unless one of
    these conditions holds:

    - It is silent.
    - It has moved on: one of its messages is more than `slop` newer than the reference message.
    - It lags: when its last message came, the newest reference message was more than
      `max_wait + slop` newer.
    - None of its messages is due, for instance because it has half the rate: the stamps that its
      period predicts are too far from the reference message. They are further away than half the
      period of the reference, and so belong to another reference message. Or they are further away
      than `slop` plus a quarter of the shorter period, which allows for jitter.

    Waiting: No message waits longer than `max_wait`. As soon as a message has waited this long
    in a stream that is part of a match, the match is returned with the messages that have joined. A
    message that has joined no reference message is then returned without one, or dropped. It is
    returned only if `process_unmatched` is set, and if it belongs to the reference or no pairs have
    formed for the patience of its stream and the reference (`Arrivals.patience`). While pairs form,
    it is a surplus message of a faster sensor. If there is only one stream, every message is
    returned.

    Order: In each stream, the stamps of successive matches increase, until they jump back. A match
    drops older waiting messages of its streams.

    Jumps: The stamps of a stream have jumped back if one is too old to be explained by waiting, or
    repeats the oldest one (a bag that loops). Its waiting messages are then dropped, and its past
    stamps forgotten. The other streams go on, because a jump may be the fault of one sensor: in a
    loop of a bag, they jump themselves. If the messages of all streams are late, time has jumped
    back for all.

    All times are integer nanoseconds: stamps in the sensors' time, `now` in any clock that never
    jumps. Not thread-safe.

    Attributes:
        slop: Largest difference between a stamp in a match and the stamp of its reference message.
        max_wait: Longest time that a message waits for others.
        process_unmatched: Whether messages that join no other message are returned alone.
        streams: The streams in use, in the order in which they become the reference: the lidars,
            then the cameras.
        dropped: Number of messages without a result, by cause, since the last `take_dropped`.
            unmatched_STREAM: it joined no other message. queue_full_STREAM: it was the oldest of
            more than `MOST_WAITING`. repeated_STREAM: an earlier message had the same stamp.
            late_STREAM: it was older than a returned message of its stream, or came after its match
            was returned. time_jump_STREAM: it waited when the stamps of its stream jumped back.
    """

    def __init__(
        self,
        slop: int,
        max_wait: int,
        process_unmatched: bool = True,
        streams: Sequence[str] = STREAMS,
    ) -> None:
        """Start without messages."""
        self.slop, self.max_wait = slop, max_wait
        self.process_unmatched, self.streams = process_unmatched, tuple(streams)
        self._succession = Succession(self.streams)
        self.dropped: Counter[str] = Counter()
        self._misses = Misses()  # between each stream and the reference, since their last match
        self._jumps = Jumps()
        self._joined_at = dict.fromkeys(self.streams, -SILENCE_NS)
        self._waiting: dict[str, list[Waiting]] = {stream: [] for stream in self.streams}
        self._history = {stream: StreamHistory() for stream in self.streams}
        self._late: Counter[str] = Counter()  # late messages since the last that was not
        # By how much the newest reference message was newer when the stream's last message came;
        # nothing if none came since the stamps of the reference jumped back.
        self._lag: dict[str, int] = {}
        self._recent = RecentMatches()

    def take_dropped(self) -> Counter[str]:
        """Return `dropped`, without causes that did not occur, and reset it."""
        dropped, self.dropped = +self.dropped, Counter()
        return dropped

    def take_jumps(self) -> dict[str, int]:
        """Return the streams whose stamps jump between clocks, and start anew; see `Jumps.take`."""
        return self._jumps.take()

    def add(self, stream: str, stamp: int, item: Any, now: int) -> list[Match]:
        """Add a message.

        Args:
            stream: One of `streams`.
            stamp: Stamp of the message.
            item: The message, in the form in which the match should hold it.
            now: Time of its arrival.

        Returns:
            The matches that are now complete, oldest first.
        """
        if self._history[stream].has_jumped_back(stamp, self.slop + self.max_wait):
            self._restart(stream)
        elif self._are_all_late(stream, stamp, now):
            for each in self.streams:
                self._restart(each)
        self._succession.note_arrival(stream, now)
        reference = self._history[self.reference]
        self._lag[stream] = reference.newest - stamp if reference else 0
        if self._history[stream].is_old(stamp):
            self._late[stream] += 1
            if stamp in self._history[stream]:
                self.dropped["repeated_" + stream] += 1
            else:
                self.dropped["late_" + stream] += 1
            return self.expire(now)
        self._late.clear()
        self._note(stream, stamp, now)
        if self._has_lost_its_match(stream, stamp):
            self.dropped["late_" + stream] += 1
            return self.expire(now)
        waiting = self._waiting[stream]
        insort(waiting, Waiting(stamp, item, now), key=lambda entry: entry.stamp)
        matches = self.expire(now)
        waiting = self._waiting[stream]
        if len(waiting) > MOST_WAITING:
            del waiting[0]
            self.dropped["queue_full_" + stream] += 1
        return matches

    def expire(self, now: int) -> list[Match]:
        """Return the matches that are complete at `now`, oldest first. Call it at `deadline`."""
        matches = []
        while (parts := self._decide(now)) is not None:
            if parts:
                matches.append(self._give(parts, now))
        return matches

    def clear(self) -> int:
        """Discard all waiting messages and return their number."""
        count = sum(map(len, self._waiting.values()))
        for waiting in self._waiting.values():
            waiting.clear()
        return count

    @property
    def reference(self) -> str:
        """The stream that is the reference now."""
        return self._succession.reference

    @property
    def last_pair(self) -> int:
        """Time `now` of the last match of the reference with another stream."""
        return max(self._joined_at.values())

    @property
    def deadline(self) -> int | None:
        """Time at which the first waiting message reaches `max_wait`; None if none waits."""
        arrivals = [entry.arrival for entries in self._waiting.values() for entry in entries]
        return min(arrivals) + self.max_wait if arrivals else None

    def miss(self, stream: str) -> int | None:
        """Return by how much the stamps of `stream` miss those of the reference.

        Returns:
            Difference between the last stamp of one of the two streams and the nearest stamp of the
            other, whichever is smaller. None if no message has come since both were last in a
            match. It is at most `slop` if a message of the same moment came, but too late.
        """
        return self._misses.between(stream, self.reference)

    def unmatched(self, now: int) -> dict[str, int | None]:
        """Return the `miss` of each stream that has not joined the reference for its patience."""
        return {
            stream: self.miss(stream)
            for stream in self._succession.others(self.reference)
            if now - self._joined_at[stream] > self._succession.patience(stream)
        }

    def _note(self, stream: str, stamp: int, now: int) -> None:
        """Add a stamp to the history, and compare it with earlier ones and other streams."""
        history = self._history[stream]
        if history:
            self._jumps.note(stream, stamp, history.newest, now, self.slop + self.max_wait)
        history.add(stamp)
        is_reference = stream == self.reference
        for other in self._succession.others(stream) if is_reference else (self.reference,):
            miss = self._history[other].distance(stamp)
            if miss is not None:
                self._misses.note(stream, other, miss)

    def _are_all_late(self, stream: str, stamp: int, now: int) -> bool:
        """Return whether all streams that are not silent send only late messages."""
        return (
            self._late[stream] >= LATE_MESSAGES - 1
            and self._history[stream].is_old(stamp)
            and all(
                self._late[other] or self._succession.is_silent(other, now)
                for other in self._succession.others(stream)
            )
        )

    def _restart(self, stream: str) -> None:
        """Forget the messages of a stream, because its stamps have jumped back."""
        self.dropped["time_jump_" + stream] += len(self._waiting[stream])
        self._waiting[stream] = []
        if self._history[stream]:
            self._jumps.note_back(stream, self._history[stream].newest)
        self._history[stream] = StreamHistory()
        if stream == self.reference:
            self._lag.clear()
            self._recent.clear()
        else:
            self._recent.stop_missing(stream)

    def _has_lost_its_match(self, stream: str, stamp: int) -> bool:
        """Return whether the match of a message was already returned without it."""
        distance = self._recent.distance(stream, stamp)
        if distance is None or distance > self.slop:
            return False
        coming = [entry.stamp for entry in self._waiting[self.reference]]
        history = self._history[self.reference]
        if history.period is not None:
            coming.append(history.newest + history.period)
        return all(distance <= abs(each - stamp) for each in coming)

    def _decide(self, now: int) -> Parts | None:
        """Return the messages of the next match.

        The result is empty if a message was dropped instead, and None if all messages must wait.
        """
        alive = self._succession.choose(now)
        deadline = self.deadline
        if deadline is None:
            return None
        if now < deadline and len(alive) > 1:
            return self._first_ready(now)
        matches = self._open_matches(now)
        for stream, waiting in self._waiting.items():
            oldest = min((entry.arrival for entry in waiting), default=now)
            for entry in waiting:
                match = matches.get((stream, entry.stamp))
                if match is not None:
                    arrivals = [each.arrival for each in match.parts.values()]
                    if now - min(oldest, *arrivals) >= self.max_wait:
                        return match.first
                    if match.ready:
                        return match.ready
                elif now - entry.arrival >= self.max_wait or alive == [stream]:
                    return self._decide_alone(entry, stream, now)
        return None

    def _decide_alone(self, entry: Waiting, stream: str, now: int) -> Parts:
        """Return a message that joins no reference message, as a match without it, or drop it."""
        if self._may_go_alone(stream, now):
            return {stream: entry, **self._strays(entry, stream)}
        self._waiting[stream].remove(entry)
        self.dropped["unmatched_" + stream] += 1
        return {}

    def _first_ready(self, now: int) -> Parts | None:
        """Return the oldest complete match, unless an older one only waits for more streams."""
        for anchor in self._waiting[self.reference]:
            joined = self._joined(anchor, self.reference)
            ready = self._ready(anchor, joined)
            if ready:
                return None if self._awaits_more(anchor, joined, now) else ready
        return None

    def _open_matches(self, now: int) -> dict[tuple[str, int], OpenMatch]:
        """Return the waiting matches, by stream and stamp of each of their messages."""
        matches: dict[tuple[str, int], OpenMatch] = {}
        held: Parts = {}  # the oldest match that only waits for more streams
        for anchor in self._waiting[self.reference]:
            joined = self._joined(anchor, self.reference)
            if not joined:
                continue
            parts = {self.reference: anchor, **joined}
            ready = {} if held else self._ready(anchor, joined)
            if ready and self._awaits_more(anchor, joined, now):
                ready, held = {}, parts
            match = OpenMatch(parts, ready, held or parts)
            matches.update({(stream, entry.stamp): match for stream, entry in parts.items()})
        return matches

    def _joined(self, entry: Waiting, stream: str) -> Parts:
        """Return the messages of other streams that are mutually nearest with `entry`."""
        joined = {}
        for other in self._succession.others(stream):
            partner = nearest(self._waiting[other], entry.stamp)
            if (
                partner is not None
                and abs(partner.stamp - entry.stamp) <= self.slop
                and nearest(self._waiting[stream], partner.stamp) is entry
            ):
                joined[other] = partner
        return joined

    def _strays(self, entry: Waiting, stream: str) -> Parts:
        """Return the messages that join `entry`, if it is returned without a reference message."""
        if stream == self.reference:
            return {}
        return {
            other: partner
            for other, partner in self._joined(entry, stream).items()
            if self.reference not in self._joined(partner, other)
        }

    def _ready(self, anchor: Waiting, joined: Parts) -> Parts:
        """Return the messages of the match around `anchor`; none if a nearer one is due."""
        ready = {self.reference: anchor}
        for stream, entry in joined.items():
            if self._nearer_is_due(entry, anchor, self.reference):
                continue  # leave it for the next reference message
            if self._nearer_is_due(anchor, entry, stream):
                return {}
            ready[stream] = entry
        return ready if len(ready) > 1 else {}

    def _awaits_more(self, anchor: Waiting, joined: Parts, now: int) -> bool:
        return any(
            self._is_awaited(stream, anchor.stamp, now)
            for stream in self._succession.others(self.reference)
            if stream not in joined
        )

    def _is_awaited(self, stream: str, stamp: int, now: int) -> bool:
        """Return whether a message of `stream` may still join the reference message at `stamp`.

        The docstring of the class lists the conditions.
        """
        if self._succession.is_silent(stream, now):
            return False
        if stream not in self._lag:
            return True
        history, reference_period = self._history[stream], self._history[self.reference].period
        behind = stamp - history.newest
        if behind < -self.slop or self._lag[stream] > self.max_wait + self.slop:
            return False
        if (period := history.period) is None:
            return True
        reference_period = reference_period or period
        reach = min(self.slop + min(period, reference_period) // 4, reference_period // 2)
        steps = max(1, round(behind / period))
        return abs(steps * period - behind) <= reach

    def _give(self, parts: Parts, now: int) -> Match:
        for stream, entry in parts.items():
            self._history[stream].given = entry.stamp
            self._succession.note_given(stream, now)
            waiting = self._waiting[stream]
            older = [each for each in waiting if each.stamp < entry.stamp]
            if older:
                self.dropped["unmatched_" + stream] += len(older)
            self._waiting[stream] = [each for each in waiting if each.stamp > entry.stamp]
        if len(parts) > 1 and self.reference in parts:
            self._recent.add(parts[self.reference].stamp, frozenset(parts))
            for stream in parts:
                self._joined_at[stream] = now
                self._misses.forget(stream, self.reference)
        return Match(
            {stream: parts[stream].item for stream in self.streams if stream in parts},
            tuple(stream for stream in self.streams if stream not in parts),
        )

    def _nearer_is_due(self, entry: Waiting, partner: Waiting, stream: str) -> bool:
        """Return whether the next message of `stream` is expected to be nearer to `entry`.

        `partner` is the nearest message of `stream` so far.
        """
        history = self._history[stream]
        expected = history.next
        if expected is None or history.last >= entry.stamp:
            return False
        return abs(expected - entry.stamp) < abs(partner.stamp - entry.stamp)

    def _may_go_alone(self, stream: str, now: int) -> bool:
        if len(self.streams) == 1:
            return True
        return self.process_unmatched and (
            stream == self.reference or now - self.last_pair >= self._succession.patience(stream)
        )

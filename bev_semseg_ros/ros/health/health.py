"""Health: the counters and warnings of the node, in one thread-safe object."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

LAST_FRAMES = 100  # number of published frames whose records are kept


@dataclass(frozen=True)
class FrameRecord:
    """Record of a published frame.

    Attributes:
        at: `time.monotonic()` when it was published, seconds.
        total_ms: Time from the end of the wait for its messages to its results, milliseconds.
        mode: The mode in which it was processed.
        sync_offset_ms: Stamp of its first cloud minus stamp of its first image, milliseconds; None
            if it lacks either.
    """

    at: float
    total_ms: float
    mode: str
    sync_offset_ms: float | None = None


@dataclass(frozen=True)
class InputState:
    """A subscribed topic at one moment.

    Attributes:
        topic: Full name of the topic.
        received: Number of messages received.
        age: Time since the last message, seconds; None if none came.
        lost: Number of messages that were replaced by newer ones or lost by DDS.
        problem: Why messages do not come and what to do; empty if they come.
        publishers: Full name of the node of each publisher.
    """

    topic: str
    received: int
    age: float | None
    lost: int = 0
    problem: str = ""
    publishers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairing:
    """The streams that do not match the reference, or cannot because of their stamps.

    Attributes:
        reference: The stream with which the others are matched.
        misses: The streams that have not joined the reference lately, each with the difference
            between the nearest stamps (`Synchronizer.miss`), seconds; None if unknown.
        jumps: The streams whose stamps jumped between clocks in the last second, each with the
            largest jump ahead (`Synchronizer.take_jumps`), seconds.
    """

    reference: str = ""
    misses: Mapping[str, float | None] = field(default_factory=dict)
    jumps: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """Content of `Health` at one moment, without the warnings. Counters start at activation.

    Attributes:
        received: Messages by stream.
        dropped: Messages and frames without a result, by cause.
        degraded: Frames published without one of their sensors or the ego motion, by cause.
        sent: Messages by output topic.
        published: Frames published.
        frames: The last published frames, oldest first.
        inputs: The subscribed topics, by name, such as "points" or "front/image".
        pairing: The streams that do not match the reference, and why.
        input_age_ms: Time from the stamp of the last frame to its results, milliseconds; None
            before the first frame.
        in_process_since: `time.monotonic()` when the processing of the current frame began; None
            between frames.
    """

    received: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    published: int = 0
    frames: tuple[FrameRecord, ...] = ()
    inputs: Mapping[str, InputState] = field(default_factory=dict)
    pairing: Pairing = field(default_factory=Pairing)
    input_age_ms: float | None = None
    in_process_since: float | None = None


class Health:
    """The counters, the latest warning for each cause, and the last frames of a node.

    All parts of the node write to this object. The reporter reads it once per second. All methods
    are thread-safe and return at once.

    Attributes:
        failure: Why the device failed and the inference thread ended; None while it works.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self, streams: Iterable[str] = ("points", "image")) -> None:
        """Reset everything, as at activation.

        Args:
            streams: The streams whose counters start at 0.
        """
        with self._lock:
            self.failure: str | None = None
            self._received: Counter[str] = Counter(dict.fromkeys(streams, 0))
            self._dropped: Counter[str] = Counter()
            self._degraded: Counter[str] = Counter()
            self._sent: Counter[str] = Counter()
            self._published = 0
            self._frames: deque[FrameRecord] = deque(maxlen=LAST_FRAMES)
            self._inputs: dict[str, InputState] = {}
            self._pairing = Pairing()
            self._input_age_ms: float | None = None
            self._in_process_since: float | None = None
            self._warnings: dict[str, str] = {}

    def receive(self, stream: str) -> None:
        """Count a message of `stream`."""
        with self._lock:
            self._received[stream] += 1

    def drop(self, cause: str, count: int = 1) -> None:
        """Count messages or frames without a result. `diagnostics.CAUSES` lists the causes."""
        with self._lock:
            self._dropped[cause] += count

    def set_in_process_since(self, moment: float | None) -> None:
        """Keep the `time.monotonic()` at which the current frame began; None when it has ended."""
        with self._lock:
            self._in_process_since = moment

    def publish(self, frame: FrameRecord, missing: Sequence[str] = ()) -> None:
        """Count a published frame and keep its record.

        Args:
            frame: The record.
            missing: Why sensors or the ego motion are missing in it, from `diagnostics.CAUSES`.
                With any cause, the frame also counts as degraded.
        """
        with self._lock:
            self._published += 1
            self._frames.append(frame)
            self._degraded.update(missing)

    def send(self, topic: str) -> None:
        """Count a message on the output `topic`."""
        with self._lock:
            self._sent[topic] += 1

    def warn(self, cause: str, text: str) -> None:
        """Keep a warning until the reporter takes it. It replaces an earlier one of this cause."""
        with self._lock:
            self._warnings[cause] = text

    def fail(self, reason: str) -> None:
        """Record that the device has failed: no more frames will be processed."""
        with self._lock:
            self.failure = reason

    def set_input(self, name: str, state: InputState) -> None:
        """Keep the state of the subscription called `name`."""
        with self._lock:
            self._inputs[name] = state

    def set_pairing(self, pairing: Pairing) -> None:
        """Keep which streams do not match the reference, and why."""
        with self._lock:
            self._pairing = pairing

    def set_input_age(self, milliseconds: float) -> None:
        """Keep the age that the last frame had when its results were published."""
        with self._lock:
            self._input_age_ms = milliseconds

    def counts(self) -> Counts:
        """Return a copy of everything except the warnings."""
        with self._lock:
            return Counts(
                received=self._received.copy(),
                dropped=self._dropped.copy(),
                degraded=self._degraded.copy(),
                sent=self._sent.copy(),
                published=self._published,
                frames=tuple(self._frames),
                inputs=dict(self._inputs),
                pairing=self._pairing,
                input_age_ms=self._input_age_ms,
                in_process_since=self._in_process_since,
            )

    def timing_counters(self) -> dict[str, int]:
        """Return the counters by the keys they have on ~/timing."""
        with self._lock:
            return {
                **{f"received/{stream}": count for stream, count in self._received.items()},
                "published": self._published,
                **{f"dropped/{cause}": count for cause, count in sorted(self._dropped.items())},
                **{f"degraded/{cause}": count for cause, count in sorted(self._degraded.items())},
            }

    def take_warnings(self) -> list[str]:
        """Return the warnings since the last call, one per cause, and remove them."""
        with self._lock:
            warnings, self._warnings = self._warnings, {}
        return list(warnings.values())

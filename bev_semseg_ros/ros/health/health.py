"""Health: what the node has counted and what it warns of, in one thread-safe place."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

LAST_FRAMES = 100  # records of published frames that are kept


@dataclass(frozen=True)
class FrameRecord:
    """A frame that was published.

    Attributes:
        at: `time.monotonic()` when it was published, seconds.
        total_ms: Time from the end of the wait for its messages to its results.
        mode: The mode it was processed in.
        sync_offset_ms: Stamp of the cloud minus stamp of the image; None without a pair.
    """

    at: float
    total_ms: float
    mode: str
    sync_offset_ms: float | None = None


@dataclass(frozen=True)
class InputState:
    """A subscribed topic at one moment.

    Attributes:
        topic: The topic's full name.
        received: Messages so far.
        age: Seconds since the last message; None if none came.
        lost: Messages that were replaced by newer ones or lost on the way.
        problem: Why messages do not come and what to do about it; empty if they come.
    """

    topic: str
    received: int
    age: float | None
    lost: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Pairing:
    """How well the messages of all streams find those of the reference.

    Attributes:
        reference: The stream that the others are matched with.
        misses: The streams that have not joined the reference for a while, each with the
            difference of the nearest stamps since it last did, seconds; None if unknown.
    """

    reference: str = ""
    misses: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """All that `Health` holds, at one moment. Counters count since activation.

    Attributes:
        received: Messages by stream.
        dropped: Messages and frames without a result, by cause.
        degraded: Frames published without one of their sensors, by cause.
        sent: Messages by output topic.
        published: Frames published.
        frames: The last published frames, oldest first.
        inputs: The subscribed topics, by name ("points", "image", "camera_info").
        pairing: How well the streams find the reference.
        input_age_ms: From the last frame's stamp to its results; None before the first frame.
        in_process_since: When the frame in process was begun, `time.monotonic()`; None between
            frames.
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
    """Counters, the latest warning of each cause and the last frames of a node.

    Every part of the node that counts or warns is given this object and writes to it. Once a
    second the reporter reads it. All methods are thread-safe and return at once.

    Attributes:
        failure: Why the inference thread gave up (only a failed device can cause this); None
            while it works.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self, streams: Iterable[str] = ("points", "image")) -> None:
        """Forget everything, as at activation.

        Args:
            streams: Those whose messages are counted, from 0 on.
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
        """Count messages or frames that have no result. `diagnostics.CAUSES` lists the causes."""
        with self._lock:
            self._dropped[cause] += count

    def set_in_process_since(self, moment: float | None) -> None:
        """Keep when the frame in process was begun, `time.monotonic()`; None once it has ended."""
        with self._lock:
            self._in_process_since = moment

    def publish(self, frame: FrameRecord, missing: Sequence[str] = ()) -> None:
        """Count a published frame and keep its record.

        Args:
            frame: The record.
            missing: Why a sensor is missing in it; `diagnostics.CAUSES` lists the causes. With one
                the frame counts as degraded, too.
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
        """Keep a warning until the reporter takes it; it replaces an earlier one of this cause."""
        with self._lock:
            self._warnings[cause] = text

    def fail(self, reason: str) -> None:
        """Say that the device failed: no more frames will be processed."""
        with self._lock:
            self.failure = reason

    def set_input(self, name: str, state: InputState) -> None:
        """Keep the state of the subscription called `name`."""
        with self._lock:
            self._inputs[name] = state

    def set_pairing(self, pairing: Pairing) -> None:
        """Keep how well the streams find the reference."""
        with self._lock:
            self._pairing = pairing

    def set_input_age(self, milliseconds: float) -> None:
        """Keep the age of the last frame when its results were published."""
        with self._lock:
            self._input_age_ms = milliseconds

    def counts(self) -> Counts:
        """Return a copy of everything but the warnings."""
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
        """Return the warnings since the last call, one of each cause, and forget them."""
        with self._lock:
            warnings, self._warnings = self._warnings, {}
        return list(warnings.values())

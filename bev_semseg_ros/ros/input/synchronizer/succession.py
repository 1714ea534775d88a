"""Which streams are silent, and which one the others join. Pure Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# A stream is silent if it had no message for SILENCE_NS while another one had at least
# SILENT_MESSAGES. The number excludes a drive that was paused.
SILENCE_NS = 1_000_000_000
SILENT_MESSAGES = 3


class Succession:
    """The streams in the order in which they become the reference, which the others join.

    The reference is the first stream that is not dead. A stream is dead if it is silent (see
    SILENCE_NS) and was in no match for SILENCE_NS. When it returns it is the reference again.

    Attributes:
        streams: The streams in use.
        reference: The stream that was the reference when `choose` was last called.
    """

    def __init__(self, streams: Sequence[str]) -> None:
        """Begin without messages."""
        self.streams = tuple(streams)
        self.reference = self.streams[0]
        self._given_at = dict.fromkeys(self.streams, -SILENCE_NS)
        self.forget_arrivals()

    def forget_arrivals(self) -> None:
        """Take no stream for silent until further messages have come."""
        # By stream and other stream: arrivals of the other's first messages since the stream's
        # last one.
        self._missed: dict[str, dict[str, list[int]]] = {
            stream: {other: [] for other in self.others(stream)} for stream in self.streams
        }

    def others(self, stream: str) -> Iterator[str]:
        """Return the other streams."""
        return (other for other in self.streams if other != stream)

    def note_arrival(self, stream: str, now: int) -> None:
        """Note that a message came, and choose the reference."""
        for other in self.others(stream):
            self._missed[stream][other].clear()
            missed = self._missed[other][stream]
            if len(missed) < SILENT_MESSAGES:
                missed.append(now)
        self.choose(now)

    def note_given(self, stream: str, now: int) -> None:
        """Note that a stream was in a match that was given out."""
        self._given_at[stream] = now

    def choose(self, now: int) -> list[str]:
        """Choose the reference, and return the streams that are not silent."""
        alive = [stream for stream in self.streams if not self.is_silent(stream, now)]
        self.reference = next(
            stream
            for stream in self.streams
            if stream in alive or now - self._given_at[stream] < SILENCE_NS
        )
        return alive

    def is_silent(self, stream: str, now: int) -> bool:
        """Return True if the stream had no message for so long while another one had some."""
        for missed in self._missed[stream].values():
            if len(missed) >= SILENT_MESSAGES and now - missed[0] >= SILENCE_NS:
                return True
        return False

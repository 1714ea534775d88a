"""Decides which streams are silent and which one is the reference. Pure Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bev_semseg_ros.ros.synchronizer.arrivals import SILENCE_NS, Arrivals

# A stream is silent if it had no message for its `Arrivals.patience` while another one had at least
# SILENT_MESSAGES. Because of this number, a pause of all streams does not count as silence.
SILENT_MESSAGES = 3


class Succession:
    """Chooses the reference, with whose messages those of the other streams are matched.

    The reference is the first stream that is not dead. A stream is dead if it is silent (see
    SILENT_MESSAGES) and was in no match for its `Arrivals.patience`. When it returns, it is the
    reference again.

    Attributes:
        streams: The streams in use, in the order in which they become the reference.
        reference: The stream that was the reference when `choose` was last called.
    """

    def __init__(self, streams: Sequence[str]) -> None:
        """Start without messages."""
        self.streams = tuple(streams)
        self.reference = self.streams[0]
        self._arrivals = {stream: Arrivals() for stream in self.streams}
        self._given_at = dict.fromkeys(self.streams, -SILENCE_NS)
        # By stream and other stream: arrival times of the other stream's first messages since the
        # last message of the stream.
        self._missed: dict[str, dict[str, list[int]]] = {
            stream: {other: [] for other in self.others(stream)} for stream in self.streams
        }

    def others(self, stream: str) -> Iterator[str]:
        """Return the other streams."""
        return (other for other in self.streams if other != stream)

    def note_arrival(self, stream: str, now: int) -> None:
        """Record the arrival of a message, and choose the reference."""
        self._arrivals[stream].note(now)
        for other in self.others(stream):
            self._missed[stream][other].clear()
            missed = self._missed[other][stream]
            if len(missed) < SILENT_MESSAGES:
                missed.append(now)
        self.choose(now)

    def note_given(self, stream: str, now: int) -> None:
        """Record that a stream was part of a match."""
        self._given_at[stream] = now

    def choose(self, now: int) -> list[str]:
        """Choose the reference, and return the streams that are not silent."""
        alive = [stream for stream in self.streams if not self.is_silent(stream, now)]
        self.reference = next(
            stream
            for stream in self.streams
            if stream in alive or now - self._given_at[stream] < self._arrivals[stream].patience
        )
        return alive

    def is_silent(self, stream: str, now: int) -> bool:
        """Return whether a stream is silent; see SILENT_MESSAGES."""
        patience = self._arrivals[stream].patience
        for missed in self._missed[stream].values():
            if len(missed) >= SILENT_MESSAGES and now - missed[0] >= patience:
                return True
        return False

    def patience(self, stream: str) -> int:
        """Return how long to wait for a match of a stream with the reference, nanoseconds."""
        return max(self._arrivals[each].patience for each in (stream, self.reference))

"""By how much the stamps of two streams miss each other. Pure Python."""

from __future__ import annotations


class Misses:
    """Differences between the last stamp of a stream and the nearest stamp of another one, ns."""

    def __init__(self) -> None:
        """Start without differences."""
        self._misses: dict[tuple[str, str], int] = {}

    def note(self, stream: str, other: str, miss: int) -> None:
        """Record the difference between the last stamp of `stream` and the nearest of `other`."""
        self._misses[stream, other] = miss

    def forget(self, stream: str, other: str) -> None:
        """Forget the differences between two streams, because they match."""
        for pair in ((stream, other), (other, stream)):
            self._misses.pop(pair, None)

    def between(self, stream: str, other: str) -> int | None:
        """Return the smaller difference of the two streams; None if none is known."""
        # Of two messages of the same moment, only the later one finds the other in the history.
        pairs = (stream, other), (other, stream)
        return min((self._misses[pair] for pair in pairs if pair in self._misses), default=None)

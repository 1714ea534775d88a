"""Recent matches, which messages may miss because they come too late. Pure Python."""

from __future__ import annotations

from collections import deque

MATCHES = 64  # kept


class RecentMatches:
    """The last MATCHES matches of the reference with other streams. Times are nanoseconds."""

    def __init__(self) -> None:
        """Start without matches."""
        # The stamp of the reference message, and the streams that the match no longer misses.
        self._matches: deque[tuple[int, frozenset[str]]] = deque(maxlen=MATCHES)

    def add(self, stamp: int, streams: frozenset[str]) -> None:
        """Add a match.

        Args:
            stamp: Stamp of its reference message.
            streams: Streams with a message in the match.
        """
        self._matches.append((stamp, streams))

    def clear(self) -> None:
        """Forget all matches."""
        self._matches.clear()

    def stop_missing(self, stream: str) -> None:
        """Regard no match as one that misses a stream, because its stamps have jumped back."""
        matches = [(stamp, streams | {stream}) for stamp, streams in self._matches]
        self._matches = deque(matches, maxlen=MATCHES)

    def distance(self, stream: str, stamp: int) -> int | None:
        """Return how far a message is from the nearest match, if this misses its stream.

        Args:
            stream: Stream of the message.
            stamp: Its stamp.

        Returns:
            The difference from the stamp of the reference message; None if the nearest match does
            not miss the stream, or there is none.
        """
        if not self._matches:
            return None
        reference_stamp, streams = min(self._matches, key=lambda match: abs(match[0] - stamp))
        return None if stream in streams else abs(reference_stamp - stamp)

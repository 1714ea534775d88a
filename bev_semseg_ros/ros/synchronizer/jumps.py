"""Streams whose stamps jump between clocks. Pure Python."""

from __future__ import annotations


class Jumps:
    """Finds streams whose stamps jump ahead after they have jumped back.

    Such stamps come from two clocks, for instance of two publishers, or single ones are wrong. The
    jump ahead then leads beyond the stamp from which they jumped back. In a loop of a bag, no stamp
    does. After a pause of the sensor, stamps only jump ahead.
    """

    def __init__(self) -> None:
        """Start without jumps."""
        # For each stream that has jumped back, but not yet ahead: the stamp from which it did.
        self._went_back: dict[str, int] = {}
        self._noted_at: dict[str, int] = {}
        self._largest: dict[str, int] = {}

    def note_back(self, stream: str, newest: int) -> None:
        """Record a jump back from the stamp `newest`, nanoseconds."""
        self._went_back[stream] = newest

    def note(self, stream: str, stamp: int, newest: int, now: int, tolerance: int) -> None:
        """Record a message, which is a jump ahead if its stamp is newer than time explains.

        Args:
            stream: Its stream.
            stamp: Its stamp, nanoseconds.
            newest: The newest stamp of the stream before, nanoseconds.
            now: Time of its arrival, nanoseconds.
            tolerance: Differences of stamps that are no jumps, nanoseconds.
        """
        elapsed = now - self._noted_at.get(stream, now)
        self._noted_at[stream] = now
        ahead = stamp - newest
        if ahead > elapsed + tolerance and stamp > self._went_back.get(stream, stamp):
            del self._went_back[stream]
            self._largest[stream] = max(ahead, self._largest.get(stream, 0))

    def take(self) -> dict[str, int]:
        """Return the streams found since the last call.

        Returns:
            The largest jump ahead of each of them, nanoseconds.
        """
        largest, self._largest = self._largest, {}
        return largest

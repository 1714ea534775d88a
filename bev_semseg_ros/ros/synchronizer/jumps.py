"""Streams whose stamps jump between clocks. Pure Python."""

from __future__ import annotations


class Jumps:
    """Finds streams whose stamps jump ahead after they have jumped back.

    Such stamps come from two clocks, for instance of two publishers, or single ones are wrong. In a
    loop of a bag, stamps only jump back. After a pause of the sensor, they only jump ahead.
    """

    def __init__(self) -> None:
        """Start without jumps."""
        self._went_back: set[str] = set()  # streams that have jumped back, but not yet ahead
        self._noted_at: dict[str, int] = {}
        self._largest: dict[str, int] = {}

    def note_back(self, stream: str) -> None:
        """Record a jump back."""
        self._went_back.add(stream)

    def note(self, stream: str, ahead: int, now: int, tolerance: int) -> None:
        """Record a message, which is a jump ahead if its stamp is newer than time explains.

        Args:
            stream: Its stream.
            ahead: Its stamp minus the newest one before, nanoseconds.
            now: Time of its arrival, nanoseconds.
            tolerance: Differences of stamps that are no jumps, nanoseconds.
        """
        elapsed = now - self._noted_at.get(stream, now)
        self._noted_at[stream] = now
        if stream in self._went_back and ahead > elapsed + tolerance:
            self._went_back.remove(stream)
            self._largest[stream] = max(ahead, self._largest.get(stream, 0))

    def take(self) -> dict[str, int]:
        """Return the streams found since the last call.

        Returns:
            The largest jump ahead of each of them, nanoseconds.
        """
        largest, self._largest = self._largest, {}
        return largest

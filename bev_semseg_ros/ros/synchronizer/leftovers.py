"""Messages from before a time jump that arrive after it."""

from __future__ import annotations

from collections.abc import Mapping


class Leftovers:
    """Recognises messages that continue a stream from before another stream jumped back.

    Such a message arrives late, when the other stream has already started its next loop. If it were
    accepted, it would look like a jump ahead, and the next message like another jump back.
    """

    def __init__(self, newest: Mapping[str, int] | None = None, until: int = 0) -> None:
        """Start after a jump.

        Args:
            newest: Newest stamps of the streams that have not jumped yet, nanoseconds.
            until: Time `now` until which their leftovers may arrive, nanoseconds.
        """
        self._newest = dict(newest or {})
        self._until = until

    def contain(self, stream: str, stamp: int, now: int) -> bool:
        """Return whether a message is a leftover. After the first that is not, no others are."""
        newest = self._newest.get(stream)
        if newest is None:
            return False
        if stamp > newest and now <= self._until:
            return True
        del self._newest[stream]
        return False

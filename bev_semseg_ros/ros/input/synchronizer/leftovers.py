"""Messages of the time before a jump that come after it."""

from __future__ import annotations

from collections.abc import Mapping


class Leftovers:
    """Recognises messages that continue a stream as it was before another one jumped back.

    Such a message comes late, when the other stream is in its next loop already. Taken for a new
    one it would look like a jump ahead, and the next message like another jump back.
    """

    def __init__(self, newest: Mapping[str, int] | None = None, until: int = 0) -> None:
        """Begin after a jump.

        Args:
            newest: Newest stamps of the streams that have not jumped yet.
            until: How long their leftovers may come.
        """
        self._newest = dict(newest or {})
        self._until = until

    def contain(self, stream: str, stamp: int, now: int) -> bool:
        """Return whether a message is left over; the first one that is not ends it."""
        newest = self._newest.get(stream)
        if newest is None:
            return False
        if stamp > newest and now <= self._until:
            return True
        del self._newest[stream]
        return False

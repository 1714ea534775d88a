"""The result of the synchronizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Match:
    """Messages of one moment, at most one of each stream.

    Attributes:
        parts: The messages by stream; at least one.
        missing: The streams in use without a message in this match.
    """

    parts: Mapping[str, Any]
    missing: tuple[str, ...] = ()

    @property
    def points(self) -> Any:
        """The cloud, if the vehicle has one lidar without a name; None if it did not come."""
        return self.parts.get("points")

    @property
    def image(self) -> Any:
        """The image, if the vehicle has one camera without a name; None if it did not come."""
        return self.parts.get("image")

    @property
    def is_pair(self) -> bool:
        """True if the match has messages of at least two streams."""
        return len(self.parts) > 1

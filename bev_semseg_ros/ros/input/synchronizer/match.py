"""What the synchronizer gives out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Match:
    """Messages of one moment, at most one of each stream.

    Attributes:
        parts: The messages by stream; at least one.
        missing: The other streams in use.
    """

    parts: Mapping[str, Any]
    missing: tuple[str, ...] = ()

    @property
    def points(self) -> Any:
        """The cloud of a vehicle with one lidar; None if it did not come."""
        return self.parts.get("points")

    @property
    def image(self) -> Any:
        """The image of a vehicle with one camera; None if it did not come."""
        return self.parts.get("image")

    @property
    def is_pair(self) -> bool:
        """True if at least two streams have a message in it."""
        return len(self.parts) > 1

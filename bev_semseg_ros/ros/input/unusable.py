"""The exception for a message that cannot be used."""

from __future__ import annotations


class UnusableInput(ValueError):
    """A cloud or image cannot be used; its frame is processed without it.

    Attributes:
        cause: One of `diagnostics.CAUSES`.
    """

    def __init__(self, cause: str, text: str) -> None:
        """Keep the cause and the reason in words."""
        super().__init__(text)
        self.cause = cause

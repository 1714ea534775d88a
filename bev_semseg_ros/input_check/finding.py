"""The result of a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fault"]
LEVELS: tuple[Level, ...] = ("ok", "warning", "fault")


@dataclass(frozen=True)
class Finding:
    """A verdict about one property of the input.

    Attributes:
        item: Name of the property, for instance "ground height".
        level: Severity.
        text: The observed and the expected value.
        remedy: What to do; empty if there is nothing to do.
    """

    item: str
    level: Level
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.item}: {self.text}{remedy}"

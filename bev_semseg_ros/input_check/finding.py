"""What a rule says of the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fault"]
LEVELS: tuple[Level, ...] = ("ok", "warning", "fault")


@dataclass(frozen=True)
class Finding:
    """A verdict about one property of the input.

    Attributes:
        item: What it is about, for instance "ground height".
        level: How bad it is.
        text: What was seen and what was expected.
        remedy: What to do; empty if nothing is to be done.
    """

    item: str
    level: Level
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.item}: {self.text}{remedy}"

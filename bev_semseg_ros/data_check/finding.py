"""Findings about data: an `input_check.Finding` with a count and an example."""

from __future__ import annotations

from dataclasses import dataclass

from bev_semseg_ros.input_check import Finding, Level


@dataclass(frozen=True)
class DataFinding(Finding):
    """A verdict about a property of the data.

    Attributes:
        count: Number of files, frames or boxes that it is about.
        example: Name of one of them.
    """

    count: int = 0
    example: str = ""


@dataclass
class Cases:
    """Counts cases of one kind and keeps the first as an example."""

    count: int = 0
    example: str = ""

    def add(self, example: str, count: int = 1) -> None:
        """Add some cases.

        Args:
            example: Name of one of them.
            count: Number of cases.
        """
        if count > 0 and not self.count:
            self.example = example
        self.count += count

    def finding(self, item: str, level: Level, text: str, remedy: str) -> DataFinding:
        """Return the finding about these cases, with the example at the end of the text."""
        text = f"{text}, such as {self.example}"
        return DataFinding(item, level, text, remedy, self.count, self.example)


def portion(count: int, total: int, noun: str) -> str:
    """Format a part of a total, such as "3 of 12 frames (25 %)"."""
    if count == total:
        return f"all {total} {noun}"
    return f"{count} of {total} {noun} ({100 * count / total:.3g} %)"

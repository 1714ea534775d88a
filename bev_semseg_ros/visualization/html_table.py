"""HTML tables that show values of several data sets side by side, with small drawings."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BAR_WIDTH, BAR_HEIGHT = 92, 9
PROFILE_WIDTH, PROFILE_HEIGHT = 92, 60
NOTHING = '<span class="none">&ndash;</span>'


def number(value: float | None, digits: int = 1) -> str:
    """Format a number, or return a dash for None."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Format a fraction as a percentage, or return a dash for None."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}&nbsp;%"


@dataclass
class Table:
    """A table with a column for each data set.

    Attributes:
        title: Its heading.
        note: A sentence below the heading; plain text.
        columns: Names of the data sets.
        rows: Name and cells of each row; a cell is HTML.
    """

    title: str
    note: str
    columns: Sequence[str]
    rows: list[tuple[str, list[str]]] = field(default_factory=list)

    def add(self, name: str, cells: Sequence[str]) -> None:
        """Add a row.

        Args:
            name: Plain text.
            cells: HTML, one for each data set.
        """
        self.rows.append((name, list(cells)))

    def add_bars(
        self, name: str, values: Sequence[float | None], most: float, texts: Sequence[str]
    ) -> None:
        """Add a row of values with bars.

        Args:
            name: Plain text.
            values: One for each data set; None if it is unknown.
            most: The value of a full bar.
            texts: The formatted values, HTML.
        """
        self.add(
            name,
            [
                text if value is None else f"{bar(value, most)}{text}"
                for value, text in zip(values, texts, strict=True)
            ],
        )

    @property
    def has_values(self) -> bool:
        """True if at least one cell has a value."""
        return any(cell != NOTHING for _, cells in self.rows for cell in cells)

    def render(self) -> str:
        """Return the HTML of the table."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = []
        for name, cells in self.rows:
            row = "".join(f"<td>{cell}</td>" for cell in cells)
            body.append(f'<tr><th scope="row">{html.escape(name)}</th>{row}</tr>')
        return (
            f"<section><h2>{html.escape(self.title)}</h2><p>{html.escape(self.note)}</p>"
            f'<div class="wide"><table><thead><tr><th></th>{head}</tr></thead><tbody>'
            + "\n".join(body)
            + "</tbody></table></div></section>"
        )


def bar(value: float, most: float) -> str:
    """Return a bar whose length is value / most."""
    length = BAR_WIDTH * min(value / most, 1) if most > 0 else 0
    rect = f'<rect class="bar" width="{length:.1f}" height="{BAR_HEIGHT}"/>'
    return _drawing(BAR_WIDTH, BAR_HEIGHT, rect)


def interval(low: float, middle: float, high: float, most: float) -> str:
    """Return a line from `low` to `high` with a mark at `middle`; the scale is log, 1 to `most`."""

    def place(value: float) -> float:
        return (BAR_WIDTH - 4) * math.log(max(value, 1)) / math.log(max(most, 2)) + 2

    left, right = place(low), place(high)
    return _drawing(
        BAR_WIDTH,
        BAR_HEIGHT,
        f'<rect class="range" x="{left:.1f}" y="3" width="{max(right - left, 1):.1f}" height="3"/>'
        f'<rect class="bar" x="{place(middle) - 1.5:.1f}" width="3" height="{BAR_HEIGHT}"/>',
    )


def profile(shares: Sequence[float], most: float, upright: bool) -> str:
    """Return a histogram.

    Args:
        shares: Fraction of the values in each bin.
        most: The fraction of a full bar.
        upright: Draw horizontal bars, the first one at the bottom, for a histogram of heights.
    """
    rects = []
    for index, share in enumerate(shares):
        if upright:
            thickness = PROFILE_HEIGHT / len(shares)
            length = PROFILE_WIDTH * min(share / most, 1)
            x, y = 0.0, PROFILE_HEIGHT - (index + 1) * thickness
            width, height = length, thickness - 1
        else:
            thickness = PROFILE_WIDTH / len(shares)
            height = PROFILE_HEIGHT * min(share / most, 1)
            x, y = index * thickness, PROFILE_HEIGHT - height
            width = thickness - 1
        rects.append(
            f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        )
    return _drawing(PROFILE_WIDTH, PROFILE_HEIGHT, "".join(rects))


def _drawing(width: int, height: int, content: str) -> str:
    """Return a drawing with a filled background; `content` is SVG."""
    track = f'<rect class="track" width="{width}" height="{height}"/>'
    return f'<svg width="{width}" height="{height}">{track}{content}</svg>'


def largest(values: Sequence[float | None]) -> float:
    """Return the largest value that is not None; 0 if there is none."""
    return max((value for value in values if value is not None), default=0.0)


def names_of(mappings: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the keys of all mappings, each once, in the order of their first occurrence."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))

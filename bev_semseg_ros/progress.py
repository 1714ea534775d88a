"""Progress with the time left: a bar on a terminal where tqdm is installed, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

LINE_SECONDS = 20.0  # between two lines where no terminal shows a bar


class Progress:
    """Progress towards `total`; a `Progress` is a context manager and writes to stderr.

    total: in steps, or in any unit (say minutes) that `advance` and `set` count in. shown: False writes nothing.
    """

    def __init__(self, title: str, total: float, unit: str = "frames", shown: bool = True):
        self.title, self.total, self.unit = title, total, unit
        self.done = self.started_at = 0.0
        self.note, self.shown = "", shown
        self._start = self._last_line = time.monotonic()
        self._bar = _bar(title, total, unit) if shown and sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.done:
            self._line()

    def start_at(self, done: float) -> None:
        """What was done before this run does not count for its pace."""
        self.started_at = self.done = done
        if self._bar is not None:
            self._bar.update(done)
            self._bar.unpause()

    def advance(self, amount: float = 1, note: str = "") -> None:
        self.set(self.done + amount, note)

    def set(self, done: float, note: str = "") -> None:
        """`done` of the total so far; `note` is shown beside it."""
        step, self.done, self.note = done - self.done, done, note
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(step)
        elif time.monotonic() - self._last_line >= LINE_SECONDS:
            self._line()

    def _line(self) -> None:
        if not self.shown:
            return
        self._last_line = time.monotonic()
        elapsed, worked = self._last_line - self._start, self.done - self.started_at
        left = elapsed * max(self.total - self.done, 0) / worked if worked > 0 else 0.0
        print(
            f"{self.title}: {100 * self.done / max(self.total, 1e-9):.0f} % "
            f"({self.done:.6g} of {self.total:.6g} {self.unit}), {_clock(elapsed)} elapsed, {_clock(left)} left"
            + (f", {self.note}" if self.note else ""),
            file=sys.stderr,
            flush=True,
        )


def _bar(title: str, total: float, unit: str) -> Any:
    """None where tqdm is not installed, as on a vehicle, which needs it for nothing else."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return None
    layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
    return tqdm(total=total, desc=title, unit=unit, dynamic_ncols=True, bar_format=layout)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

"""Shows progress and the remaining time.

If stderr is a terminal and tqdm is installed, this is a bar, otherwise a line every LINE_SECONDS.
"""

from __future__ import annotations

import sys
import time
from typing import Any

LINE_SECONDS = 20.0  # minimum time between two lines


class Progress:
    """Show the progress of a long task on stderr. Use it as a context manager.

    Attributes:
        title: Name of the task.
        total: Total amount of work.
        unit: Unit of `total` and `done`, for instance frames or minutes.
        done: Amount of work done so far.
        started_at: Amount of work that was done before this run.
        note: Text shown beside the progress.
        shown: Whether anything is written.
    """

    def __init__(self, title: str, total: float, unit: str = "frames", shown: bool = True) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.shown = shown
        self.done = 0.0
        self.started_at = 0.0
        self.note = ""
        self._start = time.monotonic()
        self._last_line = self._start
        self._printed = 0.0  # `done` in the last line
        self._bar = _bar(title, total, unit) if shown and sys.stderr.isatty() else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.done != self._printed:
            self._print_line()

    def start_at(self, done: float) -> None:
        """Continue a task of which the amount `done` is complete; it is excluded from the ETA."""
        self.started_at = done
        self.done = done
        if self._bar is not None:
            self._bar.update(done)
            self._bar.unpause()

    def advance(self, amount: float = 1, note: str = "") -> None:
        """Add `amount` to the work done and show `note` beside it."""
        self.set(self.done + amount, note)

    def set(self, done: float, note: str = "") -> None:
        """Set the work done to `done` and show `note` beside it."""
        step = done - self.done
        self.done = done
        self.note = note
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(step)
        elif time.monotonic() - self._last_line >= LINE_SECONDS:
            self._print_line()

    def _print_line(self) -> None:
        """Print the work done, the time since the start and the remaining time."""
        if not self.shown:
            return
        self._last_line = time.monotonic()
        self._printed = self.done
        elapsed = self._last_line - self._start
        worked = self.done - self.started_at
        left = elapsed * max(self.total - self.done, 0) / worked if worked > 0 else 0.0
        percent = 100 * self.done / max(self.total, 1e-9)
        note = f", {self.note}" if self.note else ""
        print(
            f"{self.title}: {percent:.0f} % ({self.done:.6g} of {self.total:.6g} {self.unit}), "
            f"{_clock(elapsed)} elapsed, {_clock(left)} left{note}",
            file=sys.stderr,
            flush=True,
        )


def _bar(title: str, total: float, unit: str) -> Any:
    """Return a tqdm bar, or None if tqdm is not installed, as on a vehicle."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return None
    layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
    return tqdm(total=total, desc=title, unit=unit, dynamic_ncols=True, bar_format=layout)


def _clock(seconds: float) -> str:
    """Format a duration as h:mm:ss or m:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}"

"""What cannot be read: damaged files, and classes that the label set does not know."""

from __future__ import annotations

from typing import Any

from bev_semseg_ros.data_check.finding import Cases, DataFinding, portion
from bev_semseg_ros.labels import UnknownLabelError

_STOP = "`train` and `evaluate` stop at them: restore the files or remove them"


class ReadingCheck:
    """Collects the errors of frames."""

    def __init__(self) -> None:
        self._damaged = Cases()
        self._labels: dict[str, Cases] = {}
        self._remedies: dict[str, str] = {}  # of `_labels`
        self._messages: dict[int, str] = {}

    def add(self, index: int, error: Exception) -> None:
        """Add a frame that could not be read.

        Args:
            index: Its number; a frame counts once.
            error: What its reader raised.
        """
        if index in self._messages:
            return
        self._messages[index] = str(error)
        unknown = _unknown_label(error)
        if unknown is None:
            self._damaged.add(str(error))
        else:
            self._labels.setdefault(unknown.label, Cases()).add(str(error))
            self._remedies[unknown.label] = unknown.remedy

    def as_dict(self) -> dict[str, Any]:
        """Return the message of each frame that could not be read, by its number."""
        return {str(index): message for index, message in self._messages.items()}

    def finding_of_all(self, error: Exception) -> list[DataFinding]:
        """Return the finding about what makes every frame unreadable, unless a frame said it."""
        if str(error) in self._messages.values():
            return []
        cases = Cases()
        cases.add(str(error))
        return [cases.finding("unreadable", "fault", "the frames cannot be read", _STOP)]

    def findings(self, num_frames: int) -> list[DataFinding]:
        """Return what could not be read of so many frames."""
        found = []
        if self._damaged.count:
            text = f"{portion(self._damaged.count, num_frames, 'frames')} cannot be read"
            found.append(self._damaged.finding("unreadable", "fault", text, _STOP))
        for label, cases in self._labels.items():
            text = f"{portion(cases.count, num_frames, 'frames')} have it"
            remedy = f"`train` and `evaluate` stop at them: {self._remedies[label]}"
            found.append(cases.finding(f"unknown {label}", "fault", text, remedy))
        return found


def _unknown_label(error: BaseException | None) -> UnknownLabelError | None:
    """Return the error of a class or colour that an error came from; None if it came from none."""
    while error is not None:
        if isinstance(error, UnknownLabelError):
            return error
        error = error.__cause__
    return None

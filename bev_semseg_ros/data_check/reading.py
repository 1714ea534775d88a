"""Reports data that cannot be read: damaged files, and classes that are not in the label set."""

from __future__ import annotations

from typing import Any

from bev_semseg_ros.data_check.finding import Cases, DataFinding, portion
from bev_semseg_ros.labels import UnknownLabelError

_STOP = "`train` and `evaluate` stop at them: restore the files or remove them"


class ReadingCheck:
    """Collects the errors that occur when frames are read."""

    def __init__(self) -> None:
        self._damaged = Cases()
        self._labels: dict[str, Cases] = {}
        self._remedies: dict[str, str] = {}  # label -> remedy
        self._messages: dict[int, str] = {}

    def add(self, index: int, error: Exception) -> None:
        """Add a frame that could not be read.

        Args:
            index: Index of the frame; it counts only once.
            error: Error of the reader.
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
        """Return the error message of each frame that could not be read, by its index."""
        return {str(index): message for index, message in self._messages.items()}

    def finding_of_all(self, error: Exception) -> list[DataFinding]:
        """Return the finding about an error that affects all frames, unless it is known already."""
        if str(error) in self._messages.values():
            return []
        cases = Cases()
        cases.add(str(error))
        return [cases.finding("unreadable", "fault", "the frames cannot be read", _STOP)]

    def findings(self, num_frames: int) -> list[DataFinding]:
        """Return the findings about frames that could not be read.

        Args:
            num_frames: Number of all frames.
        """
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
    """Return the UnknownLabelError among an error and its causes; None if there is none."""
    while error is not None:
        if isinstance(error, UnknownLabelError):
            return error
        error = error.__cause__
    return None

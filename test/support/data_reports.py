"""Read the reports that `bev-semseg check-data` writes."""

from __future__ import annotations

from typing import Any

Report = dict[str, Any]


def wrong(report: Report) -> list[tuple[str, str]]:
    """Return level and item of the findings that are not ok."""
    return [(f["level"], f["item"]) for f in report["findings"] if f["level"] != "ok"]


def finding(report: Report, item: str) -> dict[str, Any]:
    """Return the only finding about an item."""
    (found,) = [each for each in report["findings"] if each["item"] == item]
    assert found["remedy"]
    return found

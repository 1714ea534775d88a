"""The result of a check, which can be written as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bev_semseg_ros.data_check.inventory import Inventory
from bev_semseg_ros.input_check import Finding, Level, counted, findings_table
from bev_semseg_ros.input_check.table import WIDTH

SHOWN_SCENES = 10


@dataclass
class DataReport:
    """The result of the checks of a data set.

    Attributes:
        path: Path of the data set.
        layout: Name of its layout, such as "kitti".
        inventory: Counts of its files.
        findings: Findings in the order of the checks.
        notes: Notes of the reader about the files.
        statistics: Further results, as plain values.
    """

    path: Path
    layout: str
    inventory: Inventory
    findings: list[Finding] = field(default_factory=list)
    notes: Sequence[str] = ()
    statistics: dict[str, Any] = field(default_factory=dict)

    def count(self, level: Level) -> int:
        """Return the number of findings of a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def wrong(self) -> list[Finding]:
        """Faults and then warnings."""
        return [
            finding
            for level in ("fault", "warning")
            for finding in self.findings
            if finding.level == level
        ]

    @property
    def headline(self) -> str:
        """One line: frames, scenes and sensors."""
        inventory = self.inventory
        sensors = ", ".join(
            f"{inventory.count(part)} {part}" for part in inventory.sensors if inventory.count(part)
        )
        return (
            f"{self.path} ({self.layout}): {counted(inventory.num_frames, 'frame')} in "
            f"{counted(len(inventory.scenes), 'scene')}, {sensors or 'no sensor'}"
        )

    def lines(self) -> list[str]:
        """Return the short form: headline, notes, and a line for each fault and warning."""
        return [
            self.headline,
            *(f"  note: {note}" for note in self.notes),
            *(f"  {finding.level}: {finding}" for finding in self.wrong),
        ]

    def text(self) -> str:
        """Return the report as text."""
        blocks = [self.headline, "\n".join(self._scene_table())]
        boxes = self.statistics.get("boxes")
        if boxes:
            blocks.append("boxes: " + ", ".join(f"{count} {name}" for name, count in boxes.items()))
        if self.notes:
            blocks.append("\n".join(f"note: {note}" for note in self.notes))
        if self.wrong:
            blocks.append(findings_table(self.wrong))
        blocks.append(
            f"{counted(self.count('fault'), 'fault')}, {counted(self.count('warning'), 'warning')}"
        )
        return "\n\n".join(blocks)

    def as_json(self) -> str:
        """Return the report as JSON."""
        content = {
            "path": str(self.path),
            "layout": self.layout,
            **self.inventory.as_dict(),
            "notes": list(self.notes),
            "findings": [asdict(finding) for finding in self.findings],
            **self.statistics,
        }
        return json.dumps(content, indent=1) + "\n"

    def _scene_table(self) -> list[str]:
        """Return the lines of a table: a row for each scene, with its number of frames by part."""
        rows = self.inventory.rows()
        parts = self.inventory.parts
        if len(rows) == self.inventory.num_frames > 1:  # each frame is a scene of its own
            rows = []
        shown = rows if len(rows) <= SHOWN_SCENES + 1 else rows[:SHOWN_SCENES]
        total = [self.inventory.count(part) for part in parts]
        table = [["scene", "frames", *parts]]
        table += [[scene, str(frames), *map(str, counts)] for scene, frames, counts in shown]
        if len(shown) < len(rows):
            table.append([f"{len(rows) - len(shown)} more", *[""] * (len(parts) + 1)])
        if len(rows) != 1:
            table.append(["all", str(self.inventory.num_frames), *map(str, total)])
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        if sum(widths) + 2 * len(parts) > WIDTH:  # several cameras have many parts
            lines = [f"{part}: {count}" for part, count in zip(parts, total, strict=True)]
            return ["frames by what they have (--json has those of each scene):", *lines]
        return [
            "  ".join(
                [row[0].ljust(widths[0])]
                + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            ).rstrip()
            for row in table
        ]

"""What the doctor says: findings, the numbers behind them, and parameters with which the node works on that input."""

from __future__ import annotations

import json
import shlex
import textwrap
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bev_semseg_ros.data.calibration import Calibration, save_calibration
from bev_semseg_ros.input_check import LEVELS, Finding, Level
from bev_semseg_ros.ros.node.parameters import nearest_allowed

TABLE_WIDTH = 118


@dataclass
class Diagnosis:
    """source: what was looked at; topics: inputs -> their topics; parameters: of the node, where its defaults do not
    suit; calibration, calibration_file: what is known of the rig, and the file it was read from, if it was.
    """

    source: str
    findings: list[Finding] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    calibration: Calibration | None = None
    calibration_file: Path | None = None

    def say(self, item: str, level: Level, text: str, remedy: str = "") -> None:
        self.findings.append(Finding(item, level, text, remedy))

    def set(self, name: str, value: Any) -> Any:
        """Write the node's parameter `name` as `value`, or as the nearest that the node takes, and return that.

        Raises ValueError for what the node never takes: another type, a choice that it does not have.
        """
        self.parameters[name] = value = nearest_allowed(name, value)
        return value

    def count(self, level: Level) -> int:
        return sum(finding.level == level for finding in self.findings)

    @property
    def summary(self) -> str:
        faults, warnings = self.count("fault"), self.count("warning")
        return (
            f"{self.source}: {faults} fault{'s' * (faults != 1)}, {warnings} warning{'s' * (warnings != 1)}, "
            f"{self.count('ok')} ok"
        )

    def table(self) -> str:
        """One item a row, the worst first; a remedy on lines of its own."""
        width = max((len(finding.item) for finding in self.findings), default=0)
        lines = []
        for finding in sorted(self.findings, key=lambda finding: -LEVELS.index(finding.level)):
            head = f"{finding.level:<8}{finding.item:<{width}}  "
            lines += textwrap.wrap(
                finding.text,
                TABLE_WIDTH,
                initial_indent=head,
                subsequent_indent=" " * len(head),
                break_long_words=False,
            ) or [head]
            lines += textwrap.wrap(
                finding.remedy,
                TABLE_WIDTH,
                initial_indent=" " * len(head) + "-> ",
                subsequent_indent=" " * len(head) + "   ",
                break_long_words=False,
            )
        return "\n".join(lines)

    def as_json(self) -> str:
        return (
            json.dumps(
                {
                    "source": self.source,
                    "summary": self.summary,
                    "topics": self.topics,
                    "findings": [asdict(finding) for finding in self.findings],
                    "statistics": self.statistics,
                    "parameters": self.parameters,
                },
                indent=2,
            )
            + "\n"
        )

    def write_parameters(self, path: Path) -> None:
        """A parameter file of the node; a calibration that was read from no file is written beside it."""
        values = dict(self.parameters)
        if self.calibration is not None:
            file = self.calibration_file or path.with_name(path.stem + "_calibration.yaml")
            if self.calibration_file is None:
                save_calibration(self.calibration, file)
            values["calibration"] = str(file.resolve())
        path.write_text(
            f"# Of `bev-semseg doctor`. {self.summary}. Start the node with\n#   {self.command(path)}\n"
            + yaml.safe_dump({"/**": {"ros__parameters": values}}, width=200)
        )

    def how_to_start(self, path: Path | None = None) -> str:
        """What to run for the node to work on this input; path: of the parameter file, if it is written."""
        if self.calibration is not None and self.calibration_file is None and path is None:
            return (
                "To start the node, run this again with --params FILE.yaml: the calibration from TF is written "
                "beside it."
            )
        condition = ", once there is a calibration" if self.calibration is None else ""
        return f"The node on this input{condition}:\n  {self.command(path)}"

    def command(self, path: Path | None = None) -> str:
        """The complete command line of the node; a calibration that no file holds is CALIBRATION.yaml in it."""
        values = {} if path else dict(self.parameters)
        if path is None or self.calibration is None:
            values["calibration"] = str(self.calibration_file or "CALIBRATION.yaml")
        options = ["--params-file", str(path)] if path else []
        options += [
            part for name, value in values.items() for part in ("-p", f"{name}:={_written(value)}")
        ]
        options += [
            part for name, topic in self.topics.items() for part in ("-r", f"{name}:={topic}")
        ]
        return shlex.join(["bev-semseg", "node", "--ros-args", *options])


def _written(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True).partition("\n")[0]

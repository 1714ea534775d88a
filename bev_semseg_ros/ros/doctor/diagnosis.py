"""The result of the doctor: findings, the numbers behind them, and parameters for the node."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bev_semseg_ros.data.calibration import Beams, Calibration, save_calibration, write_beams
from bev_semseg_ros.input_check import Finding, Level, counted, findings_table
from bev_semseg_ros.output_path import write_file
from bev_semseg_ros.ros.parameters.parameters import SPECIFICATIONS, Parameters
from bev_semseg_ros.ros.parameters.sensors import OF_SENSORS, Sensor


@dataclass
class Diagnosis:
    """What the doctor found.

    Attributes:
        source: What it examined.
        findings: In the order of the checks.
        statistics: The numbers behind them, in plain values.
        parameters: Parameters of the node whose defaults do not suit this input.
        topics: Input of the node -> its topic.
        calibration: What is known of the sensors' poses, or None.
        calibration_file: The file of the calibration, or None if it is from TF.
        ego_frame: A name for the ego frame of a calibration from TF.
        beams: Lidar -> its beams as measured.
    """

    source: str
    findings: list[Finding] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)
    calibration: Calibration | None = None
    calibration_file: Path | None = None
    ego_frame: str = ""
    beams: dict[str, Beams] = field(default_factory=dict)

    def add(self, item: str, level: Level, text: str, remedy: str = "") -> None:
        """Add a finding.

        Args:
            item: What it is about.
            level: How bad it is.
            text: What was found.
            remedy: What to do.
        """
        self.findings.append(Finding(item, level, text, remedy))

    def set_parameter(self, name: str, value: Any, sensor: Sensor | None = None) -> Any:
        """Set a parameter of the node to a value, or to the nearest that the node accepts.

        Args:
            name: The parameter.
            value: Its value.
            sensor: The sensor whose parameter it is; None for a parameter of the node.

        Returns:
            The value that was set.

        Raises:
            ValueError: If no value near it is accepted, as for a wrong type or an unknown choice.
        """
        accepted = nearest_allowed(name, value)
        if isinstance(accepted, tuple):
            accepted = list(accepted)  # as YAML has it
        self.parameters[name if sensor is None else sensor.parameter(name)] = accepted
        return accepted

    def raise_parameter(self, name: str, value: float) -> float:
        """Set a parameter of the node, unless a higher value was set before.

        Returns:
            The value that the parameter has then.
        """
        return float(self.set_parameter(name, max(value, self.parameters.get(name, value))))

    def value_of(self, name: str, sensor: Sensor) -> Any:
        """Return the value of a parameter for one sensor: what was set, or its default."""
        return self.parameters.get(sensor.parameter(name), SPECIFICATIONS[name].default)

    def leave_out(self, sensor: Sensor) -> None:
        """Remove the topics and the parameters of a sensor that has a name."""
        for name in (sensor.stream, sensor.camera_info):
            self.topics.pop(name, None)
        for name in OF_SENSORS[sensor.kind]:
            self.parameters.pop(sensor.parameter(name), None)

    def node_parameters(self) -> Parameters:
        """Return the parameters of a node that is started on this input."""
        common = {name: value for name, value in self.parameters.items() if name in SPECIFICATIONS}
        by_sensor = {name: value for name, value in self.parameters.items() if name not in common}
        return Parameters(**common, by_sensor=by_sensor)

    def count(self, level: Level) -> int:
        """Return the number of findings of a level."""
        return sum(finding.level == level for finding in self.findings)

    @property
    def summary(self) -> str:
        """One line: the source and the number of findings."""
        faults = counted(self.count("fault"), "fault")
        warnings = counted(self.count("warning"), "warning")
        return f"{self.source}: {faults}, {warnings}, {self.count('ok')} ok"

    def table(self) -> str:
        """Return a table with one finding per row, the worst first, and remedies below them."""
        return findings_table(self.findings)

    def as_json(self) -> str:
        """Return everything as JSON."""
        content = {
            "source": self.source,
            "summary": self.summary,
            "topics": self.topics,
            "findings": [asdict(finding) for finding in self.findings],
            "statistics": self.statistics,
            "parameters": self.parameters,
        }
        return json.dumps(content, indent=2) + "\n"

    def write_parameters(self, path: Path) -> None:
        """Write a parameter file for the node.

        A calibration from TF is not in a file yet, so it is written beside the parameter file.
        """
        values = dict(self.parameters)
        if self.calibration is not None and not self._node_uses_tf:
            file = self.calibration_file
            if file is None:
                file = path.with_name(path.stem + "_calibration.yaml")
                save_calibration(self.calibration.with_beams(self.beams), file)
                values["base_frame"] = self.ego_frame
            values["calibration"] = str(file.resolve())
        head = (
            f"# Written by `bev-semseg doctor`. {self.summary}. Start the node with\n"
            f"#   {self.command(path)}\n"
        )
        content = yaml.safe_dump({"/**": {"ros__parameters": values}}, width=200)
        write_file(path, head + content)

    def write_beams(self) -> list[str]:
        """Write the measured beams into the calibration file.

        Returns:
            The lidars in the calibration whose beams were not measured.

        Raises:
            ValueError: If there is no calibration file, it is not YAML, or no beams were measured.
        """
        if self.calibration_file is None:
            raise ValueError(
                "--write-beams: no calibration file to write to; name it with --calibration (with "
                "--params the doctor writes one from TF, with the beams in it)"
            )
        known = {} if self.calibration is None else self.calibration.lidars
        beams = {name: each for name, each in self.beams.items() if name in known}
        if not beams:
            raise ValueError(
                f"--write-beams: no beams were measured of a lidar in {self.calibration_file}; see "
                "the findings above"
            )
        write_beams(self.calibration_file, beams)
        return [name for name in known if name not in beams]

    def how_to_start(self, path: Path | None = None) -> str:
        """Say how to start the node on this input.

        Args:
            path: The parameter file, if one is written.
        """
        is_unwritten = self.calibration is not None and self.calibration_file is None
        is_unwritten = is_unwritten and not self._node_uses_tf
        if is_unwritten and path is None:
            return (
                "To start the node, run this again with --params FILE.yaml: the calibration from "
                "TF is written beside it."
            )
        condition = ", once there is a calibration" if self.calibration is None else ""
        return f"The node on this input{condition}:\n  {self.command(path)}"

    @property
    def _node_uses_tf(self) -> bool:
        return self.parameters.get("extrinsics") == "tf"

    def command(self, path: Path | None = None) -> str:
        """Return the command line that starts the node on this input.

        Args:
            path: The parameter file, if one is written.

        Returns:
            The command. A calibration that is in no file appears in it as CALIBRATION.yaml.
        """
        values = {} if path else dict(self.parameters)
        if not self._node_uses_tf and (path is None or self.calibration is None):
            values["calibration"] = str(self.calibration_file or "CALIBRATION.yaml")
        options = ["--params-file", str(path)] if path else []
        for name, value in values.items():
            options += ["-p", f"{name}:={_inline_yaml(value)}"]
        for name, topic in self.topics.items():
            options += ["-r", f"{name}:={topic}"]
        return shlex.join(["bev-semseg", "node", "--ros-args", *options])


def _inline_yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).partition("\n")[0]


def nearest_allowed(name: str, value: Any) -> Any:
    """Return `value`, clamped to the limits of the parameter `name`.

    Raises:
        ValueError: If the value is not allowed for another reason.
    """
    limits = SPECIFICATIONS[name].limits
    if limits:
        value = min(max(value, limits[0]), limits[1])
    return getattr(Parameters().changed({name: value}, configured=False), name)

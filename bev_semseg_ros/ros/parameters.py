"""The node's parameters: one dataclass is their declaration, their check and their documentation."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Any, Self

from bev_semseg_ros.frame import MODES


def _parameter(default: Any, description: str, *, choices: tuple[str, ...] = (),
               limits: tuple[float, float] | None = None, live: bool = False) -> Any:
    """A field. `live` parameters take effect at once, the others at the next `configure`."""
    return dataclasses.field(default=default, metadata={
        "description": description, "choices": choices, "limits": limits, "live": live})


@dataclass(frozen=True)
class Parameters:
    """Checked values; raises ValueError naming the parameter, the value and what is allowed."""

    checkpoint: str = _parameter("", "Checkpoint file; empty: the one shipped in share/bev_semseg_ros/weights.")
    calibration: str = _parameter(
        "", "Extrinsics and ground height: our YAML, A2D2's cams_lidars.json or a KITTI calib file. Required.")
    autostart: bool = _parameter(True, "Configure and activate at start; false: wait for a lifecycle manager.")
    mode: str = _parameter("fused", "Sensors to use.", choices=MODES)
    device: str = _parameter("auto", "auto, cpu, cuda or cuda:N.")
    precision: str = _parameter("auto", "Arithmetic of the network; auto: bf16 where the device computes it.",
                                choices=("auto", "fp32", "bf16", "fp16"))
    engine: str = _parameter("auto", "What runs the dense layers; auto: OpenVINO on a CPU where it is installed.",
                             choices=("auto", "torch", "openvino"))
    num_threads: int = _parameter(0, "Threads of the network on a CPU; 0: chosen by the machine.", limits=(0, 256))
    intrinsics: str = _parameter("camera_info", "Where K and the distortion come from.",
                                 choices=("camera_info", "calibration"))
    reliability: str = _parameter(
        "auto", "QoS of the inputs; auto: best effort unless every publisher found is reliable.",
        choices=("auto", "reliable", "best_effort"))
    slop: float = _parameter(0.05, "Largest difference of stamps within a pair, seconds.", limits=(0.0, 10.0),
                             live=True)
    max_wait: float = _parameter(0.2, "How long a message waits for its partner, seconds.", limits=(0.0, 10.0),
                                 live=True)
    unmatched: str = _parameter("process", "What becomes of a message whose partner did not come: process it alone "
                                "(images only while no pairs form) or drop it.", choices=("process", "drop"), live=True)
    intensity_field: str = _parameter("intensity", "Field of the cloud with the intensity; empty: none.", live=True)
    intensity_scale: float = _parameter(
        0.0, "Factor that brings the intensity to 0..1; 0: by its type (1/255 for uint8, 1/65535 for uint16, 1 for "
        "floats and the rest).", limits=(0.0, 1e6), live=True)
    score_threshold: float = _parameter(0.3, "Boxes below this score are not published.", limits=(0.0, 1.0), live=True)
    marker_lifetime: float = _parameter(0.5, "Seconds after which a marker vanishes without an update; 0: never.",
                                        limits=(0.0, 60.0), live=True)
    overlay_opacity: float = _parameter(0.5, "Share of the class colours in ~/semseg/overlay.", limits=(0.0, 1.0),
                                        live=True)

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value, choices, limits = getattr(self, item.name), item.metadata["choices"], item.metadata["limits"]
            kind = type(item.default)
            if type(value) is not kind:
                raise ValueError(f"parameter {item.name}: expected {kind.__name__}, got {value!r}")
            if choices and value not in choices:
                raise ValueError(f"parameter {item.name}: {value!r} is not one of {', '.join(choices)}")
            if limits and not limits[0] <= value <= limits[1]:
                raise ValueError(f"parameter {item.name}: {value} is outside {limits[0]:g}..{limits[1]:g}")
        if not _is_device(self.device):
            raise ValueError(f"parameter device: {self.device!r} is not auto, cpu, cuda or cuda:N")

    def changed(self, values: dict[str, Any], configured: bool) -> Self:
        """These parameters with some of them replaced.

        Raises ValueError where a value is wrong, or where it would need a `configure` and the node is configured.
        """
        fixed = [item.name for item in dataclasses.fields(self) if item.name in values
                 and not item.metadata["live"] and values[item.name] != getattr(self, item.name)]
        changed = dataclasses.replace(self, **values)
        if configured and fixed:
            raise ValueError(f"parameter {', '.join(fixed)}: read by configure only; deactivate and clean up the node "
                             "first, or restart it")
        return changed


def _is_device(name: str) -> bool:
    return name in ("auto", "cpu", "cuda") or (name.startswith("cuda:") and name[5:].isdigit())


NAMES = tuple(item.name for item in dataclasses.fields(Parameters))


def declare(node: Any) -> Parameters:
    """Declare all parameters on an rclpy node, with descriptors, and return the values it was started with."""
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    values = {}
    for item in dataclasses.fields(Parameters):
        descriptor = ParameterDescriptor(description=item.metadata["description"])
        limits = item.metadata["limits"]
        if limits and isinstance(item.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
        elif limits:
            descriptor.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1], step=1)]
        if item.metadata["choices"]:
            descriptor.additional_constraints = "one of " + ", ".join(item.metadata["choices"])
        values[item.name] = node.declare_parameter(item.name, item.default, descriptor).value
    return Parameters(**values)


def undeclared(node: Any) -> str:
    """What YAML and command line set on the node and nothing declared, each with the name probably meant, in words.

    rclpy ignores such names without a word and tells of them nowhere but in an attribute of its own.
    """
    given = getattr(node, "_parameter_overrides", {})
    texts = []
    for name in sorted(name for name in given if not node.has_parameter(name)):
        nearest = difflib.get_close_matches(name, (*NAMES, "use_sim_time"), n=1)
        texts.append(f"{name} (did you mean {nearest[0]}?)" if nearest else name)
    return ", ".join(texts)


def markdown_table() -> str:
    """The parameters as the documentation shows them."""
    lines = ["| parameter | default | allowed | live | meaning |", "| --- | --- | --- | --- | --- |"]
    for item in dataclasses.fields(Parameters):
        limits, choices = item.metadata["limits"], item.metadata["choices"]
        default = str(item.default).lower() if isinstance(item.default, bool) else item.default
        shown = f"`{default}`" if default != "" else "empty"
        allowed = ", ".join(choices) or (f"{limits[0]:g} to {limits[1]:g}" if limits else type(item.default).__name__)
        lines.append(f"| `{item.name}` | {shown} | {allowed} | {'yes' if item.metadata['live'] else 'no'} "
                     f"| {item.metadata['description']} |")
    return "\n".join(lines) + "\n"

"""The node's parameters: one dataclass is their declaration, their check and their documentation."""

from __future__ import annotations

import array
import dataclasses
import difflib
import math
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
        "", "Extrinsics and ground height: our YAML, A2D2's cams_lidars.json or a KITTI calib file. Required where "
        "extrinsics or intrinsics is calibration.")
    extrinsics: str = _parameter("calibration", "Where the sensors' poses come from; tf needs tf2_ros.",
                                 choices=("calibration", "parameters", "tf"))
    lidar_pose: tuple[float, ...] = _parameter(
        (), "With extrinsics parameters: x, y, z (metres), roll, pitch, yaw (radians, fixed axes) of the lidar in "
        "base_frame.")
    camera_pose: tuple[float, ...] = _parameter(
        (), "The same of the camera's body: x along the optical axis, y left, z up (not of its optical frame).")
    base_frame: str = _parameter(
        "base_link", "Frame of the vehicle: x forward, y left, z up. Poses and TF are brought there; with extrinsics "
        "calibration, the name of that file's model frame.")
    ground_height: float = _parameter(
        0.0, "z of the ground in base_frame, metres (0 for a base_footprint); a calibration file holds its own.",
        limits=(-10.0, 10.0))
    tf_lookup: str = _parameter(
        "static", "With extrinsics tf: each frame once (its latest transform), or at every message's stamp, waiting up "
        "to 0.1 s for it.", choices=("static", "stamped"))
    output_frame: str = _parameter(
        "", "Frame of the boxes; empty: the cloud's. With extrinsics calibration base_frame or a frame_id of our YAML, "
        "with parameters base_frame, with tf any.")
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
    image_transport: str = _parameter(
        "raw", "Images as sensor_msgs/Image, or as CompressedImage (JPEG or PNG) on `<image>/compressed`.",
        choices=("raw", "compressed"))
    rectified: str = _parameter(
        "auto", "Whether images are rectified already: P is their K then and D is not applied; auto: those of "
        "topics named *_rect*.", choices=("auto", "always", "never"))
    reliability: str = _parameter(
        "auto", "QoS of the inputs; auto: best effort unless every publisher found is reliable.",
        choices=("auto", "reliable", "best_effort"))
    slop: float = _parameter(0.05, "Largest difference of stamps within a pair, seconds.", limits=(0.0, 10.0),
                             live=True)
    max_wait: float = _parameter(0.2, "How long a message waits for its partner, seconds.", limits=(0.0, 10.0),
                                 live=True)
    points_offset: float = _parameter(0.0, "Added to the stamps of clouds where they are matched, seconds.",
                                      limits=(-10.0, 10.0), live=True)
    image_offset: float = _parameter(0.0, "Added to the stamps of images where they are matched, seconds.",
                                     limits=(-10.0, 10.0), live=True)
    unmatched: str = _parameter("process", "What becomes of a message whose partner did not come: process it alone "
                                "(images only while no pairs form) or drop it.", choices=("process", "drop"), live=True)
    intensity_field: str = _parameter("intensity", "Field of the cloud with the intensity; empty: none.", live=True)
    intensity_scale: float = _parameter(
        0.0, "Factor that brings the intensity to 0..1; 0: by its type and what the first clouds reach (uint8: 1/255; "
        "uint16: 1/255 up to 255, else 1/65535; floats and the rest: 1 up to 2, 1/255 up to 256, else 1/65535).",
        limits=(0.0, 1e6), live=True)
    score_threshold: float = _parameter(0.3, "Boxes below this score are not published.", limits=(0.0, 1.0), live=True)
    marker_lifetime: float = _parameter(0.5, "Seconds after which a marker vanishes without an update; 0: never.",
                                        limits=(0.0, 60.0), live=True)
    overlay_opacity: float = _parameter(0.5, "Share of the class colours in ~/semseg/overlay.", limits=(0.0, 1.0),
                                        live=True)

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value, choices, limits = getattr(self, item.name), item.metadata["choices"], item.metadata["limits"]
            kind = type(item.default)
            if kind is tuple and isinstance(value, (list, tuple, array.array)):
                value = tuple(value)
                if len(value) not in (0, 6) or not all(type(part) is float and math.isfinite(part) for part in value):
                    raise ValueError(f"parameter {item.name}: expected x, y, z, roll, pitch, yaw as six finite numbers "
                                     f"with decimal points, got {list(value)}")
                object.__setattr__(self, item.name, value)
            if type(value) is not kind:
                raise ValueError(f"parameter {item.name}: expected {kind.__name__}, got {value!r}")
            if choices and value not in choices:
                raise ValueError(f"parameter {item.name}: {value!r} is not one of {', '.join(choices)}")
            if limits and not limits[0] <= value <= limits[1]:
                raise ValueError(f"parameter {item.name}: {value} is outside {limits[0]:g}..{limits[1]:g}")
        if not self.base_frame:
            raise ValueError("parameter base_frame: expected the name of a frame, got an empty one")
        if not _is_device(self.device):
            raise ValueError(f"parameter device: {self.device!r} is not auto, cpu, cuda or cuda:N")

    def changed(self, values: dict[str, Any], configured: bool) -> Self:
        """These parameters with some of them replaced.

        Raises ValueError where a value is wrong, or where it would need a `configure` and the node is configured.
        """
        changed = dataclasses.replace(self, **values)
        fixed = [item.name for item in dataclasses.fields(self) if not item.metadata["live"]
                 and getattr(changed, item.name) != getattr(self, item.name)]
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
    from rclpy.parameter import Parameter

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
        # rclpy would take an empty list for one of bytes.
        default = Parameter.Type.DOUBLE_ARRAY if item.default == () else item.default
        value = node.declare_parameter(item.name, default, descriptor).value
        values[item.name] = item.default if value is None else value
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
        shown = f"`{default}`" if default not in ("", ()) else "empty"
        kind = "double[6]" if item.default == () else type(item.default).__name__
        allowed = ", ".join(choices) or (f"{limits[0]:g} to {limits[1]:g}" if limits else kind)
        lines.append(f"| `{item.name}` | {shown} | {allowed} | {'yes' if item.metadata['live'] else 'no'} "
                     f"| {item.metadata['description']} |")
    return "\n".join(lines) + "\n"

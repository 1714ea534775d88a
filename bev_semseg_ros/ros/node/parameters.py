"""The node's parameters: one dataclass is their declaration, their check and their documentation."""

from __future__ import annotations

import array
import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from bev_semseg_ros.filtering import BoxFilter
from bev_semseg_ros.frame import MODES
from bev_semseg_ros.ros.input.synchronizer import MOST_WAITING
from bev_semseg_ros.taxonomy import DETECTION_CLASSES

LOOKUP_TIMEOUT = 0.1  # seconds that a transform of a stamp may come after its message
OFFSETS = (-1e5, 1e5)  # seconds, a day and more: TAI and time zones, no other epoch


def _parameter(
    default: Any,
    description: str,
    *,
    choices: tuple[str, ...] = (),
    limits: tuple[float, float] | None = None,
    live: bool = False,
    length: int | None = None,
) -> Any:
    """A field. `live` parameters take effect at once, the others at the next `configure`.

    A tuple is an array of its elements' type, which cannot be empty (ROS knows no type of nothing), or of `length`
    floats, which is empty where it is not set; `choices` and `limits` hold for each element.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "description": description,
            "choices": choices,
            "limits": limits,
            "live": live,
            "length": length,
        },
    )


def _class_threshold(name: str) -> Any:
    return _parameter(
        (0.0,),
        f"Score threshold of class {name}: one for all distances, or one for each band of "
        "distance_bands; 0: score_threshold.",
        limits=(0.0, 1.0),
        live=True,
    )


@dataclass(frozen=True)
class Parameters:
    """Checked values; raises ValueError naming the parameter, the value and what is allowed."""

    checkpoint: str = _parameter(
        "", "Checkpoint file; empty: the one shipped in share/bev_semseg_ros/weights."
    )
    calibration: str = _parameter(
        "",
        "Extrinsics and ground height: our YAML, A2D2's cams_lidars.json or a KITTI calib file. Required where "
        "extrinsics or intrinsics is calibration.",
    )
    extrinsics: str = _parameter(
        "calibration",
        "Where the sensors' poses come from; tf needs tf2_ros.",
        choices=("calibration", "parameters", "tf"),
    )
    lidar_pose: tuple[float, ...] = _parameter(
        (),
        "With extrinsics parameters: x, y, z (metres), roll, pitch, yaw (radians, fixed axes) of the lidar in "
        "base_frame.",
        limits=(-1000.0, 1000.0),
        length=6,
    )
    camera_pose: tuple[float, ...] = _parameter(
        (),
        "The same of the camera's body: x along the optical axis, y left, z up (not of its optical frame).",
        limits=(-1000.0, 1000.0),
        length=6,
    )
    base_frame: str = _parameter(
        "base_link",
        "Frame of the vehicle: x forward, y left, z up. Poses and TF are brought there; with extrinsics "
        "calibration, the name of that file's ego frame.",
    )
    ground_height: float = _parameter(
        0.0,
        "z of the ground in base_frame, metres (0 for a base_footprint); a calibration file holds its own.",
        limits=(-10.0, 10.0),
    )
    tf_lookup: str = _parameter(
        "static",
        "With extrinsics tf: each sensor's frame once (its latest transform), or at every message's stamp, "
        f"waiting up to {LOOKUP_TIMEOUT:g} s for it.",
        choices=("static", "stamped"),
    )
    output_frame: str = _parameter(
        "",
        "Frame of the boxes; empty: the cloud's. With extrinsics calibration base_frame or a frame_id of our YAML, "
        "with parameters base_frame, with tf any: one that moves (odom, map) is looked up at the cloud's stamp, which "
        f"may take {LOOKUP_TIMEOUT:g} s.",
    )
    autostart: bool = _parameter(
        True, "Configure and activate at start; false: wait for a lifecycle manager."
    )
    mode: str = _parameter("fused", "Sensors to use.", choices=MODES)
    device: str = _parameter("auto", "auto, cpu, cuda or cuda:N.")
    precision: str = _parameter(
        "auto",
        "Arithmetic of the network; auto: bf16 where the device computes it.",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    engine: str = _parameter(
        "auto",
        "What runs the dense layers; auto: OpenVINO on a CPU where it is installed.",
        choices=("auto", "torch", "openvino"),
    )
    num_threads: int = _parameter(
        0, "Threads of the network on a CPU; 0: chosen by the machine.", limits=(0, 256)
    )
    intrinsics: str = _parameter(
        "camera_info",
        "Where K and the distortion come from.",
        choices=("camera_info", "calibration"),
    )
    image_transport: str = _parameter(
        "raw",
        "Images as sensor_msgs/Image, or as CompressedImage (JPEG or PNG) on `<image>/compressed`.",
        choices=("raw", "compressed"),
    )
    rectified: str = _parameter(
        "auto",
        "Whether images are rectified already: P is their K then and D is not applied; auto: those of "
        "topics named *_rect*.",
        choices=("auto", "always", "never"),
    )
    reliability: str = _parameter(
        "auto",
        "QoS of the inputs; auto: best effort unless every publisher found is reliable. With best_effort "
        "camera_info is as with auto: a latched one would not come otherwise.",
        choices=("auto", "reliable", "best_effort"),
    )
    slop: float = _parameter(
        0.05, "Largest difference of stamps within a pair, seconds.", limits=(0.0, 10.0), live=True
    )
    max_wait: float = _parameter(
        0.2,
        f"How long a message waits for its partner, seconds. At most {MOST_WAITING} of a sensor wait ("
        f"{MOST_WAITING / 30:.0f} s at 30 Hz), which take {MOST_WAITING} times their size.",
        limits=(0.0, 10.0),
        live=True,
    )
    points_offset: float = _parameter(
        0.0,
        "Added to the stamps of clouds where they are matched, seconds.",
        limits=OFFSETS,
        live=True,
    )
    image_offset: float = _parameter(
        0.0,
        "Added to the stamps of images where they are matched, seconds.",
        limits=OFFSETS,
        live=True,
    )
    unmatched: str = _parameter(
        "process",
        "What becomes of a message whose partner did not come: process it alone "
        "(images only while no pairs form) or drop it.",
        choices=("process", "drop"),
        live=True,
    )
    intensity_field: str = _parameter(
        "intensity", "Field of the cloud with the intensity; empty: none.", live=True
    )
    intensity_scale: float = _parameter(
        0.0,
        "Factor that brings the intensity to 0..1; 0: by its type and what the first clouds reach (uint8: 1/255; "
        "uint16: 1/255 up to 255, else 1/65535; floats and the rest: 1 up to 2, 1/255 up to 256, else 1/65535).",
        limits=(0.0, 1e6),
        live=True,
    )
    score_threshold: float = _parameter(
        0.3, "Boxes below this score are not published.", limits=(0.0, 1.0), live=True
    )
    score_threshold_car: tuple[float, ...] = _class_threshold("car")
    score_threshold_truck: tuple[float, ...] = _class_threshold("truck")
    score_threshold_pedestrian: tuple[float, ...] = _class_threshold("pedestrian")
    score_threshold_cyclist: tuple[float, ...] = _class_threshold("cyclist")
    distance_bands: tuple[float, ...] = _parameter(
        (20.0, 40.0),
        "Where one band of distance ends and the next begins, rising, metres from the lidar seen from "
        "above: two numbers make three bands.",
        limits=(0.0, 1000.0),
        live=True,
    )
    classes: tuple[str, ...] = _parameter(
        DETECTION_CLASSES,
        "Classes whose boxes are published.",
        choices=DETECTION_CLASSES,
        live=True,
    )
    nms_iou_threshold: float = _parameter(
        1.0,
        "Of two published boxes that overlap by more (intersection over union seen from above) the worse is "
        "dropped, whatever their classes; 1: only the checkpoint's own suppression within a class.",
        limits=(0.0, 1.0),
        live=True,
    )
    marker_lifetime: float = _parameter(
        0.5,
        "Seconds after which a marker vanishes without an update; 0: never.",
        limits=(0.0, 60.0),
        live=True,
    )
    overlay_opacity: float = _parameter(
        0.5, "Share of the class colours in ~/semseg/overlay.", limits=(0.0, 1.0), live=True
    )
    max_processing_time_ms: float = _parameter(
        200.0,
        "A frame is in time if it is published within this after its last message came; /diagnostics warns of "
        "others.",
        limits=(1.0, 60_000.0),
        live=True,
    )
    max_silence_ms: float = _parameter(
        1000.0,
        "After so long without a frame in time /diagnostics says ERROR.",
        limits=(1.0, 60_000.0),
        live=True,
    )

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if not isinstance(item.default, tuple):
                _check(item, value)
                continue
            length = item.metadata["length"]
            if (
                not isinstance(value, Sequence | array.array)
                or isinstance(value, str)
                or (length is None and not len(value))
                or (length is not None and len(value) not in (0, length))
            ):
                raise ValueError(
                    f"parameter {item.name}: expected {_type_name(item)}, got {value!r}"
                )
            object.__setattr__(self, item.name, tuple(value))  # ROS gives lists and arrays
            for element in value:
                _check(item, element)
        if not self.base_frame:
            raise ValueError("parameter base_frame: expected the name of a frame, got an empty one")
        if not _is_device(self.device):
            raise ValueError(f"parameter device: {self.device!r} is not auto, cpu, cuda or cuda:N")
        try:
            _ = self.box_filter  # made here, so that a wrong one is refused
        except ValueError as error:
            raise ValueError(f"parameter {error}") from error

    @cached_property
    def box_filter(self) -> BoxFilter:
        """Which boxes are published."""
        thresholds = tuple(
            tuple(
                score or self.score_threshold for score in getattr(self, f"score_threshold_{name}")
            )
            for name in DETECTION_CLASSES
        )
        return BoxFilter(thresholds, self.distance_bands, self.classes, self.nms_iou_threshold)

    def changed(self, values: dict[str, Any], configured: bool) -> Self:
        """These parameters with some of them replaced.

        Raises ValueError where a value is wrong, or where it would need a `configure` and the node is configured.
        """
        changed = dataclasses.replace(self, **values)
        fixed = [
            item.name
            for item in dataclasses.fields(self)
            if not item.metadata["live"] and getattr(changed, item.name) != getattr(self, item.name)
        ]
        if configured and fixed:
            raise ValueError(
                f"parameter {', '.join(fixed)}: read by configure only; deactivate and clean up the node "
                "first, or restart it"
            )
        return changed


def _kind(item: dataclasses.Field) -> type:
    """The type of a parameter, or of an element of it where it is an array."""
    if not isinstance(item.default, tuple):
        return type(item.default)
    return type(item.default[0]) if item.default else float


def _type_name(item: dataclasses.Field) -> str:
    name, length = _kind(item).__name__, item.metadata["length"]
    if not isinstance(item.default, tuple):
        return name
    return f"array of {name}, at least one" if length is None else f"array of {length} {name}"


def _check(item: dataclasses.Field, value: Any) -> None:
    """Raises ValueError unless `value` may be one of the parameter `item`, or an element of it where it is an array."""
    choices, limits = item.metadata["choices"], item.metadata["limits"]
    if type(value) is not _kind(item):
        raise ValueError(f"parameter {item.name}: expected {_type_name(item)}, got {value!r}")
    if choices and value not in choices:
        raise ValueError(f"parameter {item.name}: {value!r} is not one of {', '.join(choices)}")
    if limits and not limits[0] <= value <= limits[1]:
        raise ValueError(f"parameter {item.name}: {value} is outside {limits[0]:g}..{limits[1]:g}")


def _allowed(item: dataclasses.Field) -> str:
    """What `_check` asks for, in words."""
    choices, limits = item.metadata["choices"], item.metadata["limits"]
    texts = ", ".join(choices) or (
        f"{limits[0]:g} to {limits[1]:g}" if limits else _type_name(item)
    )
    if not isinstance(item.default, tuple):
        return texts
    return (
        f"array of: {texts}"
        if item.metadata["length"] is None
        else f"array of {item.metadata['length']}: {texts}"
    )


def _is_device(name: str) -> bool:
    return name in ("auto", "cpu", "cuda") or (name.startswith("cuda:") and name[5:].isdigit())


def nearest_allowed(name: str, value: Any) -> Any:
    """`value`, or the limit of the parameter `name` beyond which it lies. Raises ValueError as `Parameters` does."""
    item = next(item for item in dataclasses.fields(Parameters) if item.name == name)
    if item.metadata["limits"]:
        low, high = item.metadata["limits"]
        value = min(max(value, low), high)
    return getattr(Parameters().changed({name: value}, configured=False), name)


NAMES = tuple(item.name for item in dataclasses.fields(Parameters))


def declare(node: Any) -> Parameters:
    """Declare all parameters on an rclpy node, with descriptors, and return the values it was started with."""
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
    from rclpy.parameter import Parameter

    values = {}
    for item in dataclasses.fields(Parameters):
        descriptor = ParameterDescriptor(description=item.metadata["description"])
        limits = item.metadata["limits"]
        default = item.default
        if isinstance(default, tuple):  # ranges are for single numbers
            descriptor.additional_constraints, default = _allowed(item), list(default)
        elif limits and isinstance(default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=limits[0], to_value=limits[1])
            ]
        elif limits:
            descriptor.integer_range = [
                IntegerRange(from_value=limits[0], to_value=limits[1], step=1)
            ]
        elif item.metadata["choices"]:
            descriptor.additional_constraints = "one of " + ", ".join(item.metadata["choices"])
        if item.default == ():  # rclpy would take an empty list for one of bytes
            default = Parameter.Type.DOUBLE_ARRAY
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
    lines = [
        "| parameter | default | allowed | live | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for item in dataclasses.fields(Parameters):
        default = item.default
        if isinstance(default, bool):
            default = str(default).lower()
        elif isinstance(default, tuple) and default:
            default = f"[{', '.join(map(str, default))}]"
        shown = f"`{default}`" if default not in ("", ()) else "empty"
        lines.append(
            f"| `{item.name}` | {shown} | {_allowed(item)} | {'yes' if item.metadata['live'] else 'no'} "
            f"| {item.metadata['description']} |"
        )
    return "\n".join(lines) + "\n"

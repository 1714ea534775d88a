"""The parameters of the node: one dataclass declares, checks and documents them.

The parameters that depend on the classes of the checkpoint are in `class_parameters`. `declaration`
declares all of them on a node.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from bev_semseg_ros.config import GRIDS, GRIDS_MEANING
from bev_semseg_ros.data.calibration import frame_name
from bev_semseg_ros.filtering import BoxFilter
from bev_semseg_ros.frame import MODES
from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters
from bev_semseg_ros.ros.parameters.sensors import OF_SENSORS, Sensor, Sensors
from bev_semseg_ros.ros.parameters.specification import Specification, parameter, specifications_of
from bev_semseg_ros.ros.synchronizer import MOST_WAITING

LOOKUP_TIMEOUT = 0.1  # longest wait for a transform at a stamp, seconds
OFFSETS = (-1e5, 1e5)  # seconds, over a day: covers TAI and time zones, not other epochs


@dataclass(frozen=True)
class Parameters:
    """Checked values of the parameters.

    Attributes:
        by_class: The class parameters, which depend on the checkpoint.
        by_sensor: Values of the parameters of named sensors, by full name, such as
            front.image_offset. All other attributes are ROS parameters themselves.

    Raises:
        ValueError: If a value is not allowed; the message names the parameter, the value and what
            is allowed.
    """

    checkpoint: str = parameter(
        "",
        "Checkpoint file. If empty, the shipped checkpoint (share/bev_semseg_ros/weights) is used.",
    )
    calibration: str = parameter(
        "",
        "Calibration file: the YAML of this package, A2D2's cams_lidars.json or a KITTI calib "
        "file; or a folder that contains one. Required if extrinsics or intrinsics is calibration. "
        "If neither is, the node takes only lidar_from_unit from it, the poses of lidars whose "
        "points are combined in one cloud.",
    )
    lidars: tuple[str, ...] = parameter(
        (),
        "Names of the lidars, the reference lidar first. The topic of each lidar is NAME/points. "
        "If empty, there is one lidar without a name, on the topic `points`.",
        fixed=True,
    )
    cameras: tuple[str, ...] = parameter(
        (),
        "Names of the cameras, the reference camera first. The topics of each camera are "
        "NAME/image and NAME/camera_info. If empty, there is one camera without a name, on the "
        "topics `image` and `camera_info`.",
        fixed=True,
    )
    extrinsics: str = parameter(
        "calibration",
        "Source of the poses of the sensors: the calibration file, the parameters lidar_pose and "
        "camera_pose (only with one lidar and one camera), or TF (needs tf2_ros).",
        choices=("calibration", "parameters", "tf"),
    )
    lidar_pose: tuple[float, ...] = parameter(
        (),
        "Pose of the lidar in base_frame: x, y, z (metres), roll, pitch, yaw (radians, about fixed "
        "axes). Used only if extrinsics is parameters.",
        limits=(-1000.0, 1000.0),
        length=6,
    )
    camera_pose: tuple[float, ...] = parameter(
        (),
        "Pose of the camera body (x along the optical axis, y left, z up) in base_frame, in the "
        "form of lidar_pose. Used only if extrinsics is parameters.",
        limits=(-1000.0, 1000.0),
        length=6,
    )
    base_frame: str = parameter(
        "base_link",
        "Coordinate frame of the vehicle (x forward, y left, z up). Its use depends on extrinsics. "
        "tf: the TF frame in which the node looks up the poses. parameters: the coordinate frame "
        "of lidar_pose and camera_pose. calibration: only a name for the ego frame of the file, "
        "for output_frame. If ego_motion is tf, it must be a TF frame with the axes of the ego "
        "frame.",
    )
    ground_height: float = parameter(
        0.0,
        "z of the ground in base_frame, metres: 0 for base_footprint. Not used if extrinsics is "
        "calibration.",
        limits=(-10.0, 10.0),
    )
    tf_lookup: str = parameter(
        "static",
        "When the node looks up the pose of a sensor in TF. static: once. stamped: for each "
        f"message, at its stamp, with a wait of up to {LOOKUP_TIMEOUT:g} s; for sensors that move "
        "in base_frame. Used only if extrinsics is tf.",
        choices=("static", "stamped"),
    )
    output_frame: str = parameter(
        "",
        "Coordinate frame of the published boxes. If empty, it is that of the clouds of the "
        "reference lidar. Other allowed values depend on extrinsics. tf: any TF frame, such as "
        "odom or map; the node looks it up at the stamp of the cloud, and waits for it for up to "
        f"{LOOKUP_TIMEOUT:g} s. parameters: the value of base_frame, which is also the default if "
        "mode is camera_only. calibration: a frame_id of the YAML file, or the value of base_frame "
        "for boxes in the ego frame, if base_frame is a name that TF does not have, such as ego.",
    )
    ego_motion: str = parameter(
        "none",
        "Source of the motion of the vehicle, for which the node corrects the points and the poses "
        "of the cameras. none: no correction. odometry: the topic odometry, whose child_frame_id "
        "is ignored. If extrinsics is calibration, its velocities must be along the axes of the "
        "ego frame. Otherwise, they must be along those of base_frame. tf: the movement of "
        "base_frame in odom_frame (needs tf2_ros).",
        choices=("none", "odometry", "tf"),
    )
    odom_frame: str = parameter(
        "odom", "TF frame in which base_frame moves. Used only if ego_motion is tf."
    )
    autostart: bool = parameter(
        True,
        "Whether the node configures and activates itself. If false, the node waits for a "
        "lifecycle manager.",
    )
    mode: str = parameter(
        "fused",
        "Sensors to use. fused: lidars and cameras. With camera_only, the shipped network finds no "
        "boxes. A network that uses no images always works as with lidar_only, and refuses "
        "camera_only.",
        choices=MODES,
    )
    device: str = parameter("auto", "Device of the network: auto, cpu, cuda or cuda:N.")
    precision: str = parameter(
        "auto",
        "Arithmetic of the network. auto: bf16 if the device computes it natively, otherwise fp16 "
        "on a GPU and fp32 on a CPU.",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    engine: str = parameter(
        "auto",
        "Library that runs the dense layers of the network. auto: OpenVINO on a CPU, if it is "
        "installed; otherwise torch.",
        choices=("auto", "torch", "openvino"),
    )
    num_threads: int = parameter(
        0, "Threads of the network on a CPU. 0: all cores of the process.", limits=(0, 256)
    )
    grid: str = parameter(
        "forward",
        f"Where the network looks for boxes. {GRIDS_MEANING}.",
        choices=GRIDS,
    )
    intrinsics: str = parameter(
        "camera_info",
        "Source of K and the distortion of the cameras: the topic camera_info or the calibration "
        "file.",
        choices=("camera_info", "calibration"),
    )
    image_transport: str = parameter(
        "raw",
        "Type of the images, on the topic to which you remap `image`. raw: Image. compressed: "
        "CompressedImage (JPEG or PNG); the node adds /compressed to the name of the topic. Not "
        "needed if you remap `image` to the full name of a topic of compressed images.",
        choices=("raw", "compressed"),
    )
    rectified: str = parameter(
        "auto",
        "Whether the images are already rectified. For rectified images, the node uses P of "
        "camera_info instead of K, and ignores D. auto: they are rectified if the last part of the "
        "topic's name, before a trailing /compressed, contains _rect, as in /camera/image_rect.",
        choices=("auto", "always", "never"),
    )
    reliability: str = parameter(
        "auto",
        "QoS of the subscriptions. auto: reliable if every publisher of the topic offers this, "
        "otherwise best effort. best_effort: applies to all topics but camera_info, which may be "
        "latched and stays at auto.",
        choices=("auto", "reliable", "best_effort"),
    )
    slop: float = parameter(
        0.05,
        "Largest difference between the stamps of two messages that match, in seconds.",
        limits=(0.0, 10.0),
        live=True,
    )
    max_wait: float = parameter(
        0.2,
        "Longest time that a message waits for a partner, in seconds of real time, even with "
        "use_sim_time ([slow simulations](integration.md#3-run-the-node)). For a message of the "
        "reference stream, a partner is a matching message of another sensor. For other messages, "
        "it is a matching message of the reference stream. "
        f"At most {MOST_WAITING} messages per sensor wait at the same time.",
        limits=(0.0, 10.0),
        live=True,
    )
    points_offset: float = parameter(
        0.0,
        "Seconds that the node adds to the stamps of clouds to match messages and to correct for "
        "motion (ego_motion). For published messages and for TF, it uses the stamps without this "
        "offset.",
        limits=OFFSETS,
        live=True,
    )
    image_offset: float = parameter(
        0.0,
        "The same as points_offset, for the stamps of images.",
        limits=OFFSETS,
        live=True,
    )
    unmatched: str = parameter(
        "process",
        "What happens to a message that has no partner when max_wait expires. drop: the node drops "
        "it. process: the node processes it alone if it belongs to the reference stream, normally "
        "the clouds of the first lidar. It drops messages of other sensors. After one second "
        "without a match (for slow sensors, after two of their intervals), it processes those, "
        "too, in frames of their own.",
        choices=("process", "drop"),
        live=True,
    )
    intensity_field: str = parameter(
        "intensity",
        "Field of the clouds that holds the intensity; not x, y or z. If empty, the intensity "
        "counts as 0.",
        live=True,
    )
    intensity_scale: float = parameter(
        0.0,
        "Factor that scales the intensity to 0..1. 0: the node chooses 1, 1/255 or 1/65535, by "
        "the type of the field and its maximum in the first clouds.",
        limits=(0.0, 1e6),
        live=True,
    )
    score_threshold: float = parameter(
        0.3,
        "Lowest score of a published box, unless score_threshold_CLASS is set for its class.",
        limits=(0.0, 1.0),
        live=True,
    )
    distance_bands: tuple[float, ...] = parameter(
        (20.0, 40.0),
        "Limits between distance bands for score_threshold_CLASS, in metres, in increasing order: "
        "two values make three bands. The distance of a box is measured horizontally from the "
        "origin of the ego frame.",
        limits=(0.0, 1000.0),
        live=True,
    )
    nms_iou_threshold: float = parameter(
        1.0,
        "If two boxes overlap by more than this, the node publishes only the one with the higher "
        "score, whatever their classes. The overlap is the intersection over union in the "
        "bird's-eye view. 1 turns this off.",
        limits=(0.0, 1.0),
        live=True,
    )
    marker_lifetime: float = parameter(
        0.5,
        "Seconds after which a marker disappears if it is not updated. 0: never.",
        limits=(0.0, 60.0),
        live=True,
    )
    overlay_opacity: float = parameter(
        0.5, "Opacity of the class colours in ~/semseg/overlay.", limits=(0.0, 1.0), live=True
    )
    max_processing_time_ms: float = parameter(
        500.0,
        "If the processing time of a frame (total_ms on ~/timing) is longer, /diagnostics reports "
        "WARN.",
        limits=(1.0, 60_000.0),
        live=True,
    )
    max_silence_ms: float = parameter(
        1000.0,
        "If the node published no frame during this time, or every frame took longer than "
        "max_processing_time_ms, /diagnostics reports ERROR.",
        limits=(1.0, 60_000.0),
        live=True,
    )

    by_class: ClassParameters = dataclasses.field(default_factory=ClassParameters)
    by_sensor: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, specification in SPECIFICATIONS.items():
            object.__setattr__(self, name, specification.check(getattr(self, name)))
        for name in ("base_frame", "output_frame", "odom_frame"):
            object.__setattr__(self, name, frame_name(getattr(self, name)))
        if not self.base_frame:
            raise ValueError("parameter base_frame: expected the name of a frame, got an empty one")
        if not _is_device(self.device):
            raise ValueError(f"parameter device: {self.device!r} is not auto, cpu, cuda or cuda:N")
        for name, specification in self.sensor_specifications().items():
            if name in self.by_sensor:
                specification.check(self.by_sensor[name])
        for name in ("intensity_field", *self.by_sensor):
            if name.endswith("intensity_field"):
                _refuse_coordinate(name, self.by_sensor.get(name, self.intensity_field))
        try:
            _ = self.box_filter  # created here to reject wrong values
        except ValueError as error:
            raise ValueError(f"parameter {error}") from error

    @cached_property
    def sensors(self) -> Sensors:
        """The lidars and cameras."""
        return Sensors.named(self.lidars, self.cameras)

    @property
    def predictor_options(self) -> dict[str, Any]:
        """Keyword arguments of `Predictor.load`."""
        return {
            "device": self.device,
            "precision": self.precision,
            "engine": self.engine,
            "num_threads": self.num_threads or None,
            "grid": self.grid,
        }

    def of(self, sensor: Sensor, name: str) -> Any:
        """Return the value of a parameter for one sensor: its own, or the common one."""
        return self.by_sensor.get(sensor.parameter(name), getattr(self, name))

    def sensor_specifications(self) -> dict[str, Specification]:
        """Return the specifications of the parameters of named sensors, by name.

        The default of each is the value of the common parameter.
        """
        found = {}
        for sensor in (*self.sensors.lidars, *self.sensors.cameras):
            for name in OF_SENSORS[sensor.kind] if sensor.prefix else ():
                common = SPECIFICATIONS[name]
                own = sensor.parameter(name)
                found[own] = dataclasses.replace(common, name=own, default=getattr(self, name))
        return found

    @cached_property
    def box_filter(self) -> BoxFilter:
        """Filter that selects the boxes to publish."""
        thresholds = []
        for name in self.by_class.known:
            scores = self.by_class.threshold_of(name)
            thresholds.append(tuple(score or self.score_threshold for score in scores))
        return BoxFilter(
            self.by_class.known,
            tuple(thresholds),
            self.distance_bands,
            self.by_class.classes,
            self.nms_iou_threshold,
        )

    def changed(self, values: Mapping[str, Any], configured: bool) -> Self:
        """Return these parameters with some of them replaced.

        Args:
            values: The new values by name. Unknown names, such as use_sim_time, are ignored.
            configured: Whether the node is configured.

        Raises:
            ValueError: If a value is not allowed, or if the node is configured and a parameter
                takes effect only at `configure`.
        """
        common = {name: value for name, value in values.items() if name in SPECIFICATIONS}
        self._refuse_common(common)
        names_by_class = self.by_class.values().keys()
        by_class = {name: value for name, value in values.items() if name in names_by_class}
        of_sensors = self.sensor_specifications()
        by_sensor = {name: value for name, value in values.items() if name in of_sensors}
        changed = dataclasses.replace(
            self,
            **common,
            by_class=self.by_class.changed(by_class),
            by_sensor={**self.by_sensor, **by_sensor},
        )
        fixed = [
            name
            for name in common
            if not SPECIFICATIONS[name].is_live and getattr(changed, name) != getattr(self, name)
        ]
        fixed += [
            name
            for name, value in by_sensor.items()
            if not of_sensors[name].is_live and value != self.by_sensor.get(name, value)
        ]
        if configured and fixed:
            raise ValueError(
                f"parameter {', '.join(fixed)}: read by configure only; deactivate and clean up "
                "the node first, or restart it"
            )
        return changed

    def _refuse_common(self, values: Mapping[str, Any]) -> None:
        """Reject a change without effect: the sensors have names and parameters of their own."""
        for sensor in (self.sensors.lidars[0], self.sensors.cameras[0]):
            for name in OF_SENSORS[sensor.kind] if sensor.prefix else ():
                if name in values and values[name] != getattr(self, name):
                    raise ValueError(
                        f"parameter {name}: the sensors have names; set "
                        f"{sensor.parameter(name)} and its like"
                    )


# The parameters that do not depend on the checkpoint, by name.
SPECIFICATIONS = specifications_of(Parameters)


def _is_device(name: str) -> bool:
    return name in ("auto", "cpu", "cuda") or (name.startswith("cuda:") and name[5:].isdigit())


def _refuse_coordinate(name: str, field: str) -> None:
    """Raise ValueError if a parameter `name`, the field of the intensity, is a coordinate."""
    if field.lower() in ("x", "y", "z"):
        raise ValueError(
            f"parameter {name}: the field {field!r} is a coordinate; name the field that holds the "
            "intensity, or leave the parameter empty"
        )

"""Decode the clouds of one lidar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bev_semseg_ros.frame import LidarScan, units_without_pose
from bev_semseg_ros.geometry import have_return
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.convert.point_attributes import UNIT_FIELDS, decode_point_attributes
from bev_semseg_ros.ros.convert.point_cloud import find_field
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.assumptions import Assumptions
from bev_semseg_ros.ros.input.intensity import IntensityScale
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.input.vehicle_frame import explain_frame
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor

# Largest time between a point and its cloud's stamp, seconds. The motion of the vehicle is assumed
# to be constant for no longer than this.
LONGEST_MOVE = 0.5


def unit_problem(
    units: np.ndarray | None, lidar_from_unit: Mapping[int, np.ndarray]
) -> tuple[str, str]:
    """Explain why points of several lidars count as measured by one, and what to do.

    Args:
        units: (N,) unit number of each point; None if the cloud has no such field.
        lidar_from_unit: (4, 4) known poses of units, by unit number.

    Returns:
        The problem, as a text that continues "the cloud", and the remedy. Both are empty if there
        is no problem.
    """
    if units is None:
        if not lidar_from_unit:
            return "", ""
        return (
            f"has no field {' or '.join(UNIT_FIELDS)}, and the calibration has lidar_from_unit: "
            "all its points count as measured by one lidar",
            "let the driver publish the field, or remove lidar_from_unit",
        )
    unknown = units_without_pose(units, lidar_from_unit)
    if not unknown:
        return "", ""
    return (
        f"combines several lidars, and no pose is known for its units "
        f"{', '.join(map(str, unknown))}: their points count as measured by one lidar, so expect "
        "less accuracy",
        "add lidar_from_unit to the lidar in the calibration",
    )


class LidarInput:
    """Decodes the clouds of one lidar. Errors and warnings name the lidar if it has a name."""

    def __init__(
        self,
        sensor: Sensor,
        health: Health,
        attributes: Sequence[str],
        expected_frame: str | None = None,
        moves_points: bool = False,
        lidar_from_unit: Mapping[int, np.ndarray] | None = None,
        needs_units: bool = False,
    ) -> None:
        """Keep the settings.

        Args:
            sensor: The lidar.
            health: Takes warnings.
            attributes: Point attributes that the network uses, from `frame.POINT_ATTRIBUTES`.
            expected_frame: Expected frame_id of the clouds, if the calibration has one.
            moves_points: Whether points are corrected for the motion of the vehicle. If so, the
                time of each point is read, too, if the clouds have it.
            lidar_from_unit: (4, 4) poses of the units that the clouds combine, by unit number; see
                `LidarScan`.
            needs_units: Whether the network needs to know which unit measured each point. If so,
                the unit of each point is read, too, if the clouds have it.
        """
        self._sensor, self._health = sensor, health
        self._attributes, self._expected_frame = attributes, expected_frame
        self._last_frame: str | None = None
        self._moves_points = moves_points
        self._lidar_from_unit, self._needs_units = lidar_from_unit or {}, needs_units
        self._has_warned_of_units = False  # once is enough
        self._used = set(attributes)
        if moves_points:
            self._used.add("time")
        if needs_units:
            self._used.add("unit")
        self._intensity = IntensityScale()
        self._assumptions = Assumptions(sensor, health)

    @property
    def intensity_factor(self) -> float:
        """Factor by which the intensity of the last cloud was multiplied."""
        return self._intensity.factor

    def decode(
        self, message: Any, pose: np.ndarray, parameters: Parameters, seconds: float = 0.0
    ) -> LidarScan:
        """Return the scan of a sensor_msgs/PointCloud2.

        Args:
            message: The cloud.
            pose: (4, 4) ego_from_lidar.
            parameters: The node's parameters.
            seconds: Time from the frame's time to the stamp of the cloud, in seconds.

        Raises:
            UnusableInput: If the cloud cannot be used.
        """
        field = parameters.of(self._sensor, "intensity_field")
        scale = parameters.of(self._sensor, "intensity_scale")
        try:
            points = self._intensity.decode(message, field, scale, self._assumptions.about("cloud"))
        except ValueError as error:
            raise UnusableInput("bad_points", f"bad cloud{self._where}: {error}") from error
        if not have_return(points).any():
            text = f"the cloud{self._where} has no point that is finite and not zero"
            raise UnusableInput("empty_points", text)
        self._check_frame(message.header.frame_id, parameters)
        if warning := self._intensity.take_warning():
            self._warn("intensity_scale", f"{warning}{self._where}")
        if field and find_field(message, field) is None:
            names = [each.name for each in message.fields]
            self._warn(
                "intensity",
                f"the cloud{self._where} has no field {field!r}, only {', '.join(names)}; its "
                f"intensity counts as 0: set {self._sensor.parameter('intensity_field')}",
            )
        attributes = self._decode_attributes(message) if self._used else {}
        if self._moves_points and "time" in attributes:
            longest = float(np.nanmax(np.abs(attributes["time"]), initial=0.0))
            if longest > LONGEST_MOVE:
                del attributes["time"]
                self._warn(
                    "point_times",
                    f"points of the cloud{self._where} are up to {longest:.3g} s from its stamp, "
                    f"but the ego motion is only valid for {LONGEST_MOVE:g} s: the times of the "
                    "points are ignored; let the driver stamp points and clouds by the same clock",
                )
        if "time" in attributes:
            attributes["time"] = attributes["time"] + np.float32(seconds)
        return LidarScan(points, pose, attributes, seconds, self._lidar_from_unit)

    def _decode_attributes(self, message: Any) -> dict[str, np.ndarray]:
        """Return those of the used point attributes that the cloud has, by name."""
        attributes: dict[str, np.ndarray] = {}
        broken: set[str] = set()
        stamp = stamp_ns(message.header.stamp)
        for name in sorted(self._used):
            try:
                attributes |= decode_point_attributes(message, stamp, (name,))
            except ValueError as error:
                broken.add(name)
                self._warn(
                    f"point_attributes_{name}",
                    f"the cloud{self._where} is used without the {name} of its points: {error}",
                )
        missing = [name for name in self._attributes if name not in {*attributes, *broken}]
        if missing:
            self._warn(
                "point_attributes",
                f"the network uses {', '.join(missing)} of each point, but the cloud{self._where} "
                "has no such field: let the driver publish it, or expect less accuracy",
            )
        if self._needs_units and "unit" not in broken and not self._has_warned_of_units:
            text, remedy = unit_problem(attributes.get("unit"), self._lidar_from_unit)
            if text:
                self._has_warned_of_units = True
                self._warn("units", f"the cloud{self._where} {text}; {remedy}")
        return attributes

    def _check_frame(self, frame: str, parameters: Parameters) -> None:
        is_new, self._last_frame = frame != self._last_frame, frame  # warn once per change
        expected = self._expected_frame
        if expected is not None and frame not in ("", expected):
            if is_new:
                text, remedy = explain_frame(frame, expected, self._sensor)
                self._warn("frame_id", f"the clouds{self._where} are {text}; {remedy}")
        elif (
            parameters.extrinsics == "parameters"
            and frame == parameters.base_frame
            and any(parameters.lidar_pose)
        ):
            self._warn(
                "frame_id",
                f"the clouds{self._where} are in {frame!r} already, and lidar_pose moves them a "
                "second time: set lidar_pose to zeros",
            )

    @property
    def _where(self) -> str:
        return f" of {self._sensor.name}" if self._sensor.prefix else ""

    def _warn(self, cause: str, text: str) -> None:
        self._health.warn(f"{self._sensor.prefix}{cause}", text)

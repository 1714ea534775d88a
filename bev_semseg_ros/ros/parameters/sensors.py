"""The sensors of a vehicle: their names, streams and topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bev_semseg_ros.data.calibration import check_sensor_name
from bev_semseg_ros.frame import CAMERA, LIDAR

# The parameters that each named sensor has for itself, by kind.
OF_SENSORS = {
    "points": ("points_offset", "intensity_field", "intensity_scale"),
    "image": ("image_offset", "image_transport", "rectified"),
}


@dataclass(frozen=True)
class Sensor:
    """A lidar or a camera.

    Attributes:
        name: Name of the sensor in frames and calibrations.
        kind: "points" or "image".
        prefix: Prefix of its topics: its name and a slash, or empty if the parameter `lidars` or
            `cameras` names no sensors.
    """

    name: str
    kind: str
    prefix: str = ""

    @property
    def stream(self) -> str:
        """Name of its messages in counters and warnings, and their topic before remapping."""
        return f"{self.prefix}{self.kind}"

    @property
    def camera_info(self) -> str:
        """Topic of a camera's intrinsics, before remapping."""
        return f"{self.prefix}camera_info"

    def parameter(self, name: str) -> str:
        """Return the name of a parameter of this sensor, such as front.image_offset."""
        return f"{self.name}.{name}" if self.prefix else name


def item_of(item: str, sensor: Sensor) -> str:
    """Return the item of a finding about a sensor, with the stream if the sensor has a name."""
    return f"{item} {sensor.stream}" if sensor.prefix else item


@dataclass(frozen=True)
class Sensors:
    """The lidars and the cameras, the reference sensors first.

    Attributes:
        lidars: The lidars, at least one.
        cameras: The cameras, at least one.
    """

    lidars: tuple[Sensor, ...] = (Sensor(LIDAR, "points"),)
    cameras: tuple[Sensor, ...] = (Sensor(CAMERA, "image"),)

    @classmethod
    def named(cls, lidars: Sequence[str], cameras: Sequence[str]) -> Sensors:
        """Return the sensors that the parameters `lidars` and `cameras` name.

        An empty parameter stands for one sensor without a name.

        Raises:
            ValueError: If a name cannot be part of a topic, or is listed twice.
        """
        for parameter, names in (("lidars", lidars), ("cameras", cameras)):
            for name in names:
                check_sensor_name(name, f"parameter {parameter}")
                if list(names).count(name) > 1:
                    raise ValueError(f"parameter {parameter}: {name!r} is listed twice")
        default = cls()
        return cls(
            tuple(Sensor(name, "points", f"{name}/") for name in lidars) or default.lidars,
            tuple(Sensor(name, "image", f"{name}/") for name in cameras) or default.cameras,
        )

    @property
    def all(self) -> tuple[Sensor, ...]:
        """The lidars and then the cameras."""
        return (*self.lidars, *self.cameras)

    def used(self, mode: str) -> tuple[Sensor, ...]:
        """Return the sensors that a mode uses: the lidars, then the cameras."""
        lidars = () if mode == "camera_only" else self.lidars
        cameras = () if mode == "lidar_only" else self.cameras
        return (*lidars, *cameras)

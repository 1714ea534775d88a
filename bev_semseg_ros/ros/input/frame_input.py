"""Make a frame of the messages of one moment. Needs no rclpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bev_semseg_ros.frame import CameraImage, Frame, LidarScan
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.camera_input import CameraInput
from bev_semseg_ros.ros.input.lidar_input import LidarInput
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor
from bev_semseg_ros.ros.synchronizer import Match

Matrices = Mapping[str, np.ndarray]  # (4, 4) matrices by the names of sensors


@dataclass(frozen=True, eq=False)
class DecodedMatch:
    """What became of a match.

    Attributes:
        frame: The frame of the usable messages, without motion; None if no message is usable.
        time: Time of the frame: the stamp of its first sensor plus the offset of this sensor,
            nanoseconds.
        causes: Why sensors are missing in the frame, from `diagnostics.CAUSES`.
    """

    frame: Frame | None
    time: int
    causes: list[str]


class FrameInput:
    """Decodes the messages of all sensors.

    Attributes:
        lidars: The decoders of the clouds, by lidar name.
    """

    def __init__(
        self,
        lidars: Mapping[Sensor, LidarInput],
        cameras: Mapping[Sensor, CameraInput],
        health: Health,
        check_image: Callable[[CameraImage], None] = lambda seen: None,
    ) -> None:
        """Keep the decoders.

        Args:
            lidars: The decoder of each lidar, the reference lidar first.
            cameras: The decoder of each camera, the reference camera first.
            health: Takes warnings about unusable messages.
            check_image: Raises UnusableInput for an image that is to be left out.
        """
        self.lidars = {sensor.name: decoder for sensor, decoder in lidars.items()}
        self._cameras = {sensor.name: decoder for sensor, decoder in cameras.items()}
        self._sensors = (*lidars, *cameras)
        self._health, self._check_image = health, check_image

    def decode(
        self,
        match: Match,
        ego_from_lidar: Matrices,
        camera_from_ego: Matrices,
        parameters: Parameters,
    ) -> DecodedMatch:
        """Make a frame of the usable messages of a match.

        Args:
            match: Each part is a tuple (message, camera_info or None).
            ego_from_lidar: (4, 4) poses of the lidars, by name. A sensor without a pose is left
                out.
            camera_from_ego: (4, 4) transforms to the optical frames of the cameras, by name.
            parameters: The node's parameters.
        """
        lidars: dict[str, LidarScan] = {}
        cameras: dict[str, CameraImage] = {}
        stamps: list[int] = []
        start = 0  # the corrected stamp of the first sensor, which is the frame's time
        causes: list[str] = []
        for sensor in self._sensors:
            if sensor.stream not in match.parts:
                continue
            message, info = match.parts[sensor.stream]
            stamp = stamp_ns(message.header.stamp)
            time = stamp + round(1e9 * parameters.of(sensor, f"{sensor.kind}_offset"))
            seconds = (time - start) / 1e9 if stamps else 0.0
            try:
                if sensor.kind == "points":
                    pose = _pose(sensor, ego_from_lidar)
                    decoder = self.lidars[sensor.name]
                    lidars[sensor.name] = decoder.decode(message, pose, parameters, seconds)
                else:
                    pose = _pose(sensor, camera_from_ego)
                    seen = self._cameras[sensor.name].decode(message, info, pose)
                    self._check_image(seen)
                    cameras[sensor.name] = replace(seen, seconds=seconds)
                start = start if stamps else time
                stamps.append(stamp)
            except UnusableInput as error:
                self._health.warn(f"{sensor.prefix}{error.cause}", str(error))
                causes.append(f"{sensor.prefix}{error.cause}")
        if not stamps:
            return DecodedMatch(None, start, causes)
        causes += [f"no_{stream}" for stream in match.missing]
        return DecodedMatch(Frame(stamps[0], lidars, cameras), start, causes)


def _pose(sensor: Sensor, poses: Matrices) -> np.ndarray:
    if sensor.name not in poses:
        raise UnusableInput("no_transform", f"the pose of {sensor.name} is unknown")
    return poses[sensor.name]

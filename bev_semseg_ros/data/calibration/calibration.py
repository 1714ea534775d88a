"""The calibration of a rig, and checks of names and matrices from files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration.beams import Beams
from bev_semseg_ros.data.files import numbers
from bev_semseg_ros.frame import CAMERA, LIDAR, Camera, only

SENSOR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")  # ROS hides topics that begin with _
SENSOR_NAME_RULE = "letters, digits and underscores, beginning with a letter"


def frame_name(frame_id: str) -> str:
    """Return a frame_id without the leading slash of ROS 1, as tf2 expects it."""
    return frame_id.lstrip("/")


@dataclass(frozen=True, eq=False)
class LidarMount:
    """A lidar on the vehicle.

    Attributes:
        ego_from_lidar: (4, 4) transform from the frame of the lidar to the ego frame.
        frame_id: Frame of the lidar in ROS.
        beams: Beams of the lidar, which only the simulator needs; None if unknown.
        lidar_from_unit: If the clouds combine several lidars (units): (4, 4) transform from the
            frame of each unit to that of the clouds, by the unit number of the points.
    """

    ego_from_lidar: np.ndarray
    frame_id: str
    beams: Beams | None = None
    lidar_from_unit: Mapping[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CameraMount:
    """A camera on the vehicle.

    Attributes:
        camera: Intrinsics, distortion and pose of the camera.
        frame_id: Optical frame of the camera in ROS.
    """

    camera: Camera
    frame_id: str


@dataclass(frozen=True, eq=False)
class Calibration:
    """Poses of the sensors of a rig, and intrinsics of its cameras.

    The first lidar and the first camera are the reference sensors. For a rig with one lidar and at
    most one camera, properties such as `ego_from_lidar` and `camera` are shortcuts, and
    `Calibration.of` makes a calibration.

    Attributes:
        lidars: Lidars by their names, at least one.
        cameras: Cameras by their names; empty if only lidars are known.

    Raises:
        ValueError: There is no lidar, a name cannot be part of a ROS topic, or in a rig with
            several lidars or cameras, sensors share a frame_id.
    """

    lidars: Mapping[str, LidarMount]
    cameras: Mapping[str, CameraMount] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.lidars:
            raise ValueError("lidars: expected at least one lidar")
        for name in self.lidars:
            check_sensor_name(name, "lidars")
        for name in self.cameras:
            check_sensor_name(name, "cameras")
        if len(self.lidars) > 1 or len(self.cameras) > 1:
            self._check_frame_ids()

    @classmethod
    def of(
        cls,
        ego_from_lidar: np.ndarray,
        camera: Camera | None = None,
        lidar_frame: str = LIDAR,
        camera_frame: str = CAMERA,
        lidar_from_unit: Mapping[int, np.ndarray] | None = None,
    ) -> Calibration:
        """Return the calibration of one lidar and at most one camera.

        Args:
            ego_from_lidar: (4, 4) transform from the frame of the lidar to the ego frame.
            camera: The camera; None if only the lidar is known.
            lidar_frame: frame_id of the lidar in ROS.
            camera_frame: frame_id of the camera in ROS.
            lidar_from_unit: Poses of the units of the lidar; see `LidarMount`.
        """
        return cls(
            {LIDAR: LidarMount(ego_from_lidar, lidar_frame, None, lidar_from_unit or {})},
            {} if camera is None else {CAMERA: CameraMount(camera, camera_frame)},
        )

    def with_beams(self, beams: Mapping[str, Beams]) -> Calibration:
        """Return the calibration with the beams of some lidars, by their names."""
        lidars = {
            name: replace(mount, beams=beams.get(name, mount.beams))
            for name, mount in self.lidars.items()
        }
        return replace(self, lidars=lidars)

    @property
    def ego_from_lidar(self) -> np.ndarray:
        """(4, 4) pose of the only lidar."""
        return self._lidar.ego_from_lidar

    @property
    def lidar_frame(self) -> str:
        """frame_id of the only lidar."""
        return self._lidar.frame_id

    @property
    def camera(self) -> Camera | None:
        """The only camera; None if only lidars are known."""
        mount = only(self.cameras, "cameras")
        return None if mount is None else mount.camera

    @property
    def camera_frame(self) -> str:
        """frame_id of the only camera; its default if only lidars are known."""
        mount = only(self.cameras, "cameras")
        return CAMERA if mount is None else mount.frame_id

    @property
    def known_camera(self) -> Camera:
        """The only camera; never None.

        Raises:
            ValueError: Only lidars are known, or there are several cameras.
        """
        if self.camera is None:
            raise ValueError("the calibration has no camera")
        return self.camera

    @property
    def units(self) -> dict[str, Mapping[int, np.ndarray]]:
        """`LidarMount.lidar_from_unit` of each lidar, by the name of the lidar."""
        return {name: mount.lidar_from_unit for name, mount in self.lidars.items()}

    @property
    def _lidar(self) -> LidarMount:
        mount = only(self.lidars, "lidars")
        assert mount is not None  # there is at least one
        return mount

    def _check_frame_ids(self) -> None:
        """Check that each sensor has its own frame_id."""
        owners: dict[str, str] = {}
        sensors = [(f"lidars.{name}", mount.frame_id) for name, mount in self.lidars.items()]
        sensors += [(f"cameras.{name}", mount.frame_id) for name, mount in self.cameras.items()]
        for sensor, frame_id in sensors:
            if frame_id in owners:
                raise ValueError(
                    f"{sensor}.frame_id: {frame_id!r} is the frame of {owners[frame_id]} too; give "
                    "each sensor the frame_id of its own messages"
                )
            owners[frame_id] = sensor


def check_sensor_name(name: Any, where: str) -> None:
    """Check that a sensor's name can begin the names of its ROS topics and parameters.

    Args:
        name: The name.
        where: File and section, or parameter, for the beginning of an error message.

    Raises:
        ValueError: It cannot.
    """
    if not isinstance(name, str) or not SENSOR_NAME.fullmatch(name):
        raise ValueError(
            f"{where}: {name!r} cannot be the name of a sensor: ROS topics and parameters begin "
            f"with it; use {SENSOR_NAME_RULE}"
        )


def rigid(values: Any, where: str) -> np.ndarray:
    """Check a rigid transform that was read from a file.

    Args:
        values: 4 x 4 numbers.
        where: File and entry, for the beginning of an error message.

    Returns:
        (4, 4) float64.

    Raises:
        ValueError: `values` are not a rotation and a translation.
    """
    matrix = numbers(values, (4, 4), where)
    rotation = matrix[:3, :3]
    is_rotation = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
    is_mirrored = np.linalg.det(rotation) < 0
    if not is_rotation or is_mirrored or not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise ValueError(
            f"{where}: expected a rigid transform (rotation, translation, last row 0 0 0 1)"
        )
    return matrix


def intrinsic(values: Any, where: str) -> np.ndarray:
    """Check a camera matrix that was read from a file.

    Args:
        values: 3 x 3 numbers.
        where: File and entry, for the beginning of an error message.

    Returns:
        (3, 3) float64 K.

    Raises:
        ValueError: `values` are not a camera matrix.
    """
    matrix = numbers(values, (3, 3), where)
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0 or not np.allclose(matrix[2], (0, 0, 1)):
        raise ValueError(
            f"{where}: expected a camera matrix (focal lengths above 0, last row 0 0 1)"
        )
    return matrix

"""What the node reads from its calibration file besides the poses: frame_ids and cameras."""

from __future__ import annotations

from pathlib import Path

from bev_semseg_ros.data.calibration import YAML_NAME, Calibration
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensors


def names_frames(calibration: str) -> bool:
    """Return whether a calibration is a YAML of this package, the only format with frame_ids.

    Args:
        calibration: Path of a file, or of a folder that contains `YAML_NAME`.
    """
    path = Path(calibration)
    return path.suffix in (".yaml", ".yml") or (path / YAML_NAME).is_file()


def calibrated_frame_ids(sensors: Sensors, calibration: Calibration) -> dict[str, str]:
    """Return the frame_ids in a calibration, by the streams of the sensors."""
    found = {}
    for sensor in sensors.all:
        mounts = calibration.lidars if sensor.kind == "points" else calibration.cameras
        if sensor.name in mounts:
            found[sensor.stream] = mounts[sensor.name].frame_id
    return found


def known_cameras(parameters: Parameters, calibration: Calibration | None) -> dict[str, Camera]:
    """Return the cameras that the mode uses and the calibration contains, by name.

    Raises:
        ValueError: If the parameter intrinsics is calibration and a camera is missing there.
    """
    if parameters.mode == "lidar_only":
        return {}
    mounts = {} if calibration is None else calibration.cameras
    found = {}
    for sensor in parameters.sensors.cameras:
        if sensor.name in mounts:
            found[sensor.name] = mounts[sensor.name].camera
        elif parameters.intrinsics == "calibration":
            which = f"the camera {sensor.name!r}" if sensor.prefix else "a camera"
            raise ValueError(
                f"intrinsics is calibration and no calibration file has {which}: name one with the "
                "parameter calibration, or set intrinsics to camera_info"
            )
    return found

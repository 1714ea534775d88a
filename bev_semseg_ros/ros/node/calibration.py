"""What the node takes from its calibration file beside the poses: frame_ids and cameras."""

from __future__ import annotations

from pathlib import Path

from bev_semseg_ros.data.calibration import YAML_NAME, Calibration
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.ros.node.parameters import Parameters
from bev_semseg_ros.ros.node.sensors import Sensors


def names_frames(calibration: str) -> bool:
    """Return whether a calibration is our YAML, the only format with the vehicle's frame_ids.

    Args:
        calibration: A file, or a folder with `YAML_NAME` in it.
    """
    path = Path(calibration)
    return path.suffix in (".yaml", ".yml") or (path / YAML_NAME).is_file()


def calibrated_frame_ids(sensors: Sensors, calibration: Calibration) -> dict[str, str]:
    """Return the frame_ids that a calibration names, by the sensors' streams."""
    found = {}
    for sensor in sensors.all:
        mounts = calibration.lidars if sensor.kind == "points" else calibration.cameras
        if sensor.name in mounts:
            found[sensor.stream] = mounts[sensor.name].frame_id
    return found


def known_cameras(parameters: Parameters, calibration: Calibration | None) -> dict[str, Camera]:
    """Return the cameras of the mode that the calibration knows, by name.

    Raises:
        ValueError: If the parameter intrinsics needs one that it does not know.
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

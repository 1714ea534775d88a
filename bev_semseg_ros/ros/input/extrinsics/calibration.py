"""Poses from a calibration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.ros.input.extrinsics.fixed import FixedExtrinsics
from bev_semseg_ros.ros.parameters.parameters import Parameters


def from_calibration(
    parameters: Parameters,
    calibration: Calibration | None,
    names_frames: bool,
    lidars: Sequence[str],
    cameras: Sequence[str],
) -> FixedExtrinsics:
    """Return the poses of a calibration file; see `open_extrinsics`."""
    if calibration is None:
        raise ValueError(
            "parameter calibration is empty: name our YAML (an example is "
            "config/calibration_example.yaml), A2D2's cams_lidars.json or a KITTI calib file, or "
            "set extrinsics to parameters or tf"
        )
    file = parameters.calibration
    _check_has("lidar", lidars, calibration.lidars, file)
    if parameters.mode != "lidar_only":
        if not calibration.cameras:
            raise ValueError(f"{file}: no camera in it; add one or set mode to lidar_only")
        _check_has("camera", cameras, calibration.cameras, file)
    known_cameras = [name for name in cameras if name in calibration.cameras]
    frames = {parameters.base_frame: np.eye(4)}
    if names_frames:
        for lidar in calibration.lidars.values():
            frames[lidar.frame_id] = lidar.ego_from_lidar
        for camera in calibration.cameras.values():
            frames[camera.frame_id] = invert(camera.camera.camera_from_ego)
    return FixedExtrinsics(
        {name: calibration.lidars[name].ego_from_lidar for name in lidars},
        {name: calibration.cameras[name].camera.camera_from_ego for name in known_cameras},
        calibration.lidars[lidars[0]].frame_id,
        frames,
        parameters.output_frame,
    )


def _check_has(kind: str, names: Sequence[str], mounts: Mapping[str, object], file: str) -> None:
    """Check that a calibration file has the sensors of a kind that the node uses."""
    for name in names:
        if name not in mounts:
            raise ValueError(
                f"{file}: no {kind} {name!r} in it, only {', '.join(mounts)}; take a name of the "
                f"file in the parameter {kind}s, or rename the {kind} in the file"
            )

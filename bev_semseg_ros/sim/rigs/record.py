"""Description of a rig in plain numbers, for a file beside its frames."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert
from bev_semseg_ros.sim.rigs.rig import Lidar, Rig


def describe(rig: Rig) -> dict[str, Any]:
    """Return all properties of a rig in types that YAML and JSON can store.

    Angles are in degrees in the summary of each sensor, and in radians elsewhere. An absent
    property is null, and an unlimited range is `.inf`.
    """
    own = {
        field.name: _plain(getattr(rig, field.name))
        for field in fields(rig)
        if field.name not in ("cameras", "lidars", "layout")
    }
    return {
        "name": own.pop("name"),
        "cameras": {name: _camera(camera) for name, camera in rig.cameras.items()},
        "lidars": [_lidar(lidar) for lidar in rig.lidars],
        "ego_yaw_deg": _degrees(rig.vehicle_from_ego[1, 0], rig.vehicle_from_ego[0, 0]),
        **own,
    }


def _camera(camera: Camera) -> dict[str, Any]:
    """Return the pose and the intrinsics of a camera."""
    width, _ = camera.size
    return {
        "size": list(camera.size),
        "view_width_deg": round(
            float(2 * np.degrees(np.arctan(width / 2 / camera.matrix[0, 0]))), 2
        ),
        **_mount(invert(camera.camera_from_ego) @ OPTICAL_FROM_VIEW),
        "matrix": _plain(camera.matrix),
        "distortion_model": camera.distortion_model,
        "distortion": _plain(camera.distortion),
    }


def _lidar(lidar: Lidar) -> dict[str, Any]:
    """Return the pose and the beams of a lidar."""
    return {
        "name": lidar.name,
        "model": lidar.model,
        "beams": len(lidar.elevations),
        **_mount(lidar.ego_from_lidar),
        "azimuth_step_deg": round(float(np.degrees(lidar.azimuth_step)), 4),
        "azimuths_deg": [round(float(value), 2) for value in np.degrees(lidar.azimuths)],
        "elevations_deg": [round(float(value), 3) for value in np.degrees(lidar.elevations)],
        **({"heights": _plain(lidar.heights)} if lidar.heights.any() else {}),
        "max_range": _plain(lidar.max_range),
    }


def _mount(pose: np.ndarray) -> dict[str, Any]:
    """Return a pose (4, 4) in the ego frame as a position in metres and angles in degrees."""
    rotation = pose[:3, :3]
    level = np.hypot(rotation[0, 0], rotation[1, 0])
    return {
        "position": [round(float(value), 4) for value in pose[:3, 3]],
        "roll_pitch_yaw_deg": [
            _degrees(rotation[2, 1], rotation[2, 2]),
            _degrees(-rotation[2, 0], level),
            _degrees(rotation[1, 0], rotation[0, 0]),
        ],
    }


def _degrees(sine: float, cosine: float) -> float:
    """Return an angle in degrees."""
    return round(float(np.degrees(np.arctan2(sine, cosine))), 3)


def _plain(value: Any) -> Any:
    """Return numbers, lists and dicts in place of arrays and dataclasses."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6)
    return value

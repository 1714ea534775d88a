"""Reads the calibration of A2D2, cams_lidars.json (Geyer et al., arXiv 2004.06320)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration.calibration import Calibration, intrinsic
from bev_semseg_ros.data.files import numbers, read_json
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform

A2D2_GROUND_Z = -0.85  # in A2D2's vehicle frame, metres, measured in A2D2's lidar points
A2D2_LENSES = {"Telecam": ("plumb_bob", 5), "Fisheye": ("equidistant", 4)}


def a2d2_calibration(path: Path, camera: str = "front_center") -> Calibration:
    """Read the calibration of a camera of A2D2.

    The "lidar" frame is the *view* frame of the camera, in which A2D2 gives its points. The ego
    frame has the axes of A2D2's vehicle frame. Its origin is on the ground below the front centre
    camera. The units of the clouds are numbered in the order of the file, as in the reader of A2D2.

    Args:
        path: A2D2's cams_lidars.json.
        camera: Name of the camera in this file.

    Returns:
        The calibration.

    Raises:
        ValueError: The file is damaged or has no such camera; the message names file and entry.
    """
    cameras = read_json(path).get("cameras")
    if not isinstance(cameras, dict):
        raise ValueError(f'{path}: expected an object "cameras" in cams_lidars.json')
    for name in ("front_center", camera):
        if not isinstance(cameras.get(name), dict):
            raise ValueError(f"{path}: no camera {name!r}, it has {', '.join(cameras)}")
    where = f"{path}: cameras.{camera}"
    entry = cameras[camera]
    ego_from_vehicle = _ego_from_vehicle(cameras["front_center"], path)
    ego_from_view = ego_from_vehicle @ _vehicle_from_view(entry, where)
    lens = str(entry.get("Lens"))
    if lens not in A2D2_LENSES:
        raise ValueError(f"{where}.Lens: expected {' or '.join(A2D2_LENSES)}, got {lens!r}")
    distortion_model, num_coefficients = A2D2_LENSES[lens]
    width, height = numbers(entry.get("Resolution"), (2,), where + ".Resolution")
    view_from_ego = invert(ego_from_view)
    ego_from_lidars = a2d2_lidar_poses(path).values()
    return Calibration.of(
        ego_from_view,
        Camera(
            intrinsic(entry.get("CamMatrixOriginal"), where + ".CamMatrixOriginal"),
            (int(width), int(height)),
            OPTICAL_FROM_VIEW @ view_from_ego,
            numbers(entry.get("Distortion"), (1, num_coefficients), where + ".Distortion"),
            distortion_model,
            intrinsic(entry.get("CamMatrix"), where + ".CamMatrix"),
        ),
        lidar_from_unit={
            number: view_from_ego @ ego_from_lidar
            for number, ego_from_lidar in enumerate(ego_from_lidars)
        },
    )


def a2d2_lidar_poses(path: Path) -> dict[str, np.ndarray]:
    """Read the poses of A2D2's lidars.

    Args:
        path: A2D2's cams_lidars.json.

    Returns:
        Name of each lidar -> (4, 4) transform from its frame to the ego frame of
        `a2d2_calibration`; empty if the file has no lidars.

    Raises:
        ValueError: The file is damaged; the message names file and entry.
    """
    content = read_json(path)
    lidars, cameras = content.get("lidars", {}), content.get("cameras")
    if not isinstance(lidars, dict) or not all(isinstance(each, dict) for each in lidars.values()):
        raise ValueError(f"{path}: lidars: expected the lidars by their names")
    if not isinstance(cameras, dict) or not isinstance(cameras.get("front_center"), dict):
        raise ValueError(f"{path}: no camera 'front_center'")
    ego_from_vehicle = _ego_from_vehicle(cameras["front_center"], path)
    return {
        name: ego_from_vehicle @ _vehicle_from_view(entry, f"{path}: lidars.{name}")
        for name, entry in lidars.items()
    }


def _ego_from_vehicle(front_center: dict[str, Any], path: Path) -> np.ndarray:
    """Return the (4, 4) transform from A2D2's vehicle frame to the ego frame."""
    front = _vehicle_from_view(front_center, f"{path}: cameras.front_center")
    return invert(transform(translation=(front[0, 3], front[1, 3], A2D2_GROUND_Z)))


def _vehicle_from_view(entry: dict[str, Any], where: str) -> np.ndarray:
    """Return the (4, 4) transform from a sensor's view to the vehicle, as in A2D2's tutorial."""
    view = entry.get("view")
    if not isinstance(view, dict):
        raise ValueError(f"{where}.view: expected an object with origin, x-axis and y-axis")
    origin = numbers(view.get("origin"), (3,), f"{where}.view.origin")
    x = numbers(view.get("x-axis"), (3,), f"{where}.view.x-axis")
    y = numbers(view.get("y-axis"), (3,), f"{where}.view.y-axis")
    if np.linalg.norm(x) > 0:
        x = x / np.linalg.norm(x)
    y = y - x * (x @ y)
    if np.linalg.norm(x) == 0 or np.linalg.norm(y) < 1e-6:
        raise ValueError(f"{where}.view: x-axis and y-axis span no plane")
    y = y / np.linalg.norm(y)
    return transform(np.stack([x, y, np.cross(x, y)], 1), origin)

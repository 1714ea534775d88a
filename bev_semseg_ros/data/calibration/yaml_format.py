"""Our own calibration file, a YAML (an example is config/calibration_example.yaml):

lidar:
  frame_id: lidar
  ego_from_lidar: 4x4         # takes points of the lidar to the ego frame, so holds its height
camera:                       # may be left out
  frame_id: camera
  width, height: int          # pixels
  matrix: 3x3                 # K of the image as recorded
  distortion_model: none | plumb_bob | rational_polynomial | equidistant
  distortion: [...]           # in OpenCV's order
  rectified_matrix: 3x3       # K of the rectified image of the same size
  camera_from_ego: 4x4        # takes points of the ego frame to the optical camera frame
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bev_semseg_ros.data.calibration.calibration import Calibration, intrinsic, rigid
from bev_semseg_ros.data.files import numbers
from bev_semseg_ros.frame import MAX_SIDE, Camera
from bev_semseg_ros.yaml_file import read_yaml

YAML_NAME = "calibration.yaml"

_LIDAR_KEYS = ("frame_id", "ego_from_lidar")
_CAMERA_KEYS = (
    "frame_id",
    "width",
    "height",
    "matrix",
    "distortion_model",
    "distortion",
    "rectified_matrix",
    "camera_from_ego",
)
# Keys of version 0.1, which its calibrations and bags still have.
_FORMER_KEYS = {"model_from_lidar": "ego_from_lidar", "camera_from_model": "camera_from_ego"}
_DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)
_HEADER = """\
# Calibration of bev_semseg_ros: metres, pixels; a_from_b takes points of b to a.
# The ego frame is x forward, y left, z up with its origin on the ground below the lidar.
"""


def yaml_calibration(path: Path) -> Calibration:
    """Read a calibration in our own format.

    Args:
        path: A YAML file.

    Returns:
        The calibration.

    Raises:
        ValueError: The file is damaged; the message names it, the entry and what was expected.
    """
    tree = _mapping(read_yaml(path), ("lidar",), ("camera",), str(path))
    lidar = _mapping(_with_present_keys(tree["lidar"]), _LIDAR_KEYS, (), f"{path}: lidar")
    ego_from_lidar = rigid(lidar["ego_from_lidar"], f"{path}: lidar.ego_from_lidar")
    lidar_frame = str(lidar["frame_id"])
    if tree.get("camera") is None:
        return Calibration(ego_from_lidar, lidar_frame=lidar_frame)
    values = _mapping(_with_present_keys(tree["camera"]), _CAMERA_KEYS, (), f"{path}: camera")
    camera = _camera(values, path)
    return Calibration(ego_from_lidar, camera, lidar_frame, str(values["frame_id"]))


def _camera(values: dict[str, Any], path: Path) -> Camera:
    """Return the camera of the section `camera`; `path` is for errors."""
    where = f"{path}: camera"
    for key in ("width", "height"):
        if not isinstance(values[key], int) or not 1 <= values[key] <= MAX_SIDE:
            raise ValueError(f"{where}.{key}: expected a number of pixels, got {values[key]!r}")
    distortion = values["distortion"]
    if not isinstance(distortion, list) or len(distortion) not in _DISTORTION_LENGTHS:
        raise ValueError(
            f"{where}.distortion: expected a list of 0, 4, 5, 8, 12 or 14 coefficients, "
            f"got {distortion!r}"
        )
    matrix = intrinsic(values["matrix"], f"{where}.matrix")
    camera_from_ego = rigid(values["camera_from_ego"], f"{where}.camera_from_ego")
    coefficients = numbers(distortion, (len(distortion),), f"{where}.distortion")
    rectified_matrix = intrinsic(values["rectified_matrix"], f"{where}.rectified_matrix")
    try:
        return Camera(
            matrix,
            (values["width"], values["height"]),
            camera_from_ego,
            coefficients,
            values["distortion_model"],
            rectified_matrix,
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration in our own format.

    Args:
        calibration: What to write.
        path: File to write to; an existing one is replaced.
    """
    tree: dict[str, Any] = {
        "lidar": {
            "frame_id": calibration.lidar_frame,
            "ego_from_lidar": calibration.ego_from_lidar.tolist(),
        }
    }
    camera = calibration.camera
    if camera is not None:
        tree["camera"] = {
            "frame_id": calibration.camera_frame,
            "width": camera.size[0],
            "height": camera.size[1],
            "matrix": camera.matrix.tolist(),
            "distortion_model": camera.distortion_model,
            "distortion": camera.distortion.tolist(),
            "rectified_matrix": camera.rectified_matrix.tolist(),
            "camera_from_ego": camera.camera_from_ego.tolist(),
        }
    text = yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=110)
    Path(path).write_text(_HEADER + text)


def _with_present_keys(section: Any) -> Any:
    """Return a section with its keys as they are called today."""
    if not isinstance(section, dict):
        return section
    return {_FORMER_KEYS.get(key, key): value for key, value in section.items()}


def _mapping(
    value: Any, required: tuple[str, ...], optional: tuple[str, ...], where: str
) -> dict[str, Any]:
    """Return `value` if it is a mapping with the required and at most the optional keys."""
    if not isinstance(value, dict):
        raise ValueError(
            f"{where}: expected a mapping with {', '.join(required)}, got {type(value).__name__}"
        )
    known = required + optional
    missing = [key for key in required if key not in value]
    unknown = [str(key) for key in value if key not in known]
    if missing:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    if unknown:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(known)}")
    return value

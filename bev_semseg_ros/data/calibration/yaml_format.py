"""Our own calibration format, a YAML file (an example is config/calibration_example.yaml):

lidar:
  frame_id: lidar
  ego_from_lidar: 4x4         # takes points of the lidar to the ego frame; includes its height
  beams: {model: VLP-16}      # optional, for the simulator (see `read_beams`)
  lidar_from_unit:            # only if one cloud combines several lidars (units)
    0: 4x4                    # takes points of unit 0 to the frame of the lidar (of the clouds)
    1: 4x4
camera:                       # optional
  frame_id: camera
  width, height: int          # pixels
  matrix: 3x3                 # K of the image as recorded
  distortion_model: none | plumb_bob | rational_polynomial | equidistant (see `read_distortion`)
  distortion: [...]           # in OpenCV's order; not used with model none
  rectified_matrix: 3x3       # K of the rectified image of the same size
  camera_from_ego: 4x4        # takes points of the ego frame to the optical camera frame

A rig with several lidars or cameras has the section `lidars` or `cameras` instead, with the same
keys below the name of each sensor (an example is config/calibration_rig_example.yaml):

lidars:
  roof: {frame_id: ..., ego_from_lidar: ...}
  rear: {frame_id: ..., ego_from_lidar: ...}
cameras:
  front: {frame_id: ..., width: ..., ...}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from bev_semseg_ros.data.calibration.beams import read_beams
from bev_semseg_ros.data.calibration.calibration import (
    Calibration,
    CameraMount,
    LidarMount,
    check_sensor_name,
    frame_name,
    intrinsic,
    rigid,
)
from bev_semseg_ros.data.calibration.distortion import read_distortion
from bev_semseg_ros.data.files import numbers
from bev_semseg_ros.frame import CAMERA, LIDAR, MAX_SIDE, Camera
from bev_semseg_ros.yaml_file import read_yaml

YAML_NAME = "calibration.yaml"

_Mount = TypeVar("_Mount", LidarMount, CameraMount)

MAX_UNIT = 65535  # highest unit number that a point can have

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
# Keys of version 0.1, which its calibration files and bags have -> present keys.
_FORMER_KEYS = {"model_from_lidar": "ego_from_lidar", "camera_from_model": "camera_from_ego"}
_HEADER = """\
# Calibration of bev_semseg_ros: metres, pixels; a_from_b takes points of b to a.
# The ego frame is x forward, y left, z up with its origin on the ground below the {lidar}.
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
    tree = _mapping(read_yaml(path), (), ("lidar", "lidars", "camera", "cameras"), str(path))
    lidars = _mounts(tree, "lidar", LIDAR, _lidar_mount, path)
    cameras = _mounts(tree, "camera", CAMERA, _camera_mount, path)
    if not lidars:
        raise ValueError(f"{path}: missing lidar (lidars, if there are several)")
    try:
        return Calibration(lidars, cameras)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _mounts(
    tree: Mapping[str, Any],
    kind: str,
    default: str,
    read: Callable[[Any, str], _Mount],
    path: Path,
) -> dict[str, _Mount]:
    """Return the sensors of a kind by their names.

    Args:
        tree: The content of the file.
        kind: Name of the section of a single sensor; for several sensors, an s is appended.
        default: Name of a single sensor.
        read: Returns the sensor of a section; takes the section, and its file and name for errors.
        path: The file.

    Raises:
        ValueError: The file is damaged.
    """
    several = f"{kind}s"
    if kind in tree and several in tree:
        raise ValueError(
            f"{path}: has both {kind} and {several}; move what is in {kind} to {several}, below a "
            "name"
        )
    if tree.get(kind) is not None:
        return {default: read(tree[kind], f"{path}: {kind}")}
    if several not in tree:
        return {}
    sections = tree[several]
    if not isinstance(sections, dict) or not sections:
        raise ValueError(
            f"{path}: {several}: expected a mapping with a section for each {kind} by its name, "
            f"got {sections!r}"
        )
    mounts = {}
    for name, section in sections.items():
        check_sensor_name(name, f"{path}: {several}")
        mounts[name] = read(section, f"{path}: {several}.{name}")
    return mounts


def _lidar_mount(section: Any, where: str) -> LidarMount:
    """Return the lidar of a section; `where` is for errors."""
    values = _mapping(_with_present_keys(section), _LIDAR_KEYS, ("beams", "lidar_from_unit"), where)
    ego_from_lidar = rigid(values["ego_from_lidar"], f"{where}.ego_from_lidar")
    beams = read_beams(values["beams"], f"{where}.beams") if "beams" in values else None
    poses: dict[int, np.ndarray] = {}
    if "lidar_from_unit" in values:
        poses = _unit_poses(values["lidar_from_unit"], f"{where}.lidar_from_unit")
    return LidarMount(ego_from_lidar, frame_name(str(values["frame_id"])), beams, poses)


def _unit_poses(section: Any, where: str) -> dict[int, np.ndarray]:
    """Return the poses of the units of a lidar by their numbers; `where` is for errors."""
    if not isinstance(section, dict) or not section:
        raise ValueError(
            f"{where}: expected a mapping from the number of each unit to its 4x4 matrix, got "
            f"{section!r}"
        )
    for number in section:
        if type(number) is not int or not 0 <= number <= MAX_UNIT:
            raise ValueError(
                f"{where}: expected the numbers that the points of the cloud give their units, "
                f"from 0 to {MAX_UNIT}, got {number!r}"
            )
    return {number: rigid(pose, f"{where}.{number}") for number, pose in section.items()}


def _camera_mount(section: Any, where: str) -> CameraMount:
    """Return the camera of a section; `where` is for errors."""
    values = _mapping(_with_present_keys(section), _CAMERA_KEYS, (), where)
    return CameraMount(_camera(values, where), frame_name(str(values["frame_id"])))


def _camera(values: dict[str, Any], where: str) -> Camera:
    """Return the camera model of a section; `where` is for errors."""
    for key in ("width", "height"):
        if not isinstance(values[key], int) or not 1 <= values[key] <= MAX_SIDE:
            raise ValueError(f"{where}.{key}: expected a number of pixels, got {values[key]!r}")
    distortion = values["distortion"]
    if not isinstance(distortion, list):
        raise ValueError(f"{where}.distortion: expected a list of numbers, got {distortion!r}")
    matrix = intrinsic(values["matrix"], f"{where}.matrix")
    camera_from_ego = rigid(values["camera_from_ego"], f"{where}.camera_from_ego")
    coefficients = numbers(distortion, (len(distortion),), f"{where}.distortion")
    rectified_matrix = intrinsic(values["rectified_matrix"], f"{where}.rectified_matrix")
    model = str(values["distortion_model"])
    try:
        if model == "none":
            coefficients = np.zeros(5)
        else:
            model, coefficients = read_distortion(model, coefficients)
        return Camera(
            matrix,
            (values["width"], values["height"]),
            camera_from_ego,
            coefficients,
            model,
            rectified_matrix,
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration in our own format.

    Args:
        calibration: The calibration.
        path: The file; an existing file is overwritten.
    """
    lidars = {name: _lidar_section(mount) for name, mount in calibration.lidars.items()}
    cameras = {name: _camera_section(mount) for name, mount in calibration.cameras.items()}
    tree = _sections(lidars, "lidar", LIDAR) | _sections(cameras, "camera", CAMERA)
    text = yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=110)
    header = _HEADER.format(lidar="lidar" if len(lidars) == 1 else "first lidar")
    Path(path).write_text(header + text)


def _sections(sensors: Mapping[str, Any], kind: str, default: str) -> dict[str, Any]:
    """Return the section `kind` for a single sensor with the default name, or else `kinds`."""
    if not sensors:
        return {}
    if list(sensors) == [default]:
        return {kind: sensors[default]}
    return {f"{kind}s": sensors}


def _lidar_section(mount: LidarMount) -> dict[str, Any]:
    section = {"frame_id": mount.frame_id, "ego_from_lidar": mount.ego_from_lidar.tolist()}
    if mount.beams is not None:
        section["beams"] = mount.beams.to_dict()
    if mount.lidar_from_unit:
        section["lidar_from_unit"] = {
            int(number): pose.tolist() for number, pose in mount.lidar_from_unit.items()
        }
    return section


def _camera_section(mount: CameraMount) -> dict[str, Any]:
    camera = mount.camera
    return {
        "frame_id": mount.frame_id,
        "width": camera.size[0],
        "height": camera.size[1],
        "matrix": camera.matrix.tolist(),
        "distortion_model": camera.distortion_model,
        "distortion": camera.distortion.tolist(),
        "rectified_matrix": camera.rectified_matrix.tolist(),
        "camera_from_ego": camera.camera_from_ego.tolist(),
    }


def _with_present_keys(section: Any) -> Any:
    """Return a section with former keys replaced by the present ones."""
    if not isinstance(section, dict):
        return section
    return {_FORMER_KEYS.get(key, key): value for key, value in section.items()}


def _mapping(
    value: Any, required: tuple[str, ...], optional: tuple[str, ...], where: str
) -> dict[str, Any]:
    """Return `value` if it is a mapping with all required keys and no unknown ones."""
    known = required + optional
    if not isinstance(value, dict):
        raise ValueError(
            f"{where}: expected a mapping with {', '.join(known)}, got {type(value).__name__}"
        )
    missing = [key for key in required if key not in value]
    unknown = [str(key) for key in value if key not in known]
    if missing:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    if unknown:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(known)}")
    return value

"""The rig of a user's own vehicle, from the calibration file that the node also reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bev_semseg_ros.config import ImageConfig
from bev_semseg_ros.data.calibration import YAML_NAME, CameraMount, LidarMount, load_calibration
from bev_semseg_ros.data.kitti.cameras import camera_name
from bev_semseg_ros.frame import CAMERA, LIDAR, Camera
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.preprocessing import network_size
from bev_semseg_ros.sim.rigs.lidar_models import beam_pattern
from bev_semseg_ros.sim.rigs.rig import BoxConvention, Lidar, Rig

# Name of the first lidar in KITTI's layout; the others keep their names.
FIRST_LIDAR = "velodyne"
# Least and greatest height of a sensor above the ground in metres.
HEIGHTS = (0.1, 8.0)
# Least absolute cosine of the angle between the vertical and the y axis of the first camera, about
# which the labels rotate boxes.
LEAST_UPRIGHT = 0.2
# Tangent of half the largest field of view that the simulator can render, about 150 degrees.
MAX_TANGENT = 3.9
# Bounds of the distance at which a lidar detects a dark surface half of the time, as fractions of
# its range.
DARK_RANGE = (0.35, 0.5)


def load_rig(path: str | Path) -> Rig:
    """Return the rig of a calibration file.

    Its frames are written in KITTI's layout. The images are rectified and have the size of the
    network's input. Boxes are drawn at their true size.

    Args:
        path: Calibration YAML, such as config/calibration_example.yaml, with the beams of each
            lidar.

    Returns:
        The rig. Its first lidar is called "velodyne", its cameras "image_02", "image_03" and so on;
        further lidars keep their names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or lacks something that the simulator needs; the message
            says what to add.
    """
    path = Path(path)
    if path.is_dir() or path.suffix not in (".yaml", ".yml"):
        inside = path / YAML_NAME
        give = f"; give {inside}" if inside.is_file() else ""
        raise ValueError(
            f"{path}: expected a calibration YAML such as config/calibration_example.yaml, with "
            f"the beams of each lidar; other formats do not hold them{give}"
        )
    calibration = load_calibration(path)
    if not calibration.cameras:
        raise ValueError(
            f"{path}: no camera, but the simulator writes images; add the section camera. For a "
            "vehicle without a camera, copy this section from config/calibration_example.yaml and "
            "use --full-turn"
        )
    lidars: list[Lidar] = []
    for name, lidar_mount in calibration.lidars.items():
        where = _where(path, LIDAR, name, calibration.lidars)
        if lidars and name == FIRST_LIDAR:
            raise ValueError(
                f"{where}: the frames call the first lidar {FIRST_LIDAR}, so this one would be "
                "lost when they are read; give it another name in the file"
            )
        lidars.append(_lidar(name if lidars else FIRST_LIDAR, lidar_mount, where))
    max_range = max(lidar.max_range for lidar in lidars)
    cameras = {}
    for index, (name, camera_mount) in enumerate(calibration.cameras.items()):
        where = _where(path, CAMERA, name, calibration.cameras)
        cameras[camera_name(index)] = _camera(camera_mount, where)
        if index == 0:
            _check_upright(camera_mount.camera, f"{where}.camera_from_ego")
    return Rig(
        path.stem,
        "kitti",
        cameras,
        tuple(lidars),
        BoxConvention(),
        max_range=max_range,
        range_sigma=0.02,
        ring_sigma=0.012,
        beam_sigma=np.radians(0.03),
        signal_range=(DARK_RANGE[0] * max_range, DARK_RANGE[1] * max_range),
        intensity_gain=0.85,
        intensity_exponent=1.0,
        intensity_sigma=0.30,
        dark_share=0.0,
        body=(),
    )


def _where(path: Path, kind: str, name: str, names: Iterable[str]) -> str:
    """Return the file and the section of a sensor, for error messages.

    Args:
        path: Path of the file.
        kind: LIDAR or CAMERA. A single sensor that has a section of its own also has this name.
        name: Name of the sensor.
        names: Names of all sensors of this kind.
    """
    return f"{path}: {kind}" if list(names) == [kind] else f"{path}: {kind}s.{name}"


def _lidar(name: str, mount: LidarMount, where: str) -> Lidar:
    """Return a lidar of the file.

    Args:
        name: Name of the lidar in the data set.
        mount: Description of the lidar in the file.
        where: File and section, for error messages.
    """
    _check_height(mount.ego_from_lidar, f"{where}.ego_from_lidar")
    if mount.lidar_from_unit:
        raise ValueError(
            f"{where}.lidar_from_unit: the simulator gives each lidar a cloud of its own; in a "
            "copy of the file, list the units as lidars, each with its ego_from_lidar and beams"
        )
    pattern = beam_pattern(mount.beams, where)
    heights = pattern.heights or (0.0,) * len(pattern.elevations)
    first, last = np.radians(pattern.azimuths).tolist()
    return Lidar(
        name,
        mount.ego_from_lidar,
        np.radians(pattern.elevations),
        np.array(heights),
        float(np.radians(pattern.azimuth_step)),
        (first, last),
        "" if mount.beams is None else mount.beams.model,
        pattern.max_range,
    )


def _camera(mount: CameraMount, where: str) -> Camera:
    """Return a camera of the file with the network's image size; `where` is for error messages."""
    _check_height(invert(mount.camera.camera_from_ego), f"{where}.camera_from_ego")
    camera = mount.camera.rectified(network_size(mount.camera.size, ImageConfig()))
    borders = np.array([(-0.5, -0.5), np.array(camera.size) - 0.5])
    tangents = np.abs(borders - camera.matrix[:2, 2]) / np.diag(camera.matrix)[:2]
    if tangents.max() > MAX_TANGENT:
        raise ValueError(
            f"{where}.rectified_matrix: the rectified image shows more than "
            f"{2 * np.degrees(np.arctan(MAX_TANGENT)):.0f} degrees, which the simulator cannot "
            "draw; give a longer focal length there"
        )
    return camera


def _check_upright(camera: Camera, where: str) -> None:
    """Check that labels can rotate a box about the vertical axis of an image."""
    if abs(camera.camera_from_ego[1, 2]) < LEAST_UPRIGHT:
        raise ValueError(
            f"{where}: the image lies on its side, or the camera looks straight up or down. If it "
            "does not, the matrix lacks the rotation to the optical frame: x right, y down, z "
            "forward. If it does, begin the section cameras with another camera: the labels turn "
            "boxes about the vertical axis of the first image, so they would lose the headings"
        )


def _check_height(ego_from_sensor: np.ndarray, where: str) -> None:
    """Check that the height of a sensor above the ground is plausible."""
    height = float(ego_from_sensor[2, 3])
    low, high = HEIGHTS
    if not low <= height <= high:
        raise ValueError(
            f"{where}: the sensor is {height:.2f} m above the ground, expected {low:g} to {high:g} "
            "m; the origin of the ego frame lies on the ground"
        )

"""Checks of where the sensors sit: by the calibration in a file, or by TF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bev_semseg_ros.data.calibration import Calibration, load_calibration
from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.geometry import invert, transform
from bev_semseg_ros.input_check import GROUND_RADIUS, Level
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree

# Frames with the axes of the vehicle (REP 105). The first lies on the ground.
BASES = ("base_footprint", "base_link")
# Frames in which the vehicle moves (REP 105, and what is customary).
WORLDS = ("odom", "map", "earth", "world")
# The z axis of an optical frame is horizontal. Steeper ones are of no camera that looks ahead.
MAX_OPTICAL_TILT = 0.7
VEHICLE_RADIUS = 2.0  # metres around the lidar; nearer points are the vehicle itself


def find_calibration(
    observation: Observation, file: Path | None, base_frame: str, diagnosis: Diagnosis
) -> None:
    """Set the calibration of the diagnosis, and report where it comes from or what is missing.

    Args:
        observation: What was seen.
        file: The calibration. None for the one that TF holds.
        base_frame: TF's frame with the axes of the vehicle; "" to find it out.
        diagnosis: Gets the calibration and the findings.

    Raises:
        ValueError: If the file is damaged.
        FileNotFoundError: If it does not exist.
    """
    if file is not None:
        diagnosis.calibration_file = file
        try:
            calibration = _of_node(load_calibration(file))
        except LookupError as missing:
            diagnosis.add(
                "calibration",
                "fault",
                f"{file}: {missing}",
                f"the node uses one lidar and one camera of the file: call them {LIDAR!r} and "
                f"{CAMERA!r}",
            )
            return
        diagnosis.add("calibration", "ok", f"{file}: {_extent(calibration)}")
    else:
        try:
            base, calibration = _from_transforms(observation, base_frame)
        except LookupError as missing:
            diagnosis.add(
                "calibration",
                "fault",
                f"none: no file was named and {missing}",
                "write one (config/calibration_example.yaml) and name it with --calibration, or "
                "publish /tf_static with base_link",
            )
            return
        height = calibration.ego_from_lidar[2, 3]
        source = base if base == BASES[0] else "the lowest points"
        diagnosis.add(
            "calibration",
            "ok",
            f"from TF: {_extent(calibration)}, in the axes of {base!r}; the lidar is "
            f"{height:.2f} m above the ground, which {source} gave",
        )
    diagnosis.calibration = calibration
    _check_camera_pose(calibration, diagnosis)


def check_transforms(observation: Observation, diagnosis: Diagnosis) -> None:
    """Check that TF has the frames of the headers and connects lidar and camera."""
    tree, frames = observation.transforms, _frames(observation)
    # A calibration file does without TF.
    level: Level = "fault" if diagnosis.calibration_file is None else "warning"
    remedy = (
        "publish the missing transform (static_transform_publisher), or give a calibration file"
    )
    if tree is None:
        diagnosis.add("transforms", "ok", "unknown: tf2_msgs is not installed here")
        return
    if not tree.frames:
        if level == "warning":
            text = "neither /tf_static nor /tf has any: the calibration file is enough"
            diagnosis.add("transforms", "ok", text)
        else:
            diagnosis.add("transforms", "fault", "neither /tf_static nor /tf has any", remedy)
        return
    absent = [frame for frame in frames if frame.lstrip("/") not in tree.frames]
    roots = sorted({tree.root(frame) for frame in frames})
    if absent:
        diagnosis.add(
            "transforms",
            level,
            f"TF does not know {', '.join(map(repr, absent))}, which headers name; it has "
            f"{', '.join(sorted(tree.frames))}",
            f"set the drivers' frame_id to TF's names, or {remedy}",
        )
    elif len(roots) > 1:
        ends = ", ".join(f"{frame!r} hangs on {tree.root(frame)!r}" for frame in frames)
        text = f"lidar and camera are not connected: {ends}"
        diagnosis.add("transforms", level, text, remedy)
    else:
        text = f"{' and '.join(map(repr, frames))} hang on {', '.join(map(repr, roots))}"
        diagnosis.add("transforms", "ok", text)


def check_frames(observation: Observation, diagnosis: Diagnosis) -> None:
    """Check the frame_ids of the headers against those that a calibration file names."""
    calibration, file = diagnosis.calibration, diagnosis.calibration_file
    if calibration is None or file is None or file.suffix not in (".yaml", ".yml"):
        return  # other formats name no frames
    frames = {"points": ("lidar", calibration.lidar_frame)}
    if calibration.camera is not None:
        frames["image"] = ("camera", calibration.camera_frame)
    for name, (key, frame) in frames.items():
        stream = observation.streams.get(name)
        if stream is not None and stream.frame and stream.frame != frame:
            diagnosis.add(
                f"calibration {name}",
                "warning",
                f"{stream.topic} is in frame {stream.frame!r}, the calibration is of {frame!r}",
                f"if it is the same sensor, set {key}.frame_id in the calibration to "
                f"{stream.frame!r}; else take the right calibration",
            )


def height_above_ground(clouds: Sequence[Any], base_from_lidar: np.ndarray) -> float | None:
    """Estimate the height of the lidar from the lowest points near it.

    Args:
        clouds: Messages of sensor_msgs/PointCloud2.
        base_from_lidar: (4, 4) transform to a frame whose z axis points up.

    Returns:
        Metres, or None if there are no points within GROUND_RADIUS.
    """
    heights = []
    for message in clouds:
        points = decode_cloud(message)[:, :3]
        points = points[np.isfinite(points).all(1)] @ base_from_lidar[:3, :3].T
        distance = np.hypot(points[:, 0], points[:, 1])
        near = points[(distance > VEHICLE_RADIUS) & (distance < GROUND_RADIUS), 2]
        if len(near):
            heights.append(-float(np.percentile(near, 10)))
    return float(np.median(heights)) if heights else None


def _of_node(calibration: Calibration) -> Calibration:
    """Return the calibration of the lidar and the camera that the node uses.

    Raises:
        LookupError: If it has sensors, but not these. The text names them.
    """
    if LIDAR not in calibration.lidars:
        raise LookupError(f"no lidar {LIDAR!r} in it, only {', '.join(calibration.lidars)}")
    if calibration.cameras and CAMERA not in calibration.cameras:
        raise LookupError(f"no camera {CAMERA!r} in it, only {', '.join(calibration.cameras)}")
    cameras = {name: mount for name, mount in calibration.cameras.items() if name == CAMERA}
    return Calibration({LIDAR: calibration.lidars[LIDAR]}, cameras)


def _extent(calibration: Calibration) -> str:
    return "lidar and camera" if calibration.camera is not None else "the lidar alone"


def _frames(observation: Observation) -> list[str]:
    """Return the frames of the clouds and the images, as far as headers name them."""
    streams = [observation.streams.get(name) for name in ("points", "image")]
    return [stream.frame for stream in streams if stream is not None and stream.frame]


def _from_transforms(observation: Observation, base_frame: str) -> tuple[str, Calibration]:
    """Return the frame of the vehicle and the calibration that TF holds.

    Raises:
        LookupError: If TF holds none. The text says why.
    """
    tree = observation.transforms
    points, image = observation.streams.get("points"), observation.streams.get("image")
    if tree is None:
        raise LookupError("tf2_msgs is not installed here")
    if not tree.frames:
        raise LookupError("there are no transforms")
    if points is None or not points.samples or points.frame.lstrip("/") not in tree.frames:
        raise LookupError("TF does not know the frame of the clouds")
    base = base_frame.lstrip("/") or _vehicle_frame(tree, points.frame)
    base_from_lidar = tree.lookup(base, points.frame)
    if base_from_lidar is None:
        raise LookupError(f"TF does not connect {points.frame!r} to {base!r}")
    if base == BASES[0]:
        height = float(base_from_lidar[2, 3])
    else:
        estimate = height_above_ground(points.samples, base_from_lidar)
        if estimate is None:
            raise LookupError(f"no points within {GROUND_RADIUS:g} m show where the ground is")
        height = estimate
    ego_from_lidar = transform(base_from_lidar[:3, :3], (0, 0, height))
    camera = None
    info = observation.streams.get("camera_info")
    base_from_camera = None if image is None or not image.frame else tree.lookup(base, image.frame)
    if info is not None and info.samples and base_from_camera is not None:
        camera_from_ego = invert(base_from_camera) @ base_from_lidar @ invert(ego_from_lidar)
        camera = replace(info.camera(info.samples[0]), camera_from_ego=camera_from_ego)
    camera_frame = image.frame if image is not None else "camera"
    return base, Calibration.of(ego_from_lidar, camera, points.frame, camera_frame)


def _vehicle_frame(tree: TransformTree, lidar_frame: str) -> str:
    """Return the frame with the axes of the vehicle: base_link, or what the lidar is mounted on.

    A frame above a transform of /tf moves against the vehicle and has the axes of a world.

    Raises:
        LookupError: If there is no such frame.
    """
    base = next((frame for frame in BASES if frame in tree.frames), tree.rigid_root(lidar_frame))
    if base in (lidar_frame.lstrip("/"), *WORLDS):
        raise LookupError(
            "TF does not show which frame is the vehicle's (name it with --base-frame); it has "
            + ", ".join(sorted(tree.frames))
        )
    return base


def _check_camera_pose(calibration: Calibration, diagnosis: Diagnosis) -> None:
    """Check that the frame of the camera is optical: the most common mistake with TF."""
    if calibration.camera is None:
        return
    pose = invert(calibration.camera.camera_from_ego)
    x, y, z = pose[:3, 2]  # where it looks
    text = (
        f"the camera looks along ({x:.2f}, {y:.2f}, {z:.2f}) from {pose[2, 3]:.2f} m above the "
        "ground"
    )
    if abs(z) > MAX_OPTICAL_TILT:
        diagnosis.add(
            "camera pose",
            "fault",
            text,
            "its frame is not optical (REP 103: x right, y down, z ahead): name the optical frame "
            "in the image's header or turn the transform",
        )
    elif x < 0:
        remedy = "the grid lies ahead: take the front camera"
        diagnosis.add("camera pose", "fault", f"{text}: backwards", remedy)
    else:
        diagnosis.add("camera pose", "ok", text)

"""Checks of the sensors' poses, which come from a calibration file or from TF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import (
    Calibration,
    CameraMount,
    LidarMount,
    load_calibration,
)
from bev_semseg_ros.frame import CAMERA, LIDAR
from bev_semseg_ros.geometry import invert
from bev_semseg_ros.input_check import Level
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation
from bev_semseg_ros.ros.doctor.tf_calibration import calibration_of_tf
from bev_semseg_ros.ros.doctor.topics import LISTS
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree
from bev_semseg_ros.ros.doctor.vehicle_frame import is_on_ground
from bev_semseg_ros.ros.input.tf_topics import MOVING, STATIC, tf_remappings
from bev_semseg_ros.ros.input.vehicle_frame import explain_frame, is_vehicle_frame
from bev_semseg_ros.ros.parameters.sensors import Sensor, Sensors, item_of

# Largest |z| of the viewing direction: that of a camera that looks ahead is about horizontal.
MAX_OPTICAL_TILT = 0.7
MAX_ORIGIN_DISTANCE = 1.0  # metres, horizontally, between the reference lidar and the ego origin

Mount = LidarMount | CameraMount


def find_calibration(
    observation: Observation,
    file: Path | None,
    base_frame: str,
    diagnosis: Diagnosis,
    lidar_height: float | None = None,
    node_uses_tf: bool = False,
) -> None:
    """Set the calibration of the diagnosis, and report where it comes from or what is missing.

    Args:
        observation: What was seen.
        file: The calibration file. None to use TF.
        base_frame: TF frame with the axes of the vehicle; "" to find it.
        diagnosis: Gets the calibration and the findings.
        lidar_height: Height of the first lidar above the ground, metres; None to find it.
        node_uses_tf: Whether the node itself looks up TF. Then `file` must be None.

    Raises:
        ValueError: If the file is damaged, or if there is both a file and a height.
        FileNotFoundError: If it does not exist.
    """
    if file is not None:
        if lidar_height is not None:
            raise ValueError(
                f"--lidar-height: {file} has the height of the lidar; change its ego_from_lidar"
            )
        diagnosis.calibration_file = file
        calibration = _from_file(file, observation.sensors, diagnosis)
        if calibration is None:
            return
        diagnosis.add("calibration", "ok", f"{file}: {_extent(calibration, observation.sensors)}")
        _check_origin(calibration, diagnosis)
    else:
        try:
            base, calibration = calibration_of_tf(observation, base_frame, lidar_height)
        except LookupError as missing:
            diagnosis.add(
                "calibration",
                "fault",
                f"none: no file was named and {missing}",
                "write one (config/calibration_example.yaml) and name it with --calibration, or "
                "publish /tf_static with base_link",
            )
            return
        name, mount = next(iter(calibration.lidars.items()))
        height = mount.ego_from_lidar[2, 3]
        source = base if is_on_ground(base) else "the lowest points"
        if lidar_height is not None:
            source = "--lidar-height"
        lidar = f"lidar {name}" if observation.sensors.lidars[0].prefix else "lidar"
        diagnosis.add(
            "calibration",
            "ok",
            f"from TF: {_extent(calibration, observation.sensors)}, in the axes of {base!r}; the "
            f"{lidar} is {height:.2f} m above the ground, which {source} gave",
        )
        if node_uses_tf:
            _set_tf(observation, base, mount, diagnosis)
        elif observation.transforms is not None:
            diagnosis.ego_frame = _name_outside(observation.transforms)
    diagnosis.calibration = calibration
    _check_camera_poses(calibration, observation.sensors, diagnosis)


def _check_origin(calibration: Calibration, diagnosis: Diagnosis) -> None:
    """Check that the origin of the ego frame is below the reference lidar."""
    name, mount = next(iter(calibration.lidars.items()))
    x, y = mount.ego_from_lidar[:2, 3]
    if np.hypot(x, y) > MAX_ORIGIN_DISTANCE:
        diagnosis.add(
            "ego frame",
            "warning",
            f"the first lidar, {name}, is at x {x:.2f}, y {y:.2f} m, and in training it was above "
            "the origin",
            "subtract this x and y from the last column of every ego_from_lidar, and adapt every "
            "camera_from_ego; or name another lidar first",
        )


def _set_tf(
    observation: Observation, base: str, reference: LidarMount, diagnosis: Diagnosis
) -> None:
    """Set the parameters with which the node itself looks up TF."""
    tree = observation.transforms
    assert tree is not None  # the calibration is from it
    base_from_lidar = tree.lookup(base, reference.frame_id)
    assert base_from_lidar is not None
    diagnosis.set_parameter("extrinsics", "tf")
    diagnosis.topics |= tf_remappings(observation.tf_namespace)
    diagnosis.set_parameter("base_frame", base)
    ground = round(float(base_from_lidar[2, 3] - reference.ego_from_lidar[2, 3]), 3)
    diagnosis.set_parameter("ground_height", ground)
    body = tree.rigid_root(base)
    if any(tree.rigid_root(frame) != body for frame in _frames(observation)):
        diagnosis.set_parameter("tf_lookup", "stamped")


def _name_outside(tree: TransformTree) -> str:
    """Return a name for the ego frame that is not the name of another frame in TF."""
    name = "ego"
    while name in tree.frames:
        name = f"bev_{name}"
    return name


def check_transforms(observation: Observation, diagnosis: Diagnosis) -> None:
    """Check that TF has the frames of the headers and connects the sensors."""
    tree, frames = observation.transforms, _frames(observation)
    # With a calibration file, TF is not needed.
    level: Level = "fault" if diagnosis.calibration_file is None else "warning"
    remedy = (
        "publish the missing transform (static_transform_publisher), or give a calibration file"
    )
    if tree is None:
        diagnosis.add("transforms", "ok", "unknown: tf2_msgs is not installed here")
        return
    if not tree.frames:
        if frames and all(frame == frames[0] and is_vehicle_frame(frame) for frame in frames):
            text = f"not needed: everything is in {frames[0]!r}, the frame of the vehicle"
            diagnosis.add("transforms", "ok", text)
        elif level == "warning":
            text = "neither /tf_static nor /tf has any: the calibration file is enough"
            diagnosis.add("transforms", "ok", text)
        else:
            diagnosis.add("transforms", "fault", "neither /tf_static nor /tf has any", remedy)
        return
    absent = [frame for frame in frames if frame not in tree.frames]
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
        ends = ", ".join(f"{frame!r} is in the tree of {tree.root(frame)!r}" for frame in frames)
        sensors = "the sensors" if has_names(observation.sensors) else "lidar and camera"
        text = f"{sensors} are not connected: {ends}"
        diagnosis.add("transforms", level, text, remedy)
    else:
        text = f"in the tree of {', '.join(map(repr, roots))}: {', '.join(map(repr, frames))}"
        if observation.tf_namespace:
            text += (
                f"; by {observation.tf_namespace}{MOVING} and {observation.tf_namespace}{STATIC}"
            )
        diagnosis.add("transforms", "ok", text)


def check_frames(observation: Observation, diagnosis: Diagnosis) -> None:
    """Check the frame_ids of the headers against those that a calibration file names."""
    calibration, file = diagnosis.calibration, diagnosis.calibration_file
    if calibration is None or file is None or file.suffix not in (".yaml", ".yml"):
        return  # other formats name no frames
    for sensor in observation.sensors.all:
        is_lidar = sensor.kind == "points"
        mounts: Mapping[str, Mount] = calibration.lidars if is_lidar else calibration.cameras
        stream = observation.messages(sensor)
        if sensor.name not in mounts or stream is None or not stream.frame:
            continue
        frame = mounts[sensor.name].frame_id
        if stream.frame != frame:
            text, remedy = explain_frame(stream.frame, frame, sensor)
            text = f"{stream.topic} is {text}"
            diagnosis.add(f"calibration {stream.name}", "warning", text, remedy)


def has_names(sensors: Sensors) -> bool:
    """Return whether any sensor has a name, so that there may be several of its kind."""
    return any(sensor.prefix for sensor in sensors.all)


def _from_file(file: Path, sensors: Sensors, diagnosis: Diagnosis) -> Calibration | None:
    """Return the calibration of the sensors that the node uses, as far as the file has them.

    This reports sensors that the file lacks. If the sensors have no names, the file must have the
    lidar, and the camera unless it has no camera at all; otherwise the result is None.

    Raises:
        ValueError: If the file is damaged.
        FileNotFoundError: If it does not exist.
    """
    whole = load_calibration(file)
    lidars, cameras = {}, {}
    missing: list[str] = []
    for sensor in sensors.lidars:
        if sensor.name in whole.lidars:
            lidars[sensor.name] = whole.lidars[sensor.name]
        else:
            _add_missing(file, sensor, sensors, list(whole.lidars), diagnosis)
            missing.append(sensor.name)
    for sensor in sensors.cameras:
        if sensor.name in whole.cameras:
            cameras[sensor.name] = whole.cameras[sensor.name]
        elif whole.cameras or sensor.prefix:
            _add_missing(file, sensor, sensors, list(whole.cameras), diagnosis)
            missing.append(sensor.name)
    if not lidars or (missing and not has_names(sensors)):
        return None
    return Calibration(lidars, cameras)


def _add_missing(
    file: Path, sensor: Sensor, sensors: Sensors, known: Sequence[str], diagnosis: Diagnosis
) -> None:
    """Report one of the sensors that the calibration file lacks; `known` are those it has."""
    option = LISTS[sensor.kind]
    if sensor.prefix:
        remedy = f"add {sensor.name} to the file, or leave it out of {option}"
    elif has_names(sensors):
        remedy = f"name those to use with {option}"
    else:
        remedy = (
            "the node uses one lidar and one camera of the file: call them "
            f"{LIDAR!r} and {CAMERA!r}"
        )
    kind = "lidar" if sensor.kind == "points" else "camera"
    text = f"{file}: no {kind} {sensor.name!r} in it, only {', '.join(known) or 'lidars'}"
    diagnosis.add(item_of("calibration", sensor), "fault", text, remedy)


def _extent(calibration: Calibration, sensors: Sensors) -> str:
    """Return which sensors a calibration contains, in words."""
    if not has_names(sensors):
        return "lidar and camera" if calibration.camera is not None else "the lidar alone"
    names = f"lidars {', '.join(calibration.lidars)}"
    if calibration.cameras:
        names += f" and cameras {', '.join(calibration.cameras)}"
    return names


def _frames(observation: Observation) -> list[str]:
    """Return the frames of the clouds and the images, as far as headers name them."""
    streams = [observation.messages(sensor) for sensor in observation.sensors.all]
    return [stream.frame for stream in streams if stream is not None and stream.frame]


def _check_camera_poses(calibration: Calibration, sensors: Sensors, diagnosis: Diagnosis) -> None:
    """Check that the frames of the cameras are optical, and that one of them looks ahead."""
    views = {
        name: invert(mount.camera.camera_from_ego) for name, mount in calibration.cameras.items()
    }
    looks_ahead = any(view[0, 2] >= 0 for view in views.values())
    for sensor in sensors.cameras:
        if sensor.name in views:
            _check_camera_pose(sensor, views[sensor.name], looks_ahead, diagnosis)


def _check_camera_pose(
    sensor: Sensor, ego_from_camera: np.ndarray, looks_ahead: bool, diagnosis: Diagnosis
) -> None:
    """Check that the frame of a camera is optical. Another frame is a common mistake with TF.

    Args:
        sensor: The camera.
        ego_from_camera: (4, 4) pose of the camera.
        looks_ahead: Whether one of the cameras looks ahead.
        diagnosis: Gets the finding.
    """
    item = item_of("camera pose", sensor)
    x, y, z = ego_from_camera[:3, 2]  # where it looks
    text = (
        f"the camera looks along ({x:.2f}, {y:.2f}, {z:.2f}) from {ego_from_camera[2, 3]:.2f} m "
        "above the ground"
    )
    if abs(z) > MAX_OPTICAL_TILT:
        diagnosis.add(
            item,
            "fault",
            text,
            "its frame is not optical (REP 103: x right, y down, z ahead): name the optical frame "
            "in the image's header or rotate the transform",
        )
    elif x < 0 and not looks_ahead:
        remedy = "the grid lies ahead: take the front camera"
        diagnosis.add(item, "fault", f"{text}: backwards", remedy)
    elif x < 0:
        text += ": backwards, where the node looks for boxes only with grid: around"
        diagnosis.add(item, "ok", text)
    else:
        diagnosis.add(item, "ok", text)

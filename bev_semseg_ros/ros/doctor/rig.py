"""The doctor's look at where the sensors sit: the calibration in a file, or the one that TF holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bev_semseg_ros.data.calibration import Calibration, load_calibration
from bev_semseg_ros.geometry import invert, transform
from bev_semseg_ros.input_check import GROUND_RADIUS
from bev_semseg_ros.ros.convert.point_cloud import decode_cloud
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation
from bev_semseg_ros.ros.doctor.transform_tree import TransformTree

BASES = (
    "base_footprint",
    "base_link",
)  # frames that are level with the vehicle (REP 105), the first on the ground
WORLDS = (
    "odom",
    "map",
    "earth",
    "world",
)  # in which the vehicle moves (REP 105, and what is customary)
OPTICAL_TILT = 0.7  # of an optical frame's z axis out of the horizontal, beyond which it is no camera that looks ahead


def find_calibration(
    observation: Observation, file: Path | None, base_frame: str, diagnosis: Diagnosis
) -> None:
    """Set the diagnosis' calibration: from `file`, else from TF; say what is missing. Raises as `load_calibration`.

    base_frame: TF's frame with the vehicle's axes; "": found out.
    """
    if file is not None:
        diagnosis.calibration, diagnosis.calibration_file = load_calibration(file), file
        diagnosis.say("calibration", "ok", f"{file}: {_extent(diagnosis.calibration)}")
    else:
        try:
            base, diagnosis.calibration = _from_transforms(observation, base_frame)
        except LookupError as missing:
            diagnosis.say(
                "calibration",
                "fault",
                f"none: no file was named and {missing}",
                "write one "
                "(config/calibration_example.yaml) and name it with --calibration, or publish /tf_static "
                "with base_link",
            )
            return
        height = diagnosis.calibration.ego_from_lidar[2, 3]
        source = base if base == BASES[0] else "the lowest points"
        diagnosis.say(
            "calibration",
            "ok",
            f"from TF: {_extent(diagnosis.calibration)}, in the axes of {base!r}; the "
            f"lidar is {height:.2f} m above the ground, which {source} gave",
        )
    _check_camera_pose(diagnosis)


def check_transforms(observation: Observation, diagnosis: Diagnosis) -> None:
    """TF's chain from lidar to camera, and the frames that headers and calibration name."""
    tree, frames = observation.transforms, _frames(observation)
    level = "fault" if diagnosis.calibration_file is None else "warning"
    remedy = (
        "publish the missing transform (static_transform_publisher), or give a calibration file"
    )
    if tree is None:
        diagnosis.say("transforms", "ok", "unknown: tf2_msgs is not installed here")
    elif not tree.frames and level == "warning":
        diagnosis.say(
            "transforms", "ok", "neither /tf_static nor /tf has any: the calibration file is enough"
        )
    elif not tree.frames:
        diagnosis.say("transforms", "fault", "neither /tf_static nor /tf has any", remedy)
    elif absent := [frame for frame in frames if frame.lstrip("/") not in tree.frames]:
        diagnosis.say(
            "transforms",
            level,
            f"TF does not know {', '.join(map(repr, absent))}, which headers name; it "
            f"has {', '.join(sorted(tree.frames))}",
            f"set the drivers' frame_id to TF's names, or {remedy}",
        )
    elif len({tree.root(frame) for frame in frames}) > 1:
        ends = ", ".join(f"{frame!r} hangs on {tree.root(frame)!r}" for frame in frames)
        diagnosis.say("transforms", level, f"lidar and camera are not connected: {ends}", remedy)
    else:
        roots = sorted({tree.root(frame) for frame in frames})
        diagnosis.say(
            "transforms",
            "ok",
            f"{' and '.join(map(repr, frames))} hang on {', '.join(map(repr, roots))}",
        )


def check_frames(observation: Observation, diagnosis: Diagnosis) -> None:
    """Headers against a calibration file that names frames."""
    calibration = diagnosis.calibration
    if diagnosis.calibration_file is None or diagnosis.calibration_file.suffix not in (
        ".yaml",
        ".yml",
    ):
        return
    named = (
        ("points", calibration.lidar_frame, "lidar"),
        ("image", calibration.camera_frame, "camera"),
    )
    for name, frame, key in named:
        stream = observation.streams.get(name)
        if stream is None or not stream.frame or (name == "image" and calibration.camera is None):
            continue
        if stream.frame != frame:
            diagnosis.say(
                f"calibration {name}",
                "warning",
                f"{stream.topic} is in frame {stream.frame!r}, the calibration is of {frame!r}",
                f"if it is the same sensor, set {key}.frame_id in the "
                "calibration to it; else take the right calibration",
            )


def _extent(calibration: Calibration) -> str:
    return "lidar and camera" if calibration.camera is not None else "the lidar alone"


def _frames(observation: Observation) -> list[str]:
    """Of the clouds and the images, as far as headers name them."""
    streams = (observation.streams.get(name) for name in ("points", "image"))
    return [stream.frame for stream in streams if stream is not None and stream.frame]


def _from_transforms(observation: Observation, base_frame: str) -> tuple[str, Calibration]:
    """The vehicle's frame and the calibration that TF holds. Raises LookupError saying why it holds none."""
    tree, points, image = (
        observation.transforms,
        *(observation.streams.get(name) for name in ("points", "image")),
    )
    if tree is None:
        raise LookupError("tf2_msgs is not installed here")
    if not tree.frames:
        raise LookupError("there are no transforms")
    if points is None or not points.samples or points.frame.lstrip("/") not in tree.frames:
        raise LookupError("TF does not know the frame of the clouds")
    base = base_frame.lstrip("/") or _vehicle(tree, points.frame)
    base_from_lidar = tree.lookup(base, points.frame)
    if base_from_lidar is None:
        raise LookupError(f"TF does not connect {points.frame!r} to {base!r}")
    height = (
        base_from_lidar[2, 3]
        if base == BASES[0]
        else height_above_ground(points.samples, base_from_lidar)
    )
    if height is None:
        raise LookupError(f"no points within {GROUND_RADIUS:g} m tell where the ground is")
    ego_from_lidar = transform(base_from_lidar[:3, :3], (0, 0, height))
    camera = None
    info = observation.streams.get("camera_info")
    base_from_camera = None if image is None or not image.frame else tree.lookup(base, image.frame)
    if info is not None and info.samples and base_from_camera is not None:
        camera_from_ego = invert(base_from_camera) @ base_from_lidar @ invert(ego_from_lidar)
        camera = replace(info.camera(info.samples[0]), camera_from_ego=camera_from_ego)
    return base, Calibration(
        ego_from_lidar, camera, points.frame, image.frame if image is not None else "camera"
    )


def _vehicle(tree: TransformTree, lidar_frame: str) -> str:
    """The frame with the vehicle's axes: base_link, else what the lidar is mounted on. Raises LookupError.

    What moves is of /tf: whatever lies above that has the axes of a world, not the vehicle's.
    """
    base = next((frame for frame in BASES if frame in tree.frames), tree.rigid_root(lidar_frame))
    if base in (lidar_frame.lstrip("/"), *WORLDS):
        raise LookupError(
            "TF does not show which frame is the vehicle's (name it with --base-frame); it has "
            + ", ".join(sorted(tree.frames))
        )
    return base


def height_above_ground(clouds: list, base_from_lidar: np.ndarray) -> float | None:
    """Of the lidar, in metres: the lowest points near it are the ground."""
    heights = []
    for message in clouds:
        points = decode_cloud(message)[:, :3]
        points = points[np.isfinite(points).all(1)] @ base_from_lidar[:3, :3].T
        distance = np.hypot(points[:, 0], points[:, 1])
        near = points[
            (distance > 2) & (distance < GROUND_RADIUS), 2
        ]  # nearer than 2 m is the vehicle itself
        heights += [-float(np.percentile(near, 10))] if len(near) else []
    return float(np.median(heights)) if heights else None


def _check_camera_pose(diagnosis: Diagnosis) -> None:
    """A camera frame that is not optical is the commonest mistake with TF."""
    camera = diagnosis.calibration.camera
    if camera is None:
        return
    pose = invert(camera.camera_from_ego)
    x, y, z = pose[:3, 2]  # where it looks
    where = f"the camera looks along ({x:.2f}, {y:.2f}, {z:.2f}) from {pose[2, 3]:.2f} m above the ground"
    if abs(z) > OPTICAL_TILT:
        diagnosis.say(
            "camera pose",
            "fault",
            where,
            "its frame is not optical (REP 103: x right, y down, z ahead): "
            "name the optical frame in the image's header or turn the transform",
        )
    elif x < 0:
        diagnosis.say(
            "camera pose",
            "fault",
            f"{where}: backwards",
            "the grid lies ahead: take the front camera",
        )
    else:
        diagnosis.say("camera pose", "ok", where)

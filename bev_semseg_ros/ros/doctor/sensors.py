"""Checks of what lidar and camera deliver, by itself and against the training data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import transform
from bev_semseg_ros.input_check import (
    INTENSITY_SHARE,
    Finding,
    InputStatistics,
    better_intensity_scale,
    compare,
    full_scale,
    highest_intensity,
    same_view,
)
from bev_semseg_ros.preprocessing import network_size, prepare_points
from bev_semseg_ros.ros.convert.point_cloud import POINT_TYPES, decode_cloud
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation, Stream, intensity_field
from bev_semseg_ros.ros.doctor.rig import height_above_ground
from bev_semseg_ros.ros.input.intensity import IntensityScale

MAX_NAN = 0.5  # share of the points; some drivers write NaN for rays without a return
MAX_OFF_CENTER = 0.25  # of the image's side; a principal point further out is not of this image


def check_cloud(stream: Stream, diagnosis: Diagnosis) -> None:
    """Check the coordinates of the clouds, and which field holds the intensity."""
    message = stream.samples[0]
    name = intensity_field(message)
    clouds = [decode_cloud(each, name) for each in stream.samples]
    counts = [len(cloud) for cloud in clouds]
    num_finite = sum(int(np.isfinite(cloud[:, :3]).all(1).sum()) for cloud in clouds)
    num_empty = counts.count(0)
    nan_share = 1 - num_finite / max(sum(counts), 1)
    diagnosis.statistics["points"] |= {
        "points_median": float(np.median(counts)),
        "empty_clouds": num_empty,
        "nan_share": round(nan_share, 4),
    }
    text = f"{np.median(counts):.0f} points in a cloud, {nan_share:.0%} of them NaN or infinite"
    if num_finite == 0:
        diagnosis.add(
            "coordinates",
            "fault",
            text if sum(counts) else "all clouds are empty",
            "see whether the lidar is covered or its driver waits for a calibration",
        )
    elif nan_share > MAX_NAN or num_empty:
        if num_empty:
            text += f"; {num_empty} clouds are empty"
        remedy = "see whether the lidar is covered in part"
        diagnosis.add("coordinates", "warning", text, remedy)
    else:
        diagnosis.add("coordinates", "ok", text)
    _check_intensity(message, name, [cloud[:, 3] for cloud in clouds], diagnosis)


def _check_intensity(
    message: Any, name: str, values: list[np.ndarray], diagnosis: Diagnosis
) -> None:
    """Check which field holds the intensity and how far it counts.

    Args:
        message: A cloud.
        name: The field that holds the intensity; "" without any.
        values: The intensities of all clouds.
        diagnosis: Gets the finding.
    """
    item = "intensity field"
    if not name:
        fields = ", ".join(field.name for field in message.fields)
        diagnosis.set_parameter("intensity_field", "")
        diagnosis.add(
            item,
            "warning",
            f"none; the cloud has {fields}",
            "let the driver publish it; without (intensity_field empty) expect less accuracy",
        )
        return
    if name != "intensity":
        diagnosis.set_parameter("intensity_field", name)
    datatype = next(int(field.datatype) for field in message.fields if field.name == name)
    kind = np.dtype(POINT_TYPES[datatype]).name
    highest = max(highest_intensity(each) for each in values)
    diagnosis.statistics["points"] |= {
        "intensity_field": name,
        "intensity_type": kind,
        "highest_intensity": round(highest, 4),
    }
    text = f"{name!r} ({kind}), {INTENSITY_SHARE:.1%} of it up to {highest:.4g}"
    full = full_scale(POINT_TYPES[datatype], highest)
    if full != 1:
        text += f": the node scales it by 1/{full:g}"
    diagnosis.add(item, "ok", text)


def check_intrinsics(observation: Observation, diagnosis: Diagnosis) -> Camera | None:
    """Check the camera_info against the image, and decide where the node takes intrinsics from.

    Returns:
        The camera, or None if no intrinsics of this image are known.
    """
    image, infos = observation.streams.get("image"), observation.streams.get("camera_info")
    if image is None or not image.samples:
        return None
    size = image.sizes.most_common(1)[0][0]
    camera = None
    if infos is not None:
        camera = _camera_of_info(infos, size, diagnosis)
    if camera is None:
        calibration = diagnosis.calibration
        known = None if calibration is None else calibration.camera
        if known is None or not same_view(size, known.size):
            return None
        diagnosis.set_parameter("intrinsics", "calibration")
        camera = known
    unchanged = "rectified already" if camera.is_rectified else "rectified by the node"
    diagnosis.add("distortion", "ok", f"{camera.distortion_model}: the image is {unchanged}")
    return camera


def _camera_of_info(infos: Stream, size: tuple[int, int], diagnosis: Diagnosis) -> Camera | None:
    """Return the camera that the camera_infos describe, or None if it is not the image's."""
    if infos.problems:
        problem = infos.problems.most_common(1)[0][0].removeprefix("camera_info: ")
        diagnosis.add(
            "intrinsics",
            "fault",
            f"camera_info: {problem}",
            "calibrate the camera with a known model, or give K in the calibration file and set "
            "intrinsics to calibration",
        )
        return None
    if not infos.samples:
        return None
    camera = infos.camera(infos.samples[0])
    if not same_view(size, camera.size):
        diagnosis.add(
            "intrinsics",
            "fault",
            f"the image is {size[0]} x {size[1]} pixels, its camera_info is of "
            f"{camera.size[0]} x {camera.size[1]}: not the same view",
            "publish the camera_info of this image (a crop needs its roi), or set intrinsics to "
            "calibration",
        )
        return None
    _check_center(camera, diagnosis)
    return camera


def _check_center(camera: Camera, diagnosis: Diagnosis) -> None:
    """Check that the principal point lies near the centre of the image."""
    (width, height), (x, y) = camera.size, camera.matrix[:2, 2]
    text = (
        f"{width} x {height} pixels, focal length {camera.matrix[0, 0]:.0f} x "
        f"{camera.matrix[1, 1]:.0f}, centre ({x:.0f}, {y:.0f})"
    )
    off_center = max(abs(x / width - 0.5), abs(y / height - 0.5))
    if off_center > MAX_OFF_CENTER:
        diagnosis.add(
            "intrinsics",
            "fault",
            f"{text}: the centre lies far from the image's",
            "K seems to be of another image size: scale it, or set binning or roi in the "
            "camera_info",
        )
    else:
        diagnosis.add("intrinsics", "ok", text)


def check_training(
    observation: Observation,
    camera: Camera | None,
    config: Config,
    trained: Mapping[str, Any],
    diagnosis: Diagnosis,
) -> None:
    """Compare the input, decoded as the node decodes it, with the training data.

    Sets the intensity_scale that the comparison asks for.

    Args:
        observation: What was seen.
        camera: The camera of the images, if it is known.
        config: Of the network.
        trained: What the checkpoint says of its training data.
        diagnosis: Gets the findings of `input_check`.
    """
    statistics = InputStatistics()
    points, calibration = observation.streams.get("points"), diagnosis.calibration
    intensity = IntensityScale()  # as the node has it
    pose = np.eye(4)
    if points is not None and points.samples:
        pose = _level_pose(points) if calibration is None else calibration.ego_from_lidar
        name = diagnosis.parameters.get("intensity_field", "intensity")
        for message in points.samples:
            cloud = intensity.decode(message, name, 0.0)
            statistics.add_points(prepare_points(cloud, pose, config.grid), pose)
    if camera is not None:
        size = observation.streams["image"].sizes.most_common(1)[0][0]
        statistics.add_camera(camera.rectified(network_size(camera.size, config.image)), size)
    summary = diagnosis.statistics["input"] = statistics.summary()
    scale = better_intensity_scale(summary, trained, intensity.factor)
    if scale is not None:
        diagnosis.set_parameter("intensity_scale", scale)
    for finding in compare(summary, trained, intensity_scale=intensity.factor):
        if finding.item == "ground height" and calibration is None:
            finding = Finding(
                finding.item,
                "ok",
                "unknown without a calibration; if the lidar is level it sits about "
                f"{pose[2, 3]:.2f} m above the ground",
            )
        diagnosis.findings.append(finding)


def _level_pose(points: Stream) -> np.ndarray:
    """Return the pose of a lidar of which nothing is known: level, above the lowest points."""
    height = height_above_ground(points.samples, np.eye(4)) or 0.0
    return transform(translation=(0, 0, height))

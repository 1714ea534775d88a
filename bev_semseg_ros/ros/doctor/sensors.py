"""The doctor's look at what lidar and camera deliver, by itself and against what the network was trained on."""

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

MOST_NAN = 0.5  # share of the points; rays that met nothing are NaN with some drivers
CENTRE = 0.25  # of the image's side, beyond which a principal point is not of this image


def check_cloud(stream: Stream, diagnosis: Diagnosis) -> None:
    """Numbers that are none, and the intensity as the field holds it."""
    message = stream.samples[0]
    name = intensity_field(message)
    clouds = [decode_cloud(each, name) for each in stream.samples]
    counts = [len(cloud) for cloud in clouds]
    finite = [np.isfinite(cloud[:, :3]).all(1) for cloud in clouds]
    nan_share = 1 - sum(map(np.sum, finite)) / max(sum(counts), 1)
    diagnosis.statistics["points"] |= {
        "points_median": float(np.median(counts)),
        "empty_clouds": counts.count(0),
        "nan_share": round(float(nan_share), 4),
    }
    text = f"{np.median(counts):.0f} points in a cloud, {nan_share:.0%} of them no numbers"
    if not sum(map(np.sum, finite)):
        diagnosis.say(
            "coordinates",
            "fault",
            f"{text}: no point has any" if sum(counts) else "all clouds are empty",
            "see whether the lidar is covered or its driver waits for a calibration",
        )
    elif nan_share > MOST_NAN or 0 in counts:
        diagnosis.say(
            "coordinates",
            "warning",
            text + (f"; {counts.count(0)} clouds are empty" if 0 in counts else ""),
            "see whether the lidar is covered in part",
        )
    else:
        diagnosis.say("coordinates", "ok", text)
    _check_intensity(message, name, [cloud[:, 3] for cloud in clouds], diagnosis)


def _check_intensity(
    message: Any, name: str, values: list[np.ndarray], diagnosis: Diagnosis
) -> None:
    item = "intensity field"
    if not name:
        diagnosis.set("intensity_field", "")
        diagnosis.say(
            item,
            "warning",
            f"none; the cloud has {', '.join(field.name for field in message.fields)}",
            "let the driver publish it; without (intensity_field empty) expect less accuracy",
        )
        return
    if name != "intensity":
        diagnosis.set("intensity_field", name)
    datatype = next(int(field.datatype) for field in message.fields if field.name == name)
    kind, highest = np.dtype(POINT_TYPES[datatype]).name, max(map(highest_intensity, values))
    diagnosis.statistics["points"] |= {
        "intensity_field": name,
        "intensity_type": kind,
        "highest_intensity": round(highest, 4),
    }
    text = f"{name!r} ({kind}), {INTENSITY_SHARE:.1%} of it up to {highest:.4g}"
    full = full_scale(POINT_TYPES[datatype], highest)
    diagnosis.say(item, "ok", text if full == 1 else f"{text}: the node scales it by 1/{full:g}")


def check_intrinsics(observation: Observation, diagnosis: Diagnosis) -> Camera | None:
    """K against the image, distortion, and where the node should take them from: the camera then, None without any."""
    image, infos = observation.streams.get("image"), observation.streams.get("camera_info")
    if image is None or not image.samples:
        return None
    calibration = diagnosis.calibration
    known = calibration.camera if calibration is not None else None
    size = image.sizes.most_common(1)[0][0]
    camera = infos.camera(infos.samples[0]) if infos is not None and infos.samples else None
    if infos is not None and infos.problems:
        problem = infos.problems.most_common(1)[0][0].removeprefix("camera_info: ")
        diagnosis.say(
            "intrinsics",
            "fault",
            f"camera_info: {problem}",
            "calibrate the camera with a known model, or "
            "give K in the calibration file and set intrinsics to calibration",
        )
        camera = None
    elif camera is not None and not same_view(size, camera.size):
        diagnosis.say(
            "intrinsics",
            "fault",
            f"the image is {size[0]} x {size[1]} pixels, its camera_info is of "
            f"{camera.size[0]} x {camera.size[1]}: not the same view",
            "publish the camera_info of this "
            "image (a crop needs its roi), or set intrinsics to calibration",
        )
        camera = None
    elif camera is not None:
        _check_centre(camera, diagnosis)
    if camera is None and known is not None and same_view(size, known.size):
        diagnosis.set("intrinsics", "calibration")
        camera = known
    if camera is None:
        return None
    unchanged = "rectified already" if camera.is_rectified else "rectified by the node"
    diagnosis.say("distortion", "ok", f"{camera.distortion_model}: the image is {unchanged}")
    return camera


def _check_centre(camera: Camera, diagnosis: Diagnosis) -> None:
    (width, height), (x, y) = camera.size, camera.matrix[:2, 2]
    text = (
        f"{width} x {height} pixels, focal length {camera.matrix[0, 0]:.0f} x {camera.matrix[1, 1]:.0f}, centre "
        f"({x:.0f}, {y:.0f})"
    )
    if abs(x / width - 0.5) > CENTRE or abs(y / height - 0.5) > CENTRE:
        diagnosis.say(
            "intrinsics",
            "fault",
            f"{text}: the centre lies far from the image's",
            "K seems to be of another image size: scale it, or set binning or roi in the camera_info",
        )
    else:
        diagnosis.say("intrinsics", "ok", text)


def check_training(
    observation: Observation,
    camera: Camera | None,
    config: Config,
    trained: Mapping[str, Any],
    diagnosis: Diagnosis,
) -> None:
    """The rules of `input_check`, on input as the node decodes it by itself; sets the intensity_scale they ask for."""
    statistics, points, calibration = (
        InputStatistics(),
        observation.streams.get("points"),
        diagnosis.calibration,
    )
    intensity = IntensityScale()  # as the node has it
    if points is not None and points.samples:
        pose = _level_pose(points) if calibration is None else calibration.ego_from_lidar
        for message in points.samples:
            cloud = intensity.decode(
                message, diagnosis.parameters.get("intensity_field", "intensity"), 0.0
            )
            statistics.add_points(prepare_points(cloud, pose, config.grid), pose)
    if camera is not None:
        size = observation.streams["image"].sizes.most_common(1)[0][0]
        statistics.add_camera(camera.rectified(network_size(camera.size, config.image)), size)
    summary = diagnosis.statistics["input"] = statistics.summary()
    scale = better_intensity_scale(summary, trained, intensity.factor)
    if scale is not None:
        diagnosis.set("intensity_scale", scale)
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
    """Of a lidar of which nothing is known: level, looking ahead, above the lowest points."""
    return transform(translation=(0, 0, height_above_ground(points.samples, np.eye(4)) or 0.0))

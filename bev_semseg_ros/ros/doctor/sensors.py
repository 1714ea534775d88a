"""Checks of the data of lidars and cameras, by themselves and against the training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bev_semseg_ros.config import Config
from bev_semseg_ros.data.calibration import Calibration, CameraMount
from bev_semseg_ros.frame import Camera, same_view
from bev_semseg_ros.geometry import have_return, transform
from bev_semseg_ros.input_check import (
    INTENSITY_SHARE,
    Finding,
    InputStatistics,
    better_intensity_scale,
    compare,
    full_scale,
    highest_intensity,
)
from bev_semseg_ros.preprocessing import network_size, prepare_points
from bev_semseg_ros.ros.convert.camera_info import off_center
from bev_semseg_ros.ros.convert.point_attributes import decode_point_attributes
from bev_semseg_ros.ros.convert.point_cloud import (
    POINT_TYPES,
    decode_cloud,
    find_field,
)
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation, Stream, intensity_field
from bev_semseg_ros.ros.doctor.rig import has_names
from bev_semseg_ros.ros.doctor.tf_calibration import height_above_ground
from bev_semseg_ros.ros.input.intensity import IntensityScale
from bev_semseg_ros.ros.input.lidar_input import unit_problem
from bev_semseg_ros.ros.parameters.sensors import Sensor, item_of

MAX_WITHOUT_RETURN = 0.5  # fraction of the points
# Rules of `input_check` that hold for each lidar; the others are about the cloud of all lidars.
OF_EVERY_LIDAR = ("intensity", "ground height")


def check_cloud(sensor: Sensor, stream: Stream, diagnosis: Diagnosis) -> None:
    """Check the coordinates of the clouds, and which field holds the intensity."""
    item = item_of("coordinates", sensor)
    # While they start, drivers publish empty clouds, which may have no fields.
    message = next((each for each in stream.samples if each.width * each.height), stream.samples[0])
    name = intensity_field(message)
    clouds = [decode_cloud(each, name) for each in stream.samples]
    counts = [len(cloud) for cloud in clouds]
    num_measured = sum(int(have_return(cloud).sum()) for cloud in clouds)
    num_empty = counts.count(0)
    share_without_return = 1 - num_measured / max(sum(counts), 1)
    diagnosis.statistics[sensor.stream] |= {
        "points_median": float(np.median(counts)),
        "empty_clouds": num_empty,
        "share_without_return": round(share_without_return, 4),
    }
    text = (
        f"{np.median(counts):.0f} points in a cloud, {share_without_return:.0%} of them NaN, "
        "infinite or zero"
    )
    if num_measured == 0:
        diagnosis.add(
            item,
            "fault",
            text if sum(counts) else "all clouds are empty",
            "see whether the lidar is covered or its driver waits for a calibration",
        )
    elif share_without_return > MAX_WITHOUT_RETURN or num_empty:
        if num_empty:
            text += f"; {num_empty} clouds are empty"
        remedy = "see whether the lidar is covered in part"
        diagnosis.add(item, "warning", text, remedy)
    else:
        diagnosis.add(item, "ok", text)
    _check_intensity(sensor, message, name, [cloud[:, 3] for cloud in clouds], diagnosis)


def _check_intensity(
    sensor: Sensor, message: Any, name: str, values: list[np.ndarray], diagnosis: Diagnosis
) -> None:
    """Check which field holds the intensity, and its full scale.

    Args:
        sensor: The lidar.
        message: A cloud.
        name: The field that holds the intensity; "" if there is none.
        values: The intensities of all clouds.
        diagnosis: Gets the finding.
    """
    item, parameter = item_of("intensity field", sensor), sensor.parameter("intensity_field")
    if not name:
        fields = ", ".join(field.name for field in message.fields)
        diagnosis.set_parameter("intensity_field", "", sensor)
        diagnosis.add(
            item,
            "warning",
            f"none; the cloud has {fields}",
            f"let the driver publish it; without ({parameter} empty) expect less accuracy",
        )
        return
    if name != "intensity":
        diagnosis.set_parameter("intensity_field", name, sensor)
    field = find_field(message, name)
    assert field is not None  # `name` is of this cloud
    datatype = int(field.datatype)
    if datatype not in POINT_TYPES:
        return  # reported as something that the node assumes
    kind = np.dtype(POINT_TYPES[datatype]).name
    highest = max(highest_intensity(each) for each in values)
    diagnosis.statistics[sensor.stream] |= {
        "intensity_field": name,
        "intensity_type": kind,
        "highest_intensity": round(highest, 4),
    }
    text = f"{name!r} ({kind}), {INTENSITY_SHARE:.1%} of it up to {highest:.4g}"
    full = full_scale(POINT_TYPES[datatype], highest)
    if full != 1:
        text += f": the node scales it by 1/{full:g}"
    diagnosis.add(item, "ok", text)


def check_intrinsics(observation: Observation, diagnosis: Diagnosis) -> dict[str, Camera]:
    """Check the camera_infos against the images, and choose the source of the intrinsics.

    Returns:
        Name -> camera, only for cameras whose intrinsics are known and fit their images.
    """
    known: Mapping[str, CameraMount] = {}
    if diagnosis.calibration is not None:
        known = diagnosis.calibration.cameras
    found: dict[str, Camera] = {}
    in_file: dict[str, Camera] = {}
    seen: list[Sensor] = []
    for sensor in observation.sensors.cameras:
        image, infos = observation.usable(sensor), observation.camera_infos(sensor)
        if image is None:
            continue
        seen.append(sensor)
        size = image.sizes.most_common(1)[0][0]
        if infos is not None:
            camera = _camera_of_info(sensor, infos, size, diagnosis)
            if camera is not None:
                found[sensor.name] = camera
        if sensor.name in known and same_view(size, known[sensor.name].camera.size):
            in_file[sensor.name] = known[sensor.name].camera
    # The parameter applies to all cameras: the calibration is used if it covers more of them.
    if len(in_file) > len(found):
        diagnosis.set_parameter("intrinsics", "calibration")
        found = in_file
    for sensor in seen:
        if sensor.name in found:
            camera = found[sensor.name]
            unchanged = "rectified already" if camera.is_rectified else "rectified by the node"
            text = f"{camera.distortion_model}: the image is {unchanged}"
            diagnosis.add(item_of("distortion", sensor), "ok", text)
    return found


def _camera_of_info(
    sensor: Sensor, infos: Stream, size: tuple[int, int], diagnosis: Diagnosis
) -> Camera | None:
    """Return the camera that the camera_infos describe, or None if it does not fit the image."""
    item = item_of("intrinsics", sensor)
    if infos.problems and not infos.samples:  # if only a few are bad, the node drops their images
        problem = infos.problems.most_common(1)[0][0]
        diagnosis.add(
            item,
            "fault",
            f"camera_info: {problem}",
            "correct the camera_info, or give the intrinsics in a calibration file and set "
            "intrinsics to calibration",
        )
        return None
    if not infos.samples:
        return None
    camera = infos.camera(infos.samples[0])
    if not same_view(size, camera.size):
        diagnosis.add(
            item,
            "fault",
            f"the image is {size[0]} x {size[1]} pixels, its camera_info is of "
            f"{camera.size[0]} x {camera.size[1]}: not the same view",
            "publish the camera_info of this image (a crop needs its roi), or set intrinsics to "
            "calibration",
        )
        return None
    _check_center(item, camera, diagnosis)
    return camera


def _check_center(item: str, camera: Camera, diagnosis: Diagnosis) -> None:
    """Check that the principal point lies near the centre of the image."""
    (width, height), (x, y) = camera.size, camera.matrix[:2, 2]
    lengths = f"focal length {camera.matrix[0, 0]:.0f} x {camera.matrix[1, 1]:.0f}"
    if far := off_center(camera):
        remedy = "scale K, or set binning or roi in the camera_info"
        diagnosis.add(item, "fault", f"{lengths}; {far}", remedy)
    else:
        text = f"{width} x {height} pixels, {lengths}, centre ({x:.0f}, {y:.0f})"
        diagnosis.add(item, "ok", text)


def check_units(
    observation: Observation, calibration: Calibration | None, diagnosis: Diagnosis
) -> None:
    """Check whether the poses of the units of each cloud are known.

    A network with a point encoder needs them, because it draws an image for each unit.

    Args:
        observation: What was seen.
        calibration: Has the poses of the units, if there is one.
        diagnosis: Gets the findings.
    """
    known = {} if calibration is None else calibration.units
    for sensor in observation.sensors.lidars:
        stream = observation.usable(sensor)
        samples = [] if stream is None else stream.samples
        cloud = next((each for each in samples if each.width * each.height), None)
        if cloud is None:
            continue
        try:
            units = decode_point_attributes(cloud, 0, ("unit",)).get("unit")
        except ValueError as error:
            text, remedy = f"is used without its units: {error}", "correct the driver"
        else:
            text, remedy = unit_problem(units, known.get(sensor.name, {}))
        if text:
            diagnosis.add(item_of("units", sensor), "warning", f"the cloud {text}", remedy)


def check_training(
    observation: Observation,
    cameras: Mapping[str, Camera],
    config: Config,
    trained: Mapping[str, Any],
    diagnosis: Diagnosis,
) -> None:
    """Compare the input, decoded as the node decodes it, with the training data.

    This sets the intensity_scale that the comparison suggests. For lidars other than the first, it
    judges only what does not depend on the other lidars, because the network gets the points of all
    lidars together.

    Args:
        observation: What was seen.
        cameras: The cameras whose intrinsics are known, by their names.
        config: Configuration of the network.
        trained: Statistics of the training data, from the checkpoint.
        diagnosis: Gets the findings of `input_check`.
    """
    sensors = observation.sensors
    groups = [(sensor,) for sensor in sensors.all] if has_names(sensors) else [sensors.all]
    first = next((each for each in sensors.lidars if observation.usable(each)), None)
    for group in groups:
        statistics, factor, pose = InputStatistics(), 1.0, np.eye(4)
        for sensor in group:
            stream = observation.usable(sensor)
            if sensor.kind == "points" and stream is not None:
                pose = lidar_pose(sensor, stream, diagnosis.calibration)
                name = diagnosis.value_of("intensity_field", sensor)
                factor = _add_clouds(stream, name, pose, config, statistics)
            elif stream is not None and sensor.name in cameras:
                camera = cameras[sensor.name]
                size = stream.sizes.most_common(1)[0][0]
                seen = camera.rectified(network_size(camera.size, config.image))
                statistics.add_camera(seen, size)
        sensor = group[0]
        summary = diagnosis.statistics[item_of("input", sensor)] = statistics.summary()
        scale = better_intensity_scale(summary, trained, factor)
        if scale is not None:
            diagnosis.set_parameter("intensity_scale", scale, sensor)
        name = sensor.name if sensor.prefix else ""
        for finding in compare(summary, trained, intensity_scale=factor, sensor=name):
            if finding.item == "ground height" and not _is_placed(sensor, diagnosis.calibration):
                finding = Finding(
                    finding.item,
                    "ok",
                    "unknown without a calibration; if the lidar is level it sits about "
                    f"{pose[2, 3]:.2f} m above the ground",
                )
            if sensor.kind == "points" and sensor != first:
                finding = _of_further_lidar(finding)
            diagnosis.findings.append(replace(finding, item=item_of(finding.item, sensor)))


def _add_clouds(
    stream: Stream, field: str, pose: np.ndarray, config: Config, statistics: InputStatistics
) -> float:
    """Add the clouds of a lidar to the statistics, and return the factor of their intensity.

    Args:
        stream: The clouds.
        field: The field that holds the intensity.
        pose: (4, 4) ego_from_lidar.
        config: Configuration of the network.
        statistics: Gets the clouds.
    """
    intensity = IntensityScale()  # as the node has it
    for message in stream.samples:
        cloud = intensity.decode(message, field, 0.0)
        cloud = cloud[have_return(cloud)]
        statistics.add_points(prepare_points(cloud, pose, config.grid), pose)
    return intensity.factor


def _of_further_lidar(finding: Finding) -> Finding:
    """Return a finding with the level that it has for a lidar other than the first.

    Such a lidar need not resemble the lidar of the training data, except in its height and its
    intensity.
    """
    if finding.item in OF_EVERY_LIDAR or finding.level == "ok":
        return finding
    if finding.level == "fault":  # no point inside the grid
        remedy = f"{finding.remedy}; the node uses points behind it only with grid: around"
        return replace(finding, level="warning", remedy=remedy)
    return replace(finding, level="ok", remedy="")


def lidar_pose(sensor: Sensor, points: Stream, calibration: Calibration | None) -> np.ndarray:
    """Return ego_from_lidar (4, 4).

    A lidar without a known pose is assumed to be level, with the lowest points on the ground.
    """
    if calibration is not None and sensor.name in calibration.lidars:
        return calibration.lidars[sensor.name].ego_from_lidar
    height = height_above_ground(points.samples, np.eye(4)) or 0.0
    return transform(translation=(0, 0, height))


def _is_placed(sensor: Sensor, calibration: Calibration | None) -> bool:
    """Return whether the calibration has a lidar."""
    return calibration is not None and sensor.name in calibration.lidars

"""Runs all checks of the doctor on an observation."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.model.build import whole_clouds
from bev_semseg_ros.ros.bag.reading.remark import left_out_in_words
from bev_semseg_ros.ros.doctor.beams import check_beams
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation
from bev_semseg_ros.ros.doctor.rig import check_frames, check_transforms, find_calibration
from bev_semseg_ros.ros.doctor.sensors import (
    check_cloud,
    check_intrinsics,
    check_training,
    check_units,
)
from bev_semseg_ros.ros.doctor.streams import (
    check_frame,
    check_info_frames,
    check_layout,
    check_rate,
    check_stamps,
    check_topics,
    check_undecoded,
)
from bev_semseg_ros.ros.doctor.sync import check_all_sync
from bev_semseg_ros.ros.doctor.topics import calibration_beside
from bev_semseg_ros.ros.doctor.transport import check_qos, check_static_qos, check_transport
from bev_semseg_ros.ros.parameters.sensors import Sensor


def diagnose(
    observation: Observation,
    checkpoint_file: Path,
    calibration_file: Path | None = None,
    base_frame: str = "",
    lidar_height: float | None = None,
    node_uses_tf: bool = False,
) -> Diagnosis:
    """Check everything that was observed, and find parameters with which the node works on it.

    Args:
        observation: What was seen.
        checkpoint_file: The network; its training data are compared with the input.
        calibration_file: File with the poses of the sensors. None for the bag's own, or else TF.
        base_frame: TF frame with the axes of the vehicle; "" to find it.
        lidar_height: Height of the first lidar above the ground, metres; None to find it.
        node_uses_tf: Whether the node itself looks up TF, even if there is a calibration.

    Returns:
        The diagnosis.

    Raises:
        ValueError: If one of the two files is damaged, or if there is both a calibration and a
            height.
        FileNotFoundError: If one of them does not exist.
    """
    loaded = checkpoint.load(checkpoint_file)
    diagnosis = Diagnosis(observation.source)
    diagnosis.statistics["seconds"] = round(observation.seconds, 3)
    check_recording(observation, diagnosis)
    check_topics(observation, diagnosis)
    check_undecoded(observation, diagnosis)
    check_info_frames(observation, diagnosis)
    reference = next(
        (each.stream for each in observation.sensors.lidars if observation.messages(each)), None
    )
    for name, stream in observation.streams.items():
        diagnosis.statistics[name] = {
            "messages": len(stream),
            "largest_bytes": stream.largest_bytes,
            "unusable": sum(stream.problems.values()),
        }
        if not len(stream):
            continue
        check_layout(stream, diagnosis)
        check_frame(stream, diagnosis)
        if stream.kind != "camera_info":  # the node drops none of them for its stamp
            check_stamps(stream, diagnosis)
        check_rate(stream, name == reference, diagnosis)
    check_all_sync(observation, diagnosis)
    for stream in observation.streams.values():
        check_qos(stream, diagnosis)
    check_static_qos(observation.static_offers, diagnosis)
    check_transport(observation, diagnosis)
    file = None if node_uses_tf else calibration_file or _beside(observation)
    find_calibration(observation, file, base_frame, diagnosis, lidar_height, node_uses_tf)
    check_transforms(observation, diagnosis)
    check_frames(observation, diagnosis)
    for sensor in observation.sensors.lidars:
        points = observation.usable(sensor)
        if points is not None:
            check_cloud(sensor, points, diagnosis)
    if whole_clouds(loaded.config):
        # If the node uses TF, only the units are read from a calibration.
        beside = load_calibration(calibration_file) if calibration_file and node_uses_tf else None
        check_units(observation, beside or diagnosis.calibration, diagnosis)
    check_beams(observation, diagnosis)
    cameras = check_intrinsics(observation, diagnosis)
    check_training(observation, cameras, loaded.config, loaded.info, diagnosis)
    choose_sensors(observation, cameras, diagnosis)
    return diagnosis


def check_recording(observation: Observation, diagnosis: Diagnosis) -> None:
    """Report what is wrong with the bag itself, and messages that cannot be read."""
    for remark in observation.remarks:
        diagnosis.add("bag", "warning", remark.text, remark.remedy)
    for text in left_out_in_words(observation.left_out):
        diagnosis.add("bag", "warning", text, "copy the bag again from where it was recorded")


def choose_sensors(
    observation: Observation, cameras: Collection[str], diagnosis: Diagnosis
) -> None:
    """Set the parameters lidars, cameras and mode to the sensors that the node can use.

    Args:
        observation: What was seen.
        cameras: The names of the cameras whose intrinsics are known.
        diagnosis: Gets the parameters, and a finding if a sensor is left out.
    """
    left_out: list[str] = []
    usable: dict[str, list[Sensor]] = {"points": [], "image": []}
    for sensor in observation.sensors.all:
        is_understood = sensor.kind == "points" or sensor.name in cameras
        has_messages = observation.usable(sensor) is not None
        if has_messages and is_understood and _may_be_placed(sensor, diagnosis):
            usable[sensor.kind].append(sensor)
        elif sensor.prefix:
            left_out.append(sensor.stream)
    for parameter, sensors in (
        ("lidars", observation.sensors.lidars),
        ("cameras", observation.sensors.cameras),
    ):
        if not sensors[0].prefix:
            continue
        # The mode excludes a kind without usable sensors, but the node still needs valid names.
        known = [sensor for sensor in sensors if _may_be_placed(sensor, diagnosis)]
        used = usable[sensors[0].kind] or known or sensors
        diagnosis.set_parameter(parameter, [sensor.name for sensor in used])
        for sensor in sensors:
            if sensor not in used:
                diagnosis.leave_out(sensor)
    if usable["points"] and not usable["image"]:
        diagnosis.set_parameter("mode", "lidar_only")
    elif usable["image"] and not usable["points"]:
        diagnosis.set_parameter("mode", "camera_only")
    if left_out:
        diagnosis.add(
            "sensors",
            "warning",
            f"the parameters leave out {', '.join(left_out)}, which the node cannot use as they "
            "are",
            "correct their faults, then ask the doctor again",
        )


def _may_be_placed(sensor: Sensor, diagnosis: Diagnosis) -> bool:
    """Return whether the calibration has a sensor, or there is no calibration yet."""
    calibration = diagnosis.calibration
    if calibration is None:
        return True
    return sensor.name in (calibration.lidars if sensor.kind == "points" else calibration.cameras)


def _beside(observation: Observation) -> Path | None:
    """Return the calibration that `bev-semseg bag` writes into a bag's folder, if there is one."""
    return None if observation.is_live else calibration_beside(Path(observation.source))

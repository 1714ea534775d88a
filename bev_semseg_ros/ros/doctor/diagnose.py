"""All checks of the doctor, on what it saw in a bag or on live topics."""

from __future__ import annotations

from pathlib import Path

from bev_semseg_ros.data.calibration import YAML_NAME
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation
from bev_semseg_ros.ros.doctor.rig import check_frames, check_transforms, find_calibration
from bev_semseg_ros.ros.doctor.sensors import check_cloud, check_intrinsics, check_training
from bev_semseg_ros.ros.doctor.streams import (
    check_frame,
    check_layout,
    check_rate,
    check_stamps,
    check_topics,
)
from bev_semseg_ros.ros.doctor.sync import check_sync
from bev_semseg_ros.ros.doctor.transport import check_qos, check_static_qos, check_transport


def diagnose(
    observation: Observation,
    checkpoint_file: Path,
    calibration_file: Path | None = None,
    base_frame: str = "",
) -> Diagnosis:
    """Check everything that was observed, and find parameters with which the node works on it.

    Args:
        observation: What was seen.
        checkpoint_file: The network; its training data are compared with the input.
        calibration_file: Where the sensors sit. None for the bag's own, or else TF.
        base_frame: TF's frame with the axes of the vehicle; "" to find it out.

    Returns:
        The diagnosis.

    Raises:
        ValueError: If one of the two files is damaged.
        FileNotFoundError: If one of them does not exist.
    """
    loaded = checkpoint.load(checkpoint_file)
    diagnosis = Diagnosis(observation.source)
    diagnosis.statistics["seconds"] = round(observation.seconds, 3)
    check_topics(observation, diagnosis)
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
        check_stamps(stream, diagnosis)
        check_rate(stream, diagnosis)
    points = observation.streams.get("points")
    image = observation.streams.get("image")
    if points and image:
        check_sync(points, image, diagnosis)
    for stream in observation.streams.values():
        check_qos(stream, diagnosis)
    check_static_qos(observation.static_offers, diagnosis)
    check_transport(observation, diagnosis)
    find_calibration(observation, calibration_file or _beside(observation), base_frame, diagnosis)
    check_transforms(observation, diagnosis)
    check_frames(observation, diagnosis)
    if points and points.samples:
        check_cloud(points, diagnosis)
    camera = check_intrinsics(observation, diagnosis)
    check_training(observation, camera, loaded.config, loaded.info, diagnosis)
    has_points = bool(points and points.samples)
    has_image = camera is not None and _may_place_camera(diagnosis)
    if has_points and not has_image:
        diagnosis.set_parameter("mode", "lidar_only")
    elif has_image and not has_points:
        diagnosis.set_parameter("mode", "camera_only")
    return diagnosis


def _beside(observation: Observation) -> Path | None:
    """Return the calibration that `bev-semseg bag` writes into a bag's folder, if there is one."""
    if observation.is_live:
        return None
    file = Path(observation.source) / YAML_NAME
    return file if file.is_file() else None


def _may_place_camera(diagnosis: Diagnosis) -> bool:
    """Return whether the calibration has the camera, or may have it because it is not written."""
    return diagnosis.calibration is None or diagnosis.calibration.camera is not None

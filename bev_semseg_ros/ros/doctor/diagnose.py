"""Says what is wrong with a vehicle's input before the node has to: every check on a bag or on live topics."""

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
    check_sync,
    check_topics,
)
from bev_semseg_ros.ros.doctor.transport import check_qos, check_static_qos, check_transport


def diagnose(
    observation: Observation,
    checkpoint_file: Path,
    calibration_file: Path | None = None,
    base_frame: str = "",
) -> Diagnosis:
    """Every finding about what was observed, and the parameters with which the node works on it.

    calibration_file: None: the bag's own, or TF, where `base_frame` is the vehicle's ("": found out). Raises ValueError
    or FileNotFoundError if one of the two files cannot be read.
    """
    config, _, trained = checkpoint.load(checkpoint_file)
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
    points, image = (observation.streams.get(name) for name in ("points", "image"))
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
    check_training(observation, camera, config, trained, diagnosis)
    has_points, has_image = (
        bool(points and points.samples),
        camera is not None and _places_camera(diagnosis),
    )
    if has_points != has_image:
        diagnosis.set("mode", "lidar_only" if has_points else "camera_only")
    return diagnosis


def _beside(observation: Observation) -> Path | None:
    """The calibration that `bev-semseg bag` writes into a bag's folder."""
    file = Path(observation.source) / YAML_NAME
    return file if not observation.is_live and file.is_file() else None


def _places_camera(diagnosis: Diagnosis) -> bool:
    """Whether the calibration does; one that is still to be written may."""
    return diagnosis.calibration is None or diagnosis.calibration.camera is not None

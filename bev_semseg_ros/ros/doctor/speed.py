"""Measure how fast the network is on this machine, on the input that was observed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.frame import MODES, Camera, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, transform
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation, Stream
from bev_semseg_ros.ros.doctor.sensors import lidar_pose
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.camera_input import CameraInput
from bev_semseg_ros.ros.input.lidar_input import LidarInput
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor

FRAMES = 6  # that are measured
MAX_SECONDS = 10.0  # after which no further frame is measured
BUSY = 0.5  # load per core before the measurement; the finding mentions a higher one
ENOUGH = 0.95  # fraction of the sensor's rate; a lower rate is a warning
# camera_from_ego of a camera without a known pose: it looks ahead, from a usual height.
ANY_CAMERA = OPTICAL_FROM_VIEW @ invert(transform(translation=(0.0, 0.0, 1.5)))


@dataclass(frozen=True)
class Speed:
    """How long a frame takes: medians, milliseconds.

    Attributes:
        decode_ms: Messages to arrays.
        prepare_ms: Rectification, and what the network needs of the points.
        network_ms: The network.
        frame_ms: All together.
        frames: How many frames were measured.
        load: Load average of the machine before the measurement.
        cores: How many processors this program may use.
        device: Kind of device on which the network ran: cpu or cuda.
        precision: fp32, bf16 or fp16.
        engine: torch or openvino.
        description: What the network ran on, in words.
    """

    decode_ms: float
    prepare_ms: float
    network_ms: float
    frame_ms: float
    frames: int
    load: float
    cores: int
    device: str
    precision: str
    engine: str
    description: str


def check_speed(observation: Observation, checkpoint_file: Path, diagnosis: Diagnosis) -> None:
    """Report the frame rate that the node can be expected to reach on this machine.

    Args:
        observation: What was seen.
        checkpoint_file: The network.
        diagnosis: Has the parameters of the node, and gets the finding.
    """
    parameters = diagnosis.node_parameters()
    used = [
        sensor
        for sensor in parameters.sensors.used(parameters.mode)
        if observation.usable(sensor) is not None
    ]
    if not used:
        diagnosis.add("speed", "ok", "unknown: there is nothing to run the network on")
        return
    try:
        speed = measure(observation, used, checkpoint_file, parameters, diagnosis.calibration)
    except (ValueError, RuntimeError) as error:
        text = f"the network does not run here: {' '.join(str(error).split())}"
        diagnosis.add("speed", "fault", text, "see whether the engine suits this machine")
        return
    report(speed, observation.streams[used[0].stream], parameters, diagnosis)


def measure(
    observation: Observation,
    sensors: list[Sensor],
    checkpoint_file: Path,
    parameters: Parameters,
    calibration: Calibration | None,
) -> Speed:
    """Run the network on observed messages, as the node does.

    Args:
        observation: Has the messages.
        sensors: The sensors with messages, the reference first.
        checkpoint_file: The network.
        parameters: Parameters of the node.
        calibration: The poses of the sensors, as far as they are known.

    Raises:
        ValueError: If the network cannot run here with these parameters, or the messages cannot be
            used.
    """
    load = os.getloadavg()[0]
    predictor = Predictor.load(checkpoint_file, **parameters.predictor_options)
    replay = Replay(observation, sensors, parameters, calibration, predictor)
    mode = next(each for each in MODES if each == parameters.mode)
    times = []
    with _one_thread_of_cv2():
        predictor.warm_up(seen.camera.size for seen in replay.frame(0).cameras.values())
        end = time.perf_counter() + MAX_SECONDS
        for number in range(FRAMES + 1):
            start = time.perf_counter()
            frame = replay.frame(number)
            decoded = time.perf_counter()
            sample = prepare(frame, predictor.config, predictor.whole_clouds)
            prepared = time.perf_counter()
            prediction = predictor.predict_sample(sample, mode, parameters.score_threshold)
            ready = time.perf_counter()
            seconds = (decoded - start, prepared - decoded, ready - start)
            times.append((*(1e3 * each for each in seconds), prediction.network_ms))
            if len(times) > 1 and ready > end:
                break
    decode_ms, prepare_ms, frame_ms, network_ms = np.median(times[1:], axis=0)
    return Speed(
        round(float(decode_ms), 2),
        round(float(prepare_ms), 2),
        round(float(network_ms), 2),
        round(float(frame_ms), 2),
        len(times) - 1,
        round(load, 1),
        len(os.sched_getaffinity(0)),
        predictor.device.type,
        predictor.precision,
        predictor.engine,
        predictor.description,
    )


class Replay:
    """The observed messages as frames, decoded by the node's own code."""

    def __init__(
        self,
        observation: Observation,
        sensors: list[Sensor],
        parameters: Parameters,
        calibration: Calibration | None,
        predictor: Predictor,
    ) -> None:
        """Prepare the decoders; see `measure`."""
        self._observation, self._sensors, self._parameters = observation, sensors, parameters
        self._poses: dict[Sensor, np.ndarray] = {}
        self._lidars: dict[Sensor, LidarInput] = {}
        self._cameras: dict[Sensor, CameraInput] = {}
        self._infos: dict[Sensor, Any] = {}
        units = {} if calibration is None else calibration.units
        for sensor in sensors:
            stream = observation.streams[sensor.stream]
            if sensor.kind == "points":
                self._poses[sensor] = lidar_pose(sensor, stream, calibration)
                self._lidars[sensor] = LidarInput(
                    sensor,
                    Health(),
                    predictor.point_attributes,
                    lidar_from_unit=units.get(sensor.name),
                    needs_units=predictor.whole_clouds,
                )
            else:
                camera = _known_camera(sensor, calibration)
                self._poses[sensor] = ANY_CAMERA if camera is None else camera.camera_from_ego
                self._cameras[sensor] = CameraInput(sensor, camera, stream.is_rectified)
                self._infos[sensor] = self._info(sensor)

    def frame(self, number: int) -> Frame:
        """Return a frame. Successive frames are spread over all messages that were kept.

        Raises:
            ValueError: If no message of it can be used.
        """
        lidars: dict[str, LidarScan] = {}
        cameras: dict[str, CameraImage] = {}
        problem: UnusableInput | None = None
        for sensor in self._sensors:
            message = _spread(self._observation.streams[sensor.stream], number)
            pose = self._poses[sensor]
            try:
                if sensor.kind == "points":
                    scan = self._lidars[sensor].decode(message, pose, self._parameters)
                    lidars[sensor.name] = scan
                else:
                    info = self._infos[sensor]
                    cameras[sensor.name] = self._cameras[sensor].decode(message, info, pose)
            except UnusableInput as error:
                problem = error
        if problem is not None and not lidars and not cameras:
            raise problem
        return Frame(0, lidars, cameras)

    def _info(self, sensor: Sensor) -> Any:
        """Return a camera_info of a camera; None if the node takes the calibration's intrinsics."""
        infos = self._observation.camera_infos(sensor)
        if self._parameters.intrinsics == "calibration" or infos is None or not infos.samples:
            return None
        return infos.samples[0]


def _spread(stream: Stream, number: int) -> Any:
    """Return the message of a frame; frames are spread over all messages that were kept."""
    samples = stream.samples
    return samples[(number % FRAMES) * len(samples) // FRAMES]


def _known_camera(sensor: Sensor, calibration: Calibration | None) -> Camera | None:
    if calibration is None or sensor.name not in calibration.cameras:
        return None
    return calibration.cameras[sensor.name].camera


@contextmanager
def _one_thread_of_cv2() -> Iterator[None]:
    """Let OpenCV use one thread, as in the node."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def report(speed: Speed, reference: Stream, parameters: Parameters, diagnosis: Diagnosis) -> None:
    """Report the expected frame rate, compared with the rate of the reference sensor.

    Args:
        speed: What was measured.
        reference: The messages that decide when a frame is made.
        parameters: Parameters of the node.
        diagnosis: Gets the finding and the figures.
    """
    possible, wanted = 1e3 / speed.frame_ms, reference.rate
    diagnosis.statistics["speed"] = {
        "decode_ms": speed.decode_ms,
        "prepare_ms": speed.prepare_ms,
        "network_ms": speed.network_ms,
        "frame_ms": speed.frame_ms,
        "frames": speed.frames,
        "load": speed.load,
        "network": speed.description,
        "possible_rate": round(possible, 2),
        "reference": reference.topic,
        "reference_rate": round(wanted, 2),
    }
    text = (
        f"the network takes {speed.network_ms:.0f} ms on this machine ({speed.description}), a "
        f"frame {speed.frame_ms:.0f} ms without publishing"
    )
    if speed.load > BUSY * speed.cores:
        text += f", while other programs had a load of {speed.load:.1f} on {speed.cores} cores"
    if not wanted:
        diagnosis.add("speed", "ok", f"{text}: expect up to {possible:.1f} frames/s")
    elif possible >= ENOUGH * wanted:
        text += f": expect all {wanted:.1f} frames/s that {reference.topic} sends"
        diagnosis.add("speed", "ok", text)
    else:
        text += (
            f": expect {possible:.1f} frames/s of the {wanted:.1f} that {reference.topic} sends; "
            "the node skips the others"
        )
        remedy = f"{', or '.join(_remedies(speed, parameters))}; see docs/deployment.md"
        diagnosis.add("speed", "warning", text, remedy)


def _remedies(speed: Speed, parameters: Parameters) -> list[str]:
    """Return what would make the node faster here, the most effective first."""
    found = []
    if parameters.grid == "around":
        found.append("set grid: forward")
    if speed.device == "cpu":
        if speed.engine == "torch":
            found.append("install openvino (engine: openvino)")
        found.append("run the node on a GPU (device: cuda) or on more cores")
    elif speed.precision == "fp32":
        found.append("set precision: auto")
    if parameters.mode == "fused" and len(parameters.sensors.cameras) > 1:
        found.append("name fewer cameras")
    if parameters.mode == "fused":
        found.append("set mode: lidar_only, which gives no segmentation")
    return found or ["use a faster machine"]

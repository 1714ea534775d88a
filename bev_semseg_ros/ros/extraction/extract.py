"""Turns a recorded drive into frames in KITTI's object layout. Needs `rosbags`, not rclpy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.data.kitti.cameras import CameraFiles, camera_name
from bev_semseg_ros.data.kitti.writer import FrameWriter, lidar_folders
from bev_semseg_ros.ros.bag.reader import BagReader, Topic
from bev_semseg_ros.ros.bag.reading.remark import left_out_in_words
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.doctor.diagnosis import Diagnosis
from bev_semseg_ros.ros.doctor.observation import Observation
from bev_semseg_ros.ros.extraction.matching import BagMatching
from bev_semseg_ros.ros.health.diagnostics import explain_cause
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.camera_input import CameraInput
from bev_semseg_ros.ros.input.frame_input import FrameInput
from bev_semseg_ros.ros.input.intensity import CLOUDS
from bev_semseg_ros.ros.input.lidar_input import LidarInput
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.node.calibration import calibrated_frame_ids, names_frames
from bev_semseg_ros.ros.parameters.sensors import Sensor
from bev_semseg_ros.ros.synchronizer import Match

_store = get_typestore(Stores.ROS2_JAZZY)


@dataclass
class Extraction:
    """What was extracted.

    Attributes:
        frames: Number of frames written.
        complete: Number of matches in which no sensor was missing.
        folders: Topic -> its folder in `training`.
        unused: Sensors of the vehicle whose messages cannot be used.
        left_out: Cause -> number of messages or matches from which no frame was made for it.
        unreadable: (topic, cause) -> number of messages of the bag that cannot be read.
        warnings: What was assumed about the messages.
    """

    frames: int = 0
    complete: int = 0
    folders: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def causes(self) -> list[str]:
        """Return each cause with its number and what it means, the most frequent first."""
        causes = [
            f"{count} {cause}: {explain_cause(cause)}"
            for cause, count in self.left_out.most_common()
        ]
        return causes + left_out_in_words(self.unreadable)


class Extractor:
    """Decodes and matches the messages of a bag as the node does.

    Attributes:
        sensors: The sensors whose messages make a frame: the lidars, then the cameras.
        folders: Topic -> its folder in `training`.
    """

    def __init__(self, observation: Observation, diagnosis: Diagnosis) -> None:
        """Prepare the decoders.

        Args:
            observation: What the doctor has read of the bag.
            diagnosis: What the doctor found in it; has the calibration and the node's parameters.

        Raises:
            ValueError: If the calibration or all usable messages are missing, or the layout cannot
                have the names of the lidars.
        """
        self._observation = observation
        self._parameters = diagnosis.node_parameters()
        used = self._parameters.sensors.used(self._parameters.mode)
        self.sensors = tuple(each for each in used if observation.usable(each) is not None)
        if not self.sensors:
            raise ValueError(f"{observation.source}: no clouds or images that can be used")
        self._calibration = _calibration(diagnosis)
        self._health = Health()
        self._health.reset(sensor.stream for sensor in self.sensors)
        self._matching = BagMatching(self.sensors, self._parameters, self._health)
        frames: Mapping[str, str] = {}
        file = diagnosis.calibration_file
        if file is not None and names_frames(str(file)):
            frames = calibrated_frame_ids(self._parameters.sensors, self._calibration)
        self._input = FrameInput(
            {each: self._lidar(each, frames) for each in self.sensors if each.kind == "points"},
            {each: self._camera(each, frames) for each in self.sensors if each.kind == "image"},
            self._health,
        )
        self.folders = self._name_folders()

    def extract(
        self,
        bag: Path,
        out: Path,
        interval: float,
        limit: int | None = None,
        on_message: Callable[[], Any] = lambda: None,
    ) -> Extraction:
        """Write frames until the end of the bag. After an interruption, what was written is usable.

        Args:
            bag: The bag that was observed.
            out: Folder of the data set.
            interval: Shortest time between two frames, seconds.
            limit: Largest number of frames; None for all.
            on_message: Called after every message of the bag.

        Raises:
            ValueError: If there is no match with all sensors; the message says why.
            OSError: If a file cannot be written.
        """
        result = Extraction(folders=self.folders, unused=self._unused())
        writer = FrameWriter(out, bag.resolve().stem if bag.is_file() else bag.resolve().name)
        last: int | None = None
        try:
            with BagReader(bag) as reader:
                for match in self._matches(reader, result, on_message):
                    if match.missing:
                        result.left_out.update(f"no_{stream}" for stream in match.missing)
                        continue
                    result.complete += 1
                    stamp = stamp_ns(next(iter(match.parts.values()))[0].header.stamp)
                    # If the stamps jump back, as in a bag that was recorded in a loop, go on.
                    if last is not None and 0 <= stamp - last < round(1e9 * interval):
                        continue
                    if self._write(match, writer, result):
                        last = stamp
                    if writer.count == limit:
                        break
                result.unreadable += reader.left_out
        finally:
            writer.finish()
        result.left_out.update(self._health.counts().dropped)
        result.frames = writer.count
        if not result.frames:
            causes = "; ".join(result.causes()) or "no messages that belong together"
            raise ValueError(
                f"{bag}: no frame with all sensors ({', '.join(self.folders)}): {causes}"
            )
        result.warnings = self._health.take_warnings()
        return result

    @property
    def num_messages(self) -> int:
        """Number of messages of the bag that `extract` reads, as far as it is known."""
        streams = self._observation.streams
        topics = {streams[name].topic for name in self._matching.inputs & streams.keys()}
        return sum(self._observation.available[topic][1] for topic in topics)

    def _inputs(self, reader: BagReader) -> dict[Topic, str]:
        """Return the topics of a bag whose messages are needed -> their inputs."""
        inputs = {}
        for name in self._matching.inputs & self._observation.streams.keys():
            stream = self._observation.streams[name]
            inputs[stream.topic, stream.message_type] = name
        keys = {each: (each.name, each.message_type) for each in reader.topics}
        return {topic: inputs[key] for topic, key in keys.items() if key in inputs}

    def _matches(
        self, reader: BagReader, result: Extraction, on_message: Callable[[], Any]
    ) -> Iterator[Match]:
        """Yield the matches of a bag, and count messages that cannot be read in the result."""
        inputs = self._inputs(reader)
        for topic, time, data in reader.messages(list(inputs)):
            try:
                message = _store.deserialize_cdr(data, topic.message_type)
            except Exception as error:  # rosbags raises any type; go on with the next message
                result.unreadable[topic.name, f"damaged: {type(error).__name__}"] += 1
            else:
                yield from self._matching.take(inputs[topic], message, time)
            on_message()
        yield from self._matching.finish()

    def _write(self, match: Match, writer: FrameWriter, result: Extraction) -> bool:
        """Write the frame of a match. Return False if one of its messages is unusable."""
        decoded = self._input.decode(
            match,
            {name: each.ego_from_lidar for name, each in self._calibration.lidars.items()},
            {name: each.camera.camera_from_ego for name, each in self._calibration.cameras.items()},
            self._parameters,
        )
        if decoded.frame is None or decoded.causes:
            result.left_out.update(decoded.causes)
            return False
        writer.write(decoded.frame)
        return True

    def _lidar(self, sensor: Sensor, frames: Mapping[str, str]) -> LidarInput:
        """Return the decoder of a lidar, which knows the scale of the intensity.

        The node finds this scale in its first clouds. All frames of a data set need the same.
        """
        decoder = LidarInput(sensor, self._health, (), frames.get(sensor.stream))
        for message in self._observation.streams[sensor.stream].samples[:CLOUDS]:
            with suppress(UnusableInput):
                decoder.decode(message, np.eye(4), self._parameters)
        return decoder

    def _camera(self, sensor: Sensor, frames: Mapping[str, str]) -> CameraInput:
        mount = self._calibration.cameras.get(sensor.name)
        return CameraInput(
            sensor,
            None if mount is None else mount.camera,
            self._observation.streams[sensor.stream].is_rectified,
            self._health,
            frames.get(sensor.stream, ""),
        )

    def _name_folders(self) -> dict[str, str]:
        lidars = [each for each in self.sensors if each.kind == "points"]
        cameras = [each for each in self.sensors if each.kind == "image"]
        folders = lidar_folders(each.name for each in lidars)
        folders += [CameraFiles.of(camera_name(index)).images for index in range(len(cameras))]
        topics = [self._observation.streams[each.stream].topic for each in (*lidars, *cameras)]
        return dict(zip(topics, folders, strict=True))

    def _unused(self) -> list[str]:
        return [each.stream for each in self._observation.sensors.all if each not in self.sensors]


def _calibration(diagnosis: Diagnosis) -> Calibration:
    """Return the calibration that the doctor found; raise ValueError if there is none."""
    if diagnosis.calibration is None:
        found = [str(each) for each in diagnosis.findings if each.item == "calibration"]
        raise ValueError(f"{diagnosis.source}: {'; '.join(found)}")
    return diagnosis.calibration

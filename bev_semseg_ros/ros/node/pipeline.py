"""The inference thread: from matched messages to published results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from std_msgs.msg import Header

from bev_semseg_ros.frame import CameraImage, EgoMotion, Frame
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.health.diagnostics import NOT_SEARCHED
from bev_semseg_ros.ros.health.health import FrameRecord, Health
from bev_semseg_ros.ros.health.stages import StageClock
from bev_semseg_ros.ros.input.camera_input import CameraInput
from bev_semseg_ros.ros.input.drift_check import DriftCheck
from bev_semseg_ros.ros.input.ego_motion import MotionSource, UnknownMotion
from bev_semseg_ros.ros.input.extrinsics import Extrinsics, Poses
from bev_semseg_ros.ros.input.frame_input import FrameInput
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue, Work
from bev_semseg_ros.ros.input.lidar_input import LidarInput
from bev_semseg_ros.ros.input.transforms import MissingTransform
from bev_semseg_ros.ros.input.unusable import UnusableInput
from bev_semseg_ros.ros.node.publishers import DETECTION, Publishers
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensor
from bev_semseg_ros.ros.synchronizer import Match

NO_FRAME = (
    "no cloud has named the coordinate frame of the boxes (header.frame_id), so neither boxes nor "
    "the bird's-eye view are published: let the lidar's driver set it, or set output_frame"
)
NO_BOXES = "without a cloud this network finds no boxes: nothing is published on ~/detections"


class Pipeline:
    """Processes the matches of a queue in a thread of its own until `close`.

    Each part of a match is a tuple (message, camera_info or None). The pipeline logs nothing:
    warnings go to `Health`, which results in one line per second rather than one per frame.
    """

    def __init__(
        self,
        predictor: Any,
        extrinsics: Extrinsics,
        queue: LatestPairQueue,
        publishers: Publishers,
        health: Health,
        parameters: Callable[[], Parameters],
        is_running: Callable[[], bool] = lambda: True,
        cameras: Mapping[str, CameraInput] | None = None,
        frame_ids: Mapping[str, str] | None = None,
        motion: MotionSource | None = None,
        units: Mapping[str, Mapping[int, np.ndarray]] | None = None,
    ) -> None:
        """Prepare the thread; `start` starts it.

        Args:
            predictor: The network.
            extrinsics: Source of the sensors' poses.
            queue: Gives the matches.
            publishers: Publish the results.
            health: Counts frames and takes warnings.
            parameters: Returns the current parameters.
            is_running: Returns False when the process ends.
            cameras: Decoders of the images, by camera name; None: one without a calibration for
                each camera.
            frame_ids: Expected frame_ids of the clouds, by stream, if the calibration has them.
            motion: Source of the vehicle's motion; None: the motion is not corrected.
            units: `LidarScan.lidar_from_unit` by lidar name, if the calibration has it.
        """
        self._predictor, self._extrinsics, self._motion = predictor, extrinsics, motion
        self._queue, self._publishers, self._health = queue, publishers, health
        self._parameters, self._is_running = parameters, is_running
        self._sensors = parameters().sensors
        frames = frame_ids or {}
        lidars = {
            sensor: LidarInput(
                sensor,
                health,
                predictor.point_attributes,
                frames.get(sensor.stream),
                moves_points=motion is not None,
                lidar_from_unit=(units or {}).get(sensor.name),
                needs_units=predictor.whole_clouds,
            )
            for sensor in self._sensors.lidars
        }
        decoders = cameras or {sensor.name: CameraInput(sensor) for sensor in self._sensors.cameras}
        self._frame_input = FrameInput(
            lidars,
            {sensor: decoders[sensor.name] for sensor in self._sensors.cameras},
            health,
            self._require_warm,
        )
        self._cloud_frame = extrinsics.lidar_frame  # of the last cloud of the reference lidar
        self._drift_check = DriftCheck(predictor.info, self._sensors)
        self._preparation: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name="inference")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Finish the current frame, then end the thread."""
        self._queue.close()
        if self._thread.ident is not None:  # it was started
            self._thread.join()

    def _run(self) -> None:
        # Wake up regularly, so that the thread ends even if the node could not close it.
        while not self._queue.closed and self._is_running():
            work = self._queue.take(timeout=0.5)
            if work is None:
                continue
            self._health.set_in_process_since(time.monotonic())
            try:
                self.process(work)
            except Exception as error:  # an error must not prevent the next frame
                # `process` counts a frame only after publishing it, so this one is not counted yet.
                self._health.drop("inference_error")
                if is_device_failure(error):
                    self._health.fail(f"{type(error).__name__}: {' '.join(str(error).split())}")
                    return
                self._health.warn(
                    "inference_error", f"a frame was dropped: {type(error).__name__}: {error}"
                )
            finally:
                self._health.set_in_process_since(None)

    def process(self, work: Work) -> None:
        """Process a match, publish its results and count it: as published or as dropped.

        Raises:
            Exception: If the frame could not be processed or published. It is then not counted.
        """
        clock = StageClock(work.entered)
        clock.end("wait_ms")
        parameters = self._parameters()  # a change during this frame takes effect with the next one
        clouds = self._headers(work.match, self._sensors.lidars)
        images = self._headers(work.match, self._sensors.cameras)
        poses = self._look_up_poses(clouds, images)
        if poses is None:
            return
        frame, missing = self._decode(work.match, poses, parameters)
        if frame is None:
            self._health.drop(missing[0])
            return
        # The header of the first sensor whose message is used.
        used_clouds = [header for name, header in clouds.items() if name in frame.lidars]
        used_images = {name: images[name] for name in frame.cameras}
        header: Header = [*used_clouds, *used_images.values()][0]
        clock.end("decode_ms")

        # Prepared here and not by the predictor, because the overlay also needs the prepared image.
        sample = prepare(frame, self._predictor.config, self._predictor.whole_clouds)
        reference = self._frame_input.lidars[self._sensors.lidars[0].name]
        for finding in self._drift_check.check(
            frame,
            sample.within(self._predictor.config.grid),
            parameters.extrinsics,
            reference.intensity_factor,
        ):
            self._health.warn(finding.item, str(finding))
        prediction = self._predictor.predict_sample(
            sample, parameters.mode, parameters.box_filter.lowest
        )
        clock.end("prepare_ms", prediction.network_ms)

        if prediction.boxes is not None:
            prediction = replace(prediction, boxes=parameters.box_filter(prediction.boxes))
        elif parameters.mode != "camera_only" and DETECTION in self._predictor.label_sets:
            self._health.warn("no_boxes", NO_BOXES)  # in camera_only, READY says it
        if not poses.output_frame and (frame.lidars or prediction.boxes is not None):
            self._health.warn("frame_id", NO_FRAME)
        self._publishers.publish(
            prediction,
            {name: seen.image for name, seen in sample.images.items()},
            Header(stamp=header.stamp, frame_id=poses.output_frame),
            poses.output_from_ego,
            used_images,
            parameters,
            lambda: self._predictor.bev_map(sample, prediction),
            {name: (scan, clouds[name]) for name, scan in frame.lidars.items()},
        )
        clock.end("publish_ms")

        total_ms = clock.values["total_ms"]
        offset_ms = None
        if clouds and images:
            first_cloud, first_image = next(iter(clouds.values())), next(iter(images.values()))
            offset_ms = (stamp_ns(first_cloud.stamp) - stamp_ns(first_image.stamp)) / 1e6
        record = FrameRecord(time.monotonic(), total_ms, prediction.mode, offset_ms)
        self._health.publish(record, missing)
        self._publish_timing(
            header,
            {
                "stamp": frame.timestamp_ns,
                "mode": prediction.mode,
                **clock.values,
                "overhead_ms": total_ms - prediction.network_ms,
                "boxes": NOT_SEARCHED if prediction.boxes is None else len(prediction.boxes),
                "points": sum(
                    len(scan.points) for scan in frame.lidars.values() if scan.points is not None
                ),
                **self._health.timing_counters(),
            },
        )

    def _publish_timing(self, header: Header, values: dict[str, Any]) -> None:
        """Publish the timing of a frame. An error only causes a warning: the frame is published."""
        try:
            self._publishers.publish_timing(header, values)
        except Exception as error:
            self._health.warn(
                "timing_error",
                f"the timing of a frame was not published: {type(error).__name__}: {error}",
            )

    @staticmethod
    def _headers(match: Match, sensors: Sequence[Sensor]) -> dict[str, Header]:
        """Return the headers of the messages of the given sensors, by sensor name."""
        return {
            sensor.name: match.parts[sensor.stream][0].header
            for sensor in sensors
            if sensor.stream in match.parts
        }

    def _look_up_poses(
        self, clouds: Mapping[str, Header], images: Mapping[str, Header]
    ) -> Poses | None:
        """Return the poses. If they are unknown, count the frame as dropped and return None."""
        reference = self._sensors.lidars[0].name
        if reference in clouds:
            self._cloud_frame = clouds[reference].frame_id
        else:
            stamp = [*clouds.values(), *images.values()][0].stamp
            clouds = {reference: Header(stamp=stamp, frame_id=self._cloud_frame), **clouds}
        try:
            poses = self._extrinsics.at(clouds, images)
        except MissingTransform as error:
            self._health.drop("no_transform")
            self._health.warn("no_transform", f"frames are dropped: {error}")
            return None
        if poses.missing:
            text = "; ".join(poses.missing)
            self._health.warn("no_transform", f"sensors are left out: {text}")
        return poses

    def _decode(
        self, match: Match, poses: Poses, parameters: Parameters
    ) -> tuple[Frame | None, list[str]]:
        """Return a frame of the usable messages of a match, and the causes of missing sensors.

        The frame is None if no message is usable.
        """
        decoded = self._frame_input.decode(
            match, poses.ego_from_lidar, poses.camera_from_ego, parameters
        )
        frame, causes = decoded.frame, decoded.causes
        if frame is not None and frame.lidars:
            frame = replace(frame, motion=self._look_up_motion(decoded.time, poses, causes))
        return frame, causes

    def _look_up_motion(self, time: int, poses: Poses, causes: list[str]) -> EgoMotion | None:
        """Return the vehicle's motion. If it should be known but is not, append the cause."""
        if self._motion is None:
            return None
        try:
            return self._motion.at(time, poses.ego_from_base)
        except UnknownMotion as error:
            self._health.warn("no_ego_motion", f"the ego motion is unknown: {error}")
            causes.append("no_ego_motion")
            return None

    def _require_warm(self, seen: CameraImage) -> None:
        """Raise UnusableInput if the network is not ready for the size of an image yet."""
        if not self._predictor.is_warm(seen.camera.size):
            self._prepare(seen.camera.size)
            width, height = seen.camera.size
            raise UnusableInput(
                "new_image_size",
                f"images of {width} x {height} pixels are new: left out until the network is ready "
                "for them",
            )

    def _prepare(self, size: tuple[int, int]) -> None:
        """Compile the network for images of `size` in a separate thread, one size at a time.

        This takes seconds. The thread is a daemon, so that shutdown does not wait for it.
        """
        if self._preparation is None or not self._preparation.is_alive():
            self._preparation = threading.Thread(
                target=self._compile, args=(size,), name="prepare", daemon=True
            )
            self._preparation.start()

    def _compile(self, size: tuple[int, int]) -> None:
        try:
            self._predictor.prepare(size)
        except Exception as error:  # the next image of this size tries again
            self._health.warn(
                "prepare_error",
                f"the network cannot be made ready for images of {size[0]} x {size[1]} pixels: "
                f"{type(error).__name__}: {error}",
            )


def is_device_failure(error: Exception) -> bool:
    """Return whether the next frame would also fail: the GPU is out of memory or lost.

    torch raises OutOfMemoryError only for GPUs. For other failures, newer versions raise
    AcceleratorError and older ones RuntimeError, both with the text "CUDA error".
    """
    import torch  # already loaded, unless the predictor is a substitute in a test

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "CUDA error" in str(error)
    )

"""The inference thread: from matched messages to published results."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from std_msgs.msg import Header

from bev_semseg_ros.frame import CAMERA, LIDAR, Camera, Frame
from bev_semseg_ros.input_check import same_view
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.ros.convert.camera_info import decode_camera
from bev_semseg_ros.ros.convert.compressed_image import decode_compressed
from bev_semseg_ros.ros.convert.image import decode_image
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.convert.point_attributes import decode_point_attributes
from bev_semseg_ros.ros.health.diagnostics import NOT_SEARCHED
from bev_semseg_ros.ros.health.health import FrameRecord, Health
from bev_semseg_ros.ros.health.stages import StageClock
from bev_semseg_ros.ros.input.drift_check import DriftCheck
from bev_semseg_ros.ros.input.extrinsics import Extrinsics, MissingTransform, Poses
from bev_semseg_ros.ros.input.intensity import IntensityScale
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue, Work
from bev_semseg_ros.ros.input.synchronizer import Match
from bev_semseg_ros.ros.node.parameters import Parameters
from bev_semseg_ros.ros.node.publishers import DETECTION, Publishers

NO_BOXES = "without a cloud this network finds no boxes: nothing is published on ~/detections"


class UnusableInput(ValueError):
    """A cloud or image without which the frame is processed.

    Attributes:
        cause: One of `diagnostics.CAUSES`.
    """

    def __init__(self, cause: str, text: str) -> None:
        """Keep the cause and the reason in words."""
        super().__init__(text)
        self.cause = cause


class Pipeline:
    """Processes the matches of a queue in a thread of its own until `close`.

    Each part of a match is (message, camera_info or None). Nothing is logged here: warnings go to
    health, so that they make one line a second and not one a frame.
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
        camera: Camera | None = None,
        is_rectified: bool = False,
        lidar_frame: str | None = None,
    ) -> None:
        """Prepare the thread; `start` starts it.

        Args:
            predictor: The network.
            extrinsics: The poses of the sensors.
            queue: The matches.
            publishers: Publish the results.
            health: Counts frames and takes warnings.
            parameters: Returns the parameters as they are now.
            is_running: Returns False when the process ends.
            camera: The intrinsics of images without a camera_info.
            is_rectified: Whether images are rectified already, whatever their intrinsics say.
            lidar_frame: The frame_id the first cloud should have, if the calibration names one.
        """
        self._predictor, self._extrinsics = predictor, extrinsics
        self._queue, self._publishers, self._health = queue, publishers, health
        self._parameters, self._is_running = parameters, is_running
        self._camera, self._is_rectified = camera, is_rectified
        self._expected_lidar_frame = lidar_frame
        self._cloud_frame = extrinsics.lidar_frame  # of the last cloud
        self._drift_check = DriftCheck(predictor.info)
        self._intensity = IntensityScale()
        self._preparation: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name="inference")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Finish the present frame, then end the thread."""
        self._queue.close()
        if self._thread.ident is not None:  # it was started
            self._thread.join()

    def _run(self) -> None:
        # It wakes up regularly: this thread must not outlive a node that could not close it.
        while not self._queue.closed and self._is_running():
            work = self._queue.take(timeout=0.5)
            if work is None:
                continue
            try:
                self.process(work)
            except Exception as error:  # whatever this frame does, the next one must be processed
                # `process` counts a frame as published last, so that this one is not yet counted.
                self._health.drop("inference_error")
                if is_device_failure(error):
                    self._health.fail(f"{type(error).__name__}: {' '.join(str(error).split())}")
                    return
                self._health.warn(
                    "inference_error", f"a frame was dropped: {type(error).__name__}: {error}"
                )

    def process(self, work: Work) -> None:
        """Process a match, publish its results and count it: as published or as dropped.

        Raises:
            Exception: If the frame could not be processed or published. It is not counted then.
        """
        clock = StageClock(work.entered)
        clock.end("wait_ms")
        parameters = self._parameters()  # a change during this frame takes effect with the next one
        cloud_header = image_header = None
        if work.match.points is not None:
            cloud_header = work.match.points[0].header
        if work.match.image is not None:
            image_header = work.match.image[0].header
        poses = self._look_up_poses(cloud_header, image_header)
        if poses is None:
            return
        frame, missing = self._decode(work.match, poses, parameters)
        if frame is None:
            self._health.drop(missing[0])
            return
        header: Header = cloud_header if frame.points is not None else image_header
        clock.end("decode_ms")

        # Prepared here and not by the predictor: the overlay needs the prepared image, too.
        sample = prepare(frame, self._predictor.config)
        for finding in self._drift_check.check(
            frame, sample, parameters.extrinsics, self._intensity.factor
        ):
            self._health.warn(finding.item, str(finding))
        prediction = self._predictor.predict_sample(
            sample, parameters.mode, parameters.box_filter.lowest
        )
        clock.end("prepare_ms", prediction.network_ms)

        if prediction.boxes is not None:
            prediction = replace(prediction, boxes=parameters.box_filter(prediction.boxes))
        elif parameters.mode != "camera_only" and DETECTION in self._predictor.label_sets:
            self._health.warn("no_boxes", NO_BOXES)  # for camera_only READY says it
        self._publishers.publish(
            prediction,
            sample.image,
            Header(stamp=header.stamp, frame_id=poses.output_frame),
            poses.output_from_ego,
            image_header if frame.image is not None else None,
            parameters,
        )
        clock.end("publish_ms")

        total_ms = clock.values["total_ms"]
        offset_ms = None
        if cloud_header is not None and image_header is not None:
            offset_ms = (stamp_ns(cloud_header.stamp) - stamp_ns(image_header.stamp)) / 1e6
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
                "points": 0 if frame.points is None else len(frame.points),
                **self._health.timing_counters(),
            },
        )

    def _publish_timing(self, header: Header, values: dict[str, Any]) -> None:
        """Publish the timing of a frame that is published and counted, whatever happens here."""
        try:
            self._publishers.publish_timing(header, values)
        except Exception as error:
            self._health.warn(
                "timing_error",
                f"the timing of a frame was not published: {type(error).__name__}: {error}",
            )

    def _look_up_poses(
        self, cloud_header: Header | None, image_header: Header | None
    ) -> Poses | None:
        """Return the poses; without them count the frame as dropped and return None."""
        box_header = cloud_header
        if cloud_header is not None:
            self._cloud_frame = cloud_header.frame_id
        elif image_header is not None:
            box_header = Header(stamp=image_header.stamp, frame_id=self._cloud_frame)
        try:
            poses = self._extrinsics.at(
                {LIDAR: box_header}, {} if image_header is None else {CAMERA: image_header}
            )
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
        """Return the frame of what can be used of a match, and the causes why sensors are missing.

        If nothing can be used the frame is None.
        """
        points = image = camera = None
        causes: list[str] = []
        if match.points is not None:
            message, _ = match.points
            try:
                points = self._decode_points(message, parameters)
            except UnusableInput as error:
                causes.append(self._leave_out(error))
        if match.image is not None:
            message, info = match.image
            try:
                pose = poses.camera_from_ego.get(CAMERA)
                image, camera = self._decode_image(message, info, pose, parameters)
            except UnusableInput as error:
                causes.append(self._leave_out(error))
        if points is None and image is None:
            return None, causes
        causes += _missing_streams(match, parameters.mode)
        used = match.points if points is not None else match.image
        stamp = stamp_ns(used[0].header.stamp)
        attributes = {}
        if points is not None and self._predictor.point_attributes:
            attributes = self._decode_attributes(match.points[0])
        ego_from_lidar = poses.ego_from_lidar[LIDAR]
        frame = Frame.of(stamp, points, ego_from_lidar, image, camera, point_attributes=attributes)
        return frame, causes

    def _decode_attributes(self, message: Any) -> dict[str, np.ndarray]:
        """Return what the lidar encoder wants of each point, as far as the cloud has it."""
        try:
            attributes = decode_point_attributes(message, stamp_ns(message.header.stamp))
        except ValueError as error:
            self._health.warn("point_attributes", f"the cloud is used without them: {error}")
            return {}
        wanted = self._predictor.point_attributes
        if missing := [name for name in wanted if name not in attributes]:
            self._health.warn(
                "point_attributes",
                f"the network wants {', '.join(missing)} of each point and the cloud has no such "
                "field: let the driver publish it, or expect less accuracy",
            )
        return {name: values for name, values in attributes.items() if name in wanted}

    def _leave_out(self, error: UnusableInput) -> str:
        """Warn of a message that is not used, and return the cause."""
        self._health.warn(error.cause, str(error))
        return error.cause

    def _decode_points(self, message: Any, parameters: Parameters) -> np.ndarray:
        """Return (N, 4) points in the lidar's frame, or raise UnusableInput."""
        field = parameters.intensity_field
        try:
            points = self._intensity.decode(message, field, parameters.intensity_scale)
        except ValueError as error:
            raise UnusableInput("bad_points", f"bad cloud: {error}") from error
        is_finite = (
            np.isfinite(points[:, 0]) & np.isfinite(points[:, 1]) & np.isfinite(points[:, 2])
        )
        if not is_finite.any():
            raise UnusableInput("empty_points", "the cloud has no finite point")
        self._check_cloud_frame(message.header.frame_id, parameters)
        if warning := self._intensity.take_warning():
            self._health.warn("intensity_scale", warning)
        names = [each.name for each in message.fields]
        if field and field not in names:
            self._health.warn(
                "intensity",
                f"the cloud has no field {field!r}, only {', '.join(names)}; its intensity counts "
                "as 0: set intensity_field",
            )
        return points

    def _check_cloud_frame(self, frame: str, parameters: Parameters) -> None:
        expected, self._expected_lidar_frame = self._expected_lidar_frame, None  # once is enough
        if not frame and not parameters.output_frame:
            self._health.warn(
                "frame_id", "the cloud's header has no frame_id: markers cannot be placed"
            )
        elif expected is not None and frame != expected:
            self._health.warn(
                "frame_id",
                f"the clouds are in frame {frame!r}, the calibration is of {expected!r}: if these "
                "are not the same, use the calibration of the former, else set lidar.frame_id in "
                "the calibration to it",
            )

    def _decode_image(
        self,
        message: Any,
        info: Any,
        camera_from_ego: np.ndarray | None,
        parameters: Parameters,
    ) -> tuple[np.ndarray, Camera]:
        """Return (H, W, 3) RGB as recorded and its camera, or raise UnusableInput."""
        decode = decode_compressed if parameters.image_transport == "compressed" else decode_image
        try:
            image = decode(message)
        except ValueError as error:
            raise UnusableInput("bad_image", f"bad image: {error}") from error
        try:
            camera = self._camera_of(info, camera_from_ego)
        except ValueError as error:
            raise UnusableInput("bad_camera_info", str(error)) from error
        height, width = image.shape[:2]
        if not same_view((width, height), camera.size):
            raise UnusableInput(
                "bad_camera_info",
                f"the image is {width} x {height} pixels, its intrinsics are of {camera.size[0]} x "
                f"{camera.size[1]}: not the same view",
            )
        if not self._predictor.is_warm(camera.size):
            self._prepare(camera.size)
            raise UnusableInput(
                "new_image_size",
                f"images of {width} x {height} pixels are new: left out until the network is ready "
                "for them",
            )
        return image, camera

    def _camera_of(self, info: Any, camera_from_ego: np.ndarray | None) -> Camera:
        if camera_from_ego is None:
            raise ValueError("the pose of the camera is unknown")
        if info is not None:
            return decode_camera(info, camera_from_ego, self._is_rectified)
        if self._camera is None:
            raise ValueError("the intrinsics of the camera are unknown")
        camera = replace(self._camera, camera_from_ego=camera_from_ego)
        return camera.rectified() if self._is_rectified else camera

    def _prepare(self, size: tuple[int, int]) -> None:
        """Compile the network for images of `size` in a thread of its own, one size at a time.

        It takes seconds. Nothing waits for the end of the thread: shutdown must not.
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


def _missing_streams(match: Match, mode: str) -> list[str]:
    """Return a cause for each sensor that the mode uses and a match lacks."""
    if mode != "fused":
        return []
    return [f"no_{stream}" for stream in match.missing]


def is_device_failure(error: Exception) -> bool:
    """Return whether the next frame would fail, too: the GPU has no memory left, or is lost.

    torch raises OutOfMemoryError for GPUs only. For other failures newer versions raise
    AcceleratorError and older ones RuntimeError, both with CUDA's own text.
    """
    import torch  # loaded by now, if the predictor is a real one

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "CUDA error" in str(error)
    )

"""Messages -> Frame -> Prediction -> outputs: what the inference thread does with a match."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import replace
from typing import Any

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from bev_semseg_ros.frame import Camera, Frame
from bev_semseg_ros.input_check import same_view
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.ros.convert.camera_info import decode_camera
from bev_semseg_ros.ros.convert.compressed_image import decode_compressed
from bev_semseg_ros.ros.convert.image import decode_image
from bev_semseg_ros.ros.convert.message import stamp_ns
from bev_semseg_ros.ros.health.diagnostics import FRAMES, NOT_SEARCHED, FrameRecord
from bev_semseg_ros.ros.health.stages import StageClock
from bev_semseg_ros.ros.input.drift_check import InputWatch
from bev_semseg_ros.ros.input.extrinsics import Extrinsics, MissingTransform
from bev_semseg_ros.ros.input.intensity import IntensityScale
from bev_semseg_ros.ros.input.latest_pair_queue import Inbox, Work
from bev_semseg_ros.ros.node.parameters import Parameters
from bev_semseg_ros.ros.node.publishers import Outputs

NO_BOXES = "without a cloud this network finds no boxes: ~/detections says nothing then"


class Pipeline:
    """Takes matches from an inbox in a thread of its own until `close`.

    An item of a match is (message, camera_info or None). `published`: frames with a result, the last of them in
    `frames`; `degraded`: those of them that lack a sensor, by cause. Frames without a result are counted in the inbox.
    Nothing is logged here: what is wrong with the input is kept for `take_troubles`, so that it makes one line a second
    and not one a frame. failure: why the thread gave up, which only a device that fails can make it; None while it
    works.
    camera: the intrinsics of images without a camera_info; is_rectified: images need no rectification, whatever their
    intrinsics say; lidar_frame: the frame_id that the first cloud is held against, where the calibration names one.
    """

    def __init__(
        self,
        node: Node,
        predictor: Any,
        extrinsics: Extrinsics,
        inbox: Inbox,
        outputs: Outputs,
        camera: Camera | None = None,
        is_rectified: bool = False,
        lidar_frame: str | None = None,
    ) -> None:
        self._node, self._predictor, self._extrinsics = node, predictor, extrinsics
        self._inbox, self._outputs, self._lidar_frame = inbox, outputs, lidar_frame
        self._watch = InputWatch(predictor.info)
        self._camera, self._is_rectified = camera, is_rectified
        self.published = 0
        self.failure: str | None = None
        self.degraded: Counter[str] = Counter()
        self.frames: deque[FrameRecord] = deque(maxlen=FRAMES)
        self._troubles: dict[str, str] = {}
        self._cloud_frame = extrinsics.lidar_frame
        self._intensity = IntensityScale()
        self._preparation: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name="inference")

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish the frame at hand, then end the thread."""
        self._inbox.close()
        if self._thread.ident is not None:  # it could be started
            self._thread.join()

    def counters(self) -> dict[str, int]:
        """All counters so far, by the names they have on ~/timing."""
        return {
            **{f"received/{stream}": count for stream, count in self._inbox.received.items()},
            "published": self.published,
            **{f"dropped/{cause}": count for cause, count in sorted(self._inbox.dropped().items())},
            **{f"degraded/{cause}": count for cause, count in sorted(self.degraded.items())},
        }

    def take_troubles(self) -> list[str]:
        """What was wrong since the last call, in words; of each cause the latest."""
        troubles, self._troubles = self._troubles, {}
        return list(troubles.values())

    def tell(self, cause: str, text: str) -> None:
        """Keep what was wrong for `take_troubles`."""
        self._troubles[cause] = text

    def _run(self) -> None:
        # Looks up now and then: this thread must not outlive a node that could not close it.
        while not self._inbox.closed and self._node.context.ok():
            work = self._inbox.take(timeout=0.5)
            if work is None:
                continue
            try:
                self._process(work)
            except Exception as error:  # whatever a frame does, the next one must be seen
                self._inbox.drop("inference_error")
                if is_device_failure(error):
                    self.failure = f"{type(error).__name__}: {' '.join(str(error).split())}"
                    return
                self._troubles["inference_error"] = (
                    f"a frame was dropped: {type(error).__name__}: {error}"
                )

    def _process(self, work: Work) -> None:
        clock = StageClock(work.entered)
        clock.end("wait_ms")
        parameters = self._node.parameters  # once: what is set meanwhile is the next frame's
        troubles: list[str] = []
        points = image = camera = cloud_header = image_header = None
        if work.match.points is not None:
            cloud_header = work.match.points[0].header
            self._cloud_frame = cloud_header.frame_id
        if work.match.image is not None:
            image_header = work.match.image[0].header
        box_header = cloud_header or Header(stamp=image_header.stamp, frame_id=self._cloud_frame)
        try:
            poses = self._extrinsics.at(box_header, image_header)
        except MissingTransform as error:
            self._inbox.drop("no_transform")
            self._troubles["no_transform"] = f"frames are dropped: {error}"
            return
        if work.match.points is not None:
            points = self._points(work.match.points[0], parameters, troubles)
        if work.match.image is not None:
            image, camera = self._image(
                *work.match.image, poses.camera_from_ego, parameters, troubles
            )
        if points is None and image is None:
            self._inbox.drop(troubles[0])
            return
        for cause in troubles or _absent(work, parameters.mode):
            self.degraded[cause] += 1
        header: Header = cloud_header if points is not None else image_header
        frame = Frame(stamp_ns(header.stamp), points, poses.ego_from_lidar, image, camera)
        clock.end("decode_ms")
        sample = prepare(
            frame, self._predictor.config
        )  # here and not in `predict`: the overlay needs its image, too
        for finding in self._watch.look(
            frame, sample, parameters.extrinsics, self._intensity.factor
        ):
            self.tell(finding.item, str(finding))
        prediction = self._predictor.predict_sample(
            sample, parameters.mode, parameters.box_filter.lowest
        )
        clock.end("prepare_ms", prediction.network_ms)
        if prediction.boxes is not None:
            prediction = replace(prediction, boxes=parameters.box_filter(prediction.boxes))
        elif parameters.mode != "camera_only":  # there it was said at activation
            self.tell("no_boxes", NO_BOXES)
        self._outputs.publish(
            prediction,
            sample.image,
            Header(stamp=header.stamp, frame_id=poses.output_frame),
            poses.output_from_ego,
            image_header if image is not None else None,
            parameters,
        )
        clock.end("publish_ms")
        self.published += 1
        total_ms = clock.values["total_ms"]
        offset_ms = (
            (stamp_ns(cloud_header.stamp) - stamp_ns(image_header.stamp)) / 1e6
            if work.match.is_pair
            else None
        )
        self.frames.append(FrameRecord(time.monotonic(), total_ms, prediction.mode, offset_ms))
        self._outputs.publish_timing(
            header,
            {
                "stamp": frame.timestamp_ns,
                "mode": prediction.mode,
                **clock.values,
                "overhead_ms": total_ms - prediction.network_ms,
                "boxes": NOT_SEARCHED if prediction.boxes is None else len(prediction.boxes),
                "points": 0 if points is None else len(points),
                **self.counters(),
            },
        )

    def _points(
        self, message: Any, parameters: Parameters, troubles: list[str]
    ) -> np.ndarray | None:
        try:
            points = self._intensity.decode(
                message, parameters.intensity_field, parameters.intensity_scale
            )
        except ValueError as error:
            return self._trouble("bad_points", f"bad cloud: {error}", troubles)
        if not np.logical_and.reduce([np.isfinite(points[:, axis]) for axis in range(3)]).any():
            return self._trouble("empty_points", "the cloud has no finite point", troubles)
        if not message.header.frame_id and not parameters.output_frame:
            self._troubles["frame_id"] = (
                "the cloud's header has no frame_id: markers cannot be placed"
            )
        elif self._lidar_frame not in (None, message.header.frame_id):
            self._troubles["frame_id"] = (
                f"the clouds are in frame {message.header.frame_id!r}, the calibration is of "
                f"{self._lidar_frame!r}: if these are not the same, use the calibration of "
                "the former, else set lidar.frame_id in the calibration to it"
            )
        self._lidar_frame = None  # once is enough
        if self._intensity.news:
            self._troubles["intensity_scale"], self._intensity.news = self._intensity.news, None
        if parameters.intensity_field and all(
            field.name != parameters.intensity_field for field in message.fields
        ):
            names = ", ".join(field.name for field in message.fields)
            self._troubles["intensity"] = (
                f"the cloud has no field {parameters.intensity_field!r}, only {names}; its "
                "intensity counts as 0: set intensity_field"
            )
        return points

    def _image(
        self,
        message: Any,
        info: Any,
        camera_from_ego: np.ndarray,
        parameters: Parameters,
        troubles: list[str],
    ) -> tuple[np.ndarray | None, Camera | None]:
        decode = decode_compressed if parameters.image_transport == "compressed" else decode_image
        try:
            image = decode(message)
        except ValueError as error:
            return self._trouble("bad_image", f"bad image: {error}", troubles), None
        try:
            if info is not None:
                camera = decode_camera(info, camera_from_ego, self._is_rectified)
            else:
                camera = replace(self._camera, camera_from_ego=camera_from_ego)
                camera = camera.rectified() if self._is_rectified else camera
        except ValueError as error:
            return self._trouble("bad_camera_info", str(error), troubles), None
        height, width = image.shape[:2]
        if not same_view((width, height), camera.size):
            text = (
                f"the image is {width} x {height} pixels, its intrinsics are of {camera.size[0]} x "
                f"{camera.size[1]}: not the same view"
            )
            return self._trouble("bad_camera_info", text, troubles), None
        if not self._predictor.is_warm(camera.size):
            self._prepare(camera.size)
            text = f"images of {width} x {height} pixels are new: left out until the network is ready for them"
            return self._trouble("new_image_size", text, troubles), None
        return image, camera

    def _prepare(self, size: tuple[int, int]) -> None:
        """Beside the work, because it takes seconds; one size at a time. Nobody waits for its end: an exit must not."""
        if self._preparation is None or not self._preparation.is_alive():
            self._preparation = threading.Thread(
                target=self._make_ready, args=(size,), name="prepare", daemon=True
            )
            self._preparation.start()

    def _make_ready(self, size: tuple[int, int]) -> None:
        try:
            self._predictor.prepare(size)
        except Exception as error:  # the next image of this size tries again
            self.tell(
                "prepare_error",
                f"the network cannot be made ready for images of {size[0]} x {size[1]} pixels: "
                f"{type(error).__name__}: {error}",
            )

    def _trouble(self, cause: str, text: str, troubles: list[str]) -> None:
        troubles.append(cause)
        self._troubles[cause] = text


def _absent(work: Work, mode: str) -> list[str]:
    """The cause for which a match lacks a sensor that the mode uses."""
    if mode != "fused" or work.match.is_pair:
        return []
    return ["no_image" if work.match.image is None else "no_points"]


def is_device_failure(error: Exception) -> bool:
    """True for what the next frame would meet again: a GPU without memory, or one that is lost.

    torch's OutOfMemoryError is of GPUs only. Newer versions raise AcceleratorError for the rest, older ones a
    RuntimeError, both with CUDA's own text.
    """
    import torch  # loaded by now, if the predictor is a real one

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "CUDA error" in str(error)
    )

"""Messages -> Frame -> Prediction -> outputs: what the inference thread does with a match."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from bev_semseg_ros.data.calibration import Calibration
from bev_semseg_ros.frame import Camera, Frame
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.ros.inbox import Inbox, Work
from bev_semseg_ros.ros.messages import decode_camera, decode_cloud, decode_image, stamp_ns
from bev_semseg_ros.ros.outputs import Outputs

LARGEST_INTENSITY = 2.0  # more comes of a sensor that does not count from 0 to 1
ASPECT_TOLERANCE = 0.02  # of an image against the one its intrinsics are of


class Pipeline:
    """Takes matches from an inbox in a thread of its own until `close`.

    An item of a match is (message, camera_info or None). `published`: frames with a result; `degraded`: those of them
    that lack a sensor, by cause. Frames without a result are counted in the inbox. Nothing is logged here: what is
    wrong with the input is kept for `take_troubles`, so that it makes one line a second and not one a frame.
    failure: why the thread gave up, which only a device that fails can make it; None while it works.
    lidar_frame: the frame_id that the first cloud is held against, where the calibration names one.
    """

    def __init__(self, node: Node, predictor: Any, calibration: Calibration, inbox: Inbox, outputs: Outputs,
                 lidar_frame: str | None = None) -> None:
        self._node, self._predictor, self._calibration = node, predictor, calibration
        self._inbox, self._outputs, self._lidar_frame = inbox, outputs, lidar_frame
        self.published = 0
        self.failure: str | None = None
        self.degraded: Counter[str] = Counter()
        self._troubles: dict[str, str] = {}
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
        return {**{f"received/{stream}": count for stream, count in self._inbox.received.items()},
                "published": self.published,
                **{f"dropped/{cause}": count for cause, count in sorted(self._inbox.dropped().items())},
                **{f"degraded/{cause}": count for cause, count in sorted(self.degraded.items())}}

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
                self._troubles["inference_error"] = f"a frame was dropped: {type(error).__name__}: {error}"

    def _process(self, work: Work) -> None:
        parameters = self._node.parameters
        troubles: list[str] = []
        points = image = camera = cloud_header = image_header = None
        if work.match.points is not None:
            message = work.match.points[0]
            points, cloud_header = self._points(message, troubles), message.header
        if work.match.image is not None:
            message, info = work.match.image
            image, camera = self._image(message, info, troubles)
            image_header = message.header
        if points is None and image is None:
            self._inbox.drop(troubles[0])
            return
        for cause in troubles or self._absent(work):
            self.degraded[cause] += 1
        header: Header = cloud_header if points is not None else image_header
        frame = Frame(stamp_ns(header.stamp), points, self._calibration.model_from_lidar, image, camera)
        sample = prepare(frame, self._predictor.config)  # here and not in `predict`: the overlay needs its image, too
        prediction = self._predictor.predict_sample(sample, parameters.mode, parameters.score_threshold)
        self._outputs.publish(prediction, sample.image, cloud_header if points is not None else None,
                              image_header if image is not None else None, parameters)
        self.published += 1
        elapsed_ms = (time.monotonic_ns() - work.entered) / 1e6
        self._outputs.publish_timing(header, {
            "stamp": frame.timestamp_ns, "mode": prediction.mode, "network_ms": float(prediction.network_ms),
            "overhead_ms": elapsed_ms - prediction.network_ms, "boxes": len(prediction.boxes),
            "points": 0 if points is None else len(points), **self.counters()})

    def _points(self, message: Any, troubles: list[str]) -> np.ndarray | None:
        parameters = self._node.parameters
        try:
            points = decode_cloud(message, parameters.intensity_field, parameters.intensity_scale)
        except ValueError as error:
            return self._trouble("bad_points", f"bad cloud: {error}", troubles)
        if not np.logical_and.reduce([np.isfinite(points[:, axis]) for axis in range(3)]).any():
            return self._trouble("empty_points", "the cloud has no finite point", troubles)
        if not message.header.frame_id:
            self._troubles["frame_id"] = "the cloud's header has no frame_id: markers cannot be placed"
        elif self._lidar_frame not in (None, message.header.frame_id):
            self._troubles["frame_id"] = (f"the clouds are in frame {message.header.frame_id!r}, the calibration is of "
                                          f"{self._lidar_frame!r}: if these are not the same, use the calibration of "
                                          "the former, else set lidar.frame_id in the calibration to it")
        self._lidar_frame = None  # once is enough
        if (largest := float(np.fmax.reduce(points[:, 3]))) > LARGEST_INTENSITY:  # the largest that is not NaN
            self._troubles["intensity"] = (f"the cloud's intensity goes up to {largest:g} where 0..1 is expected: set "
                                           "intensity_scale")
        if parameters.intensity_field and all(field.name != parameters.intensity_field for field in message.fields):
            names = ", ".join(field.name for field in message.fields)
            self._troubles["intensity"] = (f"the cloud has no field {parameters.intensity_field!r}, only {names}; its "
                                           "intensity counts as 0: set intensity_field")
        return points

    def _image(self, message: Any, info: Any, troubles: list[str]) -> tuple[np.ndarray | None, Camera | None]:
        try:
            image = decode_image(message)
        except ValueError as error:
            return self._trouble("bad_image", f"bad image: {error}", troubles), None
        camera = self._calibration.camera
        if info is not None:
            try:
                camera = decode_camera(info, camera.camera_from_model)
            except ValueError as error:
                return self._trouble("bad_camera_info", str(error), troubles), None
        height, width = image.shape[:2]
        if abs(width * camera.size[1] / (height * camera.size[0]) - 1) > ASPECT_TOLERANCE:  # a smaller copy is fine
            text = (f"the image is {width} x {height} pixels, its intrinsics are of {camera.size[0]} x "
                    f"{camera.size[1]}: not the same view")
            return self._trouble("bad_camera_info", text, troubles), None
        if not self._predictor.is_warm(camera.size):
            self._prepare(camera.size)
            text = f"images of {width} x {height} pixels are new: left out until the network is ready for them"
            return self._trouble("new_image_size", text, troubles), None
        return image, camera

    def _prepare(self, size: tuple[int, int]) -> None:
        """Beside the work, because it takes seconds; one size at a time. Nobody waits for its end: an exit must not."""
        if self._preparation is None or not self._preparation.is_alive():
            self._preparation = threading.Thread(target=self._predictor.prepare, args=(size,), name="prepare",
                                                 daemon=True)
            self._preparation.start()

    def _absent(self, work: Work) -> list[str]:
        if self._node.parameters.mode != "fused" or work.match.is_pair:
            return []
        return ["no_image" if work.match.image is None else "no_points"]

    def _trouble(self, cause: str, text: str, troubles: list[str]) -> None:
        troubles.append(cause)
        self._troubles[cause] = text


def is_device_failure(error: Exception) -> bool:
    """True for what the next frame would meet again: a GPU without memory, or one that is lost.

    torch's OutOfMemoryError is of GPUs only. Newer versions raise AcceleratorError for the rest, older ones a
    RuntimeError, both with CUDA's own text.
    """
    import torch  # loaded by now, if the predictor is a real one

    return (isinstance(error, torch.OutOfMemoryError)
            or (isinstance(error, RuntimeError) and "CUDA error" in str(error)))

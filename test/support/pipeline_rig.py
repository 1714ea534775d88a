"""An inference thread with a predictor that finds nothing and publishers that only record."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import ClassVar

from support.waiting import wait_until

from bev_semseg_ros.config import Config, ImageConfig
from bev_semseg_ros.frame import Boxes, Prediction
from bev_semseg_ros.labels import LabelSet, load_label_set
from bev_semseg_ros.ros.health.health import Health
from bev_semseg_ros.ros.input.latest_pair_queue import LatestPairQueue
from bev_semseg_ros.ros.node.pipeline import Pipeline
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.synchronizer import STREAMS, Synchronizer


class BlindPredictor:
    """A predictor that finds nothing."""

    config = Config(image=ImageConfig(8192, 128))
    info: ClassVar[dict] = {}
    label_sets: ClassVar[dict[str, LabelSet]] = {"detection": load_label_set("boxes_4")}
    point_attributes: ClassVar[tuple[str, ...]] = ()
    whole_clouds = False

    def is_warm(self, size) -> bool:
        return True

    def predict_sample(self, sample, mode, threshold) -> Prediction:
        return Prediction.of(
            Boxes.empty(), None, None, "lidar_only" if sample.image is None else "fused", 1.0
        )


class PipelineRig:
    """A pipeline, the queue that feeds it, their health, and the timings of its frames."""

    def __init__(
        self, predictor, extrinsics, streams: tuple[str, ...] = STREAMS, parameters=None, **options
    ) -> None:
        self.health, self.timings, self._done = Health(), [], threading.Event()
        self.queue = LatestPairQueue(Synchronizer(0, 10**9, streams=streams), self.health)
        self.published = 0
        self.predictions: list[Prediction] = []
        self.publishing_fails = self.timing_fails = False
        publishers = SimpleNamespace(publish=self._publish, publish_timing=self._publish_timing)
        values = parameters or Parameters()
        self.pipeline = Pipeline(
            predictor, extrinsics, self.queue, publishers, self.health, lambda: values, **options
        )
        self.pipeline.start()

    def _publish(self, prediction, *_) -> None:
        if self.publishing_fails:
            raise OSError("no room for the results")
        self.published += 1
        self.predictions.append(prediction)

    def _publish_timing(self, header, values) -> None:
        if self.timing_fails:
            raise OSError("no room for the timing")
        self.timings.append(values)
        self._done.set()

    def send(self, **messages) -> None:
        """Offer (message, camera_info) of each stream to the queue, all with the same stamp."""
        stamp = time.monotonic_ns()
        for stream, message in messages.items():
            self.queue.offer(stream, stamp, message)

    def process(self, **messages) -> dict:
        """Offer messages, as `send` does, and return the timing of their frame."""
        self._done.clear()
        self.send(**messages)
        assert self._done.wait(20)
        return self.timings[-1]

    def wait_until_dropped(self) -> None:
        wait_until(lambda: self.health.counts().dropped)

"""What the inference thread makes of doubtful input, with a predictor that sees nothing."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from std_msgs.msg import Header

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Boxes, Prediction
from bev_semseg_ros.ros.inbox import Inbox
from bev_semseg_ros.ros.messages import encode_camera, encode_cloud, encode_image
from bev_semseg_ros.ros.parameters import Parameters
from bev_semseg_ros.ros.pipeline import Pipeline
from bev_semseg_ros.ros.synchronizer import Synchronizer

CLOUD = np.full((20, 4), 0.5, np.float32)


class Predictor:
    config = Config()

    def is_warm(self, size) -> bool:
        return True

    def predict_sample(self, sample, mode, threshold) -> Prediction:
        return Prediction(Boxes.empty(), None, None, "lidar_only" if sample.image is None else "fused", 1.0)


@pytest.fixture
def process(calibration):
    """process(cloud, image size) -> (counters, troubles) of one pair whose intrinsics are the calibration's."""

    def run(points: np.ndarray, size: tuple[int, int], frame: str = "roof") -> tuple[dict, list[str]]:
        done, timings = threading.Event(), []
        inbox = Inbox(Synchronizer(0, 10**9))
        header = Header(frame_id=frame)
        inbox.offer("points", 0, (encode_cloud(points, header), None))
        image = encode_image(np.zeros((size[1], size[0], 3), np.uint8), "rgb8", Header(frame_id="front"))
        inbox.offer("image", 0, (image, encode_camera(calibration.camera, image.header)))
        outputs = SimpleNamespace(publish=lambda *_: None,
                                  publish_timing=lambda _, values: (timings.append(values), done.set()))
        node = SimpleNamespace(parameters=Parameters(), context=SimpleNamespace(ok=lambda: True))
        pipeline = Pipeline(node, Predictor(), calibration, inbox, outputs, calibration.lidar_frame)
        pipeline.start()
        assert done.wait(20)
        pipeline.close()
        return timings[0], pipeline.take_troubles()

    return run


@pytest.mark.parametrize("size", [(128, 64), (64, 32)])
def test_a_good_pair_is_no_trouble_nor_is_a_smaller_copy(process, size):
    counters, troubles = process(CLOUD, size)
    assert troubles == [] and counters["mode"] == "fused"


def test_an_image_of_another_view_than_its_intrinsics_is_not_used(process):
    counters, (trouble,) = process(CLOUD, (128, 96))
    assert "128 x 96" in trouble and counters["mode"] == "lidar_only" and counters["degraded/bad_camera_info"] == 1


def test_an_intensity_that_does_not_count_from_0_to_1_is_told(process):
    points = CLOUD.copy()
    points[3], points[5, 3] = np.nan, 200
    counters, (trouble,) = process(points, (128, 64))
    assert "goes up to 200" in trouble and "intensity_scale" in trouble and counters["mode"] == "fused"


def test_a_cloud_without_frame_is_told(process):
    _, (trouble,) = process(CLOUD, (128, 64), frame="")
    assert "frame_id" in trouble


def test_a_cloud_in_another_frame_than_the_calibrations_is_told_with_both_names(process):
    counters, (trouble,) = process(CLOUD, (128, 64), frame="velodyne")
    assert "'velodyne'" in trouble and "'roof'" in trouble and "lidar.frame_id" in trouble
    assert counters["mode"] == "fused"


def test_a_frame_on_which_the_network_fails_is_counted_and_the_next_one_is_published(calibration):
    class FailsOnce(Predictor):
        calls = 0

        def predict_sample(self, sample, mode, threshold) -> Prediction:
            self.calls += 1
            if self.calls == 1:
                raise MemoryError("no memory for the first frame")
            return super().predict_sample(sample, mode, threshold)

    done, timings = threading.Event(), []
    inbox = Inbox(Synchronizer(0, 10**9, streams=("points",)))
    outputs = SimpleNamespace(publish=lambda *_: None,
                              publish_timing=lambda _, values: (timings.append(values), done.set()))
    node = SimpleNamespace(parameters=Parameters(), context=SimpleNamespace(ok=lambda: True))
    pipeline = Pipeline(node, FailsOnce(), calibration, inbox, outputs)
    pipeline.start()
    inbox.offer("points", 0, (encode_cloud(CLOUD, Header(frame_id="roof")), None))
    deadline = time.monotonic() + 20
    while not inbox.dropped() and time.monotonic() < deadline:
        time.sleep(0.01)
    inbox.offer("points", 1, (encode_cloud(CLOUD, Header(frame_id="roof")), None))
    assert done.wait(20)
    pipeline.close()
    assert timings[0]["dropped/inference_error"] == 1 and timings[0]["published"] == 1
    assert pipeline.take_troubles() == ["a frame was dropped: MemoryError: no memory for the first frame"]

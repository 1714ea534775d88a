"""What the inference thread makes of doubtful input, with a predictor that sees nothing."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from std_msgs.msg import Header

from bev_semseg_ros.config import Config, ImageConfig
from bev_semseg_ros.frame import Boxes, Prediction
from bev_semseg_ros.ros.convert.messages import encode_camera, encode_cloud, encode_image
from bev_semseg_ros.ros.input.drift_check import CLOUDS
from bev_semseg_ros.ros.input.extrinsics import FixedExtrinsics, MissingTransform
from bev_semseg_ros.ros.input.latest_pair_queue import Inbox
from bev_semseg_ros.ros.input.synchronizer import Synchronizer
from bev_semseg_ros.ros.node.parameters import Parameters
from bev_semseg_ros.ros.node.pipeline import Pipeline

CLOUD = np.full((20, 4), 0.5, np.float32)


class Predictor:
    config = Config(image=ImageConfig(8192, 128))
    info: ClassVar[dict] = {}

    def is_warm(self, size) -> bool:
        return True

    def predict_sample(self, sample, mode, threshold) -> Prediction:
        return Prediction(
            Boxes.empty(), None, None, "lidar_only" if sample.image is None else "fused", 1.0
        )


@pytest.fixture
def extrinsics(calibration) -> FixedExtrinsics:
    return FixedExtrinsics(
        calibration.ego_from_lidar, calibration.camera.camera_from_ego, "roof", {}
    )


@pytest.fixture
def process(calibration, extrinsics):
    """process(cloud, image size, ...) -> (counters, troubles) of pairs whose intrinsics are the calibration's."""

    def run(
        points: np.ndarray, size: tuple[int, int], frame: str = "roof", times: int = 1, **parameters
    ) -> tuple[dict, list[str]]:
        done, timings = threading.Event(), []
        inbox = Inbox(Synchronizer(0, 10**9))
        cloud = encode_cloud(points, Header(frame_id=frame))
        image = encode_image(
            np.zeros((size[1], size[0], 3), np.uint8), "rgb8", Header(frame_id="front")
        )
        outputs = SimpleNamespace(
            publish=lambda *_: None,
            publish_timing=lambda _, values: (timings.append(values), done.set()),
        )
        node = SimpleNamespace(
            parameters=Parameters(**parameters), context=SimpleNamespace(ok=lambda: True)
        )
        pipeline = Pipeline(
            node,
            Predictor(),
            extrinsics,
            inbox,
            outputs,
            calibration.camera,
            lidar_frame=calibration.lidar_frame,
        )
        pipeline.start()
        for stamp in range(
            times
        ):  # each when the one before is done, or newer ones would take its place
            done.clear()
            inbox.offer("points", stamp, (cloud, None))
            inbox.offer("image", stamp, (image, encode_camera(calibration.camera, image.header)))
            assert done.wait(20)
        pipeline.close()
        return timings[-1], pipeline.take_troubles()

    return run


@pytest.mark.parametrize("size", [(128, 64), (96, 48)])
def test_a_good_pair_is_no_trouble_nor_is_a_smaller_copy(process, size):
    counters, troubles = process(CLOUD, size)
    assert troubles == [] and counters["mode"] == "fused"


def test_an_image_of_another_view_than_its_intrinsics_is_not_used(process):
    counters, (trouble,) = process(CLOUD, (128, 96))
    assert (
        "128 x 96" in trouble
        and counters["mode"] == "lidar_only"
        and counters["degraded/bad_camera_info"] == 1
    )


def test_what_differs_from_the_training_is_told_once_with_the_remedy(process, monkeypatch):
    monkeypatch.setattr(Predictor, "info", {"focal_length_percentiles": [600.0] * 5})
    counters, (trouble,) = process(CLOUD, (128, 64), times=CLOUDS)
    assert (
        counters["mode"] == "fused"
        and trouble.startswith("focal length:")
        and "wider lens" not in trouble
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (0.0, "reaches 200: scaled by 1/255"),
        (1.0, "goes up to 200 where 0..1 is expected; set intensity_scale"),
    ],
)
def test_an_intensity_that_does_not_count_from_0_to_1_is_told(process, given, text):
    points = CLOUD.copy()
    points[3], points[5, 3] = np.nan, 200
    counters, (trouble,) = process(points, (128, 64), times=CLOUDS, intensity_scale=given)
    assert text in trouble and counters["mode"] == "fused"


def test_an_intensity_that_stays_dim_is_told_with_the_scale_to_set(process):
    """Photons, to 3000: the full scale is a guess, and the rule that judges it is the doctor's."""
    points = np.tile(CLOUD, (100, 1))
    points[:, 3] = np.minimum(np.linspace(0, 3100, len(points)), 3000)
    _, troubles = process(points, (128, 64), times=CLOUDS)
    assert any("reaches 3000: scaled by 1/65535" in trouble for trouble in troubles)
    assert any(
        trouble.startswith("intensity: ") and "set intensity_scale to 0.000333" in trouble
        for trouble in troubles
    )


@pytest.mark.parametrize(
    ("source", "remedy"), [("calibration", "in the calibration"), ("tf", "ground_height")]
)
def test_a_wrong_height_is_told_with_the_setting_of_where_the_poses_come_from(
    process, monkeypatch, source, remedy
):
    monkeypatch.setattr(Predictor, "info", {"ground_height_percentiles": [-20.0] * 5})
    _, (trouble,) = process(CLOUD, (128, 64), times=CLOUDS, extrinsics=source)
    assert trouble.startswith("ground height:") and remedy in trouble


def test_a_cloud_without_frame_is_told(process):
    _, (trouble,) = process(CLOUD, (128, 64), frame="")
    assert "frame_id" in trouble


def test_a_cloud_in_another_frame_than_the_calibrations_is_told_with_both_names(process):
    counters, (trouble,) = process(CLOUD, (128, 64), frame="velodyne")
    assert "'velodyne'" in trouble and "'roof'" in trouble and "lidar.frame_id" in trouble
    assert counters["mode"] == "fused"


@pytest.mark.parametrize("with_info", [True, False])
def test_a_rectified_image_is_not_rectified_again(calibration, extrinsics, with_info):
    """It gives what a camera without distortion gives that has its P for K."""
    pixels = np.random.default_rng(3).integers(0, 256, (64, 128, 3), np.uint8)
    matrix = calibration.camera.matrix * [[0.9], [0.9], [1]]
    plain = replace(calibration.camera, matrix=matrix, rectified_matrix=matrix)
    bent = replace(
        calibration.camera,
        distortion=[-0.3, 0.1, 0, 0, 0],
        distortion_model="plumb_bob",
        rectified_matrix=plain.matrix,
    )
    seen = []

    class Looks(Predictor):
        def predict_sample(self, sample, mode, threshold) -> Prediction:
            seen.append(sample)
            return super().predict_sample(sample, mode, threshold)

    for camera, is_rectified in ((plain, False), (bent, True), (bent, False)):
        inbox, done = Inbox(Synchronizer(0, 10**9, streams=("image",))), threading.Event()
        outputs = SimpleNamespace(
            publish=lambda *_: None, publish_timing=lambda *_, done=done: done.set()
        )
        node = SimpleNamespace(parameters=Parameters(), context=SimpleNamespace(ok=lambda: True))
        pipeline = Pipeline(node, Looks(), extrinsics, inbox, outputs, camera, is_rectified)
        image = encode_image(pixels, "rgb8", Header(frame_id="front"))
        inbox.offer("image", 1, (image, encode_camera(camera, image.header) if with_info else None))
        pipeline.start()
        assert done.wait(20)
        pipeline.close()
    expected, rectified, wrong = seen
    np.testing.assert_array_equal(rectified.image, expected.image)
    np.testing.assert_allclose(rectified.camera.image_from_ego, expected.camera.image_from_ego)
    assert (wrong.image != expected.image).any()


def test_a_size_for_which_the_network_cannot_be_made_ready_is_told_and_the_lidar_goes_on(
    process, monkeypatch
):
    def fails(self, size):
        raise MemoryError("not for so many pixels")

    monkeypatch.setattr(Predictor, "is_warm", lambda self, size: False)
    monkeypatch.setattr(Predictor, "prepare", fails, raising=False)
    counters, troubles = process(CLOUD, (128, 64), times=5)
    assert counters["mode"] == "lidar_only" and counters["degraded/new_image_size"] == 5
    assert any(
        "128 x 64 pixels: MemoryError: not for so many pixels" in trouble for trouble in troubles
    )


class LosesTransform(FixedExtrinsics):
    def at(self, cloud, image):
        raise MissingTransform("no transform from 'roof' to 'base_link'")


def test_a_frame_without_transform_is_dropped_and_both_frames_are_named(calibration):
    inbox = Inbox(Synchronizer(0, 10**9, streams=("points",)))
    node = SimpleNamespace(parameters=Parameters(), context=SimpleNamespace(ok=lambda: True))
    pipeline = Pipeline(
        node, Predictor(), LosesTransform(np.eye(4), None, "", {}), inbox, SimpleNamespace()
    )
    pipeline.start()
    inbox.offer("points", 1, (encode_cloud(CLOUD, Header(frame_id="roof")), None))
    deadline = time.monotonic() + 20
    while not inbox.dropped() and time.monotonic() < deadline:
        time.sleep(0.01)
    pipeline.close()
    assert inbox.dropped() == {"no_transform": 1} and pipeline.published == 0
    assert pipeline.take_troubles() == [
        "frames are dropped: no transform from 'roof' to 'base_link'"
    ]


def test_a_frame_on_which_the_network_fails_is_counted_and_the_next_one_is_published(extrinsics):
    class FailsOnce(Predictor):
        calls = 0

        def predict_sample(self, sample, mode, threshold) -> Prediction:
            self.calls += 1
            if self.calls == 1:
                raise MemoryError("no memory for the first frame")
            return super().predict_sample(sample, mode, threshold)

    done, timings = threading.Event(), []
    inbox = Inbox(Synchronizer(0, 10**9, streams=("points",)))
    outputs = SimpleNamespace(
        publish=lambda *_: None,
        publish_timing=lambda _, values: (timings.append(values), done.set()),
    )
    node = SimpleNamespace(parameters=Parameters(), context=SimpleNamespace(ok=lambda: True))
    pipeline = Pipeline(node, FailsOnce(), extrinsics, inbox, outputs)
    pipeline.start()
    inbox.offer("points", 0, (encode_cloud(CLOUD, Header(frame_id="roof")), None))
    deadline = time.monotonic() + 20
    while not inbox.dropped() and time.monotonic() < deadline:
        time.sleep(0.01)
    inbox.offer("points", 1, (encode_cloud(CLOUD, Header(frame_id="roof")), None))
    assert done.wait(20)
    pipeline.close()
    assert timings[0]["dropped/inference_error"] == 1 and timings[0]["published"] == 1
    assert pipeline.take_troubles() == [
        "a frame was dropped: MemoryError: no memory for the first frame"
    ]

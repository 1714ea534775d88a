"""What was measured offline is what drives: the node's answers to a bag are the `Predictor`'s to the same messages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader

from bev_semseg_ros.data.calibration import load_calibration
from bev_semseg_ros.frame import MODES, Annotation, Boxes, Camera, Frame, Prediction
from bev_semseg_ros.predictor import Predictor
from bev_semseg_ros.preprocessing import prepare
from bev_semseg_ros.ros.bag import write_bag
from bev_semseg_ros.ros.messages import decode_camera, decode_cloud, decode_image, message_class, stamp_ns
from bev_semseg_ros.ros.parameters import Parameters
from bev_semseg_ros.ros.recorder import Recording, record

COUNT = 4
RATE = 0.4  # 4 Hz: every frame must come out, on a busy machine, too
THRESHOLD = 0.01
FILTER = {"classes": ["pedestrian", "car", "truck"], "distance_bands": [10.0], "score_threshold_car": [0.02, 0.05],
          "nms_iou_threshold": 0.1}
SETTINGS = {"precision": "fp32", "engine": "torch", "num_threads": 1}


class Drive:
    """COUNT frames of a tilted lidar and a camera with a distorted, larger image than the network's."""

    name = "drive"

    def __init__(self, calibration) -> None:
        self._calibration = calibration
        camera = calibration.camera
        scale = np.diag([3.0, 3.0, 1.0])
        self._camera = Camera(scale @ camera.matrix, (384, 192), camera.camera_from_model,
                              [-0.2, 0.03, 0.001, -0.001, 0.0], "plumb_bob", scale @ camera.matrix)

    def __len__(self) -> int:
        return COUNT

    def scene(self, index: int) -> str:
        return self.name

    def __getitem__(self, index: int) -> tuple[Frame, Annotation]:
        rng = np.random.default_rng(index)
        points = rng.uniform((2, -8, -1.8, 0), (18, 8, 0, 1), (800, 4)).astype(np.float32)
        image = np.kron(rng.integers(0, 255, (12, 24, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
        return Frame((index + 1) * 100_000_000, points, self._calibration.model_from_lidar, image, self._camera,
                     f"{index}", self.name), Annotation()


@pytest.fixture(scope="module")
def bag(calibration, tmp_path_factory):
    path = tmp_path_factory.mktemp("parity") / "bag"
    write_bag(Drive(calibration), path)
    return path


@pytest.fixture(scope="module", params=[*((mode, {}) for mode in MODES), ("fused", FILTER)],
                ids=[*MODES, "fused and filtered"])
def answers(request, bag, checkpoint_file, tmp_path_factory) -> tuple[str, Recording, dict[int, Prediction]]:
    """(mode, what the node answered, what the predictor answered by stamp)."""
    mode, settings = request.param
    recording = record(bag, tmp_path_factory.mktemp(mode), RATE, {
        "checkpoint": checkpoint_file, "score_threshold": THRESHOLD, "mode": mode, **settings, **SETTINGS})
    predictor = Predictor.load(checkpoint_file, "cpu", **SETTINGS)
    offline = {frame.timestamp_ns: predictor.predict_sample(prepare(frame, predictor.config), mode, THRESHOLD)
               for frame in frames(bag)}
    if settings:
        keep = Parameters(score_threshold=THRESHOLD, **settings).box_filter
        everything, offline = offline, {stamp: replace(found, boxes=keep(found.boxes))
                                        for stamp, found in offline.items()}
        assert all(len(offline[stamp].boxes) < len(everything[stamp].boxes) for stamp in offline)
    return mode, recording, offline


def frames(bag) -> list[Frame]:
    """The pairs of a bag, decoded as the node decodes them."""
    calibration, moments = load_calibration(bag), {}
    with Reader(bag) as reader:
        for connection, _, data in reader.messages():
            if connection.topic == "/tf_static":
                continue
            message = deserialize_message(bytes(data), message_class(connection.msgtype))
            moments.setdefault(stamp_ns(message.header.stamp), {})[connection.topic] = message
    return [Frame(stamp, decode_cloud(moment["/points"]), calibration.model_from_lidar, decode_image(moment["/image"]),
                  decode_camera(moment["/camera_info"], calibration.camera.camera_from_model))
            for stamp, moment in moments.items()]


def by_place(boxes: Boxes, reference: Boxes) -> Boxes:
    """`boxes` in the order of the nearest ones of `reference`."""
    distances = np.linalg.norm(boxes.centers[:, None] - reference.centers[None], axis=-1)
    order = distances.argmin(0)
    assert sorted(order) == list(range(len(boxes)))
    return boxes[order]


def test_every_frame_comes_out_of_the_node(answers):
    _, recording, offline = answers
    assert recording.published.keys() == recording.complete.keys() == offline.keys() and len(offline) == COUNT


def test_the_boxes_are_the_predictors(answers):
    mode, recording, offline = answers
    for stamp, result in recording.complete.items():
        expected = offline[stamp].boxes
        assert len(result.boxes) == len(expected) and (len(expected) > 0 or mode == "camera_only")
        if not len(expected):
            continue
        found = by_place(result.boxes, expected)
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
        np.testing.assert_allclose(found.centers, expected.centers, atol=1e-3)
        np.testing.assert_allclose(found.sizes, expected.sizes, atol=1e-3)
        np.testing.assert_allclose(np.sin(found.yaws - expected.yaws), 0, atol=1e-3)


def test_the_labels_are_the_predictors(answers):
    mode, recording, offline = answers
    for stamp, result in recording.complete.items():
        expected = offline[stamp].mask
        assert (expected is None) == (result.mask is None) == (mode == "lidar_only")
        if expected is not None:
            assert result.mask.shape == expected.shape and (result.mask == expected).mean() >= 0.999


def test_the_mode_is_the_one_asked_for(answers):
    mode, recording, _ = answers
    assert {result.timing["mode"] for result in recording.complete.values()} == {mode}

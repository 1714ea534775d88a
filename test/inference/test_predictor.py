"""The predictor: its modes, its options, and what it takes from a checkpoint."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.inference import (
    CAMERA,
    SIZE,
    THRESHOLD,
    config,
    frame,
    network,
    new_predictor,
)

from bev_semseg_ros.frame import LIDAR, CameraImage, Frame
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.choices import choose_precision
from bev_semseg_ros.inference.engine import torch_threads
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.preprocessing import Sample
from bev_semseg_ros.resources import shipped_checkpoint

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "points, image, mode, ran",
    [
        (True, True, "fused", "fused"),
        (True, False, "fused", "lidar_only"),
        (False, True, "fused", "camera_only"),
        (True, True, "lidar_only", "lidar_only"),
        (True, True, "camera_only", "camera_only"),
    ],
)
def test_the_mode_that_runs_depends_on_the_sensors_of_the_frame(simple, points, image, mode, ran):
    prediction = simple.predict(frame(points, image), mode, THRESHOLD)
    assert prediction.mode == ran
    assert (prediction.mask is None) == (prediction.camera is None) == (ran == "lidar_only")
    assert (prediction.boxes is None) == (ran == "camera_only") and (
        prediction.boxes is None or len(prediction.boxes)
    )


@pytest.mark.parametrize(
    "points, image, mode",
    [
        (False, False, "fused"),
        (False, True, "lidar_only"),
        (True, False, "camera_only"),
        (True, True, "radar"),
    ],
)
def test_an_unknown_mode_or_one_without_its_sensors_is_refused_by_name(simple, points, image, mode):
    with pytest.raises(ValueError, match=mode):
        simple.predict(frame(points, image), mode)


def test_the_mode_lidar_only_is_equivalent_to_a_missing_image(simple):
    told = simple.predict(frame(), "lidar_only", THRESHOLD)
    missing = simple.predict(frame(image=False), "fused", THRESHOLD)
    assert np.array_equal(told.boxes.scores, missing.boxes.scores)


def test_the_mask_has_the_size_of_the_networks_image(simple):
    prediction = simple.predict(frame())
    assert prediction.mask.shape == (96, 160) and prediction.mask.dtype == np.uint8
    assert prediction.camera.size == (160, 96)


def test_intensities_in_bytes_are_reported_with_the_remedy(simple):
    usual = frame()
    scan = usual.lidars[LIDAR]
    raw = replace(scan, points=scan.points * np.array([1, 1, 1, 255], np.float32))
    with pytest.warns(UserWarning, match="intensities of the lidar .* divide them by 255"):
        simple.predict(replace(usual, lidars={LIDAR: raw}))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*intensities")
        simple.predict(usual)


def with_intensities(usual: Frame, count: int, intensity: float) -> Frame:
    """Return a frame in which the first `count` points have another intensity."""
    scan = usual.lidars[LIDAR]
    points = scan.points.copy()
    points[:count, 3] = intensity
    return replace(usual, lidars={LIDAR: replace(scan, points=points)})


@pytest.mark.parametrize(("wild", "limit"), [(1e4, 1.0), (1e9, 1.0), (-1e4, 0.0)])
def test_a_few_wild_intensities_do_not_make_boxes(simple, wild, limit):
    """A reflector once made a pedestrian with the score 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        boxes = simple.predict(with_intensities(frame(), 10, wild), "fused", THRESHOLD).boxes
    expected = simple.predict(with_intensities(frame(), 10, limit), "fused", THRESHOLD).boxes
    np.testing.assert_array_equal(boxes.scores, expected.scores)
    np.testing.assert_array_equal(boxes.centers, expected.centers)


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
def test_an_intensity_that_is_not_finite_counts_as_0(simple, unknown):
    """Such points were once left out, and without any point there were no boxes."""
    count = len(frame().points)
    boxes = simple.predict(with_intensities(frame(), count, unknown), "fused", THRESHOLD).boxes
    expected = simple.predict(with_intensities(frame(), count, 0.0), "fused", THRESHOLD).boxes
    assert len(boxes)
    np.testing.assert_array_equal(boxes.scores, expected.scores)


def test_intensities_in_bytes_are_reported_although_one_is_nan(simple):
    raw = with_intensities(frame(), 300, 255)
    with pytest.warns(UserWarning, match="intensities of the lidar .* divide them by 255"):
        simple.predict(with_intensities(raw, 1, np.nan))


def test_an_empty_cloud_gives_a_prediction(simple):
    assert (
        simple.predict_sample(Sample.of(np.zeros((0, 4), np.float32), None, None)).mode
        == "lidar_only"
    )


def test_the_score_threshold_of_the_configuration_applies_unless_another_is_given(simple):
    assert (
        simple.predict(frame()).boxes.scores.min(initial=1)
        >= simple.config.postprocess.score_threshold
    )
    assert len(simple.predict(frame(), score_threshold=THRESHOLD).boxes) > len(
        simple.predict(frame()).boxes
    )


@pytest.mark.parametrize("threshold", [30, -0.1, float("nan")])
def test_a_score_threshold_that_is_no_score_is_refused(simple, threshold):
    with pytest.raises(ValueError, match="score threshold: expected 0 to 1, got"):
        simple.predict(frame(), score_threshold=threshold)


def test_images_may_change_their_size(simple):
    sizes = set()
    for width in (160, 128, 192, 160, 96, 224):
        camera = replace(CAMERA, size=(width, 96))
        image = np.zeros((96, width, 3), np.uint8)
        sizes.add(
            simple.predict(
                replace(frame(), cameras={"camera": CameraImage(image, camera)})
            ).mask.shape
        )
    assert len(sizes) > 2


def test_predicting_does_not_change_the_thread_count_of_torch(simple):
    with torch_threads(3):
        simple.predict(frame())
        assert torch.get_num_threads() == 3


def test_the_given_network_is_not_changed():
    given = network("projective").train()
    new_predictor("torch", "fp32").predict(frame())
    assert given.training and given.bev.heads.detection.heatmap.weight.requires_grad
    given.eval()


def test_a_checkpoint_predicts_like_the_network_it_was_saved_from(simple, tmp_path):
    checkpoint.save(tmp_path / "a.pt", network("projective"), config("projective"), {"rig": "test"})
    loaded = Predictor.load(
        tmp_path / "a.pt", device="cpu", precision="fp32", engine="torch", num_threads=1
    )
    assert loaded.info == {"rig": "test"} and loaded.config == simple.config
    assert np.allclose(
        loaded.predict(frame(), "fused", THRESHOLD).boxes.scores,
        simple.predict(frame(), "fused", THRESHOLD).boxes.scores,
        atol=1e-6,
    )


def test_warming_up_leaves_nothing_to_compile():
    ready = new_predictor("torch", "fp32")
    ready.warm_up([SIZE])
    known = [len(branch._compiled) for branch in (ready._network.camera, ready._network.bev)]
    ready.predict(frame())
    assert (
        known
        == [len(branch._compiled) for branch in (ready._network.camera, ready._network.bev)]
        == [1, 1]
    )


def test_a_new_image_size_can_be_prepared_without_predicting_with_it():
    ready = new_predictor("torch", "fp32")
    ready.warm_up([SIZE])
    assert (
        ready.is_warm(SIZE)
        and ready.is_warm((2 * SIZE[0], 2 * SIZE[1]))
        and not ready.is_warm((100, 100))
    )
    ready.prepare((100, 100))
    assert ready.is_warm((100, 100))


def test_the_image_size_in_use_stays_warm_while_others_are_prepared():
    ready = new_predictor("torch", "fp32")
    ready.warm_up([SIZE])
    for height in range(20, 120, 20):
        ready.prepare((100, height))
        ready.predict(frame())
    assert ready.is_warm(SIZE) and not ready.is_warm((100, 20))


def test_a_device_of_torch_is_accepted():
    predictor = Predictor(network("projective"), config("projective"), device=torch.device("cpu"))
    assert predictor.device == torch.device("cpu")


def test_the_description_names_the_chosen_options():
    assert new_predictor("torch", "bf16").description == (
        "device cpu, precision bf16, engine torch, threads 1"
    )


@pytest.mark.parametrize(
    "choice, reason",
    [
        ({"device": "tpu"}, "device"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"device": "cpu", "precision": "int8"}, "int8"),
        ({"device": "cpu", "precision": "fp16"}, "fp16"),
        ({"device": "cpu", "engine": "tensorrt"}, "tensorrt"),
        ({"device": "cpu", "num_threads": 0}, "num_threads"),
    ],
)
def test_an_unavailable_option_is_refused_by_name(choice, reason):
    with pytest.raises(ValueError, match=reason):
        Predictor(network("projective"), config("projective"), **choice)


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "fp16"), ((8, 0), "bf16")])
def test_a_gpu_that_only_emulates_bf16_computes_in_fp16(monkeypatch, capability, precision):
    # Needs no such GPU. torch.cuda.is_bf16_supported() is true for both.
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda:0")) == precision


def test_the_label_sets_are_those_of_the_checkpoint(tmp_path):
    wanted = replace(config("none"), labels={"detection": "kitti_boxes", "segmentation": "a2d2_38"})
    checkpoint.save(tmp_path / "a.pt", build_network(wanted), wanted, {})
    ready = Predictor.load(tmp_path / "a.pt", "cpu", engine="torch", num_threads=1)
    assert {task: labels.name for task, labels in ready.label_sets.items()} == wanted.labels
    assert [task.name for task in ready.tasks] == ["detection", "segmentation"]
    prediction = ready.predict(frame(), score_threshold=0.0)
    assert prediction.mask.max() < 38 and set(prediction.boxes.labels) <= set(range(8))


def test_without_a_path_the_shipped_weights_are_loaded():
    ready = Predictor.load(device="cpu", engine="torch", precision="fp32", num_threads=1)
    shipped = checkpoint.load(shipped_checkpoint())
    assert ready.config == shipped.config and ready.info == shipped.info
    assert {task: labels.name for task, labels in ready.label_sets.items()} == {
        "detection": "boxes_4",
        "segmentation": "driving_13",
    }

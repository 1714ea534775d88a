"""How the inference thread handles doubtful input, with a predictor that finds nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from std_msgs.msg import Header
from support.memory_dataset import TINY, TinyDataset
from support.pipeline_rig import BlindPredictor, PipelineRig
from support.waiting import wait_until

from bev_semseg_ros.frame import CAMERA, LIDAR, Prediction
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.ros.convert.camera_info import encode_camera
from bev_semseg_ros.ros.convert.image import encode_image
from bev_semseg_ros.ros.convert.point_cloud import encode_cloud
from bev_semseg_ros.ros.input.camera_input import CameraInput
from bev_semseg_ros.ros.input.drift_check import CLOUDS
from bev_semseg_ros.ros.input.extrinsics import FixedExtrinsics
from bev_semseg_ros.ros.input.transforms import MissingTransform
from bev_semseg_ros.ros.node.pipeline import NO_BOXES
from bev_semseg_ros.ros.parameters.class_parameters import ClassParameters
from bev_semseg_ros.ros.parameters.parameters import Parameters
from bev_semseg_ros.ros.parameters.sensors import Sensors

CLOUD = np.full((20, 4), 0.5, np.float32)


@pytest.fixture
def start():
    """start(predictor, extrinsics, ...) -> PipelineRig; its thread ends with the test."""
    rigs: list[PipelineRig] = []

    def make(*arguments, **options) -> PipelineRig:
        rigs.append(PipelineRig(*arguments, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.pipeline.close()


@pytest.fixture
def extrinsics(calibration) -> FixedExtrinsics:
    return FixedExtrinsics(
        {LIDAR: calibration.ego_from_lidar},
        {CAMERA: calibration.camera.camera_from_ego},
        "roof",
        {},
    )


@pytest.fixture
def process(calibration, extrinsics, start):
    """process(cloud, image size, ...) -> (counters, warnings) of pairs.

    The intrinsics are those of the calibration.
    """

    def run(
        points: np.ndarray, size: tuple[int, int], frame: str = "roof", times: int = 1, **parameters
    ) -> tuple[dict, list[str]]:
        cloud = encode_cloud(points, Header(frame_id=frame))
        image = encode_image(
            np.zeros((size[1], size[0], 3), np.uint8), "rgb8", Header(frame_id="front")
        )
        info = encode_camera(calibration.camera, image.header)
        rig = start(
            BlindPredictor(),
            extrinsics,
            parameters=Parameters(**parameters),
            cameras={CAMERA: CameraInput(Sensors().cameras[0], camera=calibration.camera)},
            frame_ids={"points": calibration.lidar_frame},
        )
        for _ in range(times):  # one by one, or newer pairs would replace older ones
            counters = rig.process(points=(cloud, None), image=(image, info))
        rig.pipeline.close()
        return counters, rig.health.take_warnings()

    return run


@pytest.mark.parametrize("size", [(128, 64), (96, 48)])
def test_a_good_pair_and_a_smaller_copy_of_the_image_give_no_warning(process, size):
    counters, warnings = process(CLOUD, size)
    assert warnings == [] and counters["mode"] == "fused"


def test_boxes_of_painted_points_equal_those_of_the_predictor(start):
    config = replace(TINY, model=replace(TINY.model, fusion="painted"))
    ready = Predictor.from_network(build_network(config).eval(), config, "cpu")
    seen, _ = TinyDataset()[0]
    camera = seen.camera
    fixed = FixedExtrinsics({LIDAR: np.eye(4)}, {CAMERA: camera.camera_from_ego}, "roof", {})
    labels = ready.label_sets["detection"].classes
    parameters = Parameters(score_threshold=0.01, by_class=ClassParameters.defaults(labels))
    # First, so that the pipeline does not wait for a compilation.
    expected = ready.predict(seen, "fused", parameters.box_filter.lowest)
    rig = start(
        ready,
        fixed,
        cameras={CAMERA: CameraInput(Sensors().cameras[0], camera=camera)},
        frame_ids={"points": "roof"},
        parameters=parameters,
    )
    image = encode_image(seen.image, "rgb8", Header(frame_id="front"))
    cloud = encode_cloud(seen.points, Header(frame_id="roof"))
    rig.process(points=(cloud, None), image=(image, encode_camera(camera, image.header)))
    (found,) = rig.predictions
    boxes = parameters.box_filter(expected.boxes)
    assert len(found.boxes) == len(boxes) > 0 and found.mode == "fused"
    np.testing.assert_array_equal(found.boxes.centers, boxes.centers)
    np.testing.assert_array_equal(found.boxes.scores, boxes.scores)
    np.testing.assert_array_equal(found.masks[CAMERA], expected.masks[CAMERA])


def test_an_image_that_contradicts_its_intrinsics_is_not_used(process):
    counters, (warning,) = process(CLOUD, (128, 96))
    assert (
        "128 x 96" in warning
        and counters["mode"] == "lidar_only"
        and counters["degraded/bad_camera_info"] == 1
    )


def test_input_that_differs_from_the_training_is_reported_once_with_the_remedy(
    process, monkeypatch
):
    monkeypatch.setattr(BlindPredictor, "info", {"focal_length_percentiles": [600.0] * 5})
    counters, (warning,) = process(CLOUD, (128, 64), times=CLOUDS)
    assert (
        counters["mode"] == "fused"
        and warning.startswith("focal length:")
        and "wider lens" not in warning
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (0.0, "reaches 200: scaled by 1/255"),
        (1.0, "goes up to 200 where 0..1 is expected; set intensity_scale"),
    ],
)
def test_an_intensity_outside_of_0_to_1_is_reported(process, given, text):
    points = CLOUD.copy()
    points[3], points[5, 3] = np.nan, 200
    counters, (warning,) = process(points, (128, 64), times=CLOUDS, intensity_scale=given)
    assert text in warning and counters["mode"] == "fused"


def test_an_intensity_that_stays_dim_is_reported_with_the_scale_to_set(process):
    """The lidar counts up to 3000 photons. Its full scale is a guess that `input_check` checks."""
    points = np.tile(CLOUD, (100, 1))
    points[:, 3] = np.minimum(np.linspace(0, 3100, len(points)), 3000)
    _, warnings = process(points, (128, 64), times=CLOUDS)
    assert any("reaches 3000: scaled by 1/65535" in warning for warning in warnings)
    assert any(
        warning.startswith("intensity: ") and "set intensity_scale to 0.000333" in warning
        for warning in warnings
    )


@pytest.mark.parametrize(
    ("source", "remedy"), [("calibration", "in the calibration"), ("tf", "ground_height")]
)
def test_a_wrong_height_is_reported_with_the_setting_of_the_source_of_the_poses(
    process, monkeypatch, source, remedy
):
    monkeypatch.setattr(BlindPredictor, "info", {"ground_height_percentiles": [-20.0] * 5})
    _, (warning,) = process(CLOUD, (128, 64), times=CLOUDS, extrinsics=source)
    assert warning.startswith("ground height:") and remedy in warning


def test_the_drift_check_names_the_sensors_of_a_rig(monkeypatch, calibration, start):
    monkeypatch.setattr(BlindPredictor, "info", {"focal_length_percentiles": [600.0] * 5})
    values = Parameters(lidars=("roof",), cameras=("left",))
    poses = FixedExtrinsics(
        {"roof": calibration.ego_from_lidar},
        {"left": calibration.camera.camera_from_ego},
        "roof",
        {},
    )
    rig = start(BlindPredictor(), poses, ("roof/points", "left/image"), values)
    dim = np.tile(CLOUD, (100, 1))
    dim[:, 3] = np.minimum(np.linspace(0, 3100, len(dim)), 3000)
    cloud = encode_cloud(dim, Header(frame_id="roof"))
    pixels = np.zeros((64, 128, 3), np.uint8)
    image = encode_image(pixels, "rgb8", Header(frame_id="left"))
    info = encode_camera(calibration.camera, image.header)
    for _ in range(CLOUDS):
        rig.process(**{"roof/points": (cloud, None), "left/image": (image, info)})
    warnings = rig.health.take_warnings()
    assert any(warning.startswith("focal length left/image:") for warning in warnings)
    (intensity,) = [each for each in warnings if each.startswith("intensity roof/points:")]
    assert "set roof.intensity_scale to 0.000333" in intensity


def test_a_cloud_without_a_frame_id_gives_a_warning(process):
    _, (warning,) = process(CLOUD, (128, 64), frame="", times=2)
    assert "header.frame_id" in warning and "set output_frame" in warning


def test_a_cloud_in_another_frame_than_the_calibration_gives_a_warning_with_both_names(process):
    counters, (warning,) = process(CLOUD, (128, 64), frame="velodyne")
    assert "'velodyne'" in warning and "'roof'" in warning and "lidar.frame_id" in warning
    assert counters["mode"] == "fused"


@pytest.mark.parametrize("with_info", [True, False])
def test_a_rectified_image_is_not_rectified_again(calibration, extrinsics, start, with_info):
    """The sample equals that of a camera without distortion whose K is this P."""
    pixels = np.random.default_rng(3).integers(0, 256, (64, 128, 3), np.uint8)
    plain = replace(
        calibration.camera,
        matrix=calibration.camera.matrix * [[0.9], [0.9], [1]],
        rectified_matrix=np.zeros(0),
    )
    bent = replace(
        calibration.camera,
        distortion=[-0.3, 0.1, 0, 0, 0],
        distortion_model="plumb_bob",
        rectified_matrix=plain.matrix,
    )
    seen = []

    class Looks(BlindPredictor):
        def predict_sample(self, sample, mode, threshold) -> Prediction:
            seen.append(sample)
            return super().predict_sample(sample, mode, threshold)

    for camera, is_rectified in ((plain, False), (bent, True), (bent, False)):
        rig = start(
            Looks(),
            extrinsics,
            streams=("image",),
            cameras={
                CAMERA: CameraInput(Sensors().cameras[0], camera=camera, is_rectified=is_rectified)
            },
        )
        image = encode_image(pixels, "rgb8", Header(frame_id="front"))
        rig.process(image=(image, encode_camera(camera, image.header) if with_info else None))
    expected, rectified, wrong = seen
    np.testing.assert_array_equal(rectified.image, expected.image)
    np.testing.assert_allclose(rectified.camera.image_from_ego, expected.camera.image_from_ego)
    assert (wrong.image != expected.image).any()


def test_clouds_are_processed_alone_if_the_network_cannot_prepare_for_an_image_size(
    process, monkeypatch
):
    def fails(self, size):
        raise MemoryError("not for so many pixels")

    monkeypatch.setattr(BlindPredictor, "is_warm", lambda self, size: False)
    monkeypatch.setattr(BlindPredictor, "prepare", fails, raising=False)
    counters, warnings = process(CLOUD, (128, 64), times=5)
    assert counters["mode"] == "lidar_only" and counters["degraded/new_image_size"] == 5
    assert any(
        "128 x 64 pixels: MemoryError: not for so many pixels" in warning for warning in warnings
    )


class LosesTransform(FixedExtrinsics):
    def at(self, clouds, images):
        raise MissingTransform("no transform from 'roof' to 'base_link'")


def test_a_frame_without_transform_is_dropped_and_both_frames_are_named(start):
    rig = start(
        BlindPredictor(), LosesTransform({LIDAR: np.eye(4)}, {}, "", {}), streams=("points",)
    )
    rig.send(points=(encode_cloud(CLOUD, Header(frame_id="roof")), None))
    rig.wait_until_dropped()
    counts = rig.health.counts()
    assert counts.dropped == {"no_transform": 1}
    assert counts.published == 0
    assert rig.health.take_warnings() == [
        "frames are dropped: no transform from 'roof' to 'base_link'"
    ]


@pytest.mark.parametrize("kind", ["points", "image"])
def test_a_sensor_that_tf_does_not_know_is_left_out_and_counted_by_its_name(
    calibration, start, kind
):
    extrinsics = FixedExtrinsics(
        {"roof": calibration.ego_from_lidar}, {"front": calibration.camera.camera_from_ego}, "", {}
    )
    parameters = Parameters(lidars=("roof", "lost"), cameras=("front", "lost"))
    rig = start(
        BlindPredictor(), extrinsics, streams=("roof/points", f"lost/{kind}"), parameters=parameters
    )
    cloud = encode_cloud(CLOUD, Header(frame_id="roof"))
    image = encode_image(np.zeros((64, 128, 3), np.uint8), "rgb8", Header(frame_id="lost"))
    lost = {"points": (cloud, None), "image": (image, encode_camera(calibration.camera, Header()))}
    timing = rig.process(**{"roof/points": (cloud, None), f"lost/{kind}": lost[kind]})
    assert timing["degraded/lost/no_transform"] == 1
    assert not any(key.startswith("dropped/") for key in timing)


def test_a_frame_on_which_the_network_fails_is_counted_and_the_next_one_is_published(
    extrinsics, start
):
    class FailsOnce(BlindPredictor):
        calls = 0

        def predict_sample(self, sample, mode, threshold) -> Prediction:
            self.calls += 1
            if self.calls == 1:
                raise MemoryError("no memory for the first frame")
            return super().predict_sample(sample, mode, threshold)

    rig, cloud = (
        start(FailsOnce(), extrinsics, streams=("points",)),
        encode_cloud(CLOUD, Header(frame_id="roof")),
    )
    rig.send(points=(cloud, None))
    rig.wait_until_dropped()
    timing = rig.process(points=(cloud, None))
    assert timing["dropped/inference_error"] == 1
    assert timing["published"] == 1
    assert rig.health.take_warnings() == [
        "a frame was dropped: MemoryError: no memory for the first frame"
    ]


@pytest.mark.parametrize(
    ("label_sets", "warnings"), [(BlindPredictor.label_sets, [NO_BOXES]), ({}, [])]
)
def test_missing_boxes_give_a_warning_if_the_checkpoint_detects_boxes(
    calibration, extrinsics, start, monkeypatch, label_sets, warnings
):
    class FindsNoBoxes(BlindPredictor):
        def predict_sample(self, sample, mode, threshold) -> Prediction:
            return Prediction.of(None, None, None, "camera_only", 1.0)

    monkeypatch.setattr(BlindPredictor, "label_sets", label_sets)
    cameras = {CAMERA: CameraInput(Sensors().cameras[0], camera=calibration.camera)}
    rig = start(FindsNoBoxes(), extrinsics, streams=("image",), cameras=cameras)
    image = encode_image(np.zeros((64, 128, 3), np.uint8), "rgb8", Header(frame_id="front"))
    assert rig.process(image=(image, None))["boxes"] == "none"
    assert rig.health.take_warnings() == warnings


class CannotPredict(BlindPredictor):
    def predict_sample(self, sample, mode, threshold) -> Prediction:
        raise MemoryError("no memory")


@pytest.mark.parametrize(
    "predictor", [CannotPredict, BlindPredictor], ids=["network", "publishing"]
)
def test_a_frame_without_result_counts_as_dropped_and_not_as_degraded(extrinsics, start, predictor):
    rig = start(predictor(), extrinsics)
    rig.publishing_fails = True
    rig.queue.tune(0.0, 0.0, process_unmatched=True)
    rig.send(points=(encode_cloud(CLOUD, Header(frame_id="roof")), None))
    rig.wait_until_dropped()
    rig.pipeline.close()
    counts = rig.health.counts()
    assert (counts.published, counts.dropped, counts.degraded) == (0, {"inference_error": 1}, {})


def test_a_frame_is_published_even_if_its_timing_cannot_be(extrinsics, start):
    rig, cloud = start(BlindPredictor(), extrinsics), encode_cloud(CLOUD, Header(frame_id="roof"))
    rig.queue.tune(0.0, 0.0, process_unmatched=True)
    rig.timing_fails = True
    rig.send(points=(cloud, None))
    wait_until(lambda: rig.published)
    rig.timing_fails = False
    timing = rig.process(points=(cloud, None))
    assert timing["published"] == timing["degraded/no_image"] == rig.published == 2
    assert not any(key.startswith("dropped/") for key in timing)
    (warning,) = rig.health.take_warnings()
    assert warning == "the timing of a frame was not published: OSError: no room for the timing"


def test_each_sensor_that_is_missing_is_counted(extrinsics, start):
    rig = start(BlindPredictor(), extrinsics, streams=("points", "left/image", "right/image"))
    rig.queue.tune(0.0, 0.0, process_unmatched=True)
    timing = rig.process(points=(encode_cloud(CLOUD, Header(frame_id="roof")), None))
    assert timing["degraded/no_left/image"] == timing["degraded/no_right/image"] == 1


def test_a_missing_lidar_is_counted_if_the_mode_uses_only_lidars(calibration, start):
    poses = {"roof": calibration.ego_from_lidar, "bumper": calibration.ego_from_lidar}
    rig = start(
        BlindPredictor(),
        FixedExtrinsics(poses, {}, "roof", {}),
        streams=("roof/points", "bumper/points"),
        parameters=Parameters(lidars=tuple(poses), mode="lidar_only"),
    )
    rig.queue.tune(0.0, 0.0, process_unmatched=True)
    timing = rig.process(**{"roof/points": (encode_cloud(CLOUD, Header(frame_id="roof")), None)})
    assert timing["degraded/no_bumper/points"] == 1

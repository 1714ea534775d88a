"""The predictor: engines and modes agree, choices are checked, label sets and tasks come along."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.frame import Camera, CameraImage, Frame, LidarScan
from bev_semseg_ros.geometry import apply, invert, rotation_z, transform
from bev_semseg_ros.inference import checkpoint
from bev_semseg_ros.inference.engine import cache_folder, torch_threads
from bev_semseg_ros.inference.predictor import Predictor
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.model.tasks.task import Head, Task
from bev_semseg_ros.preprocessing import Sample, prepare
from bev_semseg_ros.resources import shipped_checkpoint

pytestmark = pytest.mark.slow

BASE = Config(grid=GridConfig(x_max=25.6, y_min=-12.8, y_max=12.8))
SIZE = (160, 96)
CAMERA = Camera(
    np.array([[100, 0, 80], [0, 100, 48], [0, 0, 1.0]]),
    SIZE,
    np.array([[0, -1, 0, 0], [0, 0, -1, 1.6], [1, 0, 0, 0], [0, 0, 0, 1.0]]),
)
THRESHOLD = 0.01


def config(fusion):
    image, model = (
        replace(BASE.image, max_pixels=SIZE[0] * SIZE[1]),
        replace(BASE.model, fusion=fusion),
    )
    return replace(BASE, image=image, model=model)


def frame(points=True, image=True, seed=0):
    rng = np.random.default_rng(seed)
    cloud = np.concatenate(
        [rng.uniform([2, -8, 0], [25, 8, 2], (600, 3)), rng.random((600, 1))], 1
    ).astype(np.float32)
    picture = (
        rng.integers(0, 256, (SIZE[1] // 16, SIZE[0] // 16, 3), np.uint8)
        .repeat(16, 0)
        .repeat(16, 1)
    )
    return Frame.of(
        0,
        cloud if points else None,
        np.eye(4),
        picture if image else None,
        CAMERA if image else None,
    )


def rig_frame():
    """Three cameras, of which one has a smaller image, and two lidars, which share the points."""
    whole, other, third = frame(seed=0), frame(seed=1), frame(seed=2)
    small = replace(CAMERA, size=(128, 96))
    turned = replace(CAMERA, camera_from_ego=CAMERA.camera_from_ego @ transform(rotation_z(-0.8)))
    rear_pose = transform(rotation_z(np.pi), (1.0, 0.0, 0.0))
    rear = whole.points[1::2].copy()
    rear[:, :3] = apply(invert(rear_pose), rear[:, :3])
    return Frame(
        0,
        {"front": LidarScan(whole.points[::2], np.eye(4)), "rear": LidarScan(rear, rear_pose)},
        {
            "front": CameraImage(whole.image, CAMERA),
            "small": CameraImage(np.ascontiguousarray(other.image[:, :128]), small),
            "left": CameraImage(third.image, turned),
        },
    )


@pytest.fixture(scope="module")
def networks():
    """Return networks whose answers differ from place to place."""
    made = {}
    for fusion in ("projective", "cross_attention"):
        torch.manual_seed(0)
        made[fusion] = network = build_network(config(fusion))
        batch = Batch.from_samples([prepare(frame(seed=seed), config(fusion)) for seed in range(3)])
        with torch.no_grad(), torch_threads(1):
            for _ in range(10):
                network(batch)
            network.bev.heads.detection.heatmap.weight *= 20
        network.eval()
    return made


def predictor(networks, fusion="projective", **choices):
    return Predictor(networks[fusion], config(fusion), device="cpu", num_threads=1, **choices)


@pytest.fixture(scope="module")
def simple(networks):
    return predictor(networks, engine="torch", precision="fp32")


def test_folding_and_tracing_change_no_answer(networks, simple):
    with torch.inference_mode():
        expected = networks["projective"](Batch.from_samples([prepare(frame(), simple.config)]))
        found = simple._network(Batch.from_samples([prepare(frame(), simple.config)]))
    assert {task: set(expected[task]) for task in expected} == {
        "detection": {"heatmap", "regression"},
        "segmentation": {"logits"},
    }
    for task in expected:
        for name, values in expected[task].items():
            assert torch.allclose(found[task][name], values, atol=2e-4), (task, name)


@pytest.mark.parametrize("fusion", ["projective", "cross_attention"])
@pytest.mark.parametrize("mode", ["fused", "lidar_only"])
def test_openvino_answers_as_torch_does_in_float32(networks, fusion, mode):
    pytest.importorskip("openvino")
    first, second = (
        predictor(networks, fusion, engine=engine, precision="fp32").predict(
            frame(), mode, THRESHOLD
        )
        for engine in ("torch", "openvino")
    )
    assert len(first.boxes) == len(second.boxes) > 5
    assert np.allclose(first.boxes.centers, second.boxes.centers, atol=1e-3)
    assert np.allclose(first.boxes.scores, second.boxes.scores, atol=1e-4)
    assert mode == "lidar_only" or (first.mask == second.mask).mean() > 0.999


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bfloat16_keeps_the_mask_and_the_scores_apart(networks, simple, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    rough = predictor(networks, engine=engine, precision="bf16")
    assert (rough.predict(frame()).mask == simple.predict(frame()).mask).mean() > 0.95
    with torch.inference_mode():
        batch = Batch.from_samples([prepare(frame(), rough.config)])
        heatmap = rough._network(batch)["detection"]["heatmap"]
    assert heatmap.dtype == torch.float32 and len(heatmap.unique()) > 0.5 * heatmap.numel()


def test_openvino_converts_once_and_then_reads_its_cache(networks, tmp_path):
    pytest.importorskip("openvino")
    choices = {"engine": "openvino", "precision": "fp32", "cache": tmp_path / "cache"}
    first = predictor(networks, **choices).predict(frame(), "fused", THRESHOLD)
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    second = predictor(networks, **choices).predict(frame(), "fused", THRESHOLD)
    assert len(made) == 4 and made == {
        file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()
    }
    assert np.array_equal(first.boxes.scores, second.boxes.scores)


def test_a_damaged_cache_is_made_anew(networks, tmp_path):
    pytest.importorskip("openvino")
    choices = {"engine": "openvino", "precision": "fp32", "cache": tmp_path}
    predictor(networks, **choices).predict(frame(image=False))
    (file,) = tmp_path.glob("*.xml")
    file.write_text("<net")
    assert predictor(networks, **choices).predict(frame(image=False)).mode == "lidar_only"
    assert len(file.read_text()) > 1000


def test_a_user_without_a_home_has_no_cache_and_no_error(networks, tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    (tmp_path / "a.pt").touch()
    assert cache_folder(tmp_path / "a.pt", networks["projective"]) is None


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
def test_a_mode_runs_with_what_the_frame_has(simple, points, image, mode, ran):
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
def test_nothing_to_look_at_is_an_error_that_names_the_mode(simple, points, image, mode):
    with pytest.raises(ValueError, match=mode):
        simple.predict(frame(points, image), mode)


def test_lidar_only_is_a_frame_whose_image_is_missing(simple):
    told = simple.predict(frame(), "lidar_only", THRESHOLD)
    missing = simple.predict(frame(image=False), "fused", THRESHOLD)
    assert np.array_equal(told.boxes.scores, missing.boxes.scores)


def test_the_mask_has_the_size_of_the_networks_image(simple):
    prediction = simple.predict(frame())
    assert prediction.mask.shape == (96, 160) and prediction.mask.dtype == np.uint8
    assert prediction.camera.size == (160, 96)


def test_an_empty_cloud_is_answered(simple):
    assert (
        simple.predict_sample(Sample.of(np.zeros((0, 4), np.float32), None, None)).mode
        == "lidar_only"
    )


def test_the_score_threshold_of_the_configuration_holds_unless_another_is_given(simple):
    assert (
        simple.predict(frame()).boxes.scores.min(initial=1)
        >= simple.config.postprocess.score_threshold
    )
    assert len(simple.predict(frame(), score_threshold=THRESHOLD).boxes) > len(
        simple.predict(frame()).boxes
    )


def test_images_of_changing_size_are_answered(simple):
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


def test_torch_keeps_its_threads(simple):
    before = torch.get_num_threads()
    simple.predict(frame())
    assert torch.get_num_threads() == before


def test_the_network_that_was_given_is_not_changed(networks):
    network = networks["projective"].train()
    predictor(networks, engine="torch", precision="fp32").predict(frame())
    assert network.training and network.bev.heads.detection.heatmap.weight.requires_grad
    network.eval()


def test_a_checkpoint_answers_as_the_network_it_was_saved_from(networks, simple, tmp_path):
    checkpoint.save(
        tmp_path / "a.pt", networks["projective"], config("projective"), {"rig": "test"}
    )
    loaded = Predictor.load(
        tmp_path / "a.pt", device="cpu", precision="fp32", engine="torch", num_threads=1
    )
    assert loaded.info == {"rig": "test"} and loaded.config == simple.config
    assert np.allclose(
        loaded.predict(frame(), "fused", THRESHOLD).boxes.scores,
        simple.predict(frame(), "fused", THRESHOLD).boxes.scores,
        atol=1e-6,
    )


def test_warming_up_leaves_nothing_to_compile(networks):
    ready = predictor(networks, engine="torch", precision="fp32")
    ready.warm_up(SIZE)
    known = [len(branch._compiled) for branch in (ready._network.camera, ready._network.bev)]
    ready.predict(frame())
    assert (
        known
        == [len(branch._compiled) for branch in (ready._network.camera, ready._network.bev)]
        == [1, 1]
    )


def test_a_new_image_size_can_be_prepared_without_predicting_with_it(networks):
    ready = predictor(networks, engine="torch", precision="fp32")
    ready.warm_up(SIZE)
    assert (
        ready.is_warm(SIZE)
        and ready.is_warm((2 * SIZE[0], 2 * SIZE[1]))
        and not ready.is_warm((100, 100))
    )
    ready.prepare((100, 100))
    assert ready.is_warm((100, 100))


def test_the_size_in_use_outlives_many_others(networks):
    ready = predictor(networks, engine="torch", precision="fp32")
    ready.warm_up(SIZE)
    for height in range(20, 120, 20):
        ready.prepare((100, height))
        ready.predict(frame())
    assert ready.is_warm(SIZE) and not ready.is_warm((100, 20))


def test_the_description_says_what_was_chosen(networks):
    assert predictor(networks, engine="torch", precision="bf16").description == (
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
def test_a_choice_that_cannot_be_had_is_refused_by_name(networks, choice, reason):
    with pytest.raises(ValueError, match=reason):
        Predictor(networks["projective"], config("projective"), **choice)


class MeanHead(Head):
    """One number for each pixel of P2."""

    outputs = ("brightness",)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(channels, 1, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.layer(x),)


class BrightnessTask(Task):
    """A further task of the image without classes, as a user would write it."""

    name = "brightness"
    view = "image"
    needs = frozenset({"image"})

    def build_head(self, channels: int) -> MeanHead:
        return MeanHead(channels)

    def postprocess(self, outputs, sample, score_threshold=None) -> np.ndarray:
        return outputs["brightness"][0, 0].float().cpu().numpy()

    def picture(self, result: np.ndarray, sample: Sample) -> np.ndarray:
        return np.full((*sample.image.shape[:2], 3), 7, np.uint8)


def config_with_a_further_task() -> Config:
    base = config("projective")
    tasks = (*base.model.tasks, f"{BrightnessTask.__module__}:{BrightnessTask.__name__}")
    return replace(base, model=replace(base.model, tasks=tasks, camera_encoder="residual"))


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_further_task_has_its_result_under_its_name_and_its_picture(engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    wanted = config_with_a_further_task()
    ready = Predictor(
        build_network(wanted), wanted, device="cpu", precision="fp32", engine=engine, num_threads=1
    )
    assert [task.name for task in ready.tasks] == ["detection", "segmentation", "brightness"]
    assert set(ready.label_sets) == {"detection", "segmentation"}  # it has no classes
    prediction = ready.predict(frame())
    assert prediction.boxes is not None and prediction.mask is not None
    assert set(prediction.results) == {"brightness"}
    assert list(prediction.results["brightness"]) == ["camera"]
    assert prediction.results["brightness"]["camera"].shape == (SIZE[1] // 4, SIZE[0] // 4)
    pictures = ready.pictures(frame(), prediction)
    assert set(pictures) == {"brightness"} and pictures["brightness"].shape == (96, 160, 3)
    rig = rig_frame()
    pictures = ready.pictures(rig, ready.predict(rig))
    assert list(pictures) == ["brightness, front", "brightness, small", "brightness, left"]
    blind = ready.predict(frame(image=False))
    assert blind.results == {} and ready.pictures(frame(image=False), blind) == {}


def test_a_network_of_one_further_task_alone_predicts_nothing_else(tmp_path):
    wanted = config_with_a_further_task()
    wanted = replace(wanted, model=replace(wanted.model, tasks=wanted.model.tasks[-1:]))
    checkpoint.save(tmp_path / "a.pt", build_network(wanted), wanted, {})
    ready = Predictor.load(tmp_path / "a.pt", "cpu", engine="torch", num_threads=1)
    prediction = ready.predict(frame())
    assert ready.label_sets == {} and prediction.boxes is prediction.mask is None
    assert set(prediction.results) == {"brightness"}


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


# Several lidars and cameras.


def test_every_camera_has_the_mask_it_has_alone(simple):
    rig = rig_frame()
    together = simple.predict(rig)
    assert list(together.masks) == list(together.cameras) == list(rig.cameras)
    for name, seen in rig.cameras.items():
        alone = simple.predict(replace(rig, cameras={name: seen}))
        assert np.array_equal(together.masks[name], alone.masks[name]), name
        assert together.cameras[name].size == together.masks[name].shape[::-1]


def test_points_of_several_lidars_are_found_as_those_of_one(simple):
    rig = rig_frame()
    one = replace(rig, lidars={"lidar": LidarScan(prepare(rig, simple.config).points, np.eye(4))})
    found, expected = (simple.predict(each, "fused", THRESHOLD).boxes for each in (rig, one))
    assert len(expected) > 0
    np.testing.assert_allclose(found.centers, expected.centers, atol=1e-4)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


def test_engines_agree_on_a_rig_and_any_camera_may_be_missing(networks, simple):
    pytest.importorskip("openvino")
    ready = predictor(networks, engine="openvino", precision="fp32")
    rig = rig_frame()
    for missing in (None, *rig.cameras):
        cameras = dict(rig.cameras)
        if missing is not None:
            cameras[missing] = replace(cameras[missing], image=None)
        seen = replace(rig, cameras=cameras)
        found, expected = (each.predict(seen, "fused", THRESHOLD) for each in (ready, simple))
        assert list(found.masks) == [name for name in rig.cameras if name != missing]
        assert len(found.boxes) == len(expected.boxes) > 0
        np.testing.assert_allclose(found.boxes.centers, expected.boxes.centers, atol=1e-3)


def test_a_lost_camera_costs_no_compilation(networks):
    ready = predictor(networks, engine="torch", precision="fp32")
    rig = rig_frame()
    one_size = {name: rig.cameras[name] for name in ("front", "left")}
    ready.predict(replace(rig, cameras=one_size))
    compiled = []
    compile_module = ready._network.camera._compile
    ready._network.camera._compile = lambda *given: compiled.append(1) or compile_module(*given)
    for cameras in ({"left": rig.cameras["left"]}, one_size, {"front": rig.cameras["front"]}):
        ready.predict(replace(rig, cameras=cameras))
    assert compiled == []


# All around.


def turned(seen: Frame) -> Frame:
    """The same seen by a vehicle that stands the other way round."""
    half_turn = transform(rotation_z(np.pi))
    lidars = {
        name: replace(scan, ego_from_lidar=half_turn @ scan.ego_from_lidar)
        for name, scan in seen.lidars.items()
    }
    cameras = {}
    for name, each in seen.cameras.items():
        pose = each.camera.camera_from_ego @ half_turn
        cameras[name] = replace(each, camera=replace(each.camera, camera_from_ego=pose))
    return replace(seen, lidars=lidars, cameras=cameras)


def around_frame() -> Frame:
    """Points on both sides; one camera looks ahead and one back."""
    ahead, behind = frame(seed=0), turned(frame(seed=4))
    lidars = {"a": ahead.lidars["lidar"], "b": behind.lidars["lidar"]}
    cameras = {"front": ahead.cameras["camera"], "back": behind.cameras["camera"]}
    return Frame(0, lidars, cameras)


@pytest.fixture(scope="module")
def around(networks, tmp_path_factory):
    """Return what loads a predictor that looks around."""
    folder = tmp_path_factory.mktemp("around")
    for fusion, network in networks.items():
        checkpoint.save(folder / f"{fusion}.pt", network, config(fusion), {})

    def load(fusion="projective", engine="torch"):
        path = folder / f"{fusion}.pt"
        return Predictor.load(path, "cpu", "fp32", engine, num_threads=1, grid="around")

    return load


@pytest.mark.parametrize("mode", ["fused", "lidar_only"])
@pytest.mark.parametrize("fusion", ["projective", "cross_attention"])
def test_behind_is_found_what_would_be_found_ahead(around, fusion, mode):
    ready, seen = around(fusion), around_frame()
    found = ready.predict(seen, mode, THRESHOLD).boxes
    other = ready.predict(turned(seen), mode, THRESHOLD).boxes
    assert (found.centers[:, 0] > 0).sum() > 3 and (found.centers[:, 0] < 0).sum() > 3
    assert len(found) == len(other)
    np.testing.assert_allclose(found.centers * (-1, -1, 1), other.centers, atol=1e-3)
    np.testing.assert_allclose(found.scores, other.scores, atol=1e-4)
    difference = np.abs(found.yaws - other.yaws)
    np.testing.assert_allclose(difference, np.pi, atol=1e-3)


def test_both_engines_look_around_alike(around):
    pytest.importorskip("openvino")
    found, expected = (
        around(engine=engine).predict(around_frame(), "fused", THRESHOLD)
        for engine in ("openvino", "torch")
    )
    assert len(found.boxes) == len(expected.boxes)
    np.testing.assert_allclose(found.boxes.centers, expected.boxes.centers, atol=1e-3)
    assert all(np.array_equal(found.masks[name], expected.masks[name]) for name in found.masks)


def test_far_ahead_the_same_is_found_as_by_looking_ahead(around, simple):
    seen = around_frame()
    found, expected = (each.predict(seen, "fused", THRESHOLD).boxes for each in (around(), simple))
    # The best ones: the lower ends differ, since a pass also finds boxes at the vehicle.
    far, far_expected = (boxes[boxes.centers[:, 0] > 12][:10] for boxes in (found, expected))
    assert len(far_expected) == 10
    np.testing.assert_allclose(far.centers, far_expected.centers, atol=1e-3)


def test_the_configuration_of_a_predictor_that_looks_around_tells_the_whole_grid(around):
    ready = around()
    assert ready.config.grid.x_min == -ready.config.grid.x_max
    assert all(task.config.grid == ready.config.grid for task in ready.tasks)


def test_a_grid_that_does_not_exist_is_refused_with_those_that_do(around):
    with pytest.raises(ValueError, match="grid: expected forward or around, got 'backward'"):
        Predictor.load(grid="backward")

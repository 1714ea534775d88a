from dataclasses import replace

import numpy as np
import pytest
import torch
from bev_semseg_ros.model.decoding import decode, decode_mask
from bev_semseg_ros.model.losses import losses
from bev_semseg_ros.model.targets import Targets, frame_targets

from bev_semseg_ros.config import Config, GridConfig
from bev_semseg_ros.frame import Boxes, Camera
from bev_semseg_ros.inference.engine import torch_threads
from bev_semseg_ros.model.network import Batch, Network
from bev_semseg_ros.preprocessing import Sample, points_in_grid

GRID = GridConfig(x_max=25.6, y_min=-12.8, y_max=12.8)
CAMERA_FROM_EGO = np.array([[0, -1, 0, 0], [0, 0, -1, 1.6], [1, 0, 0, 0], [0, 0, 0, 1.0]])
FUSIONS = ("projective", "cross_attention", "none")


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors on shared cores: a second thread only waits."""
    with torch_threads(1):
        yield


def config(fusion="projective", encoder="residual"):
    base = Config(grid=GRID)
    return replace(base, model=replace(base.model, fusion=fusion, camera_encoder=encoder))


def network(settings, seed=0):
    torch.manual_seed(seed)
    return Network(settings).eval()


def sample(seed=0, points=400, size=(96, 64)):
    rng = np.random.default_rng(seed)
    cloud = np.concatenate(
        [rng.uniform([2, -8, 0], [25, 8, 2], (points, 3)), rng.random((points, 1))], 1
    )
    camera = Camera(
        np.array([[60, 0, size[0] / 2], [0, 60, size[1] / 2], [0, 0, 1.0]]), size, CAMERA_FROM_EGO
    )
    return Sample(
        cloud.astype(np.float32), rng.integers(0, 256, (size[1], size[0], 3), np.uint8), camera
    )


def run(model, *samples):
    with torch.inference_mode():
        return model(Batch.from_samples(samples))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_outputs_have_the_promised_shapes(fusion):
    outputs = run(network(config(fusion)), sample(0), sample(1))
    assert outputs.heatmap.shape == (2, 4, 64, 64) and outputs.regression.shape == (2, 10, 64, 64)
    assert outputs.segmentation.shape == (2, 13, 16, 24)


@pytest.mark.parametrize("size", [(640, 400), (112, 80)])
def test_images_whose_size_is_no_multiple_of_32_are_answered(size):
    outputs = run(network(config(encoder="efficientnet_lite0")), sample(size=size))
    assert outputs.segmentation.shape[2:] == (size[1] // 4, size[0] // 4)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_frame_without_an_image_in_a_batch_is_exactly_lidar_only(fusion):
    model, seen = network(config(fusion)), sample(0)
    blind = Sample(sample(1).points, None, None)
    together, alone = run(model, seen, blind), run(model, blind)
    assert torch.allclose(together.heatmap[1], alone.heatmap[0], atol=1e-5)
    assert torch.allclose(together.regression[1], alone.regression[0], atol=1e-5)


@pytest.mark.parametrize("fusion", ["projective", "cross_attention"])
def test_another_image_changes_what_is_detected(fusion):
    model, here = network(config(fusion)), sample(0)
    other = Sample(here.points, sample(1).image, here.camera)
    assert (run(model, here).heatmap - run(model, other).heatmap).abs().max() > 1e-5


def test_without_fusion_the_image_changes_no_box():
    model, here = network(config("none")), sample(0)
    other = Sample(here.points, sample(1).image, here.camera)
    assert torch.equal(run(model, here).heatmap, run(model, other).heatmap)


@pytest.mark.parametrize(
    "fusion, boxes", [("projective", False), ("cross_attention", True), ("none", False)]
)
def test_the_camera_alone_segments_and_detects_only_where_the_fusion_can(fusion, boxes):
    outputs = run(network(config(fusion)), Sample(None, sample().image, sample().camera))
    assert outputs.segmentation is not None and (outputs.heatmap is not None) == boxes


def test_the_lidar_alone_segments_nothing():
    outputs = run(network(config()), Sample(sample().points, None, None))
    assert outputs.segmentation is None and outputs.heatmap is not None


def test_an_empty_cloud_is_answered():
    empty = Sample(np.zeros((0, 4), np.float32), sample().image, sample().camera)
    assert torch.isfinite(run(network(config()), empty).heatmap).all()


def test_frames_of_a_batch_do_not_see_each_other():
    model = network(config())
    assert torch.allclose(
        run(model, sample(0), sample(1)).heatmap[0], run(model, sample(0)).heatmap[0], atol=1e-5
    )


def test_missing_images_do_not_move_the_statistics_of_batch_norm():
    model = network(config()).train()
    model(Batch.from_samples([Sample(sample().points, None, None)]))
    assert model.camera.encoder.stem[1].num_batches_tracked == 0


def test_images_of_different_size_are_refused():
    with pytest.raises(ValueError, match="one size"):
        Batch.from_samples([sample(size=(96, 64)), sample(size=(64, 64))])


def test_an_unknown_fusion_is_refused_by_name():
    with pytest.raises(ValueError, match=r"model\.fusion.*magic"):
        Network(config("magic"))


def test_weights_are_stored_once():
    for fusion in FUSIONS:
        pointers = [
            value.data_ptr()
            for value in network(config(fusion)).state_dict().values()
            if value.numel()
        ]
        assert len(pointers) == len(set(pointers))


@pytest.mark.slow
def test_a_few_steps_learn_one_frame():
    """Loss, targets, network and decoding agree: what is trained in comes out as a box and a mask."""
    grid = GridConfig(x_max=12.8, y_min=-6.4, y_max=6.4)
    settings = replace(config(), grid=grid)
    settings = replace(
        settings,
        model=replace(
            settings.model,
            neck_channels=16,
            head_channels=16,
            pillar_channels=16,
            bev_channels=(16, 24, 32),
            bev_blocks=(1, 1, 1),
        ),
    )
    box = Boxes(
        np.array([[7.0, 2.1, 0.8]]),
        np.array([[4.0, 1.8, 1.5]]),
        np.array([2.0]),
        np.array([0]),
        np.ones(1),
    )
    mask = np.zeros((64, 96), np.uint8)
    mask[:32] = 8
    batch = Batch.from_samples(
        [
            replace(each, points=each.points[points_in_grid(each.points, grid)])
            for each in (sample(3), sample(4))
        ]
    )
    targets = Targets.stack(
        [
            frame_targets(box, None, None, mask, grid, settings.loss),
            frame_targets(Boxes.empty(), None, None, None, grid, settings.loss),
        ]
    )
    model = network(settings).train()
    optimizer = torch.optim.AdamW(model.parameters(), 8e-3)
    for _ in range(60):
        loss = sum(losses(model(batch), targets, settings.loss).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        outputs = model(batch)
    found, nothing = decode(outputs, settings, 0.3)
    assert len(nothing) == 0 and found.labels.tolist() == [0]
    assert np.abs(found.centers - box.centers).max() < 0.4 and abs(found.yaws[0] - 2.0) < 0.3
    assert (decode_mask(outputs.segmentation[0]) == mask).mean() > 0.95

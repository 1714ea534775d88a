"""Points take the features and class probabilities of the cell that they project to."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.memory_dataset import TINY
from support.samples import lidar_sample, run, sample, small_config

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.preprocessing import Sample

CLASSES = 13


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = build_network(small_config(fusion="painted", fusion_channels=4)).eval()
    with torch.no_grad():
        made.fusion.unseen.copy_(torch.arange(1, 5 + 1 + CLASSES))
    return made


def of_points(network, sample):
    batch = Batch.from_samples([sample])
    with torch.inference_mode():
        outputs, maps = network.run_camera(batch)
        return outputs, maps, network.fusion.point_features(maps, batch)


def one_point(x, y=0.0, z=1.6):
    seen = sample(size=(96, 64))
    return replace(seen, points=np.array([[x, y, z, 0]], np.float32), point_lidar=np.zeros(1, int))


def test_a_point_takes_the_probabilities_of_the_cell_it_projects_to(network):
    # straight ahead at camera height: pixel (48, 32), cell column 12, row 8
    outputs, maps, (found,) = of_points(network, one_point(10))
    probabilities = outputs[0]["segmentation"]["logits"].softmax(1)
    assert torch.allclose(found[5:], probabilities[0, :, 8, 12], atol=1e-6)
    assert float(found[5:].sum()) == pytest.approx(1, abs=1e-5)
    assert found[4] == 1 and torch.equal(found[:4], maps[0][0, 8, 12, :4])


@pytest.mark.parametrize("place", [(-10.0,), (10.0, 20.0), (2.0, 0.0, -1.0)])
def test_a_point_that_no_image_shows_takes_the_learned_value(network, place):
    _, _, (found,) = of_points(network, one_point(*place))
    assert torch.equal(found, network.fusion.unseen)


def test_a_point_that_another_one_hides_takes_the_learned_value(network):
    points = np.array([[3, 0, 1.6, 0], [20, 0, 1.6, 0]], np.float32)
    seen = replace(one_point(1), points=points, point_lidar=np.zeros(2, int))
    _, _, (near, far) = of_points(network, seen)
    assert near[4] == 1 and torch.equal(far, network.fusion.unseen)


def test_without_any_image_every_point_takes_the_learned_value(network):
    found = network.fusion.point_features([], Batch.from_samples([lidar_sample()]))
    assert found.shape == (400, network.fusion.point_channels)
    assert (found == network.fusion.unseen).all()


def test_the_loss_of_the_boxes_reaches_the_logits_of_the_classes_and_the_learned_value():
    torch.manual_seed(0)
    config = replace(TINY, model=replace(TINY.model, fusion="painted"))
    model = build_network(config).train()
    outputs = model(Batch.from_samples([sample(0), lidar_sample(1)]))
    outputs["detection"]["heatmap"].square().mean().backward()
    for weight in (model.camera.heads.segmentation.logits.weight, model.fusion.unseen):
        assert torch.isfinite(weight.grad).all() and weight.grad.abs().max() > 0


def test_other_classes_in_the_image_change_the_detections(network):
    seen = sample(0)
    before = run(network, seen)["detection"]["heatmap"]
    bias = network.camera.heads.segmentation.logits.bias
    kept = bias.detach().clone()
    with torch.no_grad():
        bias[9] += 20
    after = run(network, seen)["detection"]["heatmap"]
    with torch.no_grad():
        bias.copy_(kept)
    assert (before - after).abs().max() > 1e-4


def test_class_probabilities_under_bfloat16_are_close_to_float32(network):
    _, _, exact = of_points(network, one_point(10))
    with torch.autocast("cpu", torch.bfloat16):
        _, _, rough = of_points(network, one_point(10))
    assert rough.dtype == torch.float32
    assert torch.allclose(rough[:, 5:], exact[:, 5:], atol=0.02)


def test_an_empty_cloud_with_an_image_gives_a_finite_heatmap(network):
    empty = Sample.of(np.zeros((0, 4), np.float32), sample().image, sample().camera)
    assert isinstance(empty.camera, Camera)
    assert torch.isfinite(run(network, empty)["detection"]["heatmap"]).all()

"""A network with a point encoder: which points it classifies and which reach the BEV."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.point_clouds import cloud_frame, points_config, points_network, turn

from bev_semseg_ros.inference.engine import torch_threads
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.build import build_network
from bev_semseg_ros.preprocessing import Sample, points_in_grid, prepare


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: with small tensors on shared cores, a second one would only wait."""
    with torch_threads(1):
        yield


def sample(seed: int = 0, reach: float = 50) -> Sample:
    return prepare(cloud_frame(turn(reach=reach, seed=seed)), points_config(), True)


def run(network, *samples: Sample):
    with torch.inference_mode():
        return network(Batch.from_samples(samples, with_rays=True))


def test_points_outside_the_grid_are_classified_but_do_not_reach_the_bev():
    seen = sample(reach=180)
    inside = seen.within(points_config().grid)
    assert 0 < len(inside.points) < len(seen.points)
    network = points_network()
    outputs = run(network, seen)
    assert outputs["point_segmentation"]["logits"].shape == (len(seen.points), 13)
    expected = run(network, inside)["detection"]["heatmap"]
    assert torch.equal(outputs["detection"]["heatmap"], expected)


def test_training_point_segmentation_alone_does_not_change_the_other_parts():
    network = copy.deepcopy(points_network()).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    outputs = network(Batch.from_samples([sample()], with_rays=True), {"points"})
    assert list(outputs) == ["point_segmentation"]
    changed = {key for key, value in network.state_dict().items() if not value.equal(before[key])}
    assert {key.split(".")[0] for key in changed} == {"point_encoder", "points"}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_training_continues_when_hardly_any_points_are_left(count):
    network = copy.deepcopy(points_network()).train()
    whole = sample()
    kept = np.flatnonzero(points_in_grid(whole.points, points_config().grid))[:count]
    outputs = network(Batch.from_samples([whole.with_points(whole.points[kept], kept)], (), True))
    heatmap, logits = outputs["detection"]["heatmap"], outputs["point_segmentation"]["logits"]
    assert len(logits) == count
    (heatmap.sum() + logits.sum()).backward()
    assert all(value.isfinite().all() for value in network.state_dict().values())
    gradient = network.lidar_encoder.linear.weight.grad
    assert (gradient is not None and gradient.any()) == (count > 0)


def test_frames_of_a_batch_do_not_affect_each_other_even_if_one_has_no_points():
    network, first, second = points_network(), sample(0), sample(1)
    together = run(network, first, second.without_points(), second)
    alone = [run(network, each)["point_segmentation"]["logits"] for each in (first, second)]
    assert torch.allclose(together["point_segmentation"]["logits"], torch.cat(alone), atol=1e-4)


def test_an_empty_cloud_has_point_outputs_and_a_missing_cloud_has_none():
    empty = sample().with_points(np.zeros((0, 4), np.float32), np.zeros(0, int))
    outputs = run(points_network(), empty)
    assert outputs["point_segmentation"]["logits"].shape == (0, 13)
    assert "point_segmentation" not in run(points_network(), sample().without_points())


def test_a_sample_without_rays_gets_them_from_the_pose_of_its_lidar():
    seen = sample()
    rough = replace(seen, rays=None)
    found, expected = (
        run(points_network(), each)["point_segmentation"]["logits"] for each in (rough, seen)
    )
    agree = (found.argmax(1) == expected.argmax(1)).float().mean()
    assert agree > 0.9  # the rays differ by rounding


def test_point_features_reach_the_boxes_only_if_configured():
    model = replace(points_config().model, point_features_to_bev=True)
    fed, plain = points_network(model), points_network()
    here, dimmed = sample(), sample()
    lidar_moved = replace(dimmed, rays=replace(dimmed.rays, points=2 * dimmed.rays.points))
    for network, changes in ((fed, True), (plain, False)):
        found = [run(network, each)["detection"]["heatmap"] for each in (here, lidar_moved)]
        assert torch.equal(*found) != changes
    assert fed.lidar_encoder.point_channels == plain.lidar_encoder.point_channels + 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "model.tasks: point_segmentation needs .* set model.point_encoder=range_view"),
        (
            {"tasks": ("detection",), "point_features_to_bev": True},
            "model.point_features_to_bev: .* set model.point_encoder=range_view",
        ),
    ],
)
def test_settings_that_need_point_features_are_refused_without_a_point_encoder(settings, message):
    with pytest.raises(ValueError, match=message):
        build_network(points_config(point_encoder="none", **settings))

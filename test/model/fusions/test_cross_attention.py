import numpy as np
import pytest
import torch
from support.samples import small_config

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_z, transform
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.cross_attention import (
    CrossAttentionFusion,
    TokenAttention,
    query_centers,
)
from bev_semseg_ros.preprocessing import RectifiedImage, Sample

QUERIES = torch.tensor([[10.0, 0, 1.6], [-10, 0, 1.6]])  # ahead and behind


def bev_inputs(*yaws):
    """Return the inputs of the BEV part for a frame of cameras 1.6 m up with these yaws."""
    images = {}
    for number, yaw in enumerate(yaws):
        pose = OPTICAL_FROM_VIEW @ invert(transform(rotation_z(yaw), (0, 0, 1.6)))
        camera = Camera(np.array([[50, 0, 32], [0, 50, 24], [0, 0, 1.0]]), (64, 48), pose)
        images[str(number)] = RectifiedImage(np.zeros((48, 64, 3), np.uint8), camera)
    fusion = CrossAttentionFusion(small_config(), (8, 8, 8, 8))
    fusion.centers = QUERIES
    tokens = torch.arange(len(yaws), dtype=torch.float32)[:, None, None, None].expand(-1, 3, 4, 8)
    return fusion.bev_inputs([tokens], Batch.from_samples([Sample(None, images)]))


def test_queries_are_at_the_centres_of_their_cells():
    centers = query_centers(GridConfig(x_max=6.4, y_min=-3.2, y_max=3.2), 8)
    assert centers.shape == (16, 3)
    assert centers[0].tolist() == pytest.approx([0.8, -2.4, 0.8])
    assert centers[1, 1] == pytest.approx(-0.8)


def test_the_reference_point_of_a_query_is_where_it_projects_to():
    _, references, valid = bev_inputs(0.0)
    assert references[0, 0].tolist() == pytest.approx([32.5 / 16 - 0.5, 24.5 / 16 - 0.5])
    assert valid[0, :, 0].tolist() == [1, 0]


def test_each_query_attends_to_the_tokens_of_the_camera_that_sees_it():
    ahead_tokens, references, ahead, behind_tokens, same, behind = bev_inputs(0.0, np.pi)
    assert (ahead_tokens == 0).all() and (behind_tokens == 1).all()
    assert ahead[0, :, 0].tolist() == [1, 0] and behind[0, :, 0].tolist() == [0, 1]
    middle = pytest.approx([32.5 / 16 - 0.5, 24.5 / 16 - 0.5])
    assert references[0, 0].tolist() == middle and same[0, 1].tolist() == middle


def attention(valid):
    torch.manual_seed(0)
    module = TokenAttention(16, 8).eval()
    bev, tokens = torch.rand(1, 16, 3, 4), torch.rand(1, 3, 4, 8)
    place = torch.zeros(1, 12, 2)
    with torch.inference_mode():
        return module, bev, tokens, place, module(bev, tokens, place, torch.full((1, 12, 1), valid))


def test_a_query_without_a_valid_reference_point_is_unchanged():
    _, bev, _, _, found = attention(0.0)
    assert torch.equal(found, bev)


def test_a_query_attends_more_to_the_token_at_its_reference_point_than_to_a_far_one():
    module, bev, tokens, place, found = attention(1.0)
    effects = []
    for column in (0, 3):
        changed = tokens.clone()
        changed[0, 0, column] += 1
        with torch.inference_mode():
            effects.append((module(bev, changed, place, torch.ones(1, 12, 1)) - found).abs().sum())
    assert effects[0] > effects[1]

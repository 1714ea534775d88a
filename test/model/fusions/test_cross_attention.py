import pytest
import torch

from bev_semseg_ros.config import GridConfig
from bev_semseg_ros.model.fusions.cross_attention import (
    TokenAttention,
    query_centers,
    reference_points,
)

# A camera at the origin, 1.6 m up, looking along x; an image of 64 x 48.
IMAGE_FROM_EGO = torch.tensor([[32.0, -50, 0, 0], [24.0, 0, -50, 80], [1, 0, 0, 0]])
SIZE = (48, 64)


def test_queries_stand_at_the_centres_of_their_cells():
    centers = query_centers(GridConfig(x_max=6.4, y_min=-3.2, y_max=3.2), 8)
    assert centers.shape == (16, 3)
    assert centers[0].tolist() == pytest.approx([0.8, -2.4, 0.8])
    assert centers[1, 1] == pytest.approx(-0.8)


def test_a_query_looks_at_the_token_it_projects_to():
    references, valid = reference_points(
        torch.tensor([[10.0, 0, 1.6], [-10, 0, 1.6]]),
        IMAGE_FROM_EGO[None],
        torch.tensor([True]),
        SIZE,
    )
    assert references[0, 0].tolist() == pytest.approx([32.5 / 16 - 0.5, 24.5 / 16 - 0.5])
    assert valid[0, :, 0].tolist() == [1, 0]


def attention(valid):
    torch.manual_seed(0)
    module = TokenAttention(16, 8).eval()
    bev, tokens = torch.rand(1, 16, 3, 4), torch.rand(1, 3, 4, 8)
    place = torch.zeros(1, 12, 2)
    with torch.inference_mode():
        return module, bev, tokens, place, module(bev, tokens, place, torch.full((1, 12, 1), valid))


def test_a_query_that_looks_nowhere_stays_as_it_was():
    _, bev, _, _, found = attention(0.0)
    assert torch.equal(found, bev)


def test_a_query_sees_the_token_before_it_more_than_a_far_one():
    module, bev, tokens, place, found = attention(1.0)
    effects = []
    for column in (0, 3):
        changed = tokens.clone()
        changed[0, 0, column] += 1
        with torch.inference_mode():
            effects.append((module(bev, changed, place, torch.ones(1, 12, 1)) - found).abs().sum())
    assert effects[0] > effects[1]

import pytest
import torch
from bev_semseg_ros.model.fusion import (
    TokenAttention,
    gather_image_features,
    query_centers,
    query_places,
)

from bev_semseg_ros.config import GridConfig

# A camera at the origin, 1.6 m up, looking along x; a picture of 64 x 48.
IMAGE_FROM_EGO = torch.tensor([[32.0, -50, 0, 0], [24.0, 0, -50, 80], [1, 0, 0, 0]])
SIZE = (48, 64)


def gather(points, frames=None, has_image=(True,), matrices=None):
    count = len(has_image)
    context = torch.arange(count * 12 * 16, dtype=torch.float32).reshape(count, 12, 16, 1)
    points = torch.tensor(points, dtype=torch.float32)
    frames = torch.zeros(len(points), dtype=torch.int64) if frames is None else torch.tensor(frames)
    matrices = IMAGE_FROM_EGO.expand(count, 3, 4) if matrices is None else matrices
    return gather_image_features(
        context, points, frames, matrices, torch.tensor(has_image), SIZE
    ).tolist()


def test_a_point_takes_the_cell_of_the_pixel_it_projects_to():
    # straight ahead at camera height: pixel (32, 24), cell column 8, row 6
    assert gather([[10, 0, 1.6, 0.5]]) == [[6 * 16 + 8, 1]]


@pytest.mark.parametrize("column, cell", [(3.4, 0), (3.6, 1), (7.4, 1)])
def test_a_cell_covers_the_four_pixels_whose_centres_are_integers(column, cell):
    assert gather([[10, (32 - column) / 5, 1.6, 0.5]]) == [[6 * 16 + cell, 1]]


@pytest.mark.parametrize(
    "point", [[-10, 0, 1.6, 0], [10, 9, 1.6, 0], [10, -9, 1.6, 0], [2, 0, 0, 0], [0, 0, 1.6, 0]]
)
def test_a_point_that_the_camera_does_not_see_takes_nothing(point):
    assert gather([point]) == [[0, 0]]


def test_each_point_is_projected_by_the_camera_of_its_frame():
    shifted = IMAGE_FROM_EGO.clone()
    shifted[0, 3] = 80  # 8 pixels further right at 10 m
    found = gather(
        [[10, 0, 1.6, 0], [10, 0, 1.6, 0]],
        [0, 1],
        (True, True),
        torch.stack([IMAGE_FROM_EGO, shifted]),
    )
    assert found == [[6 * 16 + 8, 1], [12 * 16 + 6 * 16 + 10, 1]]


def test_points_of_a_frame_without_an_image_take_nothing():
    assert gather([[10, 0, 1.6, 0], [10, 0, 1.6, 0]], [0, 1], (True, False))[1] == [0, 0]


def test_queries_stand_at_the_centres_of_their_cells():
    centers = query_centers(GridConfig(x_max=6.4, y_min=-3.2, y_max=3.2), 8)
    assert centers.shape == (16, 3)
    assert centers[0].tolist() == pytest.approx([0.8, -2.4, 0.8]) and centers[
        1, 1
    ] == pytest.approx(-0.8)


def test_a_query_looks_at_the_token_it_projects_to():
    places, looks = query_places(
        torch.tensor([[10.0, 0, 1.6], [-10, 0, 1.6]]),
        IMAGE_FROM_EGO[None],
        torch.tensor([True]),
        SIZE,
    )
    assert places[0, 0].tolist() == pytest.approx([32.5 / 16 - 0.5, 24.5 / 16 - 0.5])
    assert looks[0, :, 0].tolist() == [1, 0]


def attention(looks):
    torch.manual_seed(0)
    module = TokenAttention(16, 8).eval()
    bev, tokens = torch.rand(1, 16, 3, 4), torch.rand(1, 3, 4, 8)
    place = torch.zeros(1, 12, 2)
    with torch.inference_mode():
        return module, bev, tokens, place, module(bev, tokens, place, torch.full((1, 12, 1), looks))


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

import pytest
import torch
from support.samples import lidar_sample

from bev_semseg_ros.config import Config
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.projective import ProjectiveFusion

# A camera at the origin, 1.6 m up, looking along x; an image of 64 x 48.
IMAGE_FROM_EGO = torch.tensor([[32.0, -50, 0, 0], [24.0, 0, -50, 80], [1, 0, 0, 0]])
SIZE = (48, 64)


def gather(points, frames=None, has_image=(True,), matrices=None):
    """The features of points whose image map numbers its cells, one channel wide."""
    count = len(has_image)
    image_map = torch.arange(count * 12 * 16, dtype=torch.float32).reshape(count, 12, 16, 1)
    points = torch.tensor(points, dtype=torch.float32)
    batch = Batch(
        points,
        torch.zeros(len(points), dtype=torch.int64) if frames is None else torch.tensor(frames),
        torch.zeros(count, *SIZE, 3, dtype=torch.uint8),
        IMAGE_FROM_EGO.expand(count, 3, 4) if matrices is None else matrices,
        torch.ones(count, dtype=torch.bool),
        torch.tensor(has_image),
        torch.eye(4).expand(count, 4, 4),
    )
    return ProjectiveFusion(Config(), (8, 8, 8, 8)).point_features(image_map, batch).tolist()


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


def test_without_any_image_points_take_nothing():
    fusion = ProjectiveFusion(Config(), (8, 8, 8, 8))
    batch = Batch.from_samples([lidar_sample(), lidar_sample()])
    features = fusion.point_features(None, batch)
    assert features.shape == (800, fusion.point_channels) and not features.any()

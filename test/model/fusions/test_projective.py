import numpy as np
import pytest
import torch
from support.samples import lidar_sample

from bev_semseg_ros.config import Config
from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_z, transform
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.projective import ProjectiveFusion
from bev_semseg_ros.preprocessing import RectifiedImage, Sample

SIZE = (64, 48)  # width and height


def camera(size=SIZE, yaw=0.0, right=0.0):
    """Return a camera 1.6 m up with this yaw, its principal point `right` pixels off centre."""
    matrix = np.array([[50, 0, size[0] / 2 + right], [0, 50, size[1] / 2], [0, 0, 1.0]])
    pose = OPTICAL_FROM_VIEW @ invert(transform(rotation_z(yaw), (0, 0, 1.6)))
    return Camera(matrix, size, pose)


def gather(*frames):
    """Return the features of points from image maps whose only channel is the cell index.

    Args:
        frames: (points, cameras by name) of each frame.
    """
    samples = []
    for points, cameras in frames:
        images = {
            name: RectifiedImage(np.zeros((each.size[1], each.size[0], 3), np.uint8), each)
            for name, each in cameras.items()
        }
        samples.append(Sample(np.array(points, np.float32), images))
    batch = Batch.from_samples(samples)
    maps, first = [], 0
    for images in batch.images:
        shape = (len(images), images.shape[1] // 4, images.shape[2] // 4, 1)
        count = int(np.prod(shape))
        maps.append(torch.arange(first, first + count, dtype=torch.float32).reshape(shape))
        first += count
    return ProjectiveFusion(Config(), (8, 8, 8, 8)).point_features(maps, batch).tolist()


def front(*points):
    return [list(point) for point in points], {"front": camera()}


AHEAD = (10, 0, 1.6, 0.5)
CELLS = 12 * 16  # of an image of SIZE


def test_a_point_takes_the_cell_of_the_pixel_it_projects_to():
    # straight ahead at camera height: pixel (32, 24), cell column 8, row 6
    assert gather(front(AHEAD)) == [[6 * 16 + 8, 1]]


@pytest.mark.parametrize("column, cell", [(3.4, 0), (3.6, 1), (7.4, 1)])
def test_a_cell_covers_the_four_pixels_whose_centres_are_integers(column, cell):
    assert gather(front((10, (32 - column) / 5, 1.6, 0.5))) == [[6 * 16 + cell, 1]]


@pytest.mark.parametrize(
    "point", [[-10, 0, 1.6, 0], [10, 9, 1.6, 0], [10, -9, 1.6, 0], [2, 0, 0, 0], [0, 0, 1.6, 0]]
)
def test_a_point_that_the_camera_does_not_see_takes_nothing(point):
    assert gather(front(point)) == [[0, 0]]


def test_each_point_is_projected_by_the_camera_of_its_frame():
    found = gather(front(AHEAD), ([AHEAD], {"front": camera(right=8)}))
    assert found == [[6 * 16 + 8, 1], [CELLS + 6 * 16 + 10, 1]]


def test_points_of_a_frame_without_an_image_take_nothing():
    assert gather(front(AHEAD), ([AHEAD], {}))[1] == [0, 0]


def test_without_any_image_points_take_nothing():
    fusion = ProjectiveFusion(Config(), (8, 8, 8, 8))
    batch = Batch.from_samples([lidar_sample(), lidar_sample()])
    features = fusion.point_features([], batch)
    assert features.shape == (800, fusion.point_channels) and not features.any()


def test_a_point_takes_the_camera_that_sees_it_nearest_the_centre_of_its_image():
    # Two cameras 40 degrees apart, whose images overlap by about 25 degrees.
    cameras = {"front": camera(), "left": camera(yaw=np.radians(40))}
    for degrees, expected in ((0, 0), (19, 0), (21, 1), (40, 1)):
        x, y = 10 * np.cos(np.radians(degrees)), 10 * np.sin(np.radians(degrees))
        for order in (("front", "left"), ("left", "front")):
            (found,) = gather(([(x, y, 1.6, 0)], {name: cameras[name] for name in order}))
            chosen = order[int(found[0] // CELLS)]
            assert (chosen, found[1]) == (("front", "left")[expected], 1)
            assert found[0] % CELLS == gather(([(x, y, 1.6, 0)], {"a": cameras[chosen]}))[0][0]


def test_a_point_that_one_of_several_cameras_sees_takes_that_one():
    cameras = {"front": camera(), "back": camera(yaw=np.pi)}
    (found,) = gather(([(-10, 0, 1.6, 0)], cameras))
    assert found == [CELLS + 6 * 16 + 8, 1]
    assert gather(([(0, 10, 1.6, 0)], cameras)) == [[0, 0]]


def test_points_take_the_cells_of_cameras_of_different_sizes():
    small = camera((32, 32), yaw=np.pi)
    (ahead, behind) = gather(
        ([AHEAD, (-10, 0, 1.6, 0)], {"back": small, "front": camera()}),
    )
    assert ahead == [8 * 8 + 6 * 16 + 8, 1] and behind == [4 * 8 + 4, 1]


def test_frames_of_a_batch_may_have_different_numbers_of_cameras():
    rig = {"front": camera(), "back": camera(yaw=np.pi)}
    behind = (-10, 0, 1.6, 0)
    found = gather(([AHEAD, behind], rig), front(AHEAD, behind), ([behind], {"back": rig["back"]}))
    middle = 6 * 16 + 8
    assert found == [
        [middle, 1],
        [CELLS + middle, 1],
        [2 * CELLS + middle, 1],
        [0, 0],
        [3 * CELLS + middle, 1],
    ]

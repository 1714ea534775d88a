"""A camera does not see what nearer points hide from it."""

import numpy as np
import pytest
import torch

from bev_semseg_ros.frame import Camera
from bev_semseg_ros.geometry import OPTICAL_FROM_VIEW, invert, rotation_z, transform
from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.model.fusions.fusion import choose_camera
from bev_semseg_ros.preprocessing import RectifiedImage, Sample

SIZE = (640, 384)  # width and height


def camera(yaw=0.0, y=0.0, size=SIZE):
    """Return a camera 1.6 m above the ground."""
    matrix = np.array([[400, 0, size[0] / 2], [0, 400, size[1] / 2], [0, 0, 1.0]])
    pose = OPTICAL_FROM_VIEW @ invert(transform(rotation_z(yaw), (0, y, 1.6)))
    return Camera(matrix, size, pose)


def plate(x, width=2.0, low=0.4, high=1.4, y=0.0, step=0.1):
    """Return points on an upright plate that faces the vehicle, like the rear of a car."""
    across = np.arange(y - width / 2, y + width / 2 + 1e-9, step)
    up = np.arange(low, high + 1e-9, step)
    across, up = (each.ravel() for each in np.meshgrid(across, up))
    return np.stack([np.full(len(up), x), across, up], 1)


def seen(*frames):
    """Return for each cloud the index of the image that shows each point, or -1.

    Args:
        frames: (clouds, cameras by name) of each frame.
    """
    samples = []
    for clouds, cameras in frames:
        points = np.concatenate(clouds)
        points = np.concatenate([points, np.zeros((len(points), 1))], 1).astype(np.float32)
        images = {
            name: RectifiedImage(np.zeros((each.size[1], each.size[0], 3), np.uint8), each)
            for name, each in cameras.items()
        }
        samples.append(Sample(points, images))
    batch = Batch.from_samples(samples)
    sight = choose_camera(batch, batch.points[:, :3], batch.point_batch, occlusion=True)
    lengths = [len(cloud) for clouds, _ in frames for cloud in clouds]
    images = torch.where(sight.seen, sight.image, -1)
    return [part.numpy() for part in images.split(lengths)]


ONE = {"front": camera()}
CAR = plate(10)
# The lidar on the roof looks over the car at the lower part of a wall.
WALL = plate(20, low=0.5, high=1.2, width=2.0)


def test_a_wall_behind_a_car_is_not_seen_and_the_car_is():
    car, wall = seen(([CAR, WALL], ONE))
    assert (car == 0).all() and (wall == -1).all()
    (wall,) = seen(([WALL], ONE))
    assert (wall == 0).all()


def test_objects_beside_and_above_a_car_are_seen():
    beside = plate(20, y=5)
    above = plate(20, low=2.2, high=3.0)
    for part in seen(([CAR, beside, above], ONE)):
        assert (part == 0).all()


def test_a_wall_between_the_beams_of_a_sparse_lidar_is_not_seen():
    beams = plate(10, step=0.1)
    beams = beams[np.isclose(beams[:, 2] % 0.5, 0.4)]  # three beams, 20 pixels apart
    wall = WALL[(WALL[:, 2] > 0.55) & (WALL[:, 2] < 1.1)]
    beams, wall = seen(([beams, wall], ONE))
    assert (beams == 0).all() and (wall == -1).all()


@pytest.mark.parametrize("step", [0.25, 2.0])
def test_the_ground_hides_nothing_of_itself(step):
    x, y = (each.ravel() for each in np.meshgrid(np.arange(4, 56, step), np.arange(-4, 4, step)))
    (ground,) = seen(([np.stack([x, y, np.zeros(len(x))], 1)], ONE))
    inside = (np.abs(y) < 0.7 * x) & (x > 4)
    assert (ground[inside] == 0).all()


def test_a_wall_along_the_road_hides_nothing_of_itself():
    x, z = (each.ravel() for each in np.meshgrid(np.arange(4, 56, 0.25), np.arange(0, 3, 0.25)))
    (wall,) = seen(([np.stack([x, np.full(len(x), -2.0), z], 1)], ONE))
    assert (wall == 0).all()


def test_a_car_does_not_hide_its_own_farther_points():
    low, high = plate(10, low=0.4, high=0.9), plate(10.9, low=0.9, high=1.4)
    assert all((part == 0).all() for part in seen(([low, high], ONE)))


def test_points_of_another_frame_and_points_outside_the_image_hide_nothing():
    behind = plate(-10)
    wall, car, _ = seen(([WALL], ONE), ([CAR, behind], ONE))
    assert (wall == 0).all() and (car == 1).all()  # indices of the images


def test_a_point_hidden_from_one_camera_is_assigned_to_another_that_sees_it():
    # The second camera, 4 m to the left, looks past the car, and sees the wall nearer its border.
    rig = {"front": camera(), "left": camera(y=4.0)}
    car, wall = seen(([CAR, WALL], rig))
    assert (car == 0).all() and (wall == 1).all()


def test_occlusion_is_handled_separately_for_images_of_different_sizes():
    rig = {"front": camera(), "back": camera(yaw=np.pi, size=(320, 192))}
    parts = [CAR, WALL, CAR * (-1, 1, 1), WALL * (-1, 1, 1)]
    car, wall, car_behind, wall_behind = seen((parts, rig))
    assert (wall == -1).all() and (wall_behind == -1).all()
    assert len({*car, *car_behind}) == 2


def test_an_image_without_points_is_accepted():
    assert [len(part) for part in seen(([np.zeros((0, 3))], ONE))] == [0]

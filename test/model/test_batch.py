from dataclasses import replace

import numpy as np
import torch
from support.samples import camera_sample, lidar_sample, rig_sample, sample

from bev_semseg_ros.model.batch import Batch
from bev_semseg_ros.preprocessing import Sample


def test_frames_are_stacked_without_their_missing_sensors():
    samples = [sample(0), lidar_sample(1), camera_sample(2)]
    batch = Batch.from_samples(samples)
    assert len(batch) == 3
    assert batch.has_points.tolist() == [True, True, False]
    assert torch.bincount(batch.point_batch).tolist() == [400, 400]
    assert batch.image_keys == ((0, "camera"), (2, "camera"))
    assert batch.image_slots.tolist() == [[0], [-1], [1]]
    (images,) = batch.images
    assert np.array_equal(images[1].numpy(), samples[2].image)


def test_images_are_grouped_by_size_and_every_frame_finds_its_own():
    several = rig_sample({"left": (96, 64), "front": (64, 64), "right": (96, 64)})
    samples = [sample(0, size=(64, 64)), several]
    batch = Batch.from_samples(samples)
    assert [tuple(images.shape) for images in batch.images] == [(2, 64, 64, 3), (2, 64, 96, 3)]
    assert batch.image_sizes == [(64, 64), (64, 64), (64, 96), (64, 96)]
    pictures = [image for images in batch.images for image in images]
    for number, (frame, camera) in enumerate(batch.image_keys):
        seen = samples[frame].images[camera]
        assert np.array_equal(pictures[number].numpy(), seen.image)
        matrix = seen.camera.image_from_ego.astype(np.float32)
        assert np.array_equal(batch.image_from_ego[number].numpy(), matrix)
    names = [[batch.image_keys[slot] for slot in row if slot >= 0] for row in batch.image_slots]
    assert names == [[(0, "camera")], [(1, "left"), (1, "front"), (1, "right")]]


def test_every_point_carries_the_pose_of_its_lidar():
    poses = np.stack([np.eye(4), np.diag([1, -1, -1, 1.0]), np.diag([-1, 1, -1, 1.0])])
    lidar = np.arange(400) % 2
    one = replace(sample(), ego_from_lidar=poses[:1])
    two = replace(sample(), ego_from_lidar=poses[1:], point_lidar=lidar)
    batch = Batch.from_samples([one, two])
    assert batch.ego_from_lidar.dtype == torch.float32
    assert np.array_equal(batch.ego_from_lidar.numpy(), poses)
    assert batch.point_lidar.tolist() == [0] * 400 + (1 + lidar).tolist()


def test_units_of_different_frames_are_different_units():
    poses = np.stack([np.eye(4), np.diag([1, -1, -1, 1.0])])
    lidar = np.arange(400) % 2
    two = replace(sample(), ego_from_lidar=poses, point_lidar=lidar)
    rays = Batch.from_samples([two, camera_sample(), two], with_rays=True).rays
    assert rays.num_units == 4
    assert rays.units.tolist() == [*lidar, *(2 + lidar)]


def test_intensities_are_limited_to_0_to_1_and_those_of_the_samples_stay():
    given = np.array([-5, 0, 0.25, 1, 1.5, 1e4, 3e38], np.float32)
    cloud = np.ones((len(given), 4), np.float32)
    cloud[:, 3] = given
    one = Sample.of(cloud)
    batch = Batch.from_samples([one])
    assert batch.points[:, 3].tolist() == [0, 0, 0.25, 1, 1, 1, 1]
    assert np.array_equal(one.points[:, 3], given)


def test_a_batch_has_only_the_requested_point_attributes():
    rings = replace(sample(), point_attributes={"ring": np.arange(400), "time": np.zeros(400)})
    assert Batch.from_samples([rings]).point_attributes == {}
    batch = Batch.from_samples([rings], ["ring"])
    assert list(batch.point_attributes) == ["ring"]
    assert batch.point_attributes["ring"].tolist() == list(range(400))


def test_attributes_that_a_frame_lacks_are_nan():
    rings = replace(sample(), point_attributes={"ring": np.arange(400)})
    ring = Batch.from_samples([sample(), rings, camera_sample()], ["ring"]).point_attributes["ring"]
    assert ring.dtype == torch.float32 and len(ring) == 800
    assert ring[:400].isnan().all() and ring[400:].tolist() == list(range(400))


def test_a_batch_moves_to_a_device_as_a_whole():
    rings = replace(sample(), point_attributes={"ring": np.arange(400)})
    batch = Batch.from_samples([rings], ["ring"])
    moved = batch.to("meta")
    tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
    tensors += [*moved.images, *moved.point_attributes.values()]
    assert len(tensors) == 9 and all(tensor.is_meta for tensor in tensors)

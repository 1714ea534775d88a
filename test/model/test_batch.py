from dataclasses import replace

import numpy as np
import pytest
import torch
from support.samples import camera_sample, lidar_sample, sample

from bev_semseg_ros.model.batch import Batch


def test_frames_are_stacked_with_what_they_lack_marked():
    batch = Batch.from_samples([sample(0), lidar_sample(1), camera_sample(2)])
    assert len(batch) == 3 and batch.image_size == (64, 96)
    assert batch.has_points.tolist() == [True, True, False]
    assert batch.has_image.tolist() == [True, False, True]
    assert torch.bincount(batch.point_batch).tolist() == [400, 400]
    assert not batch.image[1].any() and batch.image[2].any()


def test_images_of_different_size_are_refused():
    with pytest.raises(ValueError, match="one size"):
        Batch.from_samples([sample(size=(96, 64)), sample(size=(64, 64))])


def test_every_frame_carries_the_pose_of_its_lidar():
    poses = np.stack([np.eye(4), np.diag([1, -1, -1, 1.0])])
    batch = Batch.from_samples([replace(sample(), ego_from_lidar=pose) for pose in poses])
    assert batch.ego_from_lidar.dtype == torch.float32
    assert np.array_equal(batch.ego_from_lidar.numpy(), poses)


def test_only_the_attributes_that_were_asked_for_are_carried():
    rings = replace(sample(), point_attributes={"ring": np.arange(400), "time": np.zeros(400)})
    assert Batch.from_samples([rings]).point_attributes == {}
    batch = Batch.from_samples([rings], ["ring"])
    assert list(batch.point_attributes) == ["ring"]
    assert batch.point_attributes["ring"].tolist() == list(range(400))


def test_attributes_that_a_frame_does_not_have_are_nan():
    rings = replace(sample(), point_attributes={"ring": np.arange(400)})
    ring = Batch.from_samples([sample(), rings, camera_sample()], ["ring"]).point_attributes["ring"]
    assert ring.dtype == torch.float32 and len(ring) == 800
    assert ring[:400].isnan().all() and ring[400:].tolist() == list(range(400))


def test_a_batch_moves_to_a_device_as_a_whole():
    rings = replace(sample(), point_attributes={"ring": np.arange(400)})
    batch = Batch.from_samples([rings], ["ring"])
    moved = batch.to("meta")
    tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
    tensors += moved.point_attributes.values()
    assert len(tensors) == 8 and all(tensor.is_meta for tensor in tensors)

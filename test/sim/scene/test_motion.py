"""Ids and velocities of simulated objects, in the world and through the data sets."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bev_semseg_ros.data.dataset import open_dataset
from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, rotation_z
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.world import World
from bev_semseg_ros.sim.sensors.lidar import scan
from bev_semseg_ros.sim.writers import WRITERS

pytestmark = pytest.mark.slow
FRAMES = 4
RATE_HZ = 10.0
SIZE = (160, 100)
PLACES = ("city", "rural", "motorway")


@pytest.fixture(scope="module")
def drives(library: Library) -> list[list[View]]:
    """Return the views of a drive in each place."""
    worlds = [World(3, FRAMES, library, RATE_HZ, place) for place in PLACES]
    return [[world.view(frame) for frame in range(FRAMES)] for world in worlds]


def in_world(view: View, centers: np.ndarray) -> np.ndarray:
    """Return the horizontal positions (M, 2) of ego points (M, 3) in the world frame."""
    return apply(view.world_from_ego, centers)[:, :2]


def world_velocities(view: View, boxes: Boxes) -> np.ndarray:
    """Return the velocities (M, 2) along the axes of the world frame."""
    yaw = np.arctan2(view.world_from_ego[1, 0], view.world_from_ego[0, 0])
    return boxes.velocities @ rotation_z(yaw)[:2, :2].T


def test_an_object_keeps_its_id_over_a_drive(drives):
    for views in drives:
        ids = views[0].boxes.ids
        assert len(ids) == len(set(ids)) and (ids >= 0).all()
        for view in views:
            assert np.array_equal(view.boxes.ids, ids)
            assert np.array_equal(view.boxes.labels, views[0].boxes.labels)
            assert np.allclose(view.boxes.sizes, views[0].boxes.sizes)


def test_velocity_is_the_change_of_the_position_in_the_world(drives):
    speeds = []
    for views in drives:
        for before, after in pairwise(views):
            change = in_world(after, after.boxes.centers) - in_world(before, before.boxes.centers)
            velocities = [world_velocities(view, view.boxes) for view in (before, after)]
            assert np.abs(change * RATE_HZ - np.mean(velocities, axis=0)).max() < 0.02
            speeds.append(np.linalg.norm(before.boxes.velocities, axis=1))
    assert np.concatenate(speeds).max() > 10 and np.concatenate(speeds).min() == 0


def test_moving_vehicles_and_people_face_their_velocity(drives):
    for views in drives:
        boxes = views[0].boxes
        moving = np.linalg.norm(boxes.velocities, axis=1) > 2
        heading = np.stack([np.cos(boxes.yaws), np.sin(boxes.yaws)], 1)
        along = np.sum(heading * boxes.velocities, axis=1)[moving]
        assert (along > 0.9 * np.linalg.norm(boxes.velocities[moving], axis=1)).all()


@pytest.mark.parametrize("name", ["a2d2", "kitti"])
def test_ids_and_velocities_are_read_back_from_data_sets(name, drives, tmp_path):
    rig = RIGS[name].resized(SIZE)
    for views, kind in zip(drives, PLACES, strict=True):
        read = write_and_read(rig, views, tmp_path / kind)
        for view, boxes in zip(views, read, strict=True):
            assert len(boxes) == len(set(boxes.ids)) > 0
            true_boxes = view.boxes[boxes.ids]
            offsets = np.linalg.norm(boxes.centers - true_boxes.centers, axis=1)
            assert offsets.max() < 0.6  # the box conventions of the data sets differ by this much
            assert np.abs(boxes.velocities - true_boxes.velocities).max() < 1e-4


def write_and_read(rig, views: list[View], out: Path) -> list[Boxes]:
    """Write a drive with black images, and return the boxes of its frames as they are read."""
    writer = WRITERS[rig.layout](out, rig, 3, FRAMES)
    writer.begin()
    images = dict.fromkeys(rig.cameras, np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    masks = dict.fromkeys(rig.cameras, np.zeros((SIZE[1], SIZE[0]), np.uint8))
    for frame, view in enumerate(views):
        writer.write(0, frame, view, scan(view, rig), images, masks)
    writer.finish([0])
    dataset = open_dataset(out)
    assert len({dataset.scene(index) for index in range(len(dataset))}) == 1
    return [dataset[index][1].boxes for index in range(len(dataset))]

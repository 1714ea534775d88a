"""The world of the simulator: its objects, and the drive through it."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from support.surfaces import surfaces_at

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.geometry import apply, box_corners, invert, points_in_boxes
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT, concatenate
from bev_semseg_ros.sim.classes import BOX_CLASSES, MASK_LABEL
from bev_semseg_ros.sim.scene.road.places import PLACES
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.world import World

pytestmark = pytest.mark.slow
SEEDS = range(22)
FRAMES = 20


@pytest.fixture(scope="module")
def worlds(library: Library) -> list[World]:
    """Return two drives in each place, in any weather."""
    places = list(PLACES)
    return [World(seed, FRAMES, library, place=places[seed % len(places)]) for seed in SEEDS]


def mesh_of(view: View):
    return concatenate([view.static, view.moving])


def outline(boxes: Boxes) -> np.ndarray:
    """Return (M, 16, 3) points on the outlines of the boxes, at half height and 5 cm inside."""
    shrunk = replace(boxes, sizes=np.maximum(boxes.sizes - 0.1, 0.05))
    lower = box_corners(shrunk)[:, :4]
    share = np.linspace(0, 1, 4, endpoint=False)[:, None]
    following = np.roll(lower, -1, axis=1)
    points = np.concatenate(
        [lower[:, i, None] * (1 - share) + following[:, i, None] * share for i in range(4)], 1
    )
    points[..., 2] = boxes.centers[:, None, 2]
    return points


def test_same_seed_gives_the_same_drive(library):
    views = [World(7, 5, library).view(3) for _ in range(2)]
    for name in ("triangles", "labels", "materials", "objects"):
        np.testing.assert_array_equal(
            getattr(mesh_of(views[0]), name), getattr(mesh_of(views[1]), name)
        )
    np.testing.assert_array_equal(views[0].materials.camera, views[1].materials.camera)
    np.testing.assert_array_equal(views[0].boxes.centers, views[1].boxes.centers)
    np.testing.assert_array_equal(views[0].world_from_ego, views[1].world_from_ego)


def test_views_may_be_requested_in_any_order(library):
    world, other = World(3, FRAMES, library), World(3, FRAMES, library)
    other.view(11)
    np.testing.assert_array_equal(world.view(4).moving.triangles, other.view(4).moving.triangles)


def test_other_seed_gives_another_street(library):
    assert len(World(1, 1, library).view(0).static) != len(World(2, 1, library).view(0).static)


def test_static_mesh_is_shared_by_all_views(worlds):
    assert worlds[0].view(0).static is worlds[0].view(5).static


@pytest.mark.parametrize("index", [0, FRAMES - 1])
def test_annotated_objects_do_not_overlap(worlds, index):
    for world in worlds:
        boxes = world.view(index).boxes
        flat = replace(boxes, centers=boxes.centers * [1, 1, 0])
        points = outline(flat)
        inside = (
            points_in_boxes(points.reshape(-1, 3), flat).reshape(len(boxes), len(boxes), -1).any(-1)
        )
        np.fill_diagonal(inside, False)
        assert not inside.any(), f"seed {world.seed}: objects {np.argwhere(inside)[0]} overlap"


def test_a_vehicle_at_an_angle_to_the_road_stands_on_the_slope(library):
    """The ground under it does not depend on its yaw."""
    world = World(3, 1, library, place="hills")
    slope = world.street.alignment.slope(0.0)
    turned = copy.copy(world)
    world.drive = replace(world.drive, yaw=0.0)
    turned.drive = replace(world.drive, yaw=0.6)
    up, turned_up = (each.world_from_ego(0.0)[:3, 2] for each in (world, turned))
    assert abs(slope) > 0.04 and np.linalg.norm(up - turned_up) < 0.3 * abs(slope)


@pytest.mark.parametrize("index", [0, FRAMES // 2, FRAMES - 1])
def test_nothing_intersects_the_ego_vehicle(worlds, index):
    """No corner of a triangle lies inside the vehicle or at its camera."""
    for world in worlds:
        view = world.view(index)
        corners = apply(
            invert(view.world_from_ego), mesh_of(view).triangles.astype(np.float64)
        ).reshape(-1, 3)
        x, y, z = corners.T
        blocked = (np.abs(x) < 2.3) & (np.abs(y) < 0.9) & (z > 0.35) & (z < 2.2)
        assert not blocked.any(), f"seed {world.seed}: {corners[blocked][0]}"


@pytest.mark.parametrize("index", [0, FRAMES - 1])
def test_lane_ahead_is_free_for_some_metres(worlds, index):
    for world in worlds:
        boxes = world.view(index).boxes
        x, y = np.meshgrid(np.linspace(2.4, 5.5, 8), np.linspace(-0.9, 0.9, 5))
        ahead = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.8)], -1)
        assert not points_in_boxes(ahead, boxes).any(), f"seed {world.seed}"


@pytest.mark.parametrize("index", [0, 9])
def test_boxes_contain_the_triangles_of_their_objects(worlds, index):
    for world in worlds:
        view = world.view(index)
        mesh = mesh_of(view)
        corners = apply(invert(view.world_from_ego), mesh.triangles.astype(np.float64))
        assert set(np.unique(mesh.objects)) - {NO_OBJECT} == set(range(len(view.boxes)))
        for row in range(len(view.boxes)):
            # A trailer has another class than the car that tows it.
            is_car = BOX_CLASSES[view.boxes.labels[row]] == "car"
            is_own = mesh.labels == MASK_LABEL["car"] if is_car else np.True_
            own = corners[(mesh.objects == row) & is_own].reshape(-1, 3)
            share = points_in_boxes(own, view.boxes[row : row + 1], margin=0.3).mean()
            # A pram or a bicycle that somebody pushes is outside of the person's box.
            is_person = BOX_CLASSES[view.boxes.labels[row]] == "pedestrian"
            assert share >= (0.5 if is_person else 0.95), (
                f"seed {world.seed}: object {row} has {share:.2f} of its corners in its box"
            )


def test_segmentation_class_agrees_with_the_box(worlds):
    expected = {
        "car": "car",
        "truck": "truck",
        "pedestrian": "pedestrian",
        "cyclist": "two_wheeler",
    }
    for world in worlds:
        view = world.view(0)
        mesh = mesh_of(view)
        for row, label in enumerate(view.boxes.labels):
            labels = mesh.labels[mesh.objects == row]
            most = list(MASK_LABEL)[np.bincount(labels).argmax()]
            assert most == expected[BOX_CLASSES[label]]


def test_parked_cars_keep_their_place_in_the_world(worlds):
    moved = 0
    for world in worlds:
        first, last = world.view(0), world.view(FRAMES - 1)
        parked = np.unique(first.static.objects)
        parked = parked[parked != NO_OBJECT]
        places = [apply(view.world_from_ego, view.boxes.centers[parked]) for view in (first, last)]
        np.testing.assert_allclose(places[0], places[1], atol=1e-6)
        moved += world.drive.speed > 1
    assert moved > 5


def test_moving_boxes_follow_their_triangles(worlds):
    for world in worlds[:6]:
        for index in (0, FRAMES - 1):
            view = world.view(index)
            corners = apply(invert(view.world_from_ego), view.moving.triangles.astype(np.float64))
            for row in np.unique(view.moving.objects):
                is_trailer = view.moving.labels == MASK_LABEL["truck"]
                is_trailer &= BOX_CLASSES[view.boxes.labels[row]] == "car"
                middle = corners[(view.moving.objects == row) & ~is_trailer].reshape(-1, 3)
                middle = (middle.min(0) + middle.max(0)) / 2
                assert np.linalg.norm(middle[:2] - view.boxes.centers[row, :2]) < 0.8


def test_vehicle_drives_forward_at_its_speed(library):
    world = next(
        world
        for world in (World(seed, FRAMES, library) for seed in range(20))
        if world.drive.speed > 3
    )
    poses = [world.view(index).world_from_ego for index in (0, 10)]
    step = apply(invert(poses[0]), poses[1][:3, 3])
    assert step[0] == pytest.approx(world.drive.speed, rel=0.05)
    assert abs(step[1]) < 1.5


def test_every_segmentation_class_occurs(worlds):
    found = np.unique(np.concatenate([mesh_of(world.view(0)).labels for world in worlds]))
    missing = {name for name, label in MASK_LABEL.items() if label not in found} - {"sky"}
    assert not missing


def test_every_detection_class_occurs(worlds):
    found = np.concatenate([world.view(0).boxes.labels for world in worlds])
    assert set(found) == set(range(len(BOX_CLASSES)))


@pytest.mark.parametrize("index", [0, FRAMES - 1])
def test_ground_lies_under_the_vehicle(worlds, index):
    for world in worlds:
        view = world.view(index)
        triangles = apply(invert(view.world_from_ego), view.static.triangles.astype(np.float64))
        _, heights = surfaces_at(triangles, np.zeros(3))
        assert np.abs(heights).min() < 0.25, f"seed {world.seed}"
        assert not ((heights > 0.3) & (heights < 2)).any(), (
            f"seed {world.seed}: something under the vehicle"
        )


def test_materials_of_all_triangles_exist(worlds):
    for world in worlds:
        view = world.view(0)
        materials = mesh_of(view).materials
        assert materials.min() >= 0 and materials.max() < len(view.materials.camera) == len(
            view.materials.lidar
        )


def test_the_mesh_is_finite_and_of_a_usable_size(worlds):
    sizes = []
    for world in worlds:
        mesh = mesh_of(world.view(0))
        assert (
            np.isfinite(mesh.triangles).all()
            and np.isfinite(mesh.normals).all()
            and np.isfinite(mesh.uvs).all()
        )
        sizes.append(len(mesh))
    assert 25_000 < np.mean(sizes) < 110_000


@pytest.mark.parametrize(
    ("arguments", "message"), [((0, 0), "at least one frame"), ((0, 3, -1.0), "positive rate")]
)
def test_impossible_drives_are_refused(library, arguments, message):
    seed, frames, *rate = arguments
    with pytest.raises(ValueError, match=message):
        World(seed, frames, library, *rate)


def test_unknown_place_is_refused(library):
    with pytest.raises(ValueError, match="unknown place 'moon'"):
        World(0, 1, library, place="moon")


def test_view_beyond_the_drive_is_refused(worlds):
    with pytest.raises(IndexError):
        worlds[0].view(FRAMES)

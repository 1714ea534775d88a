import dataclasses
from functools import cache

import numpy as np
import pytest
from support.rigs import QUICK_RIGS
from support.simple_scene import CAR_SIZE, street

from bev_semseg_ros.geometry import apply, invert, points_in_boxes, project, rotation_rpy, transform
from bev_semseg_ros.sim.assets.materials import LIDAR_COLUMN
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT
from bev_semseg_ros.sim.rigs.a2d2 import A2D2_RIG
from bev_semseg_ros.sim.rigs.kitti import KITTI_RIG
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.rigs.rig import BodyPart
from bev_semseg_ros.sim.scene.weather import Weather
from bev_semseg_ros.sim.scene.world import World
from bev_semseg_ros.sim.sensors.lidar import inside_image, scan
from bev_semseg_ros.sim.sensors.ray_casting import cast

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kernels")]

ALL_RIGS = pytest.mark.parametrize("name", list(QUICK_RIGS))


@cache
def street_scan(name, is_silent=False, full_turn=False):
    """Return the scan of the street by a quick rig, shared by several tests."""
    rig = QUICK_RIGS[name]
    return scan(street(), silent(rig) if is_silent else rig, full_turn)


def silent(rig):
    return dataclasses.replace(rig, range_sigma=0.0, ring_sigma=0.0, beam_sigma=0.0)


@ALL_RIGS
def test_points_lie_on_the_beams_of_the_table(name):
    rig, result = QUICK_RIGS[name], street_scan(name, is_silent=True)
    for number, lidar in enumerate(rig.lidars):
        mine = result.lidars == number
        local = apply(invert(lidar.ego_from_lidar), result.positions[mine])
        local[:, 2] -= lidar.heights[result.rings[mine]]
        elevation = np.arctan2(local[:, 2], np.hypot(local[:, 0], local[:, 1]))
        assert np.allclose(elevation, lidar.elevations[result.rings[mine]], atol=1e-6)


@ALL_RIGS
def test_azimuth_and_distance_are_relative_to_the_sensor(name):
    rig, result = QUICK_RIGS[name], street_scan(name)
    lidar = rig.lidars[0]
    mine = result.lidars == 0
    local = apply(invert(lidar.ego_from_lidar), result.positions[mine])
    local[:, 2] -= lidar.heights[result.rings[mine]]
    turn = np.exp(1j * (np.arctan2(local[:, 1], local[:, 0]) - result.azimuths[mine]))
    assert np.abs(np.angle(turn)).max() < 1e-6
    assert np.allclose(np.linalg.norm(local, axis=1), result.distances[mine])


def test_range_noise_has_the_rigs_sigma():
    rig = dataclasses.replace(silent(KITTI_RIG), range_sigma=0.02)
    result = scan(street((15.0, "wall")), rig)
    wall = result.positions[(result.objects == NO_OBJECT) & (result.positions[:, 2] > 0.3)]
    along = wall / np.linalg.norm(wall - [0, 0, 1.73], axis=1, keepdims=True)
    assert (wall[:, 0] - 15.0).std() / along[:, 0].mean() == pytest.approx(0.02, rel=0.1)


@ALL_RIGS
def test_every_point_projects_into_an_image_and_every_image_has_points(name):
    rig, result = QUICK_RIGS[name], street_scan(name)
    inside = np.zeros((len(rig.cameras), len(result)), bool)
    for row, camera in zip(inside, rig.cameras.values(), strict=True):
        pixels, depth = project(camera.image_from_ego, result.positions)
        row[:] = (depth > 0) & ((pixels >= -0.5) & (pixels <= np.array(camera.size) - 0.5)).all(1)
    assert inside.any(0).all() and inside.any(1).all()


@ALL_RIGS
def test_a_full_turn_has_points_all_around_and_as_many_in_the_images(name):
    rig, result = QUICK_RIGS[name], street_scan(name, full_turn=True)
    x, y, _ = result.positions.T
    quarters = np.arctan2(y, x) // (np.pi / 2)
    assert set(quarters) == {-2, -1, 0, 1}
    in_front = [inside_image(result.positions, camera) for camera in rig.cameras.values()]
    cropped = street_scan(name)
    assert np.any(in_front, axis=0).sum() == pytest.approx(len(cropped), rel=0.02)


def crosses(part: BodyPart, starts, ends) -> np.ndarray:
    """Return which segments pass through a part of the ego vehicle, from points along them."""
    steps = np.linspace(0.01, 1, 100)[:, None, None]
    x, y, z = np.moveaxis(starts + steps * (ends - starts), -1, 0)
    inside = (x < part.front) & (x > part.rear) & (abs(y) < part.half_width) & (z < part.height)
    return inside.any(0)


@ALL_RIGS
def test_no_point_of_a_full_turn_is_measured_through_the_ego_vehicle(name):
    rig, result = QUICK_RIGS[name], street_scan(name, is_silent=True, full_turn=True)
    near = result[np.linalg.norm(result.positions[:, :2], axis=1) < 20][::3]
    starts = np.stack([lidar.ego_from_lidar[:3, 3] for lidar in rig.lidars])[near.lidars]
    starts[:, 2] += [
        rig.lidars[lidar].heights[ring] for lidar, ring in zip(near.lidars, near.rings, strict=True)
    ]
    for part in rig.body:
        smaller = BodyPart(
            part.front - 0.05, part.rear + 0.05, part.half_width - 0.05, part.height - 0.05
        )
        assert not crosses(smaller, starts, near.positions).any()
    assert (near.positions[:, 0] < -4).any()


def test_points_behind_the_vehicle_are_seen_only_over_the_roof():
    view = dataclasses.replace(street(), world_from_ego=transform(translation=(60.0, 0, 0)))
    result = scan(view, A2D2_RIG, full_turn=True)
    front = np.isin(result.lidars, [0, 1, 2])
    behind = front & (result.positions[:, 0] < -2.7) & (abs(result.positions[:, 1]) < 0.5)
    assert behind.any()
    # From 1.97 m, over a roof at 1.72 m that ends 2.45 m behind, the road is visible from 19 m on.
    assert result.positions[behind, 0].max() < -15


@ALL_RIGS
def test_points_of_an_object_lie_in_its_box(name):
    view, result = street(), street_scan(name)
    inside = points_in_boxes(result.positions, view.boxes, margin=0.15)
    hits = [result.objects == index for index in range(len(view.boxes))]
    assert all(hit.sum() > 20 and inside[index][hit].all() for index, hit in enumerate(hits))


def test_points_on_the_trailer_of_a_car_are_not_on_the_car():
    """The mesh of the nearest car lies 5 m behind its box, like a trailer."""
    view = street()
    centers = view.boxes.centers.copy()
    centers[0, 0] += 5.0
    boxes = dataclasses.replace(view.boxes, centers=centers)
    result = scan(dataclasses.replace(view, boxes=boxes), QUICK_RIGS["kitti"])
    assert len(result) == len(street_scan("kitti"))
    assert set(result.objects) == {NO_OBJECT, 1, 2}


def test_objects_near_the_maximum_range_are_hit_from_anywhere_on_the_vehicle():
    view = street(poses=[(51.9, 0, 0)])
    origin, ahead = np.array([[4.9, 0, 1.0]]), np.array([[1.0, 0, 0]])
    hits = cast(view, 45.0, origin, ahead, np.random.default_rng(0))
    np.testing.assert_allclose(hits.distances, [51.9 - CAR_SIZE[0] / 2 - 4.9], atol=1e-4)


@ALL_RIGS
def test_a_wall_hides_what_stands_behind_it(name):
    view = street((8.0, "wall"))
    result = scan(view, QUICK_RIGS[name])
    # A wide image sees past the ends of the wall, 30 m to the left and right.
    low = (result.positions[:, 2] < 1.5) & (abs(result.positions[:, 1]) < 30)
    assert (result.objects == NO_OBJECT).all() and result.positions[low, 0].max() < 8.3


def test_glass_lets_some_rays_pass():
    view = street((8.0, "car_glass"))
    result = scan(view, KITTI_RIG)
    on_cars = [np.sum(scan(v, KITTI_RIG).objects >= 0) for v in (view, street())]
    assert 0.1 * on_cars[1] < on_cars[0] < 0.95 * on_cars[1]
    assert np.sum(np.abs(result.positions[:, 0] - 8.0) < 0.1) > 50


def test_holes_between_leaves_let_rays_pass():
    view = street()
    leaves = view.materials.add(
        "leaves", [0.1] * 3, cutout="leaves", cutout_frequency=4.0, cutout_threshold=0.5
    )
    wall = street((8.0, "wall"))
    through = dataclasses.replace(
        wall,
        materials=view.materials,
        static=dataclasses.replace(
            wall.static, materials=np.where(wall.static.labels == 3, leaves, 0).astype(np.int32)
        ),
    )
    result = scan(through, KITTI_RIG)
    assert (
        np.sum(result.objects >= 0) > 50
        and np.sum(np.abs(result.positions[:, 0] - 8.0) < 0.4) > 500
    )


class Repainted:
    """The materials of a view, all with one reflectance."""

    def __init__(self, view, reflectance: float) -> None:
        self.camera, self.lidar = view.materials.camera, view.materials.lidar.copy()
        self.lidar[:, LIDAR_COLUMN["reflectance"]] = reflectance


def points_of_a_wall(rig, distance: float, reflectance: float) -> int:
    view = street((distance, "wall"))
    view = dataclasses.replace(view, materials=Repainted(view, reflectance))
    positions = scan(view, rig).positions
    return int(np.sum((positions[:, 0] > distance - 1) & (positions[:, 2] > 0.3)))


def test_dark_surfaces_far_away_are_lost_more_often():
    bright, dark = (points_of_a_wall(KITTI_RIG, 60.0, share) for share in (0.35, 0.02))
    assert dark < 0.2 * bright


def test_a_short_range_lidar_loses_dark_surfaces_sooner():
    lidar = KITTI_RIG.lidars[0]
    far = dataclasses.replace(KITTI_RIG, signal_range=(60.0, 60.0), max_range=150.0)
    short = dataclasses.replace(far, lidars=(dataclasses.replace(lidar, max_range=60.0),))
    counts = [points_of_a_wall(rig, 40.0, 0.06) for rig in (far, short)]
    assert counts[1] < 0.5 * counts[0]


@ALL_RIGS
def test_some_points_on_black_surfaces_are_lost_even_nearby(name):
    white, black = (points_of_a_wall(QUICK_RIGS[name], 6.0, share) for share in (0.3, 0.01))
    assert 0.1 * white < black < 0.7 * white


@ALL_RIGS
def test_intensities_are_from_0_to_1_and_differ_by_material(name):
    result = scan(street((20.0, "retro")), QUICK_RIGS[name])
    sign = np.abs(result.positions[:, 0] - 20) < 0.3
    assert result.intensities.min() >= 0 and result.intensities.max() <= 1
    assert np.median(result.intensities[sign]) > 2 * np.median(result.intensities[~sign])


def wall_intensities(rig, distance: float) -> np.ndarray:
    result = scan(street((distance, "wall")), rig)
    wall = (result.positions[:, 2] > 0.3) & (result.objects == NO_OBJECT)
    return result.intensities[wall]


def test_the_hdl64_reports_a_distant_wall_as_darker_and_often_as_black():
    near, far = (wall_intensities(KITTI_RIG, distance) for distance in (10.0, 50.0))
    assert (near == 0).mean() < 0.05 and (far == 0).mean() > 0.3
    assert np.median(far[far > 0]) < 0.7 * np.median(near)


def test_the_intensity_of_the_vlp16_does_not_depend_on_the_distance():
    near, far = (wall_intensities(A2D2_RIG, distance) for distance in (10.0, 25.0))
    assert (near > 0).all() and (far > 0).all()
    assert np.median(far) == pytest.approx(np.median(near), rel=0.1)


@ALL_RIGS
def test_a_wet_road_returns_fewer_points_and_a_wall_does_not(name):
    counts = []
    for wet in (0.0, 0.8):
        view = dataclasses.replace(street((15.0, "wall")), weather=Weather(wet=wet))
        heights = scan(view, QUICK_RIGS[name]).positions[:, 2]
        counts.append([np.sum(heights < 0.1), np.sum(heights > 0.3)])
    (dry_road, dry_wall), (wet_road, wet_wall) = counts
    assert wet_road < 0.7 * dry_road
    assert wet_wall == pytest.approx(dry_wall, rel=0.02)


def test_beams_leave_the_hdl64_at_two_heights():
    assert (
        set(KITTI_RIG.lidars[0].heights.tolist()) == {0.21, 0.125}
        and len(KITTI_RIG.lidars[0].elevations) == 64
    )


def test_rear_lidars_see_the_road_only_beyond_the_roof_of_the_vehicle():
    result = scan(street(), A2D2_RIG)
    rear = [index for index, lidar in enumerate(A2D2_RIG.lidars) if lidar.name.startswith("rear")]
    ground = (np.abs(result.positions[:, 2]) < 0.1) & np.isin(result.lidars, rear)
    assert ground.any() and result.positions[ground, 0].min() > 15


@ALL_RIGS
def test_same_seed_same_points_other_seed_other_noise(name):
    first, again, other = (scan(street(seed=seed), QUICK_RIGS[name]) for seed in (5, 5, 6))
    assert np.array_equal(first.positions, again.positions) and np.array_equal(
        first.intensities, again.intensities
    )
    assert len(first) != len(other) or not np.array_equal(first.positions, other.positions)


def test_the_scan_does_not_depend_on_earlier_scans_of_the_static_scene():
    view = street((70.0, "wall"))
    moved = dataclasses.replace(
        view, world_from_ego=transform(rotation_rpy(0.01, -0.01, 0.4), (20.0, 1.0, 0.05))
    )
    scan(view, KITTI_RIG)
    afterwards = scan(moved, KITTI_RIG)
    fresh = scan(dataclasses.replace(moved, static=street((70.0, "wall")).static), KITTI_RIG)
    assert np.array_equal(afterwards.positions, fresh.positions)


@pytest.fixture(scope="module")
def street_scans(library):
    """Return the scans of eight simulated streets by the name of the rig."""
    views = [World(seed, 1, library).view(0) for seed in range(8)]
    return {name: [scan(view, RIGS[name]) for view in views] for name in ("a2d2", "kitti")}


@pytest.mark.parametrize(
    ("rig", "fewest", "most"), [("a2d2", 6000, 12000), ("kitti", 14000, 22000)]
)
def test_a_street_gives_about_as_many_points_as_a_real_one(street_scans, rig, fewest, most):
    counts = [len(result.positions) for result in street_scans[rig]]
    assert fewest <= np.mean(counts) <= most  # real frames: 8,130 and 18,850 on average


def test_intensities_of_the_a2d2_rig_are_as_low_as_in_real_frames(street_scans):
    intensities = np.concatenate([result.intensities for result in street_scans["a2d2"]])
    assert 8 <= 255 * np.median(intensities) <= 20  # 13 in real frames

"""Cars, lorries and buses of the simulator's library."""

from __future__ import annotations

import numpy as np
import pytest

from bev_semseg_ros.sim.assets.library import CAR_COUNTS, Library
from bev_semseg_ros.sim.assets.materials import LIDAR_COLUMN, MaterialTable
from bev_semseg_ros.sim.assets.mesh import face_normals
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.vehicles.cars import PROFILES, car
from bev_semseg_ros.sim.assets.vehicles.parts import (
    CAR_SLOTS,
    FABRIC,
    GLASS,
    INTERIOR,
    LAMP,
    REAR_LAMP,
    SKIN,
    paint_materials,
)
from bev_semseg_ros.sim.assets.vehicles.trucks import TRUCK_KINDS, truck
from bev_semseg_ros.sim.classes import BOX_LABEL, MASK_LABEL

pytestmark = pytest.mark.slow

INSIDE = (INTERIOR, FABRIC, SKIN)


CARS = [
    pytest.param((car, kind, seed), id=f"{kind}-{seed}") for kind in PROFILES for seed in range(4)
]
TRUCKS = [
    pytest.param((truck, kind, seed), id=f"{kind}-{seed}")
    for kind in TRUCK_KINDS
    for seed in range(4)
]
every_vehicle = pytest.mark.parametrize("shape", [*CARS, *TRUCKS], indirect=True)
every_car = pytest.mark.parametrize("shape", CARS, indirect=True)


def crossings(shape: Shape, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the indices of all triangles that a ray hits, nearest first (Moeller-Trumbore)."""
    a, b, c = (shape.mesh.triangles[:, k].astype(np.float64) for k in range(3))
    across = np.cross(direction, c - a)
    determinant = np.sum((b - a) * across, -1)
    scale = 1 / np.where(np.abs(determinant) < 1e-12, np.inf, determinant)
    u = np.sum((origin - a) * across, -1) * scale
    normal = np.cross(origin - a, b - a)
    v, distance = normal @ direction * scale, np.sum((c - a) * normal, -1) * scale
    hit = np.flatnonzero((scale != 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0))
    return hit[np.argsort(distance[hit])]


def first_behind_glass(shape: Shape, origin: np.ndarray, direction: np.ndarray) -> int | None:
    """Return the slot that a ray hits first behind glass, or None if it does not hit glass."""
    slots = shape.mesh.materials[crossings(shape, origin, direction)]
    if len(slots) == 0 or slots[0] != GLASS:
        return None
    beyond = slots[slots != GLASS]
    return int(beyond[0]) if len(beyond) else None


@every_vehicle
def test_declared_size_is_the_extent_of_the_body(shape: Shape):
    points = shape.mesh.triangles.reshape(-1, 3)
    assert np.ptp(points[:, 0]) == pytest.approx(shape.size[0], abs=0.02)
    assert points[:, 2].max() == pytest.approx(shape.size[2], abs=0.02)
    assert 0 <= np.ptp(points[:, 1]) - shape.size[1] < 0.5  # mirrors


@every_vehicle
def test_vehicles_stand_on_the_ground_centred_in_their_boxes(shape: Shape):
    points = shape.mesh.triangles.reshape(-1, 3)
    low, high = points.min(0), points.max(0)
    np.testing.assert_allclose(
        [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]], 0, atol=0.01
    )


@every_vehicle
def test_uses_only_known_slots(shape: Shape):
    assert 0 <= shape.mesh.materials.min() <= shape.mesh.materials.max() < len(CAR_SLOTS)


@every_vehicle
def test_normals_are_unit_vectors_on_the_outer_side_of_their_triangles(shape: Shape):
    np.testing.assert_allclose(np.linalg.norm(shape.mesh.normals, axis=-1), 1, atol=1e-3)
    agree = np.sum(face_normals(shape.mesh.triangles) * shape.mesh.normals.mean(1), -1)
    assert np.mean(agree > -0.1) > 0.99


@every_vehicle
def test_outermost_surface_faces_outwards(shape: Shape):
    length, width, height = shape.size
    for x in np.linspace(-0.4, 0.4, 9) * length:
        for side in (-1, 1):
            origin = np.array([x + 0.003, side * (width + 1), 0.45 * height])
            hit = crossings(shape, origin, np.array([0.0, -side, 0.0]))
            if len(hit):
                assert face_normals(shape.mesh.triangles)[hit[0], 1] * side > 0


@every_car
def test_cars_are_labelled_car_and_stay_within_1500_triangles(shape: Shape):
    assert shape.label == BOX_LABEL["car"]
    assert set(shape.mesh.labels) == {MASK_LABEL["car"]}
    assert len(shape.mesh) <= 1500


@pytest.mark.parametrize("kind", TRUCK_KINDS)
def test_lorries_and_buses_are_labelled_truck(kind: str):
    shape = truck(np.random.default_rng(0), kind)
    assert shape.label == BOX_LABEL["truck"]
    assert set(shape.mesh.labels) == {MASK_LABEL["truck"]}


@every_car
def test_a_ray_through_a_side_window_meets_the_interior(shape: Shape):
    length, width, height = shape.size
    seen = (
        first_behind_glass(
            shape,
            np.array([x - slant * (width + 1), side * (width + 1), z]),
            np.array([slant, -side, 0.0]),
        )
        for slant in (0.0, 0.4, -0.4)
        for z in np.linspace(0.5, 0.85, 8) * height
        for x in np.linspace(-0.35, 0.35, 20) * length
        for side in (-1, 1)
    )
    assert any(slot in INSIDE for slot in seen)


@every_vehicle
def test_a_ray_through_the_windscreen_meets_the_interior(shape: Shape):
    length, width, height = shape.size
    seen = (
        first_behind_glass(shape, np.array([length, y, z]), np.array([-1.0, 0.0, 0.0]))
        for y in np.linspace(-0.35, 0.35, 15) * width
        for z in np.linspace(0.4, 0.95, 23) * height
    )
    assert any(slot in INSIDE for slot in seen)


@every_car
def test_the_interior_is_hidden_behind_the_shell(shape: Shape):
    """Rays from all sides hit the shell first."""
    length, _, height = shape.size
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        direction = -np.array([np.cos(angle), np.sin(angle), 0.12])
        for z in np.linspace(0.3, 0.9, 7) * height:
            hit = crossings(shape, np.array([0, 0, z]) - 2 * length * direction, direction)
            assert len(hit) == 0 or shape.mesh.materials[hit[0]] not in (INTERIOR, SKIN)


def test_the_same_seed_gives_the_same_library(library):
    first, second = library, Library(0)
    for name in ("cars", "trucks"):
        for one, other in zip(getattr(first, name), getattr(second, name), strict=True):
            np.testing.assert_array_equal(one.mesh.triangles, other.mesh.triangles)


def test_another_seed_gives_other_cars():
    assert (
        car(np.random.default_rng(1), "sedan").size != car(np.random.default_rng(2), "sedan").size
    )


def test_sizes_of_cars_follow_the_european_fleet():
    rng = np.random.default_rng(0)
    sizes = np.array(
        [car(rng, kind).size for kind, count in CAR_COUNTS.items() for _ in range(count)]
    )
    np.testing.assert_allclose(sizes.mean(0), (4.25, 1.77, 1.57), atol=0.2)
    assert sizes[:, 0].min() < 3.6 and sizes[:, 0].max() > 5


def test_materials_cover_every_slot_and_let_the_lidar_through_glass_only():
    table = MaterialTable(np.random.default_rng(0))
    rows = paint_materials(np.random.default_rng(1), table)
    assert rows.shape == (len(CAR_SLOTS),)
    assert np.flatnonzero(table.lidar[rows, LIDAR_COLUMN["transmission"]]).tolist() == [GLASS]


def test_a_trailer_is_outside_the_box_of_its_car_but_inside_the_footprint():
    shape = car(np.random.default_rng(0), "towing")
    assert shape.label == BOX_LABEL["car"] and shape.size[0] < 5.6
    behind = shape.mesh.triangles[..., 0].max(1) < -shape.size[0] / 2 - 0.3
    assert behind.sum() > 20
    assert set(shape.mesh.labels[behind]) == {MASK_LABEL["truck"]}
    assert shape.footprint[0] / 2 >= -shape.mesh.triangles[..., 0].min() - 1e-6
    assert shape.footprint[0] > shape.size[0] + 4


@pytest.mark.parametrize("seed", range(4))
def test_both_ends_of_an_articulated_bus_have_their_own_lamps(seed: int):
    """The rear section is a rotated body, which must not have head lamps."""
    shape = truck(np.random.default_rng(seed), "articulated_bus")
    at_rear = shape.mesh.triangles[..., 0].min(1) < -0.47 * shape.size[0]
    at_front = shape.mesh.triangles[..., 0].max(1) > 0.47 * shape.size[0]
    materials = shape.mesh.materials
    assert REAR_LAMP in materials[at_rear] and LAMP not in materials[at_rear]
    assert LAMP in materials[at_front] and REAR_LAMP not in materials[at_front]


@pytest.mark.parametrize("kind", ["box_van", "ambulance", "semitrailer", "bus"])
def test_mirrors_are_at_the_cab_not_in_front_of_it(kind: str):
    shape = truck(np.random.default_rng(0), kind)
    sides = np.abs(shape.mesh.triangles[..., 1]).max(1) > shape.size[1] / 2 + 0.05
    assert 0 < shape.mesh.triangles[sides][..., 0].max() < shape.size[0] / 2


def test_unknown_kinds_are_named():
    with pytest.raises(ValueError, match="locomotive"):
        truck(np.random.default_rng(0), "locomotive")
    with pytest.raises(ValueError, match="limousine"):
        car(np.random.default_rng(0), "limousine")

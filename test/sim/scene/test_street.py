"""The alignment of a road, its cross-section, and the free space on it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from support.bare_street import bare_street
from support.surfaces import surfaces_at

from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import MeshBuilder, face_normals
from bev_semseg_ros.sim.assets.randomization import RandomizedMaterials
from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.classes import BARRIER
from bev_semseg_ros.sim.scene.occupancy import Occupancy
from bev_semseg_ros.sim.scene.road.alignment import Alignment
from bev_semseg_ros.sim.scene.road.cross_section import Lane, ParkingRow, Side, Strip
from bev_semseg_ros.sim.scene.road.ground import build_ground
from bev_semseg_ros.sim.scene.road.junction_markings import PAINT_HEIGHT
from bev_semseg_ros.sim.scene.road.markings import Markings
from bev_semseg_ros.sim.scene.road.places import STREET_KINDS
from bev_semseg_ros.sim.scene.road.street import Street
from bev_semseg_ros.sim.scene.roadside.boundaries import Boundaries, _is_parked_on
from bev_semseg_ros.sim.scene.roadside.greenery import CLEARANCE, Greenery
from bev_semseg_ros.sim.scene.site import Site
from bev_semseg_ros.sim.scene.traffic.drive import LONGEST, SIGHT, Drive


def draw_street(seed: int, kind: str) -> tuple[Street, Surfaces]:
    rng = np.random.default_rng(seed)
    surfaces = Surfaces.draw(rng, MaterialTable(rng), "summer", 0.0, kind == "city")
    return Street.draw(rng, kind, surfaces, 50), surfaces


@pytest.fixture(scope="module", params=range(12))
def street(request) -> tuple[Street, Surfaces]:
    return draw_street(request.param, STREET_KINDS[request.param % len(STREET_KINDS)])


@pytest.mark.parametrize("seed", range(4))
def test_locate_is_the_inverse_of_points(seed):
    alignment = Alignment.draw(np.random.default_rng(seed), fast=False, near=50)
    s, t = np.linspace(-10, 60, 8), np.linspace(-12, 12, 8)
    points = alignment.points(s, t)
    found = alignment.locate(points[:, 0], points[:, 1])
    np.testing.assert_allclose(found, (s, t), atol=1e-4)


def test_road_begins_at_the_origin_along_x():
    alignment = Alignment.draw(np.random.default_rng(1), fast=False, near=50)
    np.testing.assert_allclose(alignment.points(0.0, 0.0), [0, 0, 0], atol=1e-9)
    step = alignment.points(0.01, 0.0)
    assert step[0] == pytest.approx(0.01) and abs(step[1]) < 1e-4


def test_positive_offsets_are_to_the_left():
    alignment = Alignment.draw(np.random.default_rng(2), fast=False, near=50)
    np.testing.assert_allclose(alignment.points(0.0, 3.0)[:2], [0, 3], atol=1e-9)


def test_lanes_lie_side_by_side(street):
    lanes = sorted(street[0].lanes, key=lambda lane: lane.offset)
    for right, left in pairwise(lanes):
        assert right.offset + right.width / 2 <= left.offset - left.width / 2 + 1e-6


def test_vehicle_keeps_to_a_lane_of_its_direction(street):
    assert street[0].ego_lane in street[0].lanes and street[0].ego_lane.direction == 1


def test_strips_leave_no_gap(street):
    for side in street[0].sides:
        assert side.strips[0].start == street[0].half_width
        for inner, outer in pairwise(side.strips):
            assert inner.end == outer.start and inner.high == outer.low


def test_ground_has_the_height_of_the_street(street):
    """Except on rough verges, objects stand on the highest surface at a point."""
    street, surfaces = street
    builder = MeshBuilder()
    build_ground(street, np.random.default_rng(0), builder, surfaces)
    triangles = builder.build().triangles
    for side in street.sides:
        for strip in side.strips:
            if strip.roughness > 0 or strip.end - strip.start < 0.1 or strip.use == "land":
                continue
            for s in (3.1, 21.7, street.crossing.station if street.crossing else 33.3):
                point = street.point(s, side.sign * (strip.start + strip.end) / 2)
                _, heights = surfaces_at(triangles, point)
                assert heights.max() == pytest.approx(point[2], abs=0.03)


def test_ground_faces_up(street):
    street, surfaces = street
    builder = MeshBuilder()
    build_ground(street, np.random.default_rng(0), builder, surfaces)
    assert (face_normals(builder.build().triangles)[:, 2] > -0.05).mean() > 0.98


def test_ground_reaches_the_horizon_in_all_directions(street):
    street, surfaces = street
    builder = MeshBuilder()
    build_ground(street, np.random.default_rng(0), builder, surfaces)
    corners = builder.build().triangles.reshape(-1, 3)
    angle, distance = (
        np.arctan2(corners[:, 1], corners[:, 0]),
        np.hypot(corners[:, 0], corners[:, 1]),
    )
    for sector in np.linspace(-np.pi, np.pi, 16, endpoint=False):
        assert distance[np.abs(angle - sector) < 0.3].max() > 400


def test_side_road_interrupts_its_sides():
    crossed = [
        street
        for street, _ in (draw_street(seed, "city") for seed in range(20))
        if street.crossing is not None
    ]
    assert crossed
    for street in crossed:
        for side in street.sides:
            middle = street.crossing.station
            expected = side.sign in street.crossing.signs
            assert street.is_crossed(middle, middle, side.sign) == expected
            assert any(run[0] < middle < run[-1] for run in street.runs(side.sign)) != expected


def crossed_street(library: Library) -> tuple[Site, Side]:
    """Return a street, and its side with a side road."""
    site = next(
        site
        for site in (bare_street(library, seed, "rural", "junction") for seed in range(20))
        if site.street.crossing.start > 8
    )
    return site, site.street.side(site.street.crossing.signs[0])


def test_guard_rails_and_forest_edges_leave_side_roads_open(library):
    site, side = crossed_street(library)
    greenery = Greenery(site)
    Boundaries(site, greenery)._guard_rail(side, side.boundary - 0.5, -12, 100, 1)
    greenery._forest_edge(side, side.boundary + 2)
    crossing, mesh = site.street.crossing, site.out.build()
    s, _ = site.street.alignment.locate(*np.moveaxis(mesh.triangles[..., :2], -1, 0))
    along = (mesh.labels == BARRIER) | (mesh.materials == site.surfaces.far_trees)
    spans = along & (s.min(1) < crossing.end) & (s.max(1) > crossing.start)
    assert (s[along] < crossing.start).any() and (s[along] > crossing.end).any()
    assert not spans.any()


@pytest.mark.parametrize("angle", [0.0, np.pi / 2])
def test_no_guard_rail_goes_through_parked_cars(angle):
    row = ParkingRow(-5.0, angle, 0.0)
    strips = [Strip("verge", 4.0, 6.0, 0.0, 0.0, 0, 0)]
    side = Side(-1, strips, [row], 6.0, 0.0)
    reach = 0.9 if angle == 0 else 3.0
    assert _is_parked_on(side, 5.0 - reach) and _is_parked_on(side, 5.0 + reach)
    assert not _is_parked_on(side, 8.5) and not _is_parked_on(replace(side, rows=[]), 5.0)


def test_tree_crowns_over_the_road_leave_clearance_for_lorries(library):
    site = bare_street(library, 4)
    greenery, side = Greenery(site), site.street.sides[1]
    for s in np.arange(-10, 60, 6.0):
        greenery._tree(s, -side.kerb_start - 0.6, 1.5)
    corners = site.out.build().triangles.reshape(-1, 3)
    s, t = site.street.alignment.locate(corners[:, 0], corners[:, 1])
    z = (corners[:, 2] - site.street.alignment.elevation(s))[-side.kerb_start < t]
    assert len(z) > 500 and z.min() > CLEARANCE - 0.01


def test_lines_of_parking_bays_lie_on_the_ground(library):
    """This includes the bays of squares on raised paving."""
    is_raised = False
    for seed in range(12):
        site = bare_street(library, seed, "city", "square")
        for side in site.street.sides:
            heights = [float(side.height(abs(row.offset))) for row in side.rows]
            is_raised = is_raised or any(height > 0.02 for height in heights)
        Markings(site)._bays()
        lines = site.out.build().triangles.reshape(-1, 3).astype(np.float64)
        s, t = site.street.alignment.locate(lines[:, 0], lines[:, 1])
        ground = [site.street.side(at).height(abs(at)) for at in t]
        height = lines[:, 2] - site.street.alignment.elevation(s) - ground
        np.testing.assert_allclose(height, PAINT_HEIGHT, atol=1e-3)
    assert is_raised


def test_even_a_long_drive_ends_well_before_the_end_of_the_road():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        alignment = Alignment.draw(rng, fast=False, near=150)
        road_end = float(alignment.stations[-1])
        for frames in (1, 20, 100, 2000):
            drive = Drive.draw(rng, Lane(0, 3, 1), (frames - 1) / 10, road_end)
            assert drive.distance <= min(LONGEST, road_end - SIGHT) + 1e-9


@pytest.mark.parametrize(
    ("pose", "free"),
    [
        ((0.0, 0.0, 0.0), False),
        ((3.9, 0.0, 0.0), False),
        ((4.3, 0.0, 0.0), True),
        ((0.0, 1.9, 0.0), False),
        ((0.0, 2.3, 0.0), True),
        ((3.2, 0.0, np.pi / 2), True),
        ((2.8, 0.0, np.pi / 2), False),
        ((2.8, 1.9, np.pi / 4), False),
        ((3.2, 2.9, np.pi / 4), True),
    ],
)
def test_overlap_of_rectangles_is_exact(pose, free):
    occupancy = Occupancy(1)
    occupancy.take(np.zeros(3), 4.0, 2.0)
    assert occupancy.is_free(np.array(pose), 4.0, 2.0, margin=0.1) == free


def test_objects_that_would_collide_later_are_refused():
    """An approaching object is clear of a standing one at first, but not at the second moment."""
    occupancy = Occupancy(2)
    occupancy.take(np.zeros(3), 4.0, 2.0)
    coming = np.array([[20.0, 0, 0], [2.0, 0, 0]])
    assert not occupancy.claim(coming, 4.0, 2.0)
    assert occupancy.claim(coming + np.array([0, 5, 0]), 4.0, 2.0)


def test_occupancy_grows_beyond_its_first_block():
    occupancy = Occupancy(1)
    assert all(occupancy.claim(np.array([3.0 * index, 0, 0]), 1, 1) for index in range(200))
    assert not occupancy.is_free(np.array([3.0 * 150, 0, 0]), 1, 1)


def test_randomized_materials_change_only_the_values_of_the_camera():
    tables = []
    for weight in (0.0, 0.8):
        rng = np.random.default_rng(0)
        table = RandomizedMaterials(rng, weight)
        Surfaces.draw(np.random.default_rng(5), table, "summer", 0.0, True)
        tables.append(table)
    np.testing.assert_array_equal(tables[0].lidar, tables[1].lidar)
    assert np.abs(tables[0].camera[:, :3] - tables[1].camera[:, :3]).mean() > 0.05


def test_randomized_materials_keep_earlier_rows():
    table = RandomizedMaterials(np.random.default_rng(0), 0.8)
    table.add("wall", (0.5, 0.5, 0.5))
    first = table.camera[0].copy()
    table.add("road", (0.1, 0.1, 0.1))
    np.testing.assert_array_equal(table.camera[0], first)

"""The special features of junctions, narrow streets, squares, hills and car parks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from support.surfaces import surfaces_at

from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import MeshBuilder
from bev_semseg_ros.sim.assets.surfaces import Surfaces
from bev_semseg_ros.sim.classes import MASK_LABEL
from bev_semseg_ros.sim.scene.road.alignment import MAX_GRADE
from bev_semseg_ros.sim.scene.road.ground import build_ground
from bev_semseg_ros.sim.scene.road.places import PLACES, STREET_KINDS, draw_place
from bev_semseg_ros.sim.scene.road.street import Street
from bev_semseg_ros.sim.scene.world import World

ROAD, SIDEWALK = MASK_LABEL["road"], MASK_LABEL["sidewalk"]


def draw(place: str, seed: int) -> tuple[Street, Surfaces]:
    """Return a street of a place, and its surfaces."""
    rng = np.random.default_rng([seed, 3])
    _, kind = draw_place(rng, place)
    surfaces = Surfaces.draw(rng, MaterialTable(rng), "summer", 0.0, kind == "city")
    return Street.draw(rng, kind, surfaces, 50, place), surfaces


def highest(street: Street, surfaces: Surfaces, s: float, t: float) -> tuple[float, int]:
    """Return height and class of the highest surface at a station and an offset."""
    builder = MeshBuilder()
    build_ground(street, np.random.default_rng(0), builder, surfaces)
    mesh = builder.build()
    rows, heights = surfaces_at(mesh.triangles, street.point(s, t))
    best = int(heights.argmax())
    return float(heights[best]), int(mesh.labels[rows[best]])


def test_places_occur_with_their_probabilities():
    rng = np.random.default_rng(0)
    counts = Counter(draw_place(rng)[0] for _ in range(4000))
    assert sum(place.probability for place in PLACES.values()) == pytest.approx(1)
    for name, place in PLACES.items():
        assert counts[name] / 4000 == pytest.approx(place.probability, abs=0.025)
        assert set(place.kinds) <= set(STREET_KINDS)


def test_an_ordinary_street_has_the_name_of_its_kind_as_place():
    street, _ = draw("motorway", 1)
    assert street.place == street.kind == "motorway"


@pytest.mark.parametrize("seed", range(6))
def test_corners_of_a_junction_are_round(seed):
    """Inside the arc of the kerb is road, behind it pavement, both at the height of the street."""
    street, surfaces = draw("junction", seed)
    crossing = street.crossing
    assert crossing is not None
    for side in street.sides:
        radius = crossing.corner_radius(side)
        if side.sign not in crossing.signs or radius < 0.8:
            continue
        s = crossing.end + 0.3 * radius
        kerb = float(crossing.corner_distance(s, side))
        assert side.kerb_start < kerb < side.kerb_start + radius
        for distance, label in ((kerb - 0.05, ROAD), (kerb + 0.3, SIDEWALK)):
            if distance > side.boundary - 0.05:
                continue
            t = side.sign * distance
            height, found = highest(street, surfaces, s, t)
            assert found == label
            assert height == pytest.approx(street.point(s, t)[2], abs=0.03)


def test_the_tip_of_every_corner_is_a_number():
    """Rounding made one corner in two thousand not a number, and with it a part of the pavement."""
    street, _ = draw("junction", 0)
    side, crossing = street.side(1.0), street.crossing
    assert crossing is not None
    for radius in np.random.default_rng(0).uniform(0.5, 1.0, 20_000):
        corner = replace(crossing, radius=float(radius), signs=(1, -1))
        kerb = corner.corner_distance(np.array([corner.end, corner.end + 0.1]), side)
        assert np.isfinite(kerb).all()


def test_lanes_of_side_roads_are_on_the_right():
    street, _ = draw("junction", 2)
    assert street.crossing is not None
    for lane in street.crossing.lanes:
        # Direction 1 leads to the left, along the offsets; to its right, stations increase.
        assert np.sign(lane.offset) == lane.direction
        assert abs(lane.offset) + lane.width / 2 <= street.crossing.half_width + 1e-9


@pytest.mark.slow
def test_a_junction_has_vehicles_that_cross_it(library):
    crossing = 0
    for seed in range(5):
        world = World(seed, 2, library, place="junction", weather="fair")
        assert world.street.crossing is not None
        views = [world.view(index) for index in (0, 1)]
        moves = views[1].boxes.velocities
        heading = np.abs(np.sin(views[1].boxes.yaws))
        is_vehicle = views[1].boxes.sizes[:, 1] > 1.3
        crossing += int(((heading > 0.9) & (np.hypot(*moves.T) > 2) & is_vehicle).any())
    assert crossing >= 1


@pytest.mark.parametrize("seed", range(8))
def test_narrow_streets_are_narrow_and_one_way(seed):
    street, _ = draw("narrow", seed)
    between = sum(side.boundary for side in street.sides)
    assert 3.0 < between < 9.0
    assert [lane.direction for lane in street.lanes] == [1]
    lane = street.ego_lane
    assert abs(lane.offset) + lane.width / 2 <= street.half_width + 0.2


def test_hills_are_steep_but_not_too_steep():
    steepest = []
    for seed in range(20):
        street, _ = draw("hills", seed)
        z, s = street.alignment.elevations, street.alignment.stations
        grade = np.diff(z) / np.diff(s)
        long_grade = [grade[(s[:-1] >= at) & (s[:-1] < at + 20)].mean() for at in (0, 20, 40)]
        steepest.append(np.abs(long_grade).max())
    assert np.max(steepest) < MAX_GRADE + 0.06
    assert np.median(steepest) > 0.03


def test_the_grade_under_vehicles_follows_the_slope(library):
    world = next(
        world
        for world in (World(seed, 1, library, place="hills", weather="fair") for seed in range(12))
        if abs(world.street.alignment.slope(15.0)) > 0.03
    )
    street = world.street
    along = street.grade(15.0, 0.0, 0.0, 4.5)
    assert along == pytest.approx(street.alignment.slope(15.0), abs=0.01)
    assert street.grade(15.0, 0.0, np.pi, 4.5) == pytest.approx(-along, abs=0.005)


def test_some_vehicles_are_parked_on_raised_ground():
    heights = []
    for seed in range(60):
        street, _ = draw("residential", seed)
        for side in street.sides:
            heights += [float(side.height(abs(row.offset))) for row in side.rows]
    assert max(heights) > 0.5


def test_squares_are_wide_and_car_parks_have_rows_in_both_directions():
    widths, angles = [], set()
    for seed in range(12):
        street, _ = draw("square", seed)
        widths.append(max(side.boundary - street.half_width for side in street.sides))
        park, _ = draw("car_park", seed)
        angles |= {round(row.angle, 1) for side in park.sides for row in side.rows if row.pitch}
    assert np.median(widths) > 9
    assert angles == {0.0, 1.6}

"""Traffic: how busy streets are, and where people, riders and vehicles are in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from support.bare_street import bare_street

from bev_semseg_ros.geometry import rotation_z
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT
from bev_semseg_ros.sim.classes import BOX_LABEL, MASK_LABEL
from bev_semseg_ros.sim.scene.actors import Actor, boxes_of
from bev_semseg_ros.sim.scene.lamps import Lamps
from bev_semseg_ros.sim.scene.road.places import STREET_KINDS
from bev_semseg_ros.sim.scene.site import Amenity, Site
from bev_semseg_ros.sim.scene.traffic.busyness import LEVELS, Busyness
from bev_semseg_ros.sim.scene.traffic.drive import EGO_LENGTH, Drive
from bev_semseg_ros.sim.scene.traffic.gatherings import Gatherings
from bev_semseg_ros.sim.scene.traffic.parking import Parking
from bev_semseg_ros.sim.scene.traffic.people import FREQUENCIES, SITUATIONS, People
from bev_semseg_ros.sim.scene.traffic.people_on_road import PeopleOnRoad
from bev_semseg_ros.sim.scene.traffic.placement import Placement
from bev_semseg_ros.sim.scene.traffic.riders import Riders
from bev_semseg_ros.sim.scene.traffic.roles import ROLES
from bev_semseg_ros.sim.scene.traffic.vehicles import GAP_BEHIND, Vehicles
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.weather import Weather
from bev_semseg_ros.sim.scene.world import World

pytestmark = pytest.mark.slow
TIMES = np.linspace(0, 1, 5)
PEOPLE = (BOX_LABEL["pedestrian"], BOX_LABEL["cyclist"])
BUSY = Busyness("busy", 30.0, 12.0, 0.3)


@dataclass
class Scene:
    """A street on which only the path of the ego vehicle is occupied."""

    site: Site
    placement: Placement

    @property
    def actors(self) -> list[Actor]:
        return self.placement.actors


def bare(library: Library, seed: int, kind: str = "city") -> Scene:
    """Return a straight street before traffic is added."""
    site = bare_street(library, seed, kind, moments=len(TIMES))
    drive = Drive.draw(site.rng, site.street.ego_lane, TIMES[-1], road_end=400.0)
    placement = Placement(site, drive, TIMES, 5)
    placement.reserve_ego_path()
    return Scene(site, placement)


@pytest.fixture
def scene(library: Library) -> Scene:
    """Return a street in a city."""
    return bare(library, 4)


def repeat(scene: Scene, add: Callable[..., int], times: int = 25) -> list[Actor]:
    """Add a situation at many points, and return the actors that it added."""
    before = len(scene.actors)
    added = 0
    for index in range(times):
        added += add(scene.site.street.sides[index % 2], 5 + 1.7 * index)
    assert added == len(scene.actors) - before > 0
    return scene.actors[before:]


# How busy streets are


def test_levels_of_busyness_range_from_empty_to_crowded():
    rng = np.random.default_rng(0)
    drawn = [Busyness.draw(rng, "city") for _ in range(400)]
    assert {busyness.level for busyness in drawn} == set(LEVELS)
    empty = [busyness for busyness in drawn if busyness.level == "empty"]
    assert 0.02 < len(empty) / len(drawn) < 0.2
    assert all(busyness.people == busyness.riders == 0 for busyness in empty)
    people = np.array([busyness.people for busyness in drawn])
    assert people.max() >= 4 * np.median(people) > 0
    assert all(0 < busyness.truck_share < 1 for busyness in drawn)


def test_towns_have_more_people_than_the_country():
    rng = np.random.default_rng(0)
    means = {
        kind: np.mean([Busyness.draw(rng, kind).people for _ in range(100)])
        for kind in STREET_KINDS
    }
    assert means["city"] > means["residential"] > means["rural"] > means["motorway"]


@pytest.mark.parametrize("kind", STREET_KINDS)
def test_every_kind_of_street_has_frequencies_of_all_situations(kind):
    assert len(FREQUENCIES[kind]) == len(SITUATIONS)
    assert sum(FREQUENCIES[kind]) == pytest.approx(1)


def test_streets_have_about_the_requested_number_of_people(library):
    scene = bare(library, 1)
    nobody = Busyness("empty", 0.0, 0.0, 0.1)
    People(scene.placement, nobody).add()
    Riders(scene.placement, nobody).add()
    Vehicles(scene.placement, nobody).add_moving()
    assert not [actor for actor in scene.actors if actor.shape.label in PEOPLE]
    scene = bare(library, 1)
    People(scene.placement, BUSY).add()
    Riders(scene.placement, BUSY).add()
    assert 15 <= len(scene.actors) <= 80


@pytest.mark.parametrize("role", ROLES)
def test_the_library_has_every_kind_of_every_role(library, role):
    for kind in ROLES[role]:
        assert library.draw_person(kind, np.random.default_rng(0)).kind == kind


# People


def test_people_in_a_circle_face_its_centre(library):
    added = []
    for seed in range(10):
        alone = bare(library, seed)
        before = len(alone.actors)
        Gatherings(alone.placement).circle(alone.site.street.sides[seed % 2], 12 + 3.0 * seed)
        group = alone.actors[before:]
        if len(group) < 3:
            continue
        places = np.array([(actor.s, actor.t) for actor in group])
        to_middle = places.mean(0) - places
        facing = np.array([(np.cos(actor.turn), np.sin(actor.turn)) for actor in group])
        added += list((to_middle * facing).sum(1) > 0)
    assert np.mean(added) > 0.85


def test_a_queue_is_a_line_of_people(scene):
    added = repeat(scene, Gatherings(scene.placement).queue, 1)
    places = np.array([(actor.s, actor.t) for actor in added])
    assert len(added) >= 3
    assert np.ptp(places[:, 0]) > 3 * np.ptp(places[:, 1])


def test_a_crowd_stands_close_together(scene):
    added = repeat(scene, Gatherings(scene.placement).crowd, 1)
    assert len(added) >= 6
    assert np.ptp([actor.s for actor in added]) < 8


def test_people_at_a_wall_stand_close_to_it(scene):
    site, walls = scene.site, []
    for side in site.street.sides:
        front = side.boundary + 1.0
        site.occupancy.take(site.pose(25, side.sign * (front + 5)), 60, 10)
        walls.append(front)
    added = repeat(scene, Gatherings(scene.placement).wall)
    gaps = [walls[0 if actor.t > 0 else 1] - abs(actor.t) for actor in added]
    assert min(gaps) > 0.1 and max(gaps) < 1.2


def test_people_sit_on_existing_seats(scene):
    seats = [Amenity("seat", 10.0 + 0.9 * index, 7.0, -np.pi / 2) for index in range(5)]
    scene.site.amenities.extend(seats)
    scene.site.occupancy.take(scene.site.pose(12, 7), 6, 1)
    added = repeat(scene, Gatherings(scene.placement).seats, 4)
    assert {actor.shape.kind for actor in added} <= set(ROLES["seated"])
    for actor in added:
        assert min(np.hypot(actor.s - seat.s, actor.t - seat.t) for seat in seats) < 0.6


def test_people_cross_the_road_from_side_to_side(scene):
    added = repeat(scene, PeopleOnRoad(scene.placement).crossing)
    moving = [actor for actor in added if actor.is_moving]
    assert len(moving) > 5
    assert all(abs(actor.drift) > abs(actor.speed) for actor in moving)
    assert {np.sign(actor.drift) for actor in moving} == {-1, 1}
    on_road = [abs(actor.t) < scene.site.street.half_width for actor in added]
    assert np.mean(on_road) > 0.5


def test_people_use_the_zebra_crossing(scene):
    scene.site.amenities.append(Amenity("zebra", 22.0, 0.0, 0.0))
    added = repeat(scene, PeopleOnRoad(scene.placement).crossing)
    assert np.mean([abs(actor.s - 22) < 2 for actor in added]) > 0.4


def test_people_at_the_kerb_face_the_road(scene):
    for actor in repeat(scene, PeopleOnRoad(scene.placement).kerb):
        assert np.sin(actor.turn) * actor.t < 0
        kerb = scene.site.street.side(actor.t).walkway.start
        assert kerb - 0.3 < abs(actor.t) < kerb + 1.2


def test_people_stand_at_the_doors_of_parked_cars(scene):
    car = scene.site.library.cars[0]
    side = scene.site.street.sides[0]
    t = side.sign * (scene.site.street.half_width - 1.2)
    assert scene.placement.add_vehicle(car, 20.0, t, 0.0)
    for actor in repeat(scene, PeopleOnRoad(scene.placement).car, 40):
        x, y = abs(actor.s - 20) - car.size[0] / 2, abs(actor.t - t) - car.size[1] / 2
        assert 0 < max(x, y) < 0.9


def test_nobody_stands_at_the_doors_of_a_car_that_waits_in_traffic(scene):
    car, side = scene.site.library.cars[0], scene.site.street.sides[0]
    assert scene.placement.add_vehicle(car, 20.0, side.sign * 1.5, 0.0, is_in_traffic=True)
    assert PeopleOnRoad(scene.placement).car(side, 10.0) == 0


def test_nobody_stands_at_a_car_if_there_is_none(scene):
    assert PeopleOnRoad(scene.placement).car(scene.site.street.sides[0], 10.0) == 0


# Vehicles and riders


def test_riders_move_in_the_direction_they_face_and_some_wait(scene):
    Riders(scene.placement, Busyness("busy", 0.0, 60.0, 0.1)).add()
    moving = [actor for actor in scene.actors if actor.is_moving]
    assert 5 < len(moving) < len(scene.actors)
    for actor in moving:
        assert np.cos(actor.turn) * actor.speed + np.sin(actor.turn) * actor.drift > 0


def test_many_riders_show_their_side(library):
    """A detector that learned riders from behind alone takes crossing ones for people on foot."""
    at_right_angles, on_side_road = [], 0
    for seed in range(12):
        scene = bare(library, seed)
        Riders(scene.placement, Busyness("busy", 0.0, 20.0, 0.1)).add()
        at_right_angles += [abs(np.sin(actor.turn)) > 0.7 for actor in scene.actors]
        crossing = scene.site.street.crossing
        if crossing is not None:
            reach = crossing.half_width + crossing.pavement
            on_side_road += sum(
                abs(actor.s - crossing.station) < reach and abs(actor.t) > 15
                for actor in scene.actors
            )
    assert 0.2 < np.mean(at_right_angles) < 0.6
    assert on_side_road > 0


def test_motorcyclists_ride_in_the_lanes_at_the_speed_of_the_cars(library):
    found = 0
    for seed in range(6):
        scene = bare(library, seed, "motorway")
        Vehicles(scene.placement, BUSY).add_moving()
        for rider in scene.actors:
            if rider.shape.label != BOX_LABEL["cyclist"]:
                continue
            found += 1
            lane = min(scene.site.street.lanes, key=lambda lane: abs(lane.offset - rider.t))
            others = [
                actor.speed
                for actor in scene.actors
                if abs(actor.t - lane.offset) < 0.6 and actor is not rider
            ]
            assert rider.speed in others or not others
    assert found > 3


def test_at_night_waiting_vehicles_have_their_lamps_on_and_parked_ones_do_not(library):
    scene = bare(library, 4)
    scene.placement.drive = replace(scene.placement.drive, speed=0.0)
    Vehicles(scene.placement, BUSY).add_moving()
    waiting = [actor for actor in scene.actors if not actor.is_moving]
    Parking(scene.placement).fill(next(side for side in scene.site.street.sides if side.rows))
    parked = scene.actors[scene.actors.index(waiting[-1]) + 1 :]
    lamps = Lamps(scene.site, Weather("night", is_night=True), 0)
    for actors, is_lit in ((waiting, True), (parked, False)):
        lit = lamps.switch_on(actors)
        changed = [
            not np.array_equal(a.materials, b.materials) for a, b in zip(actors, lit, strict=True)
        ]
        assert changed and set(changed) == {is_lit}


def test_vehicles_behind_the_ego_vehicle_keep_a_distance(library):
    behind = []
    for seed in range(5):
        scene = bare(library, seed, "avenue")
        Vehicles(scene.placement, replace(BUSY, truck_share=0.0)).add_moving()
        own = scene.site.street.ego_lane.offset
        for actor in scene.actors:
            if abs(actor.t - own) < 1 and actor.s < 0:
                behind.append(actor.s + actor.footprint[0] / 2)
    assert len(behind) > 1 and max(behind) <= -EGO_LENGTH / 2 - GAP_BEHIND


def test_buses_and_delivery_vehicles_stand_at_the_edge(library):
    standing = []
    for seed in range(8):
        scene = bare(library, seed)
        Vehicles(scene.placement, BUSY).add_waiting()
        for actor in scene.actors:
            standing.append(actor.shape.kind)
            outer = abs(actor.t) + actor.shape.size[1] / 2 - scene.site.street.half_width
            assert not actor.is_moving and -0.5 < outer < 0.8
    assert len(standing) > 4


def test_the_velocity_of_a_crossing_actor_matches_the_motion_of_its_box(library):
    street = bare(library, 3).site.street
    person = library.draw_person("walking", np.random.default_rng(0))
    actor = Actor(person, np.zeros(1), 20.0, -3.0, 1.3, 0.4, 1.0, 1.2)
    before, after = (boxes_of([actor], street, time) for time in (0.0, 0.1))
    change = (after.centers - before.centers)[0, :2] / 0.1
    np.testing.assert_allclose(change, before.velocities[0], atol=0.02)
    assert np.linalg.norm(change) == pytest.approx(np.hypot(0.4, 1.2), rel=0.1)


def test_actors_that_would_leave_the_ground_in_a_long_drive_are_refused(library):
    """Vehicles that drive beyond the end of the ground would hang in the air."""
    site = bare_street(library, 4, "city", moments=2)
    drive = Drive(site.street.ego_lane.offset, 0.0, 0.0, 20.0)
    placement = Placement(site, drive, np.array([0.0, 20.0]), 5)
    shape = library.draw_car(np.random.default_rng(0), "sedan")
    end = site.street.side(1.0).strips[-1].end
    added = []
    for s, driven in ((60.0, end - 35), (80.0, end - 45)):
        actor = Actor(shape, np.zeros(1), s, 40.0, np.pi / 2, 0.0, 1.0, driven / 20)
        added.append(placement.add(actor, 0.1))
    assert added == [False, True]


# Whole worlds


@pytest.fixture(scope="module")
def towns(library: Library) -> list[World]:
    """Return one world for each of 16 streets in built-up areas."""
    places = ("city", "residential", "avenue", "lot")
    return [World(seed, 1, library, place=places[seed % 4]) for seed in range(16)]


def test_towns_have_many_people_riders_and_lorries(towns):
    labels = [world.view(0).boxes.labels for world in towns]
    counts = np.array([[np.sum(row == BOX_LABEL[name]) for name in BOX_LABEL] for row in labels])
    mean = dict(zip(BOX_LABEL, counts.mean(0), strict=True))
    assert mean["pedestrian"] > 8 and mean["cyclist"] > 2 and mean["truck"] > 2
    pedestrians = counts[:, list(BOX_LABEL).index("pedestrian")]
    assert pedestrians.max() > 20 and pedestrians.min() < 4


def test_nobody_stands_in_a_wall(towns):
    """No triangle of a building reaches into the core of a person."""
    for world in towns:
        view = world.view(0)
        walls = view.static.triangles[_is_wall(view)].astype(np.float64)
        for row in np.flatnonzero(np.isin(view.boxes.labels, PEOPLE)):
            actor_box = view.boxes[row : row + 1]
            center = view.world_from_ego[:3, :3] @ actor_box.centers[0] + view.world_from_ego[:3, 3]
            yaw = np.arctan2(view.world_from_ego[1, 0], view.world_from_ego[0, 0])
            half = np.array([*(actor_box.sizes[0, :2] / 2 - 0.1), 0.4])
            local = (walls - center) @ rotation_z(yaw + actor_box.yaws[0])
            assert not _meets(local, half), f"seed {world.seed}: a person in a wall at {center}"


def _is_wall(view: View) -> np.ndarray:
    mesh = view.static
    return (mesh.objects == NO_OBJECT) & (mesh.labels == MASK_LABEL["building"])


def _meets(triangles: np.ndarray, half: np.ndarray) -> bool:
    """Return whether any triangle (T, 3, 3) intersects an axis-aligned cuboid at the origin."""
    low, high = triangles.min(1), triangles.max(1)
    near = triangles[((low < half) & (high > -half)).all(1)]
    if not len(near):
        return False
    normal = np.cross(near[:, 1] - near[:, 0], near[:, 2] - near[:, 0])
    distance = np.abs((normal * near[:, 0]).sum(1))
    near = near[distance < (np.abs(normal) * half).sum(1)]
    share = np.linspace(0, 1, 60)
    u, v = (grid.ravel() for grid in np.meshgrid(share, share))
    u, v = u[u + v <= 1], v[u + v <= 1]
    for a, b, c in near:
        points = a + u[:, None] * (b - a) + v[:, None] * (c - a)
        if (np.abs(points) < half).all(1).any():
            return True
    return False

"""Weather: how often each kind occurs, and its effects on camera and lidar."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from support.rigs import QUICK_RIGS
from support.simple_scene import street

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.materials import CAMERA_COLUMN
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT
from bev_semseg_ros.sim.classes import CAR, MASK_LABEL, ROAD
from bev_semseg_ros.sim.render.lamp_light import HEADLIGHT
from bev_semseg_ros.sim.render.light import random_light
from bev_semseg_ros.sim.render.rain import add_drops, add_spray
from bev_semseg_ros.sim.scene.lamps import MAX_LAMPS, NO_LAMPS
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.weather import (
    FAIR,
    WEATHER_PROBABILITIES,
    WEATHERS,
    Weather,
    spraying,
)
from bev_semseg_ros.sim.scene.world import World
from bev_semseg_ros.sim.sensors.camera import render
from bev_semseg_ros.sim.sensors.lidar import scan
from bev_semseg_ros.sim.sensors.lidar_weather import transmission
from bev_semseg_ros.sim.sensors.ray_casting import Hits

EMISSION = CAMERA_COLUMN["emission"]
RIG = QUICK_RIGS["kitti"]
FOG = Weather("fog", 0.0, 0.0, 25.0)
RAIN = Weather("rain", 0.9, 20.0, 400.0)
NIGHT = Weather("night", is_night=True)


def scene(weather: Weather, *things: tuple[float, str]) -> View:
    """Return a straight street in a kind of weather."""
    view = street(*things)
    mist = view.materials.add("mist", (0.8, 0.8, 0.8))
    return replace(view, weather=weather, mist=mist)


def test_each_kind_occurs_with_its_probability():
    counts = Counter(Weather.draw(seed).kind for seed in range(4000))
    for kind, share in zip(WEATHERS, WEATHER_PROBABILITIES, strict=True):
        assert counts[kind] / 4000 == pytest.approx(share, abs=0.03)


def test_same_seed_gives_the_same_weather():
    assert Weather.draw(5) == Weather.draw(5)


def test_rain_wets_the_ground():
    assert all(Weather.draw(seed, "rain").wet > 0.5 for seed in range(50))


def test_unknown_weather_is_refused(library):
    with pytest.raises(ValueError, match="unknown weather 'hail'"):
        World(0, 1, library, weather="hail")


@pytest.mark.slow
def test_weather_does_not_change_the_street(library):
    fair, foggy = (World(4, 1, library, weather=kind).view(0) for kind in ("fair", "fog"))
    np.testing.assert_array_equal(fair.boxes.centers, foggy.boxes.centers)
    np.testing.assert_array_equal(fair.static.triangles, foggy.static.triangles)


def test_low_sun_is_low_and_night_has_no_sun():
    low = [random_light(seed, "summer", Weather("low_sun")) for seed in range(50)]
    assert all(0 < light.sun_direction[2] < 0.16 and light.has_shadows for light in low)
    dark = [random_light(seed, "summer", NIGHT) for seed in range(50)]
    assert all(light.sun.max() == 0 and light.sky_ambient.max() < 0.1 for light in dark)


def test_fair_weather_has_no_lamps_and_night_has_those_of_the_vehicle(library):
    assert World(3, 1, library, weather="fair").view(0).lamps is NO_LAMPS
    view = World(3, 1, library, weather="night").view(0)
    assert 2 <= len(view.lamps) <= MAX_LAMPS
    local = (view.lamps[:2, :3] - view.world_from_ego[:3, 3]) @ view.world_from_ego[:3, :3]
    assert (local[:, 0] > 1).all() and (view.lamps[:2, 9] > HEADLIGHT).all()


@pytest.mark.usefixtures("kernels")
class TestCamera:
    """Pictures of one street in all kinds of weather."""

    CAMERA = RIG.reference_camera

    def picture(self, weather: Weather, **changes) -> tuple[np.ndarray, np.ndarray]:
        return render(replace(scene(weather, (12.0, "wall")), **changes), self.CAMERA)

    def test_classes_of_pixels_do_not_depend_on_weather(self):
        _, expected = self.picture(FAIR)
        for weather in (FOG, RAIN, NIGHT):
            np.testing.assert_array_equal(self.picture(weather)[1], expected)

    def test_fog_reduces_contrast(self):
        _, mask = self.picture(FAIR)
        beyond = mask != MASK_LABEL["sky"]
        deviations = [self.picture(weather)[0][beyond].std() for weather in (FAIR, FOG)]
        assert deviations[1] < 0.8 * deviations[0]

    def test_sky_is_dark_at_night_and_headlights_light_the_road(self):
        lamp = [2.2, 0, 0.7, 1, 0, -0.01, 120, 120, 120, 14.0]
        night = scene(NIGHT)
        dark, mask = render(night, self.CAMERA)
        lit, _ = render(replace(night, lamps=np.array([lamp])), self.CAMERA)
        assert dark[mask == MASK_LABEL["sky"]].mean() < 60
        road = mask == MASK_LABEL["road"]
        assert lit[road].max() > dark[road].max() + 20

    def test_wet_ground_is_reflective(self):
        dry, mask = self.picture(FAIR)
        wet, _ = self.picture(Weather(wet=0.9))
        road = mask == MASK_LABEL["road"]
        assert np.abs(wet.astype(int) - dry)[road].mean() > 2

    def test_weather_is_reproducible(self):
        np.testing.assert_array_equal(self.picture(RAIN)[0], self.picture(RAIN)[0])


def test_only_fast_vehicles_raise_spray():
    cyclist, van, car = (1.8, 0.6, 1.7), (5.0, 2.0, 2.4), (4.0, 1.8, 1.15)
    boxes = Boxes(
        [[12.0, 0.0, 0.8]] * 4,
        [cyclist, van, car, car],
        [0.0] * 4,
        [3, 0, 0, 0],
        [1.0] * 4,
        velocities=[[7.0, 0.0], [4.0, 0.0], [9.0, 0.0], [0.0, -6.0]],
    )
    assert spraying(boxes).tolist() == [2, 3]
    view, camera = replace(scene(RAIN), boxes=boxes), RIG.reference_camera
    for rows, is_changed in (([0, 1], False), ([2], True)):
        radiance = np.zeros((*camera.size[::-1], 3), np.float32)
        depths = np.full(radiance.shape[:2], np.inf, np.float32)
        some = replace(view, boxes=boxes[np.array(rows)])
        add_spray(radiance, depths, some, camera.image_from_ego, np.ones(3))
        assert radiance.any() == is_changed


def test_some_cameras_have_drops_on_their_lens():
    changed = []
    for drive in range(20):
        radiance = np.tile(np.linspace(0, 1, 80, dtype=np.float32)[:, None, None], (1, 120, 3))
        before = radiance.copy()
        add_drops(radiance, 10.0, drive, 1)
        changed.append(not np.array_equal(before, radiance))
        assert np.isfinite(radiance).all() and radiance.min() >= 0
    assert 3 < sum(changed) < 17


@pytest.mark.usefixtures("kernels")
class TestLidar:
    """Scans of one street in all kinds of weather."""

    def test_fog_shortens_the_range(self):
        clear, foggy = (scan(scene(weather), RIG) for weather in (FAIR, FOG))
        far = [np.percentile(points.distances, 95) for points in (clear, foggy)]
        assert far[1] < 0.8 * far[0]

    def test_fog_returns_near_points_that_belong_to_no_object(self):
        hidden = scene(FOG, (12.0, "wall"))
        clear = scan(replace(hidden, weather=FAIR), RIG)
        foggy = scan(hidden, RIG)
        in_air = (foggy.positions[:, 2] > 0.4) & (foggy.distances < 9)
        assert in_air.sum() > ((clear.positions[:, 2] > 0.4) & (clear.distances < 9)).sum() + 10
        assert (foggy.objects[in_air] == NO_OBJECT).all()

    def test_haze_in_fair_weather_attenuates_the_lidar_as_fog_does(self):
        drives = range(100)
        lengths = [random_light(drive, "summer").fog_length for drive in drives]
        foggy, clear = int(np.argmin(lengths)), int(np.argmax(lengths))
        one = np.ones(1)
        hits = Hits(np.arange(1), 50 * one, np.zeros(1, int), one, 0 * one, -one, one)
        view = replace(street(), season="summer")
        share = transmission(replace(view, drive_seed=foggy), hits)
        as_weather = Weather("fog", fog_length=lengths[foggy])
        assert share < 0.6 and share == transmission(replace(view, weather=as_weather), hits)
        assert transmission(replace(view, drive_seed=clear), hits) == 1

    def test_wet_ground_returns_less(self):
        counts = []
        for weather in (FAIR, Weather(wet=0.9)):
            points = scan(scene(weather), RIG)
            counts.append(((points.positions[:, 2] < 0.2) & (points.distances > 12)).sum())
        assert counts[1] < counts[0]

    def test_wet_ground_reflects_beams_away_and_the_roof_of_a_car_does_not(self):
        level, ones = np.ones(2), np.ones(2)
        objects, labels = np.array([-1, 0]), np.array([ROAD, CAR], np.uint8)
        hits = Hits(np.arange(2), 20 * ones, np.zeros(2, int), ones, level, objects, labels)
        ground, roof = transmission(scene(Weather(wet=0.8)), hits)
        assert ground < 0.01 and roof == 1

    def test_fair_weather_changes_nothing(self):
        view = street((12.0, "wall"))
        np.testing.assert_array_equal(
            scan(view, RIG).positions, scan(replace(view, mist=0), RIG).positions
        )


def test_lamps_of_moving_vehicles_are_lit_in_rain(library: Library):
    fair, rainy = (
        World(2, 1, library, place="motorway", weather=kind).view(0) for kind in ("fair", "rain")
    )
    emission = [view.materials.camera[view.moving.materials, EMISSION] for view in (fair, rainy)]
    assert (emission[1] > emission[0]).any()

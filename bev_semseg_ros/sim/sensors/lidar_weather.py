"""Effects of fog, rain, spray and wet ground on the returns of a lidar."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.geometry import apply
from bev_semseg_ros.sim.assets.mesh import NO_OBJECT
from bev_semseg_ros.sim.classes import IGNORED_PIXEL
from bev_semseg_ros.sim.render.light import random_light
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.weather import spraying
from bev_semseg_ros.sim.sensors.ray_casting import Hits, in_order

# Metres over which the contrast falls to 1/e in the thinnest fog that affects a lidar. Haze, which
# is thinner, does not.
LIGHT_FOG = 300.0
# Distance in metres beyond which water in the air gives no return.
WATER_RANGE = 85.0
# Distance in metres from the origin of the ego frame beyond which vehicles raise no spray.
SPRAY_RANGE = 45.0


def transmission(view: View, hits: Hits) -> np.ndarray:
    """Return the fraction (H,) of the signal of each hit that returns to the sensor.

    Fog, even the light fog of some fair days, and rain attenuate a beam on its way to the surface
    and back. Water on level ground reflects the beam away from the sensor, almost entirely where
    the ground is very wet. Water runs off vehicles, so they are not affected.
    """
    share = np.ones(len(hits.distances))
    fog_length = random_light(view.drive_seed, view.season, view.weather).fog_length
    if view.weather.fog_length > 0 or fog_length < LIGHT_FOG:
        share = np.exp(-2 * hits.distances / fog_length)
    is_ground = (hits.uprightness > 0.9) & (hits.objects == NO_OBJECT)
    return share * np.where(is_ground, (1 - view.weather.wet) ** 3, 1.0)


def weathered(
    hits: Hits, view: View, origins: np.ndarray, directions: np.ndarray, rng: np.random.Generator
) -> Hits:
    """Add hits on water in the air, which replace hits behind them.

    Without rain and fog, nothing changes and no random number is drawn.

    Args:
        hits: First surface that stops each ray.
        view: State of the world.
        origins: (N, 3) origins of all rays in the world frame, metres.
        directions: (N, 3) unit vectors of all rays in the world frame.
        rng: Source of randomness.
    """
    weather = view.weather
    if view.mist is None or (weather.rain <= 0 and weather.kind != "fog"):
        return hits
    count = len(origins)
    behind = np.full(count, np.inf)
    behind[hits.rays] = hits.distances
    water = np.full(count, np.inf)
    if weather.kind == "fog":
        chance = min(3.0 / weather.fog_length, 0.2) * rng.uniform(0.4, 1.6)
        depth = rng.gamma(2.5, min(weather.fog_length, 60.0) / 16, count)
        water = np.where(rng.random(count) < chance, depth, np.inf)
    if weather.rain > 0:
        drops = rng.random(count) < 0.0012 * weather.rain**0.6
        water = np.minimum(water, np.where(drops, 1 + rng.exponential(6.0, count), np.inf))
        water = np.minimum(water, _spray(view, origins, directions, rng))
    water[water > WATER_RANGE] = np.inf
    is_water = water < behind - 0.3
    kept = ~is_water[hits.rays]
    rays = np.flatnonzero(is_water)
    new = Hits(
        rays=rays,
        distances=water[rays],
        materials=np.full(len(rays), view.mist),
        cosines=np.ones(len(rays)),
        uprightness=np.zeros(len(rays)),
        objects=np.full(len(rays), NO_OBJECT),
        labels=np.full(len(rays), IGNORED_PIXEL, np.uint8),
    )
    return in_order([hits[kept], new])


def _spray(
    view: View, origins: np.ndarray, directions: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the distance (N,) in metres of each ray to spray behind a vehicle, or infinity."""
    found = np.full(len(origins), np.inf)
    strength = min(view.weather.rain / 12, 1.0) * view.weather.wet
    boxes = view.boxes
    speeds = np.linalg.norm(boxes.velocities, axis=1)
    rows = spraying(boxes)
    for row in rows[np.linalg.norm(boxes.centers[rows, :2], axis=1) < SPRAY_RANGE]:
        way = boxes.velocities[row] / speeds[row]
        for behind in (0.4, 2.0, 4.5):
            radius = boxes.sizes[row, 1] * (0.3 + 0.07 * behind)
            middle = boxes.centers[row].copy()
            middle[:2] -= way * (boxes.sizes[row, 0] / 2 + behind)
            middle[2] += 0.7 * radius - boxes.sizes[row, 2] / 2
            offset = apply(view.world_from_ego, middle) - origins
            along = np.sum(offset * directions, axis=1)
            square = np.sum(offset * offset, axis=1) - along**2
            density = strength * min(speeds[row] / 15, 1.3) * (0.4 - 0.06 * behind)
            hit = (along > 1) & (square < radius**2) & (rng.random(len(along)) < density)
            place = along + rng.normal(0, 0.5 * radius, len(along))
            found = np.where(hit, np.minimum(found, place), found)
    return found

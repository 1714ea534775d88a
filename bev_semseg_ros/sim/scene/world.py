"""The simulated world: a street with everything on it, and a drive along it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.geometry import (
    invert,
    rotation_rpy,
    rotation_z,
    transform,
    transform_boxes,
)
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.mesh import Mesh
from bev_semseg_ros.sim.assets.primitives import Primitives
from bev_semseg_ros.sim.assets.randomization import RandomizedMaterials
from bev_semseg_ros.sim.assets.surfaces import SEASON_PROBABILITIES, SEASONS, Surfaces
from bev_semseg_ros.sim.scene.actors import Actor, MovingActors, boxes_of, leaning
from bev_semseg_ros.sim.scene.lamps import Lamps
from bev_semseg_ros.sim.scene.occupancy import Occupancy
from bev_semseg_ros.sim.scene.road.ground import build_ground
from bev_semseg_ros.sim.scene.road.markings import Markings
from bev_semseg_ros.sim.scene.road.places import draw_place
from bev_semseg_ros.sim.scene.road.street import Street
from bev_semseg_ros.sim.scene.roadside.boundaries import Boundaries, reserve_walls
from bev_semseg_ros.sim.scene.roadside.buildings import Buildings
from bev_semseg_ros.sim.scene.roadside.furniture import Furniture
from bev_semseg_ros.sim.scene.roadside.greenery import Greenery
from bev_semseg_ros.sim.scene.roadside.monuments import add_monuments
from bev_semseg_ros.sim.scene.site import Site
from bev_semseg_ros.sim.scene.traffic import Drive, Traffic
from bev_semseg_ros.sim.scene.traffic.drive import LONGEST, SPEEDS
from bev_semseg_ros.sim.scene.view import View
from bev_semseg_ros.sim.scene.weather import Weather

# Standard deviations of the attitude of the ego vehicle on its springs, in radians and metres.
PITCH_SIGMA = np.radians(0.5)
ROLL_SIGMA = np.radians(0.4)
HEIGHT_SIGMA = 0.05
# A moving ego vehicle sways by this fraction of the standard deviations, at this frequency in Hz.
SWAY_SHARE = 0.3
SWAY_FREQUENCY = 1.3


class World:
    """One drive along one random street.

    The same arguments give the same drive.

    Attributes:
        seed: Seed of the drive.
        frames: Number of frames.
        rate_hz: Frames per second.
        season: One of `surfaces.SEASONS`.
        weather: Weather and time of day.
        materials: Materials of everything in the scene.
        street: The street.
        drive: How the ego vehicle moves.
    """

    def __init__(
        self,
        seed: int,
        frames: int,
        library: Library,
        rate_hz: float = 10.0,
        place: str | None = None,
        weather: str | None = None,
    ) -> None:
        """Build the street and everything on it.

        Args:
            seed: Seed of the drive.
            frames: Number of frames.
            library: Shapes to draw from.
            rate_hz: Frames per second.
            place: Key of `places.PLACES`; None to draw one.
            weather: One of `weather.WEATHERS`; None to draw one.

        Raises:
            ValueError: If the place or weather is unknown, or if there are no frames or no rate.
        """
        if frames < 1 or rate_hz <= 0:
            raise ValueError(
                f"a drive needs at least one frame and a positive rate, "
                f"got {frames} frames at {rate_hz} Hz"
            )
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.frames = frames
        self.rate_hz = rate_hz
        place, kind = draw_place(rng, place)
        self.season = str(rng.choice(SEASONS, p=SEASON_PROBABILITIES))
        self.weather = Weather.draw(seed, weather)
        self.materials = RandomizedMaterials(rng)
        is_city = kind == "city"
        is_paved = place in ("square", "narrow")
        surfaces = Surfaces.draw(
            rng, self.materials, self.season, self.weather.wet, is_city, is_paved
        )
        duration = (frames - 1) / rate_hz
        near = 50 + min(SPEEDS[1] * duration, LONGEST)
        self.street = Street.draw(rng, kind, surfaces, near, place)
        road_end = float(self.street.alignment.stations[-1])
        self.drive = Drive.draw(rng, self.street.ego_lane, duration, road_end)
        if place == "narrow":
            self.drive = replace(self.drive, yaw=float(np.clip(self.drive.yaw, -0.03, 0.03)))
        times = np.arange(frames) / rate_hz
        primitives = Primitives()
        site = Site(
            rng,
            self.street,
            self.season,
            self.materials,
            surfaces,
            library,
            Occupancy(len(times)),
            primitives,
        )
        actors = self._furnish(site, times)
        self._attitude = rng.normal(0, [ROLL_SIGMA, PITCH_SIGMA, HEIGHT_SIGMA])
        self._sway_phases = rng.uniform(0, 2 * np.pi, 3)
        # Weather effects are added last, so that a street is the same in any weather.
        self._mist: int | None = None
        if self.weather.rain > 0 or self.weather.kind == "fog":
            self._mist = self.materials.add("mist", (0.8, 0.8, 0.8))
        self._lamps = Lamps(site, self.weather, seed)
        self._actors = self._lamps.switch_on(actors)
        for index, actor in enumerate(self._actors):
            if not actor.is_moving:
                position, yaw = actor.pose(self.street, 0.0)
                grade = actor.grade(self.street, 0.0)
                mesh = actor.mesh(index, position, yaw)
                primitives.append(leaning(mesh, position, yaw, grade))
        self._static: Mesh = primitives.build()
        self._moving = MovingActors(self._actors)

    def view(self, index: int, delay: float = 0.0) -> View:
        """Return the state of the world at a frame of the drive, or `delay` seconds later.

        Raises:
            IndexError: If the drive has no such frame.
        """
        if not 0 <= index < self.frames:
            raise IndexError(f"no frame {index} in a drive of {self.frames} frames")
        time = index / self.rate_hz + delay
        world_from_ego = self.world_from_ego(time)
        true_boxes = boxes_of(self._actors, self.street, time)
        # Velocities over ground are horizontal, so they are rotated only by the yaw of the ego
        # frame, not by its roll and pitch.
        yaw = float(np.arctan2(world_from_ego[1, 0], world_from_ego[0, 0]))
        velocities = true_boxes.velocities @ rotation_z(yaw)[:2, :2]
        boxes = transform_boxes(invert(world_from_ego), true_boxes)
        return View(
            static=self._static,
            moving=self._moving.at(self.street, time),
            materials=self.materials,
            world_from_ego=world_from_ego,
            boxes=replace(boxes, velocities=velocities),
            seed=self.seed * 100_003 + index,
            drive_seed=self.seed,
            season=self.season,
            weather=self.weather,
            lamps=self._lamps.at(self._actors, time, world_from_ego),
            mist=self._mist,
        )

    def _furnish(self, site: Site, times: np.ndarray) -> list[Actor]:
        """Build the ground and everything on it.

        Objects with a planned position come first. The others use the ground that is still free.

        Args:
            site: The street under construction.
            times: (K,) moments in seconds at which objects must not overlap.

        Returns:
            The annotated objects, with their lamps off.
        """
        rng, street, sides = site.rng, site.street, site.street.sides
        build_ground(street, rng, site.out.builder, site.surfaces)
        reserve_walls(site)
        Markings(site).draw(self.drive.t)
        traffic = Traffic(site, self.drive, times)
        traffic.add_moving_vehicles()
        styles = [_style(rng, street.kind, street.place) for _ in sides]
        greenery = Greenery(site)
        for side in sides:
            traffic.add_parked_vehicles(side)
        for part in (Buildings(site), Furniture(site), greenery, Boundaries(site, greenery)):
            for side, style in zip(sides, styles, strict=True):
                part.populate(side, style)
        if street.place == "square":
            for side in sides:
                add_monuments(site, side)
        greenery.add_horizon(self.drive.distance)
        traffic.add_the_rest()
        return traffic.actors

    def world_from_ego(self, time: float) -> np.ndarray:
        """Return the pose (4, 4) of the ego frame at a time in seconds; it sways on its springs."""
        s = self.drive.speed * time
        sigmas = np.array([ROLL_SIGMA, PITCH_SIGMA, HEIGHT_SIGMA])
        sway: np.ndarray | float = 0.0
        if self.drive.speed:
            sway = SWAY_SHARE * np.sin(2 * np.pi * SWAY_FREQUENCY * time + self._sway_phases)
        roll, pitch, height = self._attitude + sway * sigmas
        yaw = float(self.street.alignment.heading(s)) + self.drive.yaw
        position = self.street.point(s, self.drive.t, height)
        slope = np.arctan(self.street.alignment.slope(s))
        # The slope is along the road; the ego vehicle may have a yaw relative to it.
        roll -= slope * np.sin(self.drive.yaw)
        pitch -= slope * np.cos(self.drive.yaw)
        return transform(rotation_rpy(roll, pitch, yaw), position)


def _style(rng: np.random.Generator, kind: str, place: str) -> str:
    """Draw what stands behind the pavement on one side of a street.

    Returns:
        "city" for a continuous row of buildings, "houses" for houses with gardens, or "scattered"
        for trees, fields and a few buildings.
    """
    if place == "narrow":
        return "houses" if rng.random() < 0.3 else "city"
    if place == "square":
        return "city" if rng.random() < 0.9 else "scattered"
    if place == "hills" and kind == "residential":
        return "houses" if rng.random() < 0.8 else "scattered"
    if kind == "avenue":
        return "city" if rng.random() < 0.4 else "scattered"
    if kind in ("city", "residential"):
        if rng.random() < 0.15:
            return "scattered"
        return "city" if kind == "city" else "houses"
    if kind == "lot":
        return str(rng.choice(["city", "houses", "scattered"]))
    return "scattered"

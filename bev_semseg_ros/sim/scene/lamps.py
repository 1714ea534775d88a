"""Lamps that light a scene at night: street lamps and headlights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bev_semseg_ros.geometry import apply
from bev_semseg_ros.sim.assets import people_materials
from bev_semseg_ros.sim.assets.vehicles import parts
from bev_semseg_ros.sim.classes import BOX_LABEL, POLE
from bev_semseg_ros.sim.render.lamp_light import HEADLIGHT

if TYPE_CHECKING:
    from bev_semseg_ros.sim.scene.actors import Actor
    from bev_semseg_ros.sim.scene.road.street import Street
    from bev_semseg_ros.sim.scene.site import Site
    from bev_semseg_ros.sim.scene.weather import Weather

# Columns of a lamp: position (3) and direction (3) in the world frame, intensity (3, linear RGB,
# irradiance at 1 m), and narrowness of the beam: the exponent of the cosine of the angle to the
# direction. Beams narrower than HEADLIGHT are dipped.
LAMP_COLUMNS = 10
# Narrowness of the beam of a headlight.
BEAM = HEADLIGHT + 9.0
NO_LAMPS = np.zeros((0, LAMP_COLUMNS))
# Largest number of lamps that light a frame, and their largest distance in metres.
MAX_LAMPS = 18
REACH = 95.0
# Positions of the ego vehicle's headlights in the ego frame, metres.
OWN_HEADLIGHTS = np.array([[2.2, 0.68, 0.68], [2.2, -0.68, 0.68]])
_VEHICLES = (BOX_LABEL["car"], BOX_LABEL["truck"])
HEADLIGHT_COLORS = ((1.0, 0.86, 0.66), (0.92, 0.97, 1.05))
STREET_COLORS = ((1.0, 0.62, 0.28), (1.0, 0.85, 0.65), (0.9, 0.97, 1.05))


class Lamps:
    """The lamps of one drive."""

    def __init__(self, site: Site, weather: Weather, seed: int) -> None:
        """Draw the brightness and the colour of the lamps, and switch on the street lamps.

        Args:
            site: The furnished street. At night, glowing heads are added to its street lamps.
            weather: Weather of the drive.
            seed: Seed of the drive.
        """
        rng = np.random.default_rng([seed, 22])
        self._street = site.street
        self._is_night = weather.is_night
        self._are_on = weather.is_night or weather.kind in ("rain", "fog")
        self._headlight = rng.uniform(30, 120) * np.array(HEADLIGHT_COLORS[rng.integers(2)])
        color = np.array(STREET_COLORS[rng.integers(3)])
        self._static = NO_LAMPS
        if not self._are_on:
            return
        table = site.table
        # Weak by day, glaring at night.
        glow = 2.6 if weather.is_night else 1.6
        self._front = table.add("retro", (0.9, 0.9, 0.9), noise_contrast=0.0, emission=glow)
        self._rear = table.add(
            "retro", (0.6, 0.02, 0.02), noise_contrast=0.0, emission=glow * rng.uniform(0.15, 0.5)
        )
        if not weather.is_night:
            return
        for facade, _ in site.surfaces.facades:
            table.change(facade, emission=rng.uniform(0.02, 0.14))
        if rng.random() < 0.12:  # a street whose lamps are off
            return
        head = table.add("plastic", color * 0.9, noise_contrast=0.0, emission=2.5)
        for place in site.lamps:
            site.out.box(place - [0, 0, 0.13], (0.3, 0.3, 0.08), 0.0, POLE, head)
        brightness = rng.uniform(6, 26)
        self._static = np.array(
            [[*place, 0, 0, -1, *(brightness * color), 1.0] for place in site.lamps]
        ).reshape(-1, LAMP_COLUMNS)

    def switch_on(self, actors: list[Actor]) -> list[Actor]:
        """Return the actors, with the lamps of those in traffic switched on."""
        if not self._are_on:
            return actors
        return [self._lit(actor) if actor.is_in_traffic else actor for actor in actors]

    def at(self, actors: list[Actor], time: float, world_from_ego: np.ndarray) -> np.ndarray:
        """Return the lamps that light a frame.

        Args:
            actors: All actors.
            time: Seconds since the start of the drive.
            world_from_ego: (4, 4) pose of the ego frame.

        Returns:
            (L, LAMP_COLUMNS), L at most MAX_LAMPS; empty by day.
        """
        if not self._is_night:
            return NO_LAMPS
        forward = world_from_ego[:3, 0]
        # The cut-off of dipped beams is about 1 % below the horizon.
        dipped = forward - np.array([0, 0, 0.012])
        own = [
            [*place, *dipped, *self._headlight, BEAM]
            for place in apply(world_from_ego, OWN_HEADLIGHTS)
        ]
        others = []
        for actor in actors:
            if actor.is_in_traffic and actor.shape.label in _VEHICLES:
                others.append(self._headlights(actor, self._street, time))
        lamps = np.concatenate([self._static, np.array(others).reshape(-1, LAMP_COLUMNS)])
        distance = np.linalg.norm(lamps[:, :3] - world_from_ego[:3, 3], axis=1)
        order = np.argsort(distance, kind="stable")[: MAX_LAMPS - len(own)]
        order = order[distance[order] < REACH]
        return np.concatenate([np.array(own), lamps[order]])

    def _lit(self, actor: Actor) -> Actor:
        """Return an actor with its lamps on."""
        materials = np.array(actor.materials)
        if actor.shape.label == BOX_LABEL["cyclist"]:
            materials[people_materials.LAMP] = self._front
            materials[people_materials.REAR_LAMP] = self._rear
        else:
            materials[parts.LAMP] = self._front
            materials[parts.REAR_LAMP] = self._rear
        return replace(actor, materials=materials)

    def _headlights(self, actor: Actor, street: Street, time: float) -> list[float]:
        """Return the headlights of a vehicle as one lamp at the centre of its front."""
        position, yaw = actor.pose(street, time)
        forward = np.array([np.cos(yaw), np.sin(yaw), -0.012])
        place = position + forward * (actor.shape.size[0] / 2 + 0.1) + np.array([0, 0, 0.7])
        return [*place, *forward, *(1.6 * self._headlight), BEAM]

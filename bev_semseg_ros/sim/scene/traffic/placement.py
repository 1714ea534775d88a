"""Places actors on a street so that they do not collide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bev_semseg_ros.sim.assets.people_materials import people_materials
from bev_semseg_ros.sim.assets.shape import Shape
from bev_semseg_ros.sim.assets.vehicles.parts import paint_materials
from bev_semseg_ros.sim.scene.actors import Actor
from bev_semseg_ros.sim.scene.occupancy import Occupancy
from bev_semseg_ros.sim.scene.site import Site
from bev_semseg_ros.sim.scene.traffic.drive import EGO_CLEAR_AHEAD, EGO_LENGTH, EGO_WIDTH, Drive
from bev_semseg_ros.sim.scene.traffic.roles import draw_kind

# Bounds of the number of sets of clothes in one scene.
CLOTHES = (4, 14)
# Bounds of the scale factors of people on foot and of riders.
PERSON_SCALES = (0.92, 1.08)
RIDER_SCALES = (0.95, 1.08)
# Width in metres of the square probe that is moved towards walls, and length of its last steps.
PROBE_WIDTH = 0.5
PROBE_STEP = 0.1
# Metres from the back of a seated person to the centre of the seat.
SEAT_DEPTH = 0.25


def course(pace: float, turn: float) -> tuple[float, float]:
    """Return the rates of change of station and offset of an actor that moves forward, in m/s.

    Args:
        pace: Speed in m/s.
        turn: Heading relative to the direction of the road in radians.
    """
    return float(pace * np.cos(turn)), float(pace * np.sin(turn))


class Placement:
    """Places actors on one street.

    No actor collides with another one, or with anything else, during the whole drive. Actors for
    which there is no room are left out.

    Attributes:
        site: The street and what is shared by everything built on it.
        drive: How the ego vehicle moves.
        actors: All actors placed so far.
    """

    def __init__(self, site: Site, drive: Drive, times: np.ndarray, people: float) -> None:
        """Draw the colours of vehicles and clothes.

        Args:
            site: The street and what is shared by everything built on it.
            drive: How the ego vehicle moves.
            times: (K,) moments in seconds at which objects must not overlap.
            people: Expected number of people, for whom clothes are drawn.
        """
        rng, table = site.rng, site.table
        self.site = site
        self.drive = drive
        self.actors: list[Actor] = []
        self._rng = rng
        self._times = times
        # Ground of the actors only. Seated people are checked against this, because the seat itself
        # occupies their ground.
        self._actor_ground = Occupancy(len(times))
        self._paints = [paint_materials(rng, table) for _ in range(rng.integers(5, 9))]
        count = int(np.clip(people, *CLOTHES))
        self._clothes = [people_materials(rng, table) for _ in range(count)]

    def reserve_ego_path(self) -> None:
        """Reserve the path of the ego vehicle, with some room ahead."""
        alignment, drive = self.site.street.alignment, self.drive
        s = drive.speed * self._times
        middle = alignment.points(s, drive.t)[:, :2]
        yaw = alignment.heading(s) + drive.yaw
        forward = np.stack([np.cos(yaw), np.sin(yaw)], -1)
        middle = middle + EGO_CLEAR_AHEAD / 2 * forward
        poses = np.column_stack([middle, yaw])
        for occupancy in (self.site.occupancy, self._actor_ground):
            occupancy.take(poses, EGO_LENGTH + EGO_CLEAR_AHEAD, EGO_WIDTH + 0.6)

    def add_vehicle(
        self,
        shape: Shape,
        s: float,
        t: float,
        turn: float,
        speed: float = 0.0,
        margin: float = 0.15,
        is_in_traffic: bool = False,
    ) -> bool:
        """Add a vehicle of a random colour; arguments and result as in `Actor` and `add`."""
        paint = self.draw_paint()
        actor = Actor(shape, paint, s, t, turn, speed, 1.0, is_in_traffic=is_in_traffic)
        return self.add(actor, margin)

    def add_person(
        self, role: str, s: float, t: float, turn: float, pace: float = 0.0, margin: float = 0.05
    ) -> bool:
        """Add a person on foot, who moves in the direction of the heading.

        Args:
            role: One of `roles.ROLES`.
            s: Station at time 0 in metres.
            t: Offset at time 0 in metres.
            turn: Heading relative to the direction of the road in radians.
            pace: Speed in m/s.
            margin: Distance in metres to keep from everything else.

        Returns:
            Whether there was room.
        """
        return self.add(self._draw_person(role, s, t, turn, pace), margin)

    def add_seated(self, s: float, t: float, turn: float) -> bool:
        """Add a person on an existing seat; arguments and result as in `add_person`.

        Only other actors can be in the way, because the seat itself occupies the ground.
        """
        actor = self._draw_person("seated", s, t, turn)
        length, width, _ = actor.shape.size
        # The legs reach forward of the seat.
        ahead = 0.5 * length * actor.scale - SEAT_DEPTH
        actor = replace(actor, s=s + ahead * np.cos(turn), t=t + ahead * np.sin(turn))
        pose = self.site.pose(actor.s, actor.t, turn)
        if not self._actor_ground.is_free(pose, length * actor.scale, width * actor.scale, 0.05):
            return False
        self._take(actor, pose)
        return True

    def add_rider(
        self,
        role: str,
        s: float,
        t: float,
        turn: float,
        speed: float,
        drift: float = 0.0,
        margin: float = 0.1,
    ) -> bool:
        """Add a two-wheeler with its rider.

        Args:
            role: One of `roles.ROLES`.
            s: Station at time 0 in metres.
            t: Offset at time 0 in metres.
            turn: Heading relative to the direction of the road in radians.
            speed: Rate of change of the station in m/s.
            drift: Rate of change of the offset in m/s.
            margin: Distance in metres to keep from everything else.

        Returns:
            Whether there was room.
        """
        actor = self._draw_actor(role, s, t, turn, (speed, drift), RIDER_SCALES)
        return self.add(replace(actor, is_in_traffic=True), margin)

    def add(self, actor: Actor, margin: float) -> bool:
        """Add an actor if it stays on the built ground, `margin` metres away from everything else.

        Returns:
            Whether there was room.
        """
        alignment = self.site.street.alignment
        length, width = actor.footprint
        end = actor.s + actor.speed * self._times[-1]
        low, high = alignment.stations[[0, -1]]
        if min(actor.s, end) <= low + length or max(actor.s, end) >= high - length:
            return False
        for t in (actor.t, actor.t + actor.drift * self._times[-1]):
            side = self.site.street.side(t)
            if abs(t) > min(alignment.offset_limit(side.sign), side.strips[-1].end):
                return False
        poses = self._poses(actor)
        if not self.site.occupancy.is_free(poses, length, width, margin):
            return False
        self._take(actor, poses)
        return True

    def farthest(self, s: float, t: float, direction: int, reach: float) -> float | None:
        """Return the last free offset before an obstacle, in one direction from a starting point.

        Args:
            s: Station in metres.
            t: Offset to start from in metres.
            direction: 1 to search to the left, -1 to the right.
            reach: Metres after which the search ends.

        Returns:
            The last free offset in metres; None if the start is not free, or if nothing is in the
            way.
        """

        def is_free(step: float) -> bool:
            """Return whether the probe is free `step` metres from the start."""
            pose = self.site.pose(s, t + direction * step)
            return self.site.occupancy.is_free(pose, PROBE_WIDTH, PROBE_WIDTH, 0.0)

        step = 0.0
        while is_free(step):
            step += PROBE_WIDTH
            if step > reach:
                return None
        if step == 0.0:
            return None
        step -= PROBE_WIDTH
        while is_free(step + PROBE_STEP):
            step += PROBE_STEP
        return t + direction * step

    def draw_paint(self) -> np.ndarray:
        """Draw the materials of a vehicle."""
        return self._paints[self._rng.integers(len(self._paints))]

    def draw_clothes(self) -> np.ndarray:
        """Draw the materials of a person."""
        return self._clothes[self._rng.integers(len(self._clothes))]

    def _draw_person(self, role: str, s: float, t: float, turn: float, pace: float = 0.0) -> Actor:
        """Draw a person on foot; arguments as in `add_person`."""
        return self._draw_actor(role, s, t, turn, course(pace, turn), PERSON_SCALES)

    def _draw_actor(
        self,
        role: str,
        s: float,
        t: float,
        turn: float,
        velocity: tuple[float, float],
        scales: tuple[float, float],
    ) -> Actor:
        """Draw a person in random clothes, with or without a two-wheeler.

        Args:
            role: One of `roles.ROLES`.
            s: Station at time 0 in metres.
            t: Offset at time 0 in metres.
            turn: Heading relative to the direction of the road in radians.
            velocity: Rates of change of the station and the offset in m/s.
            scales: Bounds of the scale factor.
        """
        shape = self.site.library.draw_person(draw_kind(role, self._rng), self._rng)
        speed, drift = velocity
        scale = self._rng.uniform(*scales)
        return Actor(shape, self.draw_clothes(), s, t, turn, speed, scale, drift)

    def _take(self, actor: Actor, poses: np.ndarray) -> None:
        """Add an actor and occupy its ground."""
        length, width = actor.footprint
        self.site.occupancy.take(poses, length, width)
        self._actor_ground.take(poses, length, width)
        self.actors.append(actor)

    def _poses(self, actor: Actor) -> np.ndarray:
        """Return world x, y, yaw: (K, 3) at the moments of the drive, or (3,) if it stands."""
        if not actor.is_moving:
            return self.site.pose(actor.s, actor.t, actor.turn)
        alignment = self.site.street.alignment
        s, t = actor.s + actor.speed * self._times, actor.t + actor.drift * self._times
        positions = alignment.points(s, t)[:, :2]
        return np.column_stack([positions, alignment.heading(s) + actor.turn])

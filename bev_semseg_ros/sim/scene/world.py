"""A street, what stands on it and a drive along it: the simulator's truth, seen frame by frame by every sensor."""

from __future__ import annotations

import numpy as np

from bev_semseg_ros.geometry import invert, rotation_rpy, transform, transform_boxes
from bev_semseg_ros.sim.assets.library import Library
from bev_semseg_ros.sim.assets.mesh import Mesh
from bev_semseg_ros.sim.assets.primitives import Primitives
from bev_semseg_ros.sim.assets.randomization import RandomizedMaterials
from bev_semseg_ros.sim.assets.surfaces import SEASON_SHARES, SEASONS, Surfaces
from bev_semseg_ros.sim.scene.actors import Movers, boxes_of
from bev_semseg_ros.sim.scene.occupancy import Occupancy
from bev_semseg_ros.sim.scene.road.markings import Markings
from bev_semseg_ros.sim.scene.road.street import KIND_SHARES, KINDS, Street
from bev_semseg_ros.sim.scene.roadside.boundaries import Boundaries
from bev_semseg_ros.sim.scene.roadside.buildings import Buildings
from bev_semseg_ros.sim.scene.roadside.furniture import Furniture
from bev_semseg_ros.sim.scene.roadside.greenery import Greenery
from bev_semseg_ros.sim.scene.site import Site
from bev_semseg_ros.sim.scene.traffic import Drive, Traffic
from bev_semseg_ros.sim.scene.view import View

# Of a vehicle on its springs: rad, rad, m.
PITCH_SIGMA, ROLL_SIGMA, HEIGHT_SIGMA = np.radians(0.5), np.radians(0.4), 0.05
MAX_MOMENTS = 24  # at which objects are held apart


class World:
    """One drive of `frames` frames at `rate_hz`; the same for the same seed, frames, library and rate.

    kind: one of street.KINDS, drawn if None. Raises ValueError for an unknown kind, no frames or no rate.
    """

    def __init__(
        self,
        seed: int,
        frames: int,
        library: Library,
        rate_hz: float = 10.0,
        kind: str | None = None,
    ) -> None:
        if frames < 1 or rate_hz <= 0:
            raise ValueError(
                f"a drive needs at least one frame and a positive rate, "
                f"got {frames} frames at {rate_hz} Hz"
            )
        if kind is not None and kind not in KINDS:
            raise ValueError(f"unknown kind of street {kind!r}, expected one of {', '.join(KINDS)}")
        rng = np.random.default_rng(seed)
        self.seed, self.frames, self.rate_hz = seed, frames, rate_hz
        self.kind = str(rng.choice(KINDS, p=KIND_SHARES)) if kind is None else kind
        self.season = str(rng.choice(SEASONS, p=SEASON_SHARES))
        self.wet = float(rng.uniform(0.3, 0.9)) if rng.random() < 0.14 else 0.0
        self.materials = RandomizedMaterials(rng)
        surfaces = Surfaces.draw(rng, self.materials, self.season, self.wet, self.kind == "city")
        duration = (frames - 1) / rate_hz
        self.street = Street.draw(rng, self.kind, surfaces, 50 + 15 * duration)
        self.drive = Drive.draw(rng, self.street.ego_lane, duration)
        times = np.linspace(0, duration, min(frames, MAX_MOMENTS))
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
        self.street.build_ground(rng, primitives.builder, surfaces)
        Markings(site).draw(self.drive.t)
        traffic = Traffic(site, self.drive, times)
        traffic.claim_ego()
        traffic.drive()
        styles = [_style(rng, self.kind) for _ in self.street.sides]
        greenery = Greenery(site)
        # What has its place by plan comes first; the rest takes the room that is left.
        for side in self.street.sides:
            traffic.park(side)
        for part in (Buildings(site), Furniture(site), greenery, Boundaries(site, greenery)):
            for side, style in zip(self.street.sides, styles, strict=True):
                part.line(side, style)
        greenery.horizon()
        for side in self.street.sides:
            traffic.walk(side)
        traffic.cross()
        traffic.cycle()
        traffic.strew()
        self._actors = traffic.actors
        for index, actor in enumerate(self._actors):
            if not actor.is_moving:
                primitives.append(actor.mesh(index, *actor.pose(self.street, 0.0)))
        self._static: Mesh = primitives.build()
        self._movers = Movers(self._actors)
        self._attitude = rng.normal(0, [ROLL_SIGMA, PITCH_SIGMA, HEIGHT_SIGMA])
        self._bounce = rng.uniform(0, 2 * np.pi, 3)

    def view(self, index: int) -> View:
        """Frame `index` of the drive. Raises IndexError beyond its end."""
        if not 0 <= index < self.frames:
            raise IndexError(f"frame {index} of a drive of {self.frames}")
        time = index / self.rate_hz
        world_from_ego = self._world_from_ego(time)
        return View(
            static=self._static,
            moving=self._movers.at(self.street, time),
            materials=self.materials,
            world_from_ego=world_from_ego,
            boxes=transform_boxes(
                invert(world_from_ego), boxes_of(self._actors, self.street, time)
            ),
            timestamp_ns=round(time * 1e9),
            seed=self.seed * 100_003 + index,
            drive_seed=self.seed,
            season=self.season,
            wet=self.wet,
        )

    def _world_from_ego(self, time: float) -> np.ndarray:
        """(4, 4) the vehicle on the road, leaning on its springs and swaying a little at about 1.3 Hz."""
        s = self.drive.speed * time
        sway = 0.3 * np.sin(2 * np.pi * 1.3 * time + self._bounce) if self.drive.speed else 0.0
        roll, pitch, height = self._attitude + sway * np.array(
            [ROLL_SIGMA, PITCH_SIGMA, HEIGHT_SIGMA]
        )
        yaw = self.street.alignment.heading(s) + self.drive.yaw
        position = self.street.point(s, self.drive.t, height)
        return transform(
            rotation_rpy(roll, pitch - np.arctan(self.street.alignment.slope(s)), yaw), position
        )


def _style(rng: np.random.Generator, kind: str) -> str:
    """What stands behind the pavement: "city" a closed front, "houses" with gardens, "scattered" trees and fields."""
    if kind == "avenue":
        return "city" if rng.random() < 0.4 else "scattered"
    if kind in ("city", "residential"):
        return "scattered" if rng.random() < 0.15 else "city" if kind == "city" else "houses"
    return str(rng.choice(["city", "houses", "scattered"])) if kind == "lot" else "scattered"

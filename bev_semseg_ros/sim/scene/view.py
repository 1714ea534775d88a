"""State of the simulated world at one moment: the input of every simulated sensor."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import Mesh
from bev_semseg_ros.sim.scene.lamps import NO_LAMPS
from bev_semseg_ros.sim.scene.weather import FAIR, Weather


@dataclass(frozen=True, eq=False)
class View:
    """The state of the world at one frame of a drive.

    Meshes are in the world frame: z up, metres.

    Attributes:
        static: Mesh of everything that does not move. It is the same object for a whole drive, so
            sensors may cache what they derive from it.
        moving: Mesh of everything that moves, at its current pose.
        materials: Materials of both meshes.
        world_from_ego: (4, 4) pose of the ego frame, with roll and pitch.
        boxes: True boxes of all objects in the ego frame, with ids and velocities. Box k belongs to
            the triangles with object index k.
        seed: Seed of the frame, for noise.
        drive_seed: Seed of the drive, for light, camera settings and bias.
        season: One of `surfaces.SEASONS`.
        weather: Weather, wetness of the ground and time of day.
        lamps: (L, LAMP_COLUMNS) lamps that light the scene; empty by day.
        mist: Row index in `materials` for water in the air; None without rain or fog.
    """

    static: Mesh
    moving: Mesh
    materials: MaterialTable
    world_from_ego: np.ndarray
    boxes: Boxes
    seed: int
    drive_seed: int
    season: str
    weather: Weather = FAIR
    lamps: np.ndarray = field(default_factory=lambda: NO_LAMPS)
    mist: int | None = None

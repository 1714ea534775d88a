"""What stands round the vehicle at one moment: the input of every simulated sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bev_semseg_ros.frame import Boxes
from bev_semseg_ros.sim.assets.materials import MaterialTable
from bev_semseg_ros.sim.assets.mesh import Mesh


@dataclass(frozen=True, eq=False)
class View:
    """static: the soup that stays for the whole drive (one and the same object, so that a sensor may keep what it built
    of it); moving: the rest, where it is now; both in the world frame (z up, metres). world_from_ego (4, 4): the
    vehicle's ego frame, attitude included. boxes: the true boxes of all objects in the ego frame; row k is the
    object whose triangles carry `objects == k`. seed: of this frame, for noise; drive_seed: of the drive, for what
    stays (light, camera, per-ring bias). wet: 0..1.
    """

    static: Mesh
    moving: Mesh
    materials: MaterialTable
    world_from_ego: np.ndarray
    boxes: Boxes
    timestamp_ns: int
    seed: int
    drive_seed: int
    season: str
    wet: float

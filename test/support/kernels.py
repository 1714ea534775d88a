"""Compile the kernels of the simulator, which takes half a minute on one core."""

from __future__ import annotations

import fcntl
from pathlib import Path

from support.rigs import coarse
from support.simple_scene import street

from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.sensors.camera import render
from bev_semseg_ros.sim.sensors.lidar import scan


def compile_kernels(lock: Path) -> None:
    """Compile the kernels that are not yet in Numba's cache, one process at a time.

    Otherwise, processes that start simulating at the same time would all compile the same kernels.

    Args:
        lock: File that all processes of a test run share; created if it does not exist.
    """
    rig = coarse(RIGS["kitti"].resized((64, 32)), 16)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        render(street(), rig.reference_camera)
        scan(street(), rig)

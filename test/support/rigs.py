"""Simulated rigs that are quick enough for the fast tests."""

from __future__ import annotations

from dataclasses import replace

from bev_semseg_ros.sim.sensors.rig import Rig
from bev_semseg_ros.sim.sensors.rigs import RIGS

# More cameras see more rays, each of which takes its time.
_MANY_CAMERAS = 3


def coarse(rig: Rig, factor: int) -> Rig:
    """Return a rig whose lidars shoot `factor` times less often."""
    lidars = [replace(lidar, azimuth_step=factor * lidar.azimuth_step) for lidar in rig.lidars]
    return replace(rig, lidars=tuple(lidars))


# The rigs by their names, those with many cameras with coarser lidars.
QUICK_RIGS = {
    name: coarse(rig, 4) if len(rig.cameras) >= _MANY_CAMERAS else rig for name, rig in RIGS.items()
}

"""Simulated rigs that are quick enough for the fast tests."""

from __future__ import annotations

from dataclasses import replace

from support.paths import ROOT

from bev_semseg_ros.geometry import rotation_rpy, transform
from bev_semseg_ros.sim.rigs.named import RIGS
from bev_semseg_ros.sim.rigs.rig import Rig
from bev_semseg_ros.sim.rigs.rig_file import load_rig

# With more cameras, more rays must be simulated.
_MANY_CAMERAS = 3


def coarse(rig: Rig, factor: int) -> Rig:
    """Return a rig whose lidars have a `factor` times larger azimuth step."""
    lidars = [replace(lidar, azimuth_step=factor * lidar.azimuth_step) for lidar in rig.lidars]
    return replace(rig, lidars=tuple(lidars))


# Name -> rig; rigs with many cameras have coarser lidars.
QUICK_RIGS = {
    name: coarse(rig, 4) if len(rig.cameras) >= _MANY_CAMERAS else rig for name, rig in RIGS.items()
}


def tilted_vehicle() -> Rig:
    """Return the rig of the example calibration, with all sensors tilted."""
    rig = coarse(load_rig(ROOT / "config" / "calibration_rig_example.yaml"), 4)
    tilt = transform(rotation_rpy(0.03, -0.05, 0.12))
    lidars = [replace(each, ego_from_lidar=each.ego_from_lidar @ tilt) for each in rig.lidars]
    cameras = {}
    for name, camera in rig.cameras.items():
        cameras[name] = replace(camera, camera_from_ego=tilt @ camera.camera_from_ego)
    return replace(rig, lidars=tuple(lidars), cameras=cameras)

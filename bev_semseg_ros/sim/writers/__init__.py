"""Simulated frames on disk, in the layouts of A2D2 and KITTI, for the readers of the real data."""

from __future__ import annotations

from bev_semseg_ros.sim.writers.a2d2 import A2D2Writer
from bev_semseg_ros.sim.writers.base import Writer
from bev_semseg_ros.sim.writers.kitti import KittiWriter

# `Rig.layout` -> writer of that layout.
WRITERS: dict[str, type[Writer]] = {"a2d2": A2D2Writer, "kitti": KittiWriter}

"""The rigs that can be simulated."""

from __future__ import annotations

from bev_semseg_ros.sim.rigs.a2d2 import A2D2_3_RIG, A2D2_6_RIG, A2D2_RIG
from bev_semseg_ros.sim.rigs.kitti import KITTI_2_LIDARS_RIG, KITTI_2_RIG, KITTI_RIG

# Name -> rig.
RIGS = {
    rig.name: rig
    for rig in (A2D2_RIG, A2D2_3_RIG, A2D2_6_RIG, KITTI_RIG, KITTI_2_RIG, KITTI_2_LIDARS_RIG)
}

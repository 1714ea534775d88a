"""The poses of the sensors: from a calibration file, from parameters or from TF.

The ego frame has the axes of `base_frame`, and its origin is on the ground below the reference
lidar. A calibration file defines its own ego frame. `a_from_b` is a (4, 4) matrix that takes points
of frame b to frame a.
"""

from bev_semseg_ros.ros.input.extrinsics.fixed import FixedExtrinsics
from bev_semseg_ros.ros.input.extrinsics.poses import Poses, ego_below, pose_matrix
from bev_semseg_ros.ros.input.extrinsics.source import Extrinsics, open_extrinsics
from bev_semseg_ros.ros.input.extrinsics.tf import TfExtrinsics

__all__ = [
    "Extrinsics",
    "FixedExtrinsics",
    "Poses",
    "TfExtrinsics",
    "ego_below",
    "open_extrinsics",
    "pose_matrix",
]

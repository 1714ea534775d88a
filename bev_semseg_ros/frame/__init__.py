"""Data types of the package: the input and the output of a predictor, and ground truth.

Arrays are NumPy arrays. Conventions follow REP 103: x forward, y left, z up, metres, radians.
The *ego frame* is level with the vehicle. Its origin is on the ground below the reference lidar (in
A2D2, below the front centre camera). A *camera frame* is optical: x right, y down, z forward. A 4x4
transform `a_from_b` takes points of frame b to frame a.
Pixel (0, 0) is the centre of the first pixel. Images are RGB. Time is in integer nanoseconds.
"""

from bev_semseg_ros.frame.annotation import Annotation
from bev_semseg_ros.frame.bev_map import BevMap
from bev_semseg_ros.frame.boxes import Boxes, relabel_boxes
from bev_semseg_ros.frame.camera import (
    DISTORTION_LENGTHS,
    DISTORTION_MODELS,
    MAX_ASPECT,
    MAX_SIDE,
    Camera,
    same_view,
    scale_matrix,
)
from bev_semseg_ros.frame.frame import (
    CAMERA,
    LIDAR,
    POINT_ATTRIBUTES,
    CameraImage,
    Frame,
    LidarScan,
    have_intensity,
    only,
)
from bev_semseg_ros.frame.motion import EgoMotion
from bev_semseg_ros.frame.point_classes import PointClasses
from bev_semseg_ros.frame.prediction import MODES, Mode, Prediction
from bev_semseg_ros.frame.rays import Rays, units_without_pose

__all__ = [
    "CAMERA",
    "DISTORTION_LENGTHS",
    "DISTORTION_MODELS",
    "LIDAR",
    "MAX_ASPECT",
    "MAX_SIDE",
    "MODES",
    "POINT_ATTRIBUTES",
    "Annotation",
    "BevMap",
    "Boxes",
    "Camera",
    "CameraImage",
    "EgoMotion",
    "Frame",
    "LidarScan",
    "Mode",
    "PointClasses",
    "Prediction",
    "Rays",
    "have_intensity",
    "only",
    "relabel_boxes",
    "same_view",
    "scale_matrix",
    "units_without_pose",
]

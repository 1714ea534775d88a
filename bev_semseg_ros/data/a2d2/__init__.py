"""A2D2 as published: the labelled subsets and the sequences (Geyer et al., arXiv 2004.06320).

Points and 3D boxes lie in the *view* frame of the camera (x forward, y left, z up). Images and
labels are distorted as recorded. `row` and `col` of a point belong to the rectified image.

`bev-semseg synth` adds one key to the boxes in `label3D`, which is optional: `velocity`, three
numbers in metres per second over ground along the axes of the view frame. Where a box has it, its
`id` is the same object's number in all frames of the scene. The `id` of published boxes counts the
boxes of one frame and is not read.

It adds two things more. `semantic` in the lidar files has the class of each point, one of those of
the masks, 255 to be ignored. `bev` and `bev_observed` beside `label` hold labels of the bird's-eye
view, with the reference camera and on the grid of `bev_grid.json` in the folder of the subset; see
`bev_semseg_ros.data.bev_files`.
"""

from bev_semseg_ros.data.a2d2.boxes import axis_angle_rotation, read_boxes
from bev_semseg_ros.data.a2d2.cloud import read_points
from bev_semseg_ros.data.a2d2.dataset import A2D2Dataset
from bev_semseg_ros.data.a2d2.palette import MASK_LABELS_FILE, Palette

__all__ = [
    "MASK_LABELS_FILE",
    "A2D2Dataset",
    "Palette",
    "axis_angle_rotation",
    "read_boxes",
    "read_points",
]

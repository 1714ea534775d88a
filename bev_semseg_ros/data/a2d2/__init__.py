"""A2D2 as published: the labelled subsets and the sequences (Geyer et al., arXiv 2004.06320).

Points and 3D boxes are in the *view* frame of the camera (x forward, y left, z up). Images and
masks are distorted as recorded. `row` and `col` of a point refer to the rectified image.

`bev-semseg synth` adds these optional data:

- `velocity` of a box in `label3D`: three numbers, the velocity over ground along the axes of the
  view frame in m/s. The `id` of a box with this key identifies its object in all frames of the
  scene. The `id` of published boxes only counts the boxes of one frame and is not read.
- `semantic` in the lidar files: the class of each point, with the classes of the masks; 255 means
  ignored.
- `bev` and `bev_observed`, two folders beside `label`: labels of the bird's-eye view for the frames
  of the reference camera. The grid is that of `bev_grid.json` in the folder of the subset (see
  `bev_semseg_ros.data.bev_files`).
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

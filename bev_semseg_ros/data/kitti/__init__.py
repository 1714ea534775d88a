"""KITTI as published: object detection, tracking, and raw drives with tracklets.

Tracking is training/{image_02, velodyne}/<drive> with training/{label_02, calib}/<drive>.txt.
Object detection is training/{image_2, label_2, calib, velodyne} (Geiger et al., CVPR 2012).
Raw drives are synchronised and rectified (Geiger et al., IJRR 2013).

`bev-semseg synth` writes some things beyond the layout of object detection, all of them optional:

- `semantic/<frame>.png` holds 8-bit classes, 255 to be ignored: of the set "driving_13", or of the
  one in `semantic/labels.yaml`.
- `motion/<frame>.csv` has the columns box, id, vx, vy. `box` is the number of the line in
  `label_2/<frame>.txt`, from 1. `id` is the same object's number in all frames of a scene. `vx` and
  `vy` are its velocity over ground in metres per second along x and y of the ego frame, NaN where
  it is unknown. Boxes without a row have neither.
- `frames.csv` has the columns frame, scene, time_ns.
- `semantic_3/<frame>.png` is to `image_3` what `semantic` is to `image_2`.
- `labels/<frame>.label` has the classes of the points, as SemanticKITTI has them: a uint32 for each
  point, in the order of the cloud, whose lower 16 bits are the class, 255 to be ignored. The
  classes are those of the masks; `labels/labels.yaml` lists them. SemanticKITTI's own files have
  other classes and are refused. `labels_NAME` is to `velodyne_NAME` what `labels` is to `velodyne`.
- `bev/<frame>.png` and `bev_observed/<frame>.png` are labels of the bird's-eye view, on the grid
  of `bev_grid.json`, see `bev_semseg_ros.data.bev_files`.
- `velodyne_NAME/<frame>.bin` has the points of a further lidar in its own frame, and the row
  `Tr_NAME_to_velo` of the calibration takes them to the frame of the velodyne.
"""

from bev_semseg_ros.data.kitti.dataset import KittiDataset
from bev_semseg_ros.data.kitti.raw import KittiRawDataset
from bev_semseg_ros.data.kitti.tracking import KittiTrackingDataset

__all__ = ["KittiDataset", "KittiRawDataset", "KittiTrackingDataset"]

"""KITTI as published: object detection, tracking, and raw drives with tracklets.

Tracking has training/{image_02, velodyne}/<drive> and training/{label_02, calib}/<drive>.txt.
Object detection has training/{image_2, label_2, calib, velodyne} (Geiger et al., CVPR 2012).
Raw drives must be synchronised and rectified (Geiger et al., IJRR 2013).

`bev-semseg synth` adds optional files to the layout of object detection:

- `semantic/<frame>.png` holds 8-bit classes of the label set "driving_13", or of the set in
  `semantic/labels.yaml`; 255 means ignored.
- `motion/<frame>.csv` has the columns box, id, vx, vy. `box` is the line number, from 1, in
  `label_2/<frame>.txt`. `id` identifies the object in all frames of a scene. `vx` and `vy` are its
  velocity over ground along x and y of the ego frame in m/s, NaN if unknown. Boxes without a row
  have neither id nor velocity.
- `frames.csv` has the columns frame, scene, time_ns.
- `semantic_3/<frame>.png` is the mask for `image_3`, as `semantic` is for `image_2`.
- `labels/<frame>.label` has the classes of the points in the format of SemanticKITTI: a uint32 for
  each point, in the order of the cloud. Its lower 16 bits are the class; 255 means ignored. The
  classes are those of the masks; `labels/labels.yaml` lists them. SemanticKITTI's own files have
  other classes and are refused. `labels_NAME` belongs to `velodyne_NAME` as `labels` to `velodyne`.
- `bev/<frame>.png` and `bev_observed/<frame>.png` are labels of the bird's-eye view, on the grid
  of `bev_grid.json` (see `bev_semseg_ros.data.bev_files`).
- The row `Tr_sensor_to_velo` of the calibration holds the pose of the lidar in the frame of the
  points in `velodyne`, if the lidar is not mounted like KITTI's. `bev-semseg extract` writes it.
- `velodyne_NAME/<frame>.bin` has the points of a further lidar in its own frame. The row
  `Tr_NAME_to_velo` of the calibration transforms them to the frame of the Velodyne.
"""

from bev_semseg_ros.data.kitti.dataset import KittiDataset
from bev_semseg_ros.data.kitti.raw import KittiRawDataset
from bev_semseg_ros.data.kitti.tracking import KittiTrackingDataset

__all__ = ["KittiDataset", "KittiRawDataset", "KittiTrackingDataset"]

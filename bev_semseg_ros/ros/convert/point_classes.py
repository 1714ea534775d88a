"""Classes of points as sensor_msgs/PointCloud2."""

from __future__ import annotations

from typing import Any

import numpy as np

from bev_semseg_ros.frame import PointClasses
from bev_semseg_ros.ros.convert.point_cloud import encode_packed, pack_colors

_FIELDS = np.dtype(
    {
        "names": ["x", "y", "z", "rgb", "score", "label"],
        "formats": ["<f4", "<f4", "<f4", "<f4", "<f4", "u1"],
        "itemsize": 24,  # a multiple of 4, so that floats stay aligned
    }
)


def encode_point_classes(
    points: np.ndarray, classes: PointClasses, colors: np.ndarray, header: Any
) -> Any:
    """Convert classified points to sensor_msgs/PointCloud2.

    Args:
        points: (N, >= 3) x, y, z in the frame of the cloud.
        classes: Classes and scores of the N points.
        colors: (N, 3) uint8 RGB, the colours of the points' classes.
        header: The std_msgs/Header of the cloud.

    Returns:
        The sensor_msgs/PointCloud2 with the fields x, y, z, rgb, score and label, one row.
    """
    packed = np.zeros(len(points), _FIELDS)
    for column, name in enumerate("xyz"):
        packed[name] = points[:, column]
    packed["label"], packed["score"] = classes.labels, classes.scores
    packed["rgb"] = pack_colors(colors)
    return encode_packed(packed, header, bool(np.isfinite(points[:, :3]).all()))

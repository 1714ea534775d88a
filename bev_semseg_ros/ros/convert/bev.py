"""Maps of the bird's-eye view -> nav_msgs/OccupancyGrid and a coloured sensor_msgs/PointCloud2.

Both lie in the ground plane of the ego frame (z = 0), which is level with the vehicle, whatever the
orientation of the frame in which they are published.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from nav_msgs.msg import OccupancyGrid
from sensor_msgs.msg import PointCloud2

from bev_semseg_ros.bev_lifting import DRIVABLE, members
from bev_semseg_ros.frame import BevMap
from bev_semseg_ros.geometry import apply, quaternion_from_rotation
from bev_semseg_ros.labels import MASK_IGNORED
from bev_semseg_ros.ros.convert.message import fill
from bev_semseg_ros.ros.convert.point_cloud import encode_packed, pack_colors

FREE, OCCUPIED, UNKNOWN = 0, 100, -1  # of an OccupancyGrid
_FIELDS = np.dtype(
    {
        "names": ["x", "y", "z", "rgb", "label"],
        "formats": ["<f4", "<f4", "<f4", "<f4", "u1"],
        "itemsize": 20,  # a multiple of 4, so that floats stay aligned
    }
)


def encode_drivable_area(found: BevMap, frame_from_ego: np.ndarray, header: Any) -> OccupancyGrid:
    """Convert a map to the drivable area: road and lane markings.

    Args:
        found: In the ego frame.
        frame_from_ego: (4, 4) transform.
        header: The std_msgs/Header of the other frame.

    Returns:
        The OccupancyGrid: FREE for drivable cells, OCCUPIED for other known cells, UNKNOWN for the
        rest. Its `info.origin` is the pose of the map's near right corner in the frame of the
        header.
    """
    drivable = members(found.labels, DRIVABLE)
    cells = np.where(drivable[found.classes], np.int8(FREE), np.int8(OCCUPIED))
    # A label set without such a class says nothing about the drivable area.
    cells[(found.classes == MASK_IGNORED) | (not drivable.any())] = UNKNOWN
    message = OccupancyGrid(header=header)
    info = message.info
    info.map_load_time = header.stamp
    info.resolution = float(np.float32(found.cell))  # as subscribers receive it
    info.width, info.height = (int(count) for count in found.classes.shape)  # along x, along y
    corner = apply(frame_from_ego, np.array([found.x_min, found.y_min, 0.0]))
    position, rotation = info.origin.position, info.origin.orientation
    position.x, position.y, position.z = corner.tolist()
    rotation.x, rotation.y, rotation.z, rotation.w = quaternion_from_rotation(
        frame_from_ego[:3, :3]
    ).tolist()
    fill(message, cells.T)  # x varies fastest
    return message


def encode_bev_cloud(found: BevMap, frame_from_ego: np.ndarray, header: Any) -> PointCloud2:
    """Convert a map to points on the ground, one at the centre of each known cell.

    Args:
        found: In the ego frame.
        frame_from_ego: (4, 4) transform.
        header: The std_msgs/Header of the other frame.

    Returns:
        The PointCloud2 with x, y, z, `rgb` (colour of the class) and `label` (class number).
    """
    known = found.classes != MASK_IGNORED
    centers = np.pad(found.centers()[known], ((0, 0), (0, 1)))
    classes = found.classes[known]
    packed = np.zeros(len(classes), _FIELDS)
    packed["x"], packed["y"], packed["z"] = apply(frame_from_ego, centers).T
    packed["rgb"] = pack_colors(found.labels.colors[classes])
    packed["label"] = classes
    return encode_packed(packed, header, is_dense=True)
